"""What is known of resources now, for judging: the view ``resources`` with every reason for not knowing applied."""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from daemon.store import rows
from daemon.store.database import Connection
from daemon.store.inventory import instant

_SELECT = (
    "SELECT r.key, r.presence, r.name, r.status, to_json(r.labels), r.spec, epoch_us(r.observed_at), s.last_scan"
    " FROM resources AS r LEFT JOIN scopes_ AS s USING (provider, source, scope)"
)


@dataclass(frozen=True, slots=True)
class Held:
    """A scope whose mass absence is held."""

    provider: str
    source: str
    scope: str
    resources: int
    missing: int
    scan: str | None


def fetch(con: Connection, keys: Iterable[str]) -> list[tuple[object, ...]]:
    wanted = rows.texts(keys)
    if wanted == "[]":
        return []
    found = con.execute(f"{_SELECT} WHERE r.key IN {rows.IN_TEXTS}", [wanted]).fetchall()
    return [_plain(row) for row in found]


def _plain(row: tuple[object, ...]) -> tuple[object, ...]:
    key, presence, name, status, labels, spec, observed_at, scan = row
    fields = {"name": name, "status": status, "labels": orjson.loads(str(labels)), "spec": orjson.loads(str(spec))}
    return key, presence, fields, instant(observed_at if isinstance(observed_at, int) else None), scan


def keys_of_sources(con: Connection, sources: Iterable[str]) -> set[str]:
    """Return the keys of all that is not gone in ``sources`` (``<provider>/<name>``)."""
    found = con.execute(
        f"SELECT key FROM inventory_ WHERE presence <> 'gone' AND provider || '/' || source IN {rows.IN_TEXTS}",
        [rows.texts(sources)],
    ).fetchall()
    return {key for (key,) in found}


def carried(con: Connection, keys: Iterable[str]) -> set[str]:
    """Return the keys of all that sits directly on or in ``keys``."""
    found = con.execute(f"SELECT key FROM inventory_ WHERE parent IN {rows.IN_TEXTS}", [rows.texts(keys)]).fetchall()
    return {key for (key,) in found}


def held(con: Connection) -> list[Held]:
    found = con.execute(
        "SELECT provider, source, scope, resources, held_missing, last_scan FROM scopes_ WHERE held_scans > 0"
    ).fetchall()
    return [Held(*row) for row in found]
