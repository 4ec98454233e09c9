"""A server of our own: private, started again when it dies, gone when we are."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from daemon.runtime import bus
from daemon.runtime.server import EmbeddedServer, PortTaken, ServerFailed
from schemas.resources import SourceRef
from tests.support.nats_server import nats_server
from tests.support.waiting import until

LOCAL = SourceRef(provider="docker", name="local")


async def reachable(server):
    async with bus.connect(server.url, name="test", login=server.logins["viewer"], patient=False) as client:
        return client.is_connected


async def test_it_is_there_when_it_says_so_and_gone_when_it_ended(tmp_path):
    async with EmbeddedServer(tmp_path, port=0) as server:
        assert await reachable(server)
        pid = server.pid

    assert not psutil.pid_exists(pid)


async def test_passwords_are_random_and_only_ours_to_read(tmp_path):
    async with EmbeddedServer(tmp_path, port=0, sources=[LOCAL]) as server:
        passwords = [login.password for login in (*server.logins.values(), *server.agents.values())]

        assert len(set(passwords)) == 6
        assert min(map(len, passwords)) > 30
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "nats").iterdir()}
        assert modes["users.conf"] == modes["logins.json"] == 0o600
        assert stat.S_IMODE((tmp_path / "nats").stat().st_mode) == 0o700


async def test_passwords_and_messages_survive_a_restart(tmp_path):
    async with EmbeddedServer(tmp_path, port=0, sources=[LOCAL]) as first:
        await keep_a_message(first)
    async with EmbeddedServer(tmp_path, port=0) as second:
        assert second.logins == first.logins
        async with bus.connect(second.url, name="test", login=second.logins["daemon"]) as client:
            assert (await client.jetstream().get_last_msg("JOBS", "homelab.job.1")).data == b"kept"
    async with EmbeddedServer(tmp_path, port=0, sources=[LOCAL]) as third:
        assert third.agents == first.agents


async def keep_a_message(server):
    async with bus.connect(server.url, name="test", login=server.logins["daemon"]) as client:
        await bus.ensure(client)
        await bus.Publisher(client).publish("homelab.job.1", b"kept", msg_id="1")


async def test_a_taken_port_is_named_with_the_way_out(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(PortTaken, match=rf"{port}.*--nats-port"):
            async with EmbeddedServer(tmp_path, port=port):
                pass


async def test_a_server_that_cannot_start_says_why(tmp_path):
    (tmp_path / "nats").mkdir()
    (tmp_path / "nats" / "jetstream").write_text("in the way")

    with pytest.raises(ServerFailed, match="not a directory"):
        async with EmbeddedServer(tmp_path, port=0):
            pass


async def test_a_server_that_dies_is_started_again_on_the_same_port(tmp_path):
    with capture_logs() as logs:
        async with EmbeddedServer(tmp_path, port=0) as server, asyncio.timeout(20), asyncio.TaskGroup() as group:
            keeper = group.create_task(server.run())
            url = server.url
            for times in (1, 2):
                pid = server.pid
                os.kill(pid, signal.SIGKILL)
                await until(partial(answers_again, server, pid))
                await until(lambda times=times: said(logs).count("nats_server_restarted") == times)  # it knows, too
            assert server.url == url
            keeper.cancel()

    assert said(logs) == ["nats_server_died", "nats_server_restarted"] * 2


def said(logs):
    return [entry["event"] for entry in logs if entry["event"].startswith("nats_server")]


async def answers_again(server, dead):
    try:
        return server.pid != dead and await reachable(server)
    except (bus.BusUnavailable, ServerFailed):
        return False


async def test_a_server_that_does_not_stop_when_asked_is_killed(tmp_path):
    server = EmbeddedServer(tmp_path, port=0, patience=0.2)
    async with server:
        pid = server.pid
        os.kill(pid, signal.SIGSTOP)

    assert not psutil.pid_exists(pid)


OWNER = """
import asyncio, pathlib, sys
from daemon.runtime.server import EmbeddedServer

async def main():
    async with EmbeddedServer(pathlib.Path(sys.argv[1]), port=0) as server:
        print(server.pid, flush=True)
        await server.run()

asyncio.run(main())
"""


def test_it_does_not_outlive_us_even_when_we_are_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, tmp_path], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as owner:
        server = psutil.Process(int(owner.stdout.readline()))
        assert server.is_running()
        owner.kill()
        owner.wait()
        psutil.wait_procs([server], timeout=2)

    survived = server.is_running() and server.status() != psutil.STATUS_ZOMBIE
    if survived:
        server.kill()
    assert not survived


async def test_the_tests_server_comes_back_where_it_was(tmp_path):
    async with nats_server(tmp_path) as server:
        url = server.url
        await server.kill()
        await server.restart()

        assert server.url == url
        assert await reachable(server)
