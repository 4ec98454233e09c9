"""What is to be announced on the bus: written in the transaction it tells of, sent after it, forgotten when acked."""

from collections.abc import Sequence
from dataclasses import dataclass

from daemon.store import rows
from daemon.store.database import Connection


@dataclass(frozen=True, slots=True)
class Letter:
    """``id`` is also the ``Nats-Msg-Id``: after a crash a letter may be sent again, and counts once."""

    id: str
    subject: str
    payload: str


_COLUMNS = {"id": "VARCHAR", "subject": "VARCHAR", "payload": "VARCHAR"}


def put(con: Connection, letters: Sequence[Letter]) -> None:
    rows.insert(con, "outbox_", _COLUMNS, letters)


def waiting(con: Connection, limit: int = 200) -> list[Letter]:
    """The oldest letters, in the order in which they were written."""
    found = con.execute("SELECT id, subject, payload FROM outbox_ ORDER BY rowid LIMIT ?", [limit]).fetchall()
    return [Letter(*row) for row in found]


def sent(con: Connection, ids: Sequence[str]) -> None:
    con.execute(f"DELETE FROM outbox_ WHERE id IN {rows.IN_TEXTS}", [rows.texts(ids)])
