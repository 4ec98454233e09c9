"""The expected side: one row per key."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from daemon.store import inventory, rows
from daemon.store.database import Connection
from schemas.expectations import Expectation
from schemas.resources import Key

_COLUMNS = {
    "key": "VARCHAR",
    "provider": "VARCHAR",
    "source": "VARCHAR",
    "kind": "VARCHAR",
    "fields": "JSON",
    "criticality": "VARCHAR",
    "remediation": "VARCHAR",
    "ignore": "VARCHAR[]",
    "file": "VARCHAR",
    "presence": "VARCHAR",
    "owner": "VARCHAR",
    "cost_center": "VARCHAR",
    "max_backup_age_seconds": "DOUBLE",
    "never_auto": "BOOLEAN",
    "contradictions": "VARCHAR[]",
    "since": "TIMESTAMPTZ",
}
_READ = tuple(name for name in _COLUMNS if name not in {"provider", "source", "kind"})
_SELECT = ", ".join("epoch_us(since)" if name == "since" else name for name in _READ)


def put(con: Connection, expected: Sequence[Expectation]) -> None:
    rows.merge(con, "expectations", _COLUMNS, ("key",), [_columns(one) for one in expected])


def fetch(con: Connection, keys: Iterable[str] | None) -> dict[str, Expectation]:
    """Return what is expected of ``keys``; None is all."""
    if keys is None:
        found = con.execute(f"SELECT {_SELECT} FROM expectations").fetchall()
    else:
        found = con.execute(
            f"SELECT {_SELECT} FROM expectations WHERE key IN {rows.IN_TEXTS}", [rows.texts(keys)]
        ).fetchall()
    return {row[0]: _expectation(row) for row in found}


def delete(con: Connection, keys: Iterable[str]) -> None:
    con.execute(f"DELETE FROM expectations WHERE key IN {rows.IN_TEXTS}", [rows.texts(keys)])


def keys(con: Connection) -> set[str]:
    return {key for (key,) in con.execute("SELECT key FROM expectations").fetchall()}


def of_sources(con: Connection, sources: Iterable[str]) -> set[str]:
    """Return the keys that something is expected of in ``sources`` (``<provider>/<name>``)."""
    found = con.execute(
        f"SELECT key FROM expectations WHERE provider || '/' || source IN {rows.IN_TEXTS}", [rows.texts(sources)]
    ).fetchall()
    return {key for (key,) in found}


def _columns(one: Expectation) -> dict[str, object]:
    key = Key.parse(one.key)
    return {"provider": key.provider, "source": key.source, "kind": key.kind, **one.model_dump(mode="json")}


def _expectation(row: Sequence[Any]) -> Expectation:
    values = dict(zip(_READ, row, strict=True))
    return Expectation.model_validate(
        values | {"fields": orjson.loads(values["fields"]), "since": inventory.instant(values["since"])}
    )
