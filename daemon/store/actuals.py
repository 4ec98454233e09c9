"""What is known of resources now, for judging: the view ``resources`` with every reason for not knowing applied."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from daemon.store import rows
from daemon.store.database import Connection
from daemon.store.inventory import instant

_COLUMNS = (
    "r.name, r.status, r.health, r.parent, r.incarnation, r.revision, r.addresses, r.cpu_cores, r.memory_bytes,"
    " r.disk_bytes, r.gpus, to_json(r.labels), r.spec, r.native"
)
_SELECT = (
    f"SELECT r.key, r.presence, epoch_us(r.observed_at), s.last_scan, p.presence, {_COLUMNS}"
    " FROM resources AS r LEFT JOIN scopes_ AS s USING (provider, source, scope)"
    " LEFT JOIN inventory_ AS p ON p.key = r.parent"
)
BLIND = "('failed', 'denied', 'late')"


@dataclass(frozen=True, slots=True)
class Seen:
    """One resource now; ``fields`` has what paths may name, ``parent_presence`` what scans said of its parent."""

    key: str
    presence: str
    observed_at: datetime | None
    scan: str | None
    parent_presence: str | None
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """A scope whose mass absence is held."""

    provider: str
    source: str
    scope: str
    resources: int
    missing: int
    scan: str | None


@dataclass(frozen=True, slots=True)
class Blind:
    """A source of which something cannot be read although something is expected there."""

    source: str
    status: str
    detail: str
    scopes: tuple[str, ...]
    keys: tuple[str, ...]
    """The first of those that something is expected of."""
    count: int


def fetch(con: Connection, keys: Iterable[str]) -> list[Seen]:
    wanted = rows.texts(keys)
    if wanted == "[]":
        return []
    found = con.execute(f"{_SELECT} WHERE r.key IN {rows.IN_TEXTS}", [wanted]).fetchall()
    return [_seen(row) for row in found]


def _seen(row: Sequence[Any]) -> Seen:
    key, presence, observed_at, scan, parent_presence, *rest = row
    name, status, health, parent, incarnation, revision, addresses, cpu, memory, disk, gpus, labels, spec, native = rest
    fields = {
        "name": name, "status": status, "health": health, "parent": parent, "incarnation": incarnation,
        "revision": revision, "addresses": addresses,
        "size": {"cpu_cores": cpu, "memory_bytes": memory, "disk_bytes": disk, "gpus": gpus},
        "labels": orjson.loads(labels), "spec": orjson.loads(spec), "native": orjson.loads(native),
    }  # fmt: skip
    return Seen(key, presence, instant(observed_at), scan, parent_presence, fields)


def related(con: Connection, keys: Iterable[str], kinds: Iterable[str]) -> set[str]:
    """Return what is judged together with ``keys``: parents, children, and the same incarnation under another key."""
    wanted = rows.texts(keys)
    found = con.execute(
        f"WITH w AS MATERIALIZED (SELECT key, parent, provider, kind, incarnation FROM inventory_"
        f" WHERE key IN {rows.IN_TEXTS})"
        f" SELECT key FROM inventory_ WHERE parent IN {rows.IN_TEXTS}"
        " UNION SELECT parent FROM w WHERE parent IS NOT NULL"
        " UNION SELECT i.key FROM inventory_ AS i JOIN w USING (provider, kind, incarnation)"
        f" WHERE w.incarnation <> '' AND w.kind IN {rows.IN_TEXTS} AND i.key <> w.key",
        [wanted, wanted, rows.texts(kinds)],
    ).fetchall()
    return {key for (key,) in found}


def parents(con: Connection, keys: Iterable[str]) -> dict[str, str]:
    found = con.execute(
        f"SELECT key, parent FROM inventory_ WHERE parent IS NOT NULL AND key IN {rows.IN_TEXTS}", [rows.texts(keys)]
    ).fetchall()
    return dict(found)


def twins(con: Connection, keys: Iterable[str], kinds: Iterable[str]) -> dict[str, list[str]]:
    """Return key -> the other keys under which the same incarnation is present."""
    found = con.execute(
        "SELECT w.key, list(i.key ORDER BY i.key) FROM inventory_ AS i JOIN ("
        f" SELECT key, provider, kind, incarnation FROM inventory_ WHERE key IN {rows.IN_TEXTS}"
        f" AND incarnation <> '' AND kind IN {rows.IN_TEXTS}"
        ") AS w USING (provider, kind, incarnation) WHERE i.key <> w.key AND i.presence = 'present' GROUP BY w.key",
        [rows.texts(keys), rows.texts(kinds)],
    ).fetchall()
    return dict(found)


def last_seqs(con: Connection, keys: Iterable[str]) -> dict[str, int]:
    """Return key -> the number of its newest entry in the log of what was seen."""
    found = con.execute(
        f"SELECT key, max(seq) FROM state_log WHERE side = 'actual' AND key IN {rows.IN_TEXTS} GROUP BY key",
        [rows.texts(keys)],
    ).fetchall()
    return dict(found)


def whole_sources(con: Connection) -> set[str]:
    """Return the sources that are read completely: what they do not have is not there."""
    found = con.execute(
        "SELECT provider || '/' || source FROM scopes_ GROUP BY ALL HAVING bool_and(status = 'ok')"
    ).fetchall()
    return {source for (source,) in found}


def blind_sources(con: Connection) -> set[str]:
    """Return the sources of which some scope cannot be read."""
    found = con.execute(f"SELECT DISTINCT provider || '/' || source FROM scopes_ WHERE status IN {BLIND}").fetchall()
    return {source for (source,) in found}


def blind(con: Connection) -> list[Blind]:
    """Return the sources where something is expected that cannot be read."""
    if con.execute(f"SELECT 1 FROM scopes_ WHERE status IN {BLIND} LIMIT 1").fetchone() is None:
        return []
    found = con.execute(
        "WITH bad AS ("
        "  SELECT provider, source, max(status) AS status, list(scope ORDER BY scope) AS scopes,"
        "  arg_max(detail, last_attempt_at) AS detail"
        f" FROM scopes_ WHERE status IN {BLIND} GROUP BY ALL"
        "), whole AS ("
        f" SELECT provider, source FROM scopes_ GROUP BY ALL HAVING bool_and(status IN {BLIND})"
        "), waiting AS ("
        "  SELECT e.provider, e.source, e.key FROM expectations AS e JOIN bad USING (provider, source)"
        "  LEFT JOIN inventory_ AS i ON i.key = e.key WHERE e.presence = 'present' AND ("
        "  (i.key IS NULL AND (e.provider, e.source) IN (SELECT (provider, source) FROM whole))"
        "  OR (i.presence <> 'gone' AND list_contains(bad.scopes, i.scope)))"
        ")"
        " SELECT provider || '/' || source, status, detail, scopes, list(key ORDER BY key)[:50], count(*)"
        " FROM waiting JOIN bad USING (provider, source) GROUP BY ALL ORDER BY 1"
    ).fetchall()
    return [Blind(source, status, detail, tuple(scopes), tuple(keys), count)
            for source, status, detail, scopes, keys, count in found]  # fmt: skip


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
