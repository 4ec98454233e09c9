"""The product as a person starts it: `homelab up` as a process of its own on a state directory, and what to ask it.

What was started is gone at the end, however the test went; a process that outlived its parent fails the test.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from daemon.runtime import bus
from schemas.running import RUN_FILE, Run
from tests.support import cli
from tests.support.waiting import until

HOMELAB = str(Path(sys.executable).with_name("homelab"))
STARTS = 30
STOPS = 10
HOST = {"provider": "host", "name": "here"}


def docker(name: str, url: str, **settings: object) -> dict[str, object]:
    return {"provider": "docker", "name": name, "url": url, **settings}


def configured(folder: Path, sources: Iterable[Mapping[str, object]] | None, **more: object) -> Path:
    """Write a configuration and return its path."""
    path = folder / "homelab.yaml"
    written = {**({} if sources is None else {"sources": [dict(one) for one in sources]}), **more}
    path.write_text(yaml.safe_dump(written, sort_keys=False))
    return path


@dataclass
class Instance:
    """``folder`` holds the state directory, the configuration and what was written to stderr."""

    folder: Path
    config: Path | None
    """None: it has none."""
    arguments: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    """A command that starts it, such as `setpriv`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it and its commands find there besides."""
    process: subprocess.Popen[bytes] | None = None
    _family: dict[int, psutil.Process] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def run(self) -> Run:
        return Run.model_validate_json((self.state / RUN_FILE).read_bytes())

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr.log").read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of the log, without what is said to a person."""
        return [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{")]

    def said(self, event: str, **fields: object) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == event and fields.items() <= line.items()]

    def spawn(self) -> subprocess.Popen[bytes]:
        where = () if self.config is None else ("--config", str(self.config))
        command = (HOMELAB, "up", *where, "--nats-port", "0", "--http-port", "0")
        with (self.folder / "stderr.log").open("ab") as errors:
            self.process = subprocess.Popen(
                [*self.before, *command, *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=cli.environ(self.state, **self.environment),
            )
        return self.process

    async def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        self.spawn()
        await self.is_ready()

    async def is_ready(self) -> None:
        process = self.process
        assert process is not None
        await until(lambda: process.poll() is not None or self._is_ready(process.pid), seconds=STARTS)
        assert process.poll() is None, f"`homelab up` ended with {process.returncode}: {self.stderr[-3000:]}"

    def _is_ready(self, pid: int) -> bool:
        with suppress(OSError, ValueError):
            return self.run.pid == pid
        return False

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def nats_pid(self) -> int:
        return next(one.pid for one in self.children() if "nats-server" in one.name())

    def children(self) -> list[psutil.Process]:
        """All processes below it."""
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.pid).children(recursive=True)
            self._family |= {one.pid: one for one in found}
            return found
        return []

    def survivors(self) -> list[psutil.Process]:
        """Those of its children, of all its lives, that still run."""
        return [one for one in self._family.values() if _runs(one)]

    async def kill(self) -> None:
        """End `homelab up` as a power cut would; its children have to notice by themselves."""
        self.children()
        await self.send(signal.SIGKILL)

    async def send(self, number: int, *, seconds: float = STOPS) -> int:
        """Send a signal and return the exit code."""
        process = self.process
        assert process is not None
        self.children()
        process.send_signal(number)
        await until(lambda: process.poll() is not None, seconds=seconds)
        return process.returncode

    async def restart(self, number: int = signal.SIGTERM) -> None:
        await self.send(number)
        await self.start()

    async def cli(self, *arguments: str, stdin: str = "", **environment: str) -> cli.Said:
        return await cli.homelab(self.state, *arguments, stdin=stdin, **{**self.environment, **environment})

    async def json(self, *arguments: str) -> Any:
        said = await self.cli(*arguments, "--json")
        assert said.code == 0, said.err
        return said.json

    async def sql(self, text: str) -> list[dict[str, Any]]:
        """Ask with the command; a snapshot may be some seconds old."""
        return await self.json("sql", text, "--max-rows", "100000")

    def nats(self, role: str = "viewer") -> AbstractAsyncContextManager[bus.Connection]:
        run = self.run
        return bus.connect(run.nats.url, name=f"test-{role}", login=getattr(run.nats, role), patient=False)

    async def ask(self, question: str, /, where: str = "read", *, role: str = "viewer", **query: object) -> Any:
        """Ask over the bus, without the second that a command takes to start."""
        async with self.nats(role) as client:
            return await asked(client, question, where, **query)

    async def ended(self) -> None:
        """End what runs, and see that nothing is left."""
        process = self.process
        if process is not None and process.poll() is None:
            self.children()
            process.terminate()
            with suppress(TimeoutError):
                await until(lambda: process.poll() is not None, seconds=STOPS)
            if process.poll() is None:
                process.kill()
                process.wait()
        left: list[psutil.Process] = []
        with suppress(TimeoutError):
            await until(lambda: not self.survivors(), seconds=STOPS)
        for one in self.survivors():
            left.append(one)
            with suppress(psutil.NoSuchProcess):
                one.kill()
        assert not left, f"still running: {left}"


async def asked(client: bus.Connection, question: str, where: str = "read", /, **query: object) -> Any:
    reply = await client.request(f"homelab.api.{where}.{question}", json.dumps(query).encode(), timeout=10)
    assert "Nats-Service-Error" not in (reply.headers or {}), reply.headers
    return json.loads(reply.data)


def get(url: str) -> tuple[int, str]:
    """Ask over HTTP; return the status and the text."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@asynccontextmanager
async def instance(
    folder: Path, sources: Iterable[Mapping[str, object]] | None = (HOST,), *arguments: str, **more: object
) -> AsyncIterator[Instance]:
    """A running `homelab up` that watches ``sources`` (None: what it finds); ``more`` goes into its configuration."""
    async with running(prepared(folder, sources, *arguments, **more)) as made:
        yield made


@asynccontextmanager
async def running(made: Instance) -> AsyncIterator[Instance]:
    """Start what was prepared; nothing is left of it at the end."""
    try:
        await made.start()
        yield made
    finally:
        await made.ended()


def prepared(
    folder: Path, sources: Iterable[Mapping[str, object]] | None = (HOST,), *arguments: str, **more: object
) -> Instance:
    """An instance that is not started yet."""
    folder.mkdir(parents=True, exist_ok=True)
    return Instance(folder, configured(folder, sources, **more), arguments)


@asynccontextmanager
async def child(*command: str, state: Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A `homelab` command with pipes; killed at the end if it still runs."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(HOMELAB, *command), stdin=pipe, stdout=pipe, stderr=pipe, env=cli.environ(state, **environment)
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
        await process.communicate()
