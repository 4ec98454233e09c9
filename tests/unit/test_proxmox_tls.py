"""Whom a cluster's certificate convinces, and what a person is told where it does not."""

import asyncio
import subprocess
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from agents import errors
from agents.proxmox.client import Api
from agents.proxmox.config import ProxmoxConfig
from tests.support.proxmox import certificates
from tests.support.scripted_node import answering, data, http, scripted

OTHER = ":".join(["AA"] * 32)
_CA_SETTINGS = """
[ca]
default_ca = one
[one]
new_certs_dir = .
database = index
serial = serial
default_md = sha256
policy = any
[any]
commonName = supplied
"""


def openssl(*words, cwd):
    subprocess.run(["openssl", *words], cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Certificates that signed themselves: name -> what ``scripted`` takes."""
    at = tmp_path_factory.mktemp("pki")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        *("req", "-x509", *key, "-keyout", "other.key", "-out", "other.pem", "-subj", "/CN=pve9"),
        *("-addext", "subjectAltName=DNS:pve9"),
        cwd=at,
    )
    (at / "settings").write_text(_CA_SETTINGS)
    (at / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name, begin, end in (
        ("expired", "200101000000Z", "210101000000Z"),
        ("early", "490101000000Z", "491231000000Z"),
    ):
        (at / "index").write_text("")
        (at / "serial").write_text("01")
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=pve1", cwd=at)
        openssl(
            *("ca", "-batch", "-notext", "-config", "settings", "-selfsign", "-keyfile", f"{name}.key"),
            *("-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", "names", "-startdate", begin, "-enddate", end),
            cwd=at,
        )
    return {
        name: certificates.Certificates(at / f"{name}.pem", at / f"{name}.pem", at / f"{name}.key")
        for name in ("other", "expired", "early")
    }


@asynccontextmanager
async def api_at(clock, url, **trust):
    config = ProxmoxConfig.model_validate(
        {
            "name": "lab",
            "url": url,
            "token_id": "monitor@pve!homelab",
            "token_secret": "env:X",
            "timeout": "5s",
            **trust,
        }
    )
    api = Api(config, lambda: SecretStr("secret"), clock)
    try:
        yield api
    finally:
        await api.close()


async def asked(clock, node, **trust):
    async with api_at(clock, node.url, **trust) as api:
        return await api.raw("version")


async def refused(clock, node, **trust):
    with pytest.raises(errors.Unauthorized) as caught:
        await asked(clock, node, **trust)
    assert node.asked == []
    return str(caught.value)


@pytest.fixture(autouse=True)
def bundles(monkeypatch):
    """What the environment says about bundles does not count."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.make().ca))
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nowhere.pem")


async def test_the_cluster_s_authority_is_enough(clock):
    async with scripted() as node:
        assert await asked(clock, node, ca=certificates.shared().ca) == []


async def test_the_certificate_itself_may_stand_in_the_file(clock):
    async with scripted() as node:
        assert await asked(clock, node, ca=certificates.shared().certificate) == []


async def test_a_pinned_certificate_is_enough_whoever_signed_it_and_for_whatever_name(clock, made):
    pinned = made["other"].fingerprint
    async with scripted(made=made["other"]) as node:
        assert await asked(clock, node, fingerprint=pinned.lower().replace(":", "")) == []


async def test_each_node_has_its_own_pinned_certificate(clock, made):
    first, second = certificates.shared(), made["other"]
    quorumless = answering(http("500 no quorum", b"", "Connection: close"))
    async with scripted(quorumless, first) as one, scripted(made=second) as two:
        both = [first.fingerprint, second.fingerprint]
        async with api_at(clock, [one.url, two.url], fingerprint=both) as api:
            assert await api.raw("version") == []
        async with api_at(clock, [one.url, two.url], fingerprint=both[::-1]) as api:
            with pytest.raises(errors.Unauthorized):
                await api.raw("version")


async def test_any_certificate_will_do_where_none_is_verified(clock, made):
    async with scripted(made=made["expired"]) as node:
        assert await asked(clock, node, verify=False) == []


async def test_a_stranger_s_certificate_is_refused_with_its_fingerprint_and_what_to_write(clock, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.shared().ca))
    async with scripted() as node:
        told = await refused(clock, node)

    assert f"`fingerprint: {certificates.shared().fingerprint}`" in told
    assert "`ca:`" in told
    assert node.url in told


async def test_an_authority_that_did_not_sign_is_named(clock):
    ca = certificates.make().ca
    async with scripted() as node:
        told = await refused(clock, node, ca=ca)

    assert f"not signed by who is in {ca}" in told
    assert certificates.shared().fingerprint in told


async def test_another_certificate_than_the_pinned_one_is_refused(clock):
    async with scripted() as node:
        told = await refused(clock, node, fingerprint=OTHER)

    assert "another certificate than is pinned" in told
    assert f"`fingerprint: {certificates.shared().fingerprint}`" in told


@pytest.mark.parametrize(
    ("name", "words"),
    [("expired", "has expired (SHA-256"), ("early", "is not valid yet"), ("other", "another name than 127.0.0.1")],
)
async def test_what_is_wrong_with_a_certificate_is_said_in_plain_words(clock, made, name, words):
    async with scripted(made=made[name]) as node:
        told = await refused(clock, node, ca=made[name].ca)

    assert words in told
    assert made[name].fingerprint in told


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_file_that_cannot_be_used_is_named_and_may_come_later(clock, tmp_path, content):
    ca = tmp_path / "ca.pem"
    if content:
        ca.write_text(content)
    async with scripted() as node, api_at(clock, node.url, ca=ca) as api:
        with pytest.raises(errors.Unauthorized, match=str(ca)):
            await api.raw("version")
        ca.write_text(certificates.shared().ca.read_text())
        assert await api.raw("version") == []


async def test_a_renewed_authority_is_read_after_a_refusal(clock, tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text(certificates.make().ca.read_text())
    async with scripted() as node, api_at(clock, node.url, ca=ca) as api:
        with pytest.raises(errors.Unauthorized):
            await api.raw("version")
        ca.write_text(certificates.shared().ca.read_text())
        assert await api.raw("version") == []


async def test_a_certificate_is_not_passed_over_for_the_next_node(clock, made):
    async with (
        scripted(made=made["expired"]) as bad,
        scripted() as good,
        api_at(clock, [bad.url, good.url], ca=certificates.shared().ca) as api,
    ):
        with pytest.raises(errors.Unauthorized):
            await api.raw("version")

    assert good.asked == []


@asynccontextmanager
async def plain(answer):
    """A port that does not encrypt; no ``answer``: it resets."""

    async def serve(reader, writer):
        await reader.read(1000)
        if answer:
            writer.write(answer)
            await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
async def test_a_port_that_does_not_encrypt_is_unreachable_and_passed_over(clock, answer):
    async with plain(answer) as url, scripted(answering(data("ok"))) as node:
        async with api_at(clock, url, verify=False) as api:
            with pytest.raises(errors.Unreachable, match="no answer from"):
                await api.raw("version")
        async with api_at(clock, [url, node.url], verify=False) as api:
            assert await api.raw("version") == "ok"
