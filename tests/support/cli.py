"""The real command line in its own process, against a real nats-server and a daemon that answers from memory."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.runtime import bus, state
from schemas.running import HttpRun, NatsRun, Run, SqlRun
from tests.conftest import FakeClock
from tests.support import forking
from tests.support.answers import FakeAnswers, served
from tests.support.nats_server import Server, nats_server

PATIENCE = 20
_CLEAN = ("HOMELAB_CONFIG", "HOMELAB_STATE", "HOMELAB_NATS", "HOMELAB_CREDS", "STATE_DIRECTORY", "NO_COLOR")


def environ(state_directory: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _CLEAN}
    return {**kept, "HOMELAB_STATE": str(state_directory), "XDG_CONFIG_HOME": str(state_directory / "xdg"), **more}


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@asynccontextmanager
async def started(state_directory: Path, *arguments: str, **more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start `homelab`; it is gone at the end, whatever happens."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error::ResourceWarning", "-m", "daemon.cli", *arguments),
        env=environ(state_directory, **more),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def homelab(state_directory: Path, *arguments: str, stdin: str = "", **more: str) -> Said:
    """Run `homelab` to its end."""
    environment = environ(state_directory, **more)
    ended = await asyncio.to_thread(forking.run, arguments, environment, stdin.encode(), seconds=PATIENCE)
    return Said(ended.code, ended.out.decode(), ended.err.decode())


@dataclass
class Lab:
    server: Server
    answers: FakeAnswers
    daemon: bus.Connection
    state: Path

    async def run(self, *arguments: str, stdin: str = "", **more: str) -> Said:
        return await homelab(self.state, *arguments, stdin=stdin, **more)


@asynccontextmanager
async def laboratory(folder: Path, answers: FakeAnswers | None = None) -> AsyncIterator[Lab]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(folder / "nats"))
        daemon = await stack.enter_async_context(bus.connect(server.url, name="daemon", login=server.logins["daemon"]))
        await bus.ensure(daemon)
        fake = answers or FakeAnswers()
        await stack.enter_async_context(served(daemon, fake, clock=FakeClock()))
        run_directory = folder / "state"
        run_directory.mkdir()
        stack.enter_context(state.announced(run_directory, run_of(server, run_directory)))
        yield Lab(server, fake, daemon, run_directory)


def run_of(server: Server, directory: Path) -> Run:
    return Run(
        pid=os.getpid(),
        version="0.1.0",
        state=str(directory),
        nats=NatsRun(url=server.url, **server.logins),
        http=HttpRun(url="", mcp="", metrics="", health=""),
        sql=SqlRun(snapshot=""),
    )
