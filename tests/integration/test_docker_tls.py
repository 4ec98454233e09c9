"""An engine behind TLS: who is not trusted is told which file to look at."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from aiohttp import web

from agents import errors
from agents.contract import Deps
from agents.docker import PROVIDER, DockerConfig
from agents.docker.agent import SCOPES
from schemas.resources import SourceRef
from tests.support.docker_engine import unavailable
from tests.support.fake_docker import FakeDocker


def openssl(*words, cwd):
    subprocess.run(["openssl", *words], cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """An authority, a server and a client it signed, and a stranger that signed itself."""
    if shutil.which("openssl") is None:
        unavailable("no openssl on PATH")
    at = tmp_path_factory.mktemp("pki")
    new = ("req", "-newkey", "rsa:2048", "-nodes", "-x509", "-days", "2")
    for name in ("ca", "stranger"):
        openssl(*new, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", cwd=at)
    for name in ("server", "client"):
        request = ("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(*request, "-subj", f"/CN={name}", cwd=at)
        (at / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
        sign = ("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        openssl(*sign, "-days", "2", "-extfile", "ext", "-out", f"{name}.pem", cwd=at)
    return at


@pytest.fixture
async def url(pki):
    """A fake engine that wants a client certificate, as ``dockerd --tlsverify`` does."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki / "ca.pem")
    context.load_cert_chain(pki / "server.pem", pki / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    fake = FakeDocker("")
    runner = web.ServerRunner(web.Server(fake.answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    yield f"tcp://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def strict(pki):
    """A server that says why it refuses a client, as the real engine does; asyncio's own closes without a word."""
    words = ("-accept", "127.0.0.1:0", "-cert", "server.pem", "-key", "server.key", "-CAfile", "ca.pem", "-www")
    server = await asyncio.create_subprocess_exec(
        *("openssl", "s_server", *words, "-Verify", "1", "-verify_return_error"),
        cwd=pki,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(10):
        while not (line := await server.stdout.readline()).startswith(b"ACCEPT"):
            assert line, "openssl s_server ended"
    yield f"tcp://{line.split()[1].decode()}"
    server.kill()
    await server.communicate()


@contextlib.asynccontextmanager
async def agent_at(url, **tls):
    config = DockerConfig.model_validate({"name": "nas", "url": url, "tls": tls})
    async with PROVIDER.connect(config, Deps(source=SourceRef(provider="docker", name="nas"))) as agent:
        yield agent


async def collect(url, **tls):
    async with asyncio.timeout(10), agent_at(url, **tls) as agent:
        return await agent.collect(SCOPES[4])


async def test_a_trusted_client_reads_a_trusted_engine(url, pki):
    found = await collect(url, ca=pki / "ca.pem", cert=pki / "client.pem", key=pki / "client.key")

    assert [one.name for one in found] == ["lab"]


async def test_an_engine_that_is_not_trusted_may_be_accepted_all_the_same(url, pki):
    assert await collect(url, verify=False, cert=pki / "client.pem", key=pki / "client.key")


async def test_an_engine_signed_by_another_is_not_trusted(url, pki):
    with pytest.raises(errors.Unauthorized, match=r"not trusted: check tls\.ca"):
        await collect(url, ca=pki / "stranger.pem", cert=pki / "client.pem", key=pki / "client.key")


async def test_a_client_without_a_certificate_is_refused(strict, pki):
    with pytest.raises(errors.Unauthorized, match=r"check tls\.cert and tls\.key"):
        await collect(strict, ca=pki / "ca.pem")


async def test_a_client_signed_by_another_is_refused(strict, pki):
    with pytest.raises(errors.Unauthorized, match=r"check tls\.cert and tls\.key"):
        await collect(strict, ca=pki / "ca.pem", cert=pki / "stranger.pem", key=pki / "stranger.key")


async def test_a_file_that_is_not_there_is_named_and_may_come_later(url, pki, tmp_path):
    ca = Path(tmp_path, "ca.pem")
    async with agent_at(url, ca=ca, cert=pki / "client.pem", key=pki / "client.key") as agent:
        with pytest.raises(errors.Unauthorized, match=str(ca)):
            await agent.collect(SCOPES[4])
        shutil.copy(pki / "ca.pem", ca)
        assert await agent.collect(SCOPES[4])


async def test_a_plain_port_asked_for_tls_says_so(pki):
    server = await asyncio.start_server(_plain, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(errors.Unreachable, match="encrypted port"):
            await collect(f"tcp://127.0.0.1:{port}", ca=pki / "ca.pem")


async def _plain(reader, writer):
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_a_renewed_certificate_is_read_after_a_refusal(url, pki, tmp_path):
    ca = tmp_path / "ca.pem"
    shutil.copy(pki / "stranger.pem", ca)
    async with agent_at(url, ca=ca, cert=pki / "client.pem", key=pki / "client.key") as agent:
        with pytest.raises(errors.Unauthorized):
            await agent.collect(SCOPES[4])
        shutil.copy(pki / "ca.pem", ca)
        assert await agent.collect(SCOPES[4])
