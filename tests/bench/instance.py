"""A `homelab up` of its own, as a process tree: started, asked over the bus, weighed, ended."""

import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from daemon.api.bus_answers import BusAnswers
from daemon.runtime import bus
from schemas import queries as q
from schemas.running import RUN_FILE, Login, Run

SOURCE = "big"
_POLL = 0.25


def synthetic(count: int) -> dict[str, Any]:
    return {"provider": "synthetic", "name": SOURCE, "resources": count}


@dataclass(slots=True)
class Instance:
    """``started_at`` is when the process was spawned, ``ready_at`` when it said that it is ready; the loop's clock."""

    folder: Path
    process: asyncio.subprocess.Process
    run: Run
    started_at: float
    ready_at: float

    @property
    def seconds_to_ready(self) -> float:
        return self.ready_at - self.started_at

    @contextlib.asynccontextmanager
    async def client(self, role: str = "admin") -> AsyncIterator[bus.Connection]:
        login: Login = getattr(self.run.nats, role)
        async with bus.connect(self.run.nats.url, name="bench", login=login) as client:
            yield client

    async def filled(self, answers: BusAnswers, count: int) -> None:
        """Return when the store has ``count`` resources, and each scope's scan is complete."""
        while True:
            status = await answers.status(q.StatusQuery())
            if status.resources >= count and all(one.complete for one in status.sources):
                return
            await asyncio.sleep(_POLL)

    def tree(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    async def end(self) -> float:
        """SIGTERM; return the seconds until the process is gone."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        await self.process.wait()
        return loop.time() - began


@contextlib.asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="homelab-bench-"))
    try:
        yield made
    finally:
        await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)


@contextlib.asynccontextmanager
async def up(state: Path, sources: Sequence[dict[str, Any]]) -> AsyncIterator[Instance]:
    """Run `homelab up` with these sources while the block runs."""
    file = state / "homelab.yaml"
    file.write_text(yaml.safe_dump({"sources": list(sources)}))
    (state / RUN_FILE).unlink(missing_ok=True)
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    with (state / "up.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.up", "up", "--config", str(file), "--state", str(state)),
            *("--nats-port", "0", "--http-port", "0"),
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        run = await _ready(process, state)
        instance = Instance(state, process, run, started_at, loop.time())
        yield instance
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(15):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _ready(process: asyncio.subprocess.Process, state: Path) -> Run:
    while process.returncode is None:
        if (state / RUN_FILE).exists():
            return Run.model_validate_json((state / RUN_FILE).read_text())
        await asyncio.sleep(0.005)
    raise RuntimeError(f"homelab up ended with {process.returncode}: {(state / 'up.log').read_text()[-2000:]}")
