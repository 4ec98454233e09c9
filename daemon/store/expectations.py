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
    "since": "TIMESTAMPTZ",
}
_SELECT = "key, fields, criticality, remediation, ignore, file, epoch_us(since)"


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
    values = dict(zip(("key", "fields", "criticality", "remediation", "ignore", "file", "since"), row, strict=True))
    return Expectation.model_validate(
        values | {"fields": orjson.loads(values["fields"]), "since": inventory.instant(values["since"])}
    )
