"""Connecting: who waits, who gives up, what is said."""

import asyncio
import json
import signal
import socket

import nats.errors
import pytest
from structlog.testing import capture_logs

from daemon.runtime import bus
from schemas.running import Login
from tests.support.nats_server import nats_server
from tests.support.waiting import until


@pytest.fixture
async def server(tmp_path):
    async with nats_server(tmp_path) as server:
        yield server


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


async def test_a_persons_command_gives_up_within_two_seconds_and_says_what_to_do():
    url = f"nats://viewer:hunter2@127.0.0.1:{free_port()}"
    loop = asyncio.get_running_loop()
    began = loop.time()

    with pytest.raises(bus.BusUnavailable, match="homelab up") as caught:
        async with bus.connect(url, name="test", patient=False):
            pass

    assert loop.time() - began < 2.5
    assert "hunter2" not in str(caught.value)


async def test_a_persons_command_gives_up_on_a_server_that_says_nothing():
    accepted = []

    async def silent(_reader, writer):
        accepted.append(writer)

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(5):
            with pytest.raises(bus.BusUnavailable):
                async with bus.connect(f"nats://127.0.0.1:{port}", name="test", patient=False):
                    pass
    finally:
        listener.close()
        for writer in accepted:
            writer.close()


async def test_a_service_waits_for_its_server(tmp_path):
    port = free_port()
    connected = asyncio.Event()

    async with asyncio.timeout(20), nats_server(tmp_path / "first") as known:
        (tmp_path / "second").mkdir()
        logins = (tmp_path / "first" / "nats" / "logins.json").read_bytes()
        (tmp_path / "second" / "nats").mkdir()
        (tmp_path / "second" / "nats" / "logins.json").write_bytes(logins)

        async def service():
            async with bus.connect(f"nats://127.0.0.1:{port}", name="test", login=known.logins["daemon"]):
                connected.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(service())
            await asyncio.sleep(0)
            assert not connected.is_set()
            async with nats_server(tmp_path / "second", port=port):
                await connected.wait()


async def test_an_outage_is_said_once_when_it_begins_and_once_when_it_ends(server):
    with capture_logs() as logs:
        async with bus.connect(server.url, name="test", login=server.logins["daemon"]) as client:
            await server.kill()
            await until(lambda: sum("Connect call failed" in str(entry.get("error")) for entry in logs) > 1)
            await server.restart()
            await until(lambda: client.is_connected and client.up.is_set())
            assert client.stats["reconnects"] == 1

    assert [entry["event"] for entry in logs if entry["log_level"] != "debug"] == ["bus_lost", "bus_recovered"]


async def test_a_refused_subject_is_logged_once(server):
    with capture_logs() as logs:
        async with bus.connect(server.url, name="test", login=server.logins["viewer"]) as client:
            for _ in range(3):
                await client.publish("homelab.cmd.Docker.local")
            await client.subscribe("homelab.cmd.>")
            await until(lambda: any(entry.get("verb") == "subscription" for entry in logs))

    refused = [(entry["verb"], entry["subject"]) for entry in logs if entry["event"] == "bus_refused"]
    assert refused == [("publish", "homelab.cmd.docker.local"), ("subscription", "homelab.cmd.>")]


async def test_closing_does_not_wait_for_a_server_that_stands_still(server):
    loop = asyncio.get_running_loop()
    async with bus.connect(server.url, name="test", login=server.logins["daemon"]) as client:
        server.signal(signal.SIGSTOP)
        filling = loop.create_task(fill(client))
        await asyncio.wait([filling], timeout=0.3)
        began = loop.time()

    assert loop.time() - began < 4
    server.signal(signal.SIGCONT)
    filling.cancel()
    with pytest.raises(nats.errors.ConnectionClosedError):
        await filling


async def fill(client):
    while True:
        await client.publish("homelab.job.1", b"x" * 1_000_000)


async def test_closing_while_the_server_is_away_does_not_wait(server):
    loop = asyncio.get_running_loop()
    async with bus.connect(server.url, name="test", login=server.logins["daemon"]) as client:
        await server.kill()
        await until(lambda: not client.is_connected)
        began = loop.time()

    assert loop.time() - began < 2
    with pytest.raises(bus.BusClosed):
        await client.until_closed()


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_a_credentials_file_may_hold_user_and_password(server, tmp_path, form):
    login = server.logins["viewer"]
    text = json.dumps(login.model_dump()) if form == "json" else f"user: {login.user}\npassword: {login.password}\n"
    (tmp_path / "creds").write_text(text)

    async with bus.connect(server.url, name="test", creds=tmp_path / "creds", patient=False) as client:
        assert client.is_connected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("password: hunter2", "neither"),
        ("[", "neither"),
        ("-----BEGIN NATS USER JWT-----", "nkeys"),
        (None, "No such file"),
    ],
)
def test_a_credentials_file_that_cannot_be_used_says_why_and_nothing_of_its_content(tmp_path, text, said):
    if text is not None:
        (tmp_path / "creds").write_text(text)

    with pytest.raises(bus.BadCreds, match=said) as caught:
        bus.login_from_creds(tmp_path / "creds")

    assert "hunter2" not in str(caught.value)


def test_a_login_of_a_file_is_what_stands_there(tmp_path):
    (tmp_path / "creds").write_text('{"user": "u", "password": "p"}')

    assert bus.login_from_creds(tmp_path / "creds") == Login(user="u", password="p")


async def test_after_a_flush_the_server_has_all_that_was_asked_before(server):
    said = bytearray()

    async def relay(reader, writer):
        there = await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        async with asyncio.TaskGroup() as group:
            group.create_task(pumped(reader, there[1], said))
            group.create_task(pumped(there[0], writer))

    listener = await asyncio.start_server(relay, "127.0.0.1", 0)
    url = f"nats://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with bus.connect(url, name="test", login=server.logins["viewer"]) as client:
        said.clear()
        await client.subscribe("homelab.inv.>")
        await client.flush()
        assert [line.split()[0] for line in said.splitlines()] == [b"SUB", b"PING"]
    listener.close()


async def pumped(reader, writer, record=None):
    while data := await reader.read(65536):
        if record is not None:
            record += data
        writer.write(data)
    writer.close()
