"""A real store and what is said to it, without a bus: batches are applied as ingest applies them.

The schema is made once and copied from then on: to make it takes longer than most tests.
"""

import atexit
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache, partial
from itertools import count
from pathlib import Path

import pytest

from daemon.ingest import apply
from daemon.ingest.apply import Applied
from daemon.ingest.messages import Message
from daemon.store import migrate
from daemon.store.cursors import Cursor
from daemon.store.database import Connection, Database
from schemas.events import InventoryEvent
from tests.conftest import FakeClock
from tests.support import events

STREAM_MADE = events.NOON.replace(hour=0)


class Fed:
    """A database, and the messages it was given so far."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock
        self._numbers = count(1)

    def say(self, *said: InventoryEvent | Message | Iterable[InventoryEvent], now: datetime | None = None) -> Applied:
        """Apply all as one batch."""
        batch = [one if isinstance(one, Message) else events.message(one, next(self._numbers)) for one in _flat(said)]
        cursor = Cursor("INVENTORY", STREAM_MADE, batch[-1].sequence)
        at = now or self.clock.now()
        return self.database.transact(lambda con: apply.apply(con, batch, cursor=cursor, now=at))

    def rows(self, sql: str, *parameters: object) -> list[tuple]:
        return self.database.transact(lambda con: con.execute(sql, list(parameters)).fetchall())

    def log(self) -> list[str]:
        """What the log says: `op name`, in order."""
        return [f"{op} {name}" for op, name in self.rows("SELECT op, name FROM state_log ORDER BY seq")]

    def presences(self) -> dict[str, str]:
        return dict(self.rows("SELECT name, presence FROM resources ORDER BY name"))


def _flat(said: Iterable[object]) -> Iterator[object]:
    for one in said:
        if isinstance(one, (list, tuple)) and not isinstance(one, Message):
            yield from one
        else:
            yield one


@contextmanager
def fed(clock: FakeClock, path: Path | None = None) -> Iterator[Fed]:
    """Open what is there, or else a store that nothing was ever said to; without ``path`` in memory."""
    database = _in_memory(clock) if path is None else Database(path if path.exists() else empty(path), clock)
    try:
        yield Fed(database, clock)
    finally:
        database.close()


def empty(path: Path) -> Path:
    """Make the file of a store that nothing was ever said to."""
    shutil.copyfile(_schema(), path)
    return path


def _in_memory(clock: FakeClock) -> Database:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "migrate", partial(_copy, _schema()))
        return Database(None, clock)


@cache
def _schema() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="homelab-schema-"))
    atexit.register(shutil.rmtree, folder)
    file = folder / "store.duckdb"
    Database(file, FakeClock()).close()
    return file


def _copy(schema: Path, connection: Connection) -> None:
    connection.execute(f"ATTACH '{schema}' AS made (READ_ONLY)")
    connection.execute("COPY FROM DATABASE made TO memory")
    connection.execute("DETACH made")
