"""The life of a deviation: opened when first found, kept while it lasts, resolved and never deleted."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import orjson

from daemon.store import inventory, rows
from daemon.store.database import Connection
from schemas.deviations import Deviation

COLUMNS = {
    "id": "VARCHAR",
    "key": "VARCHAR",
    "type": "VARCHAR",
    "path": "VARCHAR",
    "expected": "JSON",
    "actual": "JSON",
    "severity": "VARCHAR",
    "auto_correctable": "BOOLEAN",
    "corrective_action": "VARCHAR",
    "detected_at": "TIMESTAMPTZ",
    "first_scan": "VARCHAR",
    "last_seen_at": "TIMESTAMPTZ",
    "scans_seen": "BIGINT",
    "resolved_at": "TIMESTAMPTZ",
    "resolved_by": "VARCHAR",
    "evidence": "JSON",
    "acknowledged_at": "TIMESTAMPTZ",
    "acknowledged_by": "VARCHAR",
    "muted_until": "TIMESTAMPTZ",
    "note": "VARCHAR",
    "quiet": "VARCHAR",
    "root_cause": "VARCHAR",
    "reopened": "BIGINT",
    "announced_at": "TIMESTAMPTZ",
}
_SELECT = ", ".join(f"epoch_us({name})" if kind == "TIMESTAMPTZ" else name for name, kind in COLUMNS.items())
_FROM_TEXT = frozenset({"expected", "actual", "evidence"})


def put(con: Connection, changed: Sequence[Deviation]) -> None:
    rows.merge(con, "deviations", COLUMNS, ("id",), [one.model_dump(mode="json") for one in changed])


def find(con: Connection, condition: str, parameters: Sequence[object] = (), *, tail: str = "") -> list[Deviation]:
    """Return the deviations that a SQL ``condition`` holds for."""
    found = con.execute(f"SELECT {_SELECT} FROM deviations WHERE {condition} {tail}", list(parameters)).fetchall()
    return [_deviation(row) for row in found]


def still_open(con: Connection, keys: Iterable[str] | None = None) -> list[Deviation]:
    """Return the open deviations of ``keys``; None is all."""
    if keys is None:
        return find(con, "resolved_at IS NULL")
    return find(con, f"resolved_at IS NULL AND key IN {rows.IN_TEXTS}", [rows.texts(keys)])


def around(con: Connection, keys: Iterable[str], since: datetime) -> list[Deviation]:
    """Return the open deviations of ``keys``, of sources themselves, and those that others are listed under.

    And those of ``keys`` and of sources that were resolved at or after ``since``; the newest last.
    """
    return find(
        con,
        f"(resolved_at IS NULL OR resolved_at >= ?) AND (key IN {rows.IN_TEXTS}"
        " OR type IN ('mass_absence', 'unreachable')"
        " OR (resolved_at IS NULL AND json_array_length(evidence, '$.dependants') > 0))",
        [since, rows.texts(keys)],
        tail="ORDER BY resolved_at",
    )


def doubles(con: Connection) -> list[tuple[str, list[str]]]:
    """Return (key, the other keys) of the open duplicates."""
    found = con.execute(
        "SELECT key, actual FROM deviations WHERE resolved_at IS NULL AND type = 'duplicate'"
    ).fetchall()
    return [(key, orjson.loads(actual) or []) for key, actual in found]


def with_prefix(con: Connection, prefix: str, limit: int = 5) -> list[Deviation]:
    return find(con, "starts_with(id, ?)", [prefix], tail=f"ORDER BY detected_at DESC LIMIT {limit}")


def open_keys(con: Connection) -> set[str]:
    found = con.execute("SELECT DISTINCT key FROM deviations WHERE resolved_at IS NULL").fetchall()
    return {key for (key,) in found}


def mutes_over(con: Connection, now: datetime) -> set[str]:
    """Return the keys of those that are still quiet although their mute has ended."""
    found = con.execute(
        "SELECT key FROM deviations WHERE resolved_at IS NULL AND muted_until <= ? AND starts_with(quiet, 'muted')",
        [now],
    ).fetchall()
    return {key for (key,) in found}


def _deviation(row: Sequence[object]) -> Deviation:
    values: dict[str, object] = dict(zip(COLUMNS, row, strict=True))
    for name, kind in COLUMNS.items():
        value = values[name]
        if kind == "TIMESTAMPTZ" and isinstance(value, int):
            values[name] = inventory.instant(value)
        elif name in _FROM_TEXT and isinstance(value, str):
            values[name] = orjson.loads(value)
    return Deviation.model_validate(values)
