"""What was adopted per key: fields that were seen once and are expected since."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from daemon.store import rows
from daemon.store.database import Connection
from daemon.store.inventory import instant
from schemas.expectations import ExpectedField

_COLUMNS = {"key": "VARCHAR", "fields": "JSON", "adopted_at": "TIMESTAMPTZ"}


@dataclass(frozen=True, slots=True)
class Adopted:
    """``fields`` maps a path to what is expected there."""

    key: str
    fields: dict[str, ExpectedField]
    adopted_at: datetime


def fetch(con: Connection, wanted: Iterable[str] | None) -> dict[str, Adopted]:
    """Return what was adopted of ``wanted``; None is all."""
    term, parameters = ("true", []) if wanted is None else (f"key IN {rows.IN_TEXTS}", [rows.texts(wanted)])
    found = con.execute(f"SELECT key, fields, epoch_us(adopted_at) FROM adopted_ WHERE {term}", parameters).fetchall()
    return {key: _adopted(key, fields, adopted_at) for key, fields, adopted_at in found}


def keys(con: Connection) -> set[str]:
    return {key for (key,) in con.execute("SELECT key FROM adopted_").fetchall()}


def put(con: Connection, adopted: Sequence[Adopted]) -> None:
    found = [
        {
            "key": one.key,
            "fields": {path: owned.model_dump(mode="json") for path, owned in one.fields.items()},
            "adopted_at": one.adopted_at,
        }
        for one in adopted
    ]
    rows.merge(con, "adopted_", _COLUMNS, ("key",), found)


def delete(con: Connection, wanted: Iterable[str]) -> list[str]:
    """Forget adoptions; return the keys there were."""
    found = con.execute(
        f"DELETE FROM adopted_ WHERE key IN {rows.IN_TEXTS} RETURNING key", [rows.texts(wanted)]
    ).fetchall()
    return sorted(key for (key,) in found)


def _adopted(key: str, fields: str, adopted_at: int) -> Adopted:
    at = instant(adopted_at)
    assert at is not None  # noqa: S101 - NOT NULL in the schema
    owned = {path: ExpectedField.model_validate(one) for path, one in orjson.loads(fields).items()}
    return Adopted(key, owned, at)
