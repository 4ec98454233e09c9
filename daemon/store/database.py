"""DuckDB behind asyncio: one thread writes the file, a few others read it, each with its own cursor.

Work is a plain function of a connection: SQL stays out of coroutines and the store's tests need no loop.  A write is
one transaction; once begun it ends, even if its caller is cancelled.
"""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Self, TypeVar

import duckdb
import structlog

from daemon.runtime.clock import Clock
from daemon.store import migrate
from daemon.store.sandbox.snapshots import Copied

T = TypeVar("T")
Connection = duckdb.DuckDBPyConnection
READERS = 2
RESERVE_BYTES = 64 * 1024 * 1024
"""Free space the store leaves alone: DuckDB does not survive a disk that fills up in the middle of a commit."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
    "threads": 2,
    "memory_limit": "1GB",
}


class StoreUnavailable(Exception):
    """The file cannot be written now; nothing of the transaction is in it.  The text says why and what to do."""


class StoreHeld(Exception):
    """Another process has the file open."""


class Database:
    def __init__(self, path: Path | None, clock: Clock) -> None:
        self.path = path
        self.version = 0
        """Grows with each committed transaction."""
        self._clock = clock
        self._connection = connect(path)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._readers = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="store-reader")
        self._local = threading.local()
        self._generation = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path | None, clock: Clock) -> AsyncIterator[Self]:
        """Open or make the file and bring it to the newest schema; raises ``StoreHeld``, ``migrate.TooNew``."""
        database = await asyncio.get_running_loop().run_in_executor(None, cls, path, clock)
        try:
            yield database
        finally:
            await asyncio.get_running_loop().run_in_executor(None, database.close)

    async def write(self, work: Callable[[Connection], T]) -> T:
        done = asyncio.get_running_loop().run_in_executor(self._writer, self.transact, work)
        return await asyncio.shield(done)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on a reader's cursor: it sees committed state only and does not wait for the writer."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._on_cursor, work)

    async def copy(self, destination: Path) -> Copied:
        """Copy the file and its WAL between two transactions."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, partial(self._copy, destination))

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Do it in the caller's thread: for the writer thread, and for tests without a loop."""
        self._need_room()
        try:
            self._connection.begin()
            try:
                result = work(self._connection)
            except BaseException:
                with suppress(duckdb.Error):  # the first error is the one to tell
                    self._connection.rollback()
                raise
            self._connection.commit()
        except (duckdb.IOException, duckdb.FatalException, duckdb.InternalException) as error:
            self._reopen()
            raise StoreUnavailable(f"{self.path}: {first_line(error)}") from error
        self.version += 1
        return result

    def close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        self._connection.close()

    def bytes(self) -> int:
        return sum(file.stat().st_size for file in self._files() if file.exists())

    def _on_cursor(self, work: Callable[[Connection], T]) -> T:
        if getattr(self._local, "generation", None) != self._generation:
            self._local.cursor = self._connection.cursor()
            self._local.cursor.execute("SET TimeZone = 'UTC'")
            self._local.generation = self._generation
        return work(self._local.cursor)

    def _copy(self, destination: Path) -> Copied:
        began, as_of, version = perf_counter(), self._clock.now(), self.version
        for file, suffix in zip(self._files(), ("", ".wal"), strict=True):
            copy = destination.with_name(destination.name + suffix)
            if file.exists():
                shutil.copyfile(file, copy)
            else:
                copy.unlink(missing_ok=True)
        return Copied(as_of=as_of, version=version, seconds=perf_counter() - began)

    def _files(self) -> tuple[Path, Path]:
        if self.path is None:
            raise StoreUnavailable("a store in memory has no file")
        return self.path, self.path.with_name(self.path.name + ".wal")

    def _need_room(self) -> None:
        if self.path is not None and (free := shutil.disk_usage(self.path.parent).free) < RESERVE_BYTES:
            raise StoreUnavailable(
                f"{self.path.parent}: only {free // 2**20} MiB are free and {RESERVE_BYTES // 2**20} MiB are needed;"
                " make room, the store goes on by itself"
            )

    def _reopen(self) -> None:
        """After an error of the file DuckDB may refuse everything until it is opened anew."""
        try:
            self._connection.close()
            self._connection = connect(self.path)
            self._generation += 1
        except (duckdb.Error, StoreHeld):
            log.exception("store_not_reopened", path=str(self.path))


def connect(path: Path | None) -> Connection:
    try:
        connection = duckdb.connect(str(path) if path else ":memory:", config=_CONFIG)  # noqa: TID251 - the one place
    except duckdb.IOException as error:
        if "lock" in str(error):
            raise StoreHeld(f"{path}: {first_line(error)}") from error
        raise StoreUnavailable(f"{path}: {first_line(error)}") from error
    connection.execute("SET TimeZone = 'UTC'")
    migrate.migrate(connection)
    return connection


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


log = structlog.get_logger()
