"""Questions in SQL, asked of a snapshot in a process of their own.

The daemon's database is out of their reach, its writer never waits for them, and one that loops or eats memory is ended
together with its process.  No process runs until the first question, nor after some idle minutes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from daemon.runtime.clock import Clock, SystemClock
from daemon.store.sandbox.errors import SqlBusy, SqlError, SqlFailed, SqlTimeout, SqlTooLarge
from daemon.store.sandbox.limits import Limits
from daemon.store.sandbox.process import WorkerProcess
from daemon.store.sandbox.snapshots import Copied, Snapshots
from schemas.queries import SqlAnswer, SqlQuery

MERGE_SECONDS = 120.0


class Sandbox:
    def __init__(
        self,
        directory: Path,
        copy: Callable[[Path], Awaitable[Copied]],
        version: Callable[[], int],
        limits: Limits = Limits(),  # noqa: B008 - frozen
        *,
        clock: Clock = SystemClock(),  # noqa: B008 - without state
    ) -> None:
        self._snapshots = Snapshots(directory, copy, version, clock)
        self._limits = limits
        self._worker: WorkerProcess | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._idle: asyncio.TimerHandle | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        self._snapshots.prepare()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        self._cancel_idle()
        await self._drop_worker()
        self._snapshots.discard()

    @property
    def snapshot(self) -> Path:
        """The plain file for other DuckDB clients; it is there after the first question or ``refresh``."""
        return self._snapshots.path

    @property
    def worker_pid(self) -> int | None:
        return self._worker.pid if self._worker is not None and self._worker.alive else None

    async def query(self, query: SqlQuery) -> SqlAnswer:
        """Answer, or raise one of ``SqlError``."""
        seconds = self._seconds(query)
        request = {
            "do": "query",
            "sql": query.sql,
            "max_rows": min(query.max_rows, self._limits.max_rows),
            "max_bytes": self._limits.max_bytes,
            "seconds": seconds,
        }
        async with self._my_turn():
            worker, copied = await self._ready()
            answer = await self._ask(worker, request, seconds)
        return SqlAnswer.model_validate(answer | {"as_of": copied.as_of})

    async def refresh(self) -> Path:
        """Make the plain file anew and return its path."""
        async with self._my_turn():
            await self._renew(await self._running())
        return self.snapshot

    def _seconds(self, query: SqlQuery) -> float:
        longest = self._limits.timeout.total_seconds()
        return longest if query.timeout_seconds is None else min(query.timeout_seconds, longest)

    async def _ask(self, worker: WorkerProcess, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        try:
            return await worker.ask(request, within=seconds)
        except SqlTimeout as error:
            raise SqlTimeout(
                f"The query was ended after {seconds:g} s. Ask for less, or let it take longer (sql.timeout, "
                f"now {self._limits.timeout.total_seconds():g} s)."
            ) from error
        except SqlTooLarge as error:
            raise SqlTooLarge(
                str(error)
                or f"The query was ended: it wanted more than {self._limits.memory_mb} MB of memory. Filter or "
                "aggregate earlier, or allow more (sql.memory_mb)."
            ) from error

    async def _ready(self) -> tuple[WorkerProcess, Copied]:
        """Return a worker that holds a snapshot fresh enough, and what that snapshot is."""
        held = self._worker is not None and self._worker.alive
        worker = await self._running()
        current = self._snapshots.current
        if current is None or self._snapshots.is_stale() or not self.snapshot.exists():
            return worker, await self._renew(worker)
        if not held:
            await self._settle(worker, {"do": "open", "snapshot": str(self.snapshot)})
        return worker, current

    async def _settle(self, worker: WorkerProcess, request: dict[str, Any]) -> dict[str, Any]:
        """Give the worker its snapshot; if that fails it is killed, for nobody knows what it holds."""
        try:
            return await worker.ask(request, within=MERGE_SECONDS)
        except SqlError as error:
            worker.kill()
            self._snapshots.forget()
            raise SqlFailed(f"No snapshot of the store could be made. {error}".strip()) from error

    async def _renew(self, worker: WorkerProcess) -> Copied:
        raw, copied = await self._snapshots.copy()
        done = await self._settle(worker, {"do": "merge", "copy": str(raw), "snapshot": str(self.snapshot)})
        self._snapshots.adopt(copied, merged_in=done["seconds"])
        return copied

    async def _running(self) -> WorkerProcess:
        if self._worker is None or not self._worker.alive:
            await self._drop_worker()
            self._worker = await WorkerProcess.start(self._limits)
        return self._worker

    async def _drop_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        """Stand in line, not for ever; the line is short.  While anybody is served the worker is not idle."""
        if self._waiting >= self._limits.waiting:
            raise SqlBusy(f"{self._waiting} queries are waiting already. Ask again in a moment.")
        self._waiting += 1
        patience = self._limits.patience.total_seconds()
        try:
            async with asyncio.timeout(patience):
                await self._turn.acquire()
        except TimeoutError as error:
            raise SqlBusy(f"Other queries took more than {patience:g} s. Ask again in a moment.") from error
        finally:
            self._waiting -= 1
        try:
            if self._closed:
                raise SqlBusy("The daemon is stopping. Ask again when it is back.")
            self._cancel_idle()
            yield
        finally:
            self._turn.release()
            self._start_idle()

    def _start_idle(self) -> None:
        if not self._closed and self._worker is not None:
            self._cancel_idle()
            delay = self._limits.idle.total_seconds()
            self._idle = asyncio.get_running_loop().call_later(delay, self._worker.kill)

    def _cancel_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
