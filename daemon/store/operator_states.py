"""What operators said of a resource, pool or source: one row per target and state."""

from datetime import datetime

from daemon.store.database import Connection
from daemon.store.inventory import instant
from schemas.operator import OperatorState, State

_SELECT = "target, state, epoch_us(until_at), reason, set_by, epoch_us(set_at)"
_NAMES = ("target", "state", "until_at", "reason", "set_by", "set_at")


def fetch(con: Connection, *, now: datetime | None = None, target: str | None = None) -> list[OperatorState]:
    """Return what was said; with ``now`` only what is in force then."""
    found = con.execute(
        f"SELECT {_SELECT} FROM operator_states"
        " WHERE (?::TIMESTAMPTZ IS NULL OR until_at IS NULL OR until_at > ?) AND (?::VARCHAR IS NULL OR target = ?)"
        " ORDER BY target, state",
        [now, now, target, target],
    ).fetchall()
    return [
        OperatorState.model_validate(
            dict(zip(_NAMES, row, strict=True)) | {"until_at": instant(row[2]), "set_at": instant(row[5])}
        )
        for row in found
    ]


def put(con: Connection, said: OperatorState) -> None:
    """Say it; the same state of the same target is said anew."""
    con.execute("DELETE FROM operator_states WHERE target = ? AND state = ?", [said.target, str(said.state)])
    con.execute(
        "INSERT INTO operator_states (target, state, until_at, reason, set_by, set_at) VALUES (?, ?, ?, ?, ?, ?)",
        [said.target, str(said.state), said.until_at, said.reason, said.set_by, said.set_at],
    )


def clear(con: Connection, target: str, state: State | None = None) -> int:
    """Take back what was said of ``target`` (None: all of it); return how many."""
    found = con.execute(
        "DELETE FROM operator_states WHERE target = ? AND (?::VARCHAR IS NULL OR state = ?) RETURNING state",
        [target, state, state],
    ).fetchall()
    return len(found)


def forget_over(con: Connection, *, before: datetime) -> None:
    """Forget what ended before a moment."""
    con.execute("DELETE FROM operator_states WHERE until_at <= ?", [before])
