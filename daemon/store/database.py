"""DuckDB behind asyncio: one thread writes the file, a few others read it, each with its own cursor.

Work is a plain function of a connection: SQL stays out of coroutines and the store's tests need no loop.  A write is
one transaction; once begun it ends, even if its caller is cancelled.
"""

import asyncio
import importlib.util
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Self, TypeVar

import duckdb

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
    "wal_autocheckpoint": "64MB",  # of 16, the default, a third of ingest went into checkpoints; 64 are read in 0.4 s
}


class StoreUnavailable(Exception):
    """The file cannot be written now; nothing of the transaction is in it.  The text says why and what to do."""


class StoreHeld(Exception):
    """Another process has the file open."""


_OF_THE_FILE = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.ConnectionException,
    duckdb.TransactionException,
)


class Database:
    def __init__(self, path: Path | None, clock: Clock) -> None:
        self.path = path
        self.version = 0
        """Grows with each committed transaction."""
        self._clock = clock
        self._connection: Connection | None = connect(path)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._readers = _reader_threads()
        self._local = threading.local()

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
        """Run ``work`` on a reader's cursor: it sees one committed state and does not wait for the writer."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._on_cursor, work)

    async def copy(self, destination: Path) -> Copied:
        """Copy the file and its WAL between two transactions."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, partial(self._copy, destination))

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Do it in the caller's thread: for the writer thread, and for tests without a loop."""
        self._need_room()
        if self._connection is None:
            self._reopen()
        try:
            result = _transaction(self._open(), work)
        except _OF_THE_FILE as error:
            with suppress(StoreUnavailable):
                self._reopen()
            raise StoreUnavailable(f"{self.path}: {first_line(error)}") from error
        self.version += 1
        return result

    def close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        if self._connection is not None:
            self._connection.close()

    def bytes(self) -> int:
        return sum(file.stat().st_size for file in self._files() if file.exists())

    def _on_cursor(self, work: Callable[[Connection], T]) -> T:
        if not hasattr(self._local, "cursor"):
            self._local.cursor = self._open().cursor()
            self._local.cursor.execute("SET TimeZone = 'UTC'")
        try:
            return _transaction(self._local.cursor, work)
        except _OF_THE_FILE as error:
            raise StoreUnavailable(f"{self.path}: {first_line(error)}") from error

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

    def _open(self) -> Connection:
        if self._connection is None:
            raise StoreUnavailable(f"{self.path}: cannot be opened at the moment")
        return self._connection

    def _reopen(self) -> None:
        """After an error of the file DuckDB may refuse everything until nobody has it open any more."""
        connection, self._connection = self._connection, None
        readers, self._readers = self._readers, _reader_threads()
        readers.shutdown()
        if connection is not None:
            with suppress(duckdb.Error):  # it is broken: what closing it says is no news
                connection.close()  # and with it all its cursors
        try:
            self._connection = connect(self.path)
        except (duckdb.Error, StoreHeld) as error:
            raise StoreUnavailable(f"{self.path}: {first_line(error)}") from error


def _reader_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="store-reader")


def _transaction(connection: Connection, work: Callable[[Connection], T]) -> T:
    connection.begin()
    try:
        result = work(connection)
    except BaseException:
        with suppress(duckdb.Error):  # the first error is the one to tell
            connection.rollback()
        raise
    connection.commit()
    return result


def spare_imports() -> None:
    """Let DuckDB's binding find at once that there is no pandas: it looks twice for each statement with parameters."""
    if "pandas" not in sys.modules and importlib.util.find_spec("pandas") is None:
        sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]  # what Python takes for "not there"


def connect(path: Path | None) -> Connection:
    spare_imports()
    try:
        connection = duckdb.connect(str(path) if path else ":memory:", config=_CONFIG)  # noqa: TID251 - the one place
    except duckdb.IOException as error:
        if "lock" in str(error):
            raise StoreHeld(f"{path}: {first_line(error)}") from error
        raise StoreUnavailable(f"{path}: {first_line(error)}") from error
    try:
        connection.execute("SET TimeZone = 'UTC'")
        migrate.migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
