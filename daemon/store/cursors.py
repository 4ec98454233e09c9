"""Where each stream has been read to.  Written in the transaction that holds the effect of what was read."""

from dataclasses import dataclass
from datetime import datetime

from daemon.store.database import Connection
from daemon.store.inventory import instant


@dataclass(frozen=True, slots=True)
class Cursor:
    """``created_at`` tells a stream from another one made anew under its name."""

    stream: str
    created_at: datetime
    sequence: int


def cursor(con: Connection, stream: str) -> Cursor | None:
    row = con.execute("SELECT epoch_us(created_at), sequence FROM cursors_ WHERE stream = ?", [stream]).fetchone()
    if row is None:
        return None
    created_at = instant(row[0])
    assert created_at is not None  # noqa: S101 - NOT NULL in the schema
    return Cursor(stream, created_at, row[1])


def move(con: Connection, cursor: Cursor) -> None:
    con.execute(
        "MERGE INTO cursors_ AS t USING (SELECT ? AS stream, ?::TIMESTAMPTZ AS created_at, ?::BIGINT AS sequence) AS s"
        " ON t.stream = s.stream WHEN MATCHED THEN UPDATE SET created_at = s.created_at, sequence = s.sequence"
        " WHEN NOT MATCHED THEN INSERT VALUES (s.stream, s.created_at, s.sequence)",
        [cursor.stream, cursor.created_at, cursor.sequence],
    )
