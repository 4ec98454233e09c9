"""What is known of resources now, for judging: the view ``known_`` with every reason for not knowing applied."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from daemon.store import rows
from daemon.store.database import Connection
from daemon.store.inventory import instant
from schemas.resources import Kind

_COLUMNS = (
    "r.name, r.status, r.health, r.parent, r.incarnation, r.revision, r.addresses, r.cpu_cores, r.memory_bytes,"
    " r.disk_bytes, r.gpus, to_json(r.labels), r.spec, r.native"
)
_SELECT = f"SELECT r.key, r.presence, epoch_us(r.observed_at), r.last_scan, {_COLUMNS} FROM known_ AS r"
_PARENT = 7
"""The place of the parent in a row."""
CARRIERS = frozenset({Kind.NODE, Kind.HOST})
"""When one of these is down, nothing is known of what it carries (the view ``down_parents_``)."""
_CARRYING = CARRIERS | {Kind.VM, Kind.CONTAINER, Kind.TEMPLATE, Kind.STORAGE}
"""What may carry others that are unknown: these, where they sit on one that is down."""
BLIND = "('failed', 'denied', 'late')"


@dataclass(frozen=True, slots=True)
class Seen:
    """One resource now; ``fields`` has what paths may name."""

    key: str
    presence: str
    observed_at: datetime | None
    scan: str | None
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
    down = _down(con, {row[_PARENT] for row in found if row[_PARENT] is not None})
    return [_seen(row, unknown=row[_PARENT] in down) for row in found]


def _down(con: Connection, parents: Iterable[str]) -> set[str]:
    """Return those of ``parents`` that are down and carry others, so that nothing is known of these."""
    carriers = rows.texts(key for key in parents if key.split("/", 3)[2] in _CARRYING)
    if carriers == "[]":
        return set()
    found = con.execute(f"SELECT key FROM down_parents_ WHERE key IN {rows.IN_TEXTS}", [carriers]).fetchall()
    return {key for (key,) in found}


def _seen(row: Sequence[Any], *, unknown: bool) -> Seen:
    key, presence, observed_at, scan, *rest = row
    name, status, health, parent, incarnation, revision, addresses, cpu, memory, disk, gpus, labels, spec, native = rest
    fields = {
        "name": name, "status": status, "health": health, "parent": parent, "incarnation": incarnation,
        "revision": revision, "addresses": addresses,
        "size": {"cpu_cores": cpu, "memory_bytes": memory, "disk_bytes": disk, "gpus": gpus},
        "labels": orjson.loads(labels), "spec": orjson.loads(spec), "native": orjson.loads(native),
    }  # fmt: skip
    hidden = unknown and presence in {"present", "suspect"}
    return Seen(key, "unknown" if hidden else presence, instant(observed_at), scan, fields)


_IDENTITY = "key, parent, provider, kind, incarnation, presence"
_FEW = 30
"""So many values are compared one by one, which DuckDB does while it scans; more are joined."""


@dataclass(slots=True)
class Neighbours:
    """``twins``: key -> the other keys under which the same incarnation is present."""

    parents: dict[str, str] = field(default_factory=dict)
    children: set[str] = field(default_factory=set)
    twins: dict[str, list[str]] = field(default_factory=dict)
    gone_parents: set[str] = field(default_factory=set)
    alike: set[str] = field(default_factory=set)
    """Keys that have or had the same incarnation."""

    @property
    def keys(self) -> set[str]:
        return {*self.parents.values(), *self.children, *self.alike}


def neighbours(con: Connection, keys: Iterable[str], kinds: Iterable[str]) -> Neighbours:
    """Return what is judged together with ``keys``; only things of ``kinds`` have twins."""
    made = Neighbours()
    own = con.execute(f"SELECT {_IDENTITY} FROM inventory_ WHERE key IN {rows.IN_TEXTS}", [rows.texts(keys)]).fetchall()
    identified = set(kinds)
    wanted = {(provider, kind, incarnation) for _, _, provider, kind, incarnation, _ in own
              if incarnation and kind in identified}  # fmt: skip
    near = _where(con, "parent", [row[0] for row in own]) + _where(con, "incarnation", [one for _, _, one in wanted])
    of: dict[tuple[str, ...], set[str]] = {}
    mine = {row[0] for row in own}
    for key, parent, provider, kind, incarnation, presence in (*own, *near):
        if parent is not None:
            made.parents[key] = parent
            if parent in mine:
                made.children.add(key)
        if (provider, kind, incarnation) in wanted:
            made.alike.add(key)
            if presence == "present":
                of.setdefault((provider, kind, incarnation), set()).add(key)
    for same in of.values():
        for key in same if len(same) > 1 else ():
            made.twins[key] = sorted(same - {key})
    made.gone_parents = gone(con, set(made.parents.values()))
    return made


def _where(con: Connection, column: str, values: Sequence[str]) -> list[tuple[Any, ...]]:
    if not values:
        return []
    if len(values) <= _FEW:
        marks = ", ".join("?" * len(values))
        return con.execute(f"SELECT {_IDENTITY} FROM inventory_ WHERE {column} IN ({marks})", list(values)).fetchall()
    found = f"SELECT {_IDENTITY} FROM inventory_ WHERE {column} IN {rows.IN_TEXTS}"
    return con.execute(found, [rows.texts(values)]).fetchall()


def gone(con: Connection, keys: Iterable[str]) -> set[str]:
    """Return those of ``keys`` that are gone."""
    wanted = rows.texts(keys)
    if wanted == "[]":
        return set()
    found = con.execute(f"SELECT key FROM inventory_ WHERE presence = 'gone' AND key IN {rows.IN_TEXTS}", [wanted])
    return {key for (key,) in found.fetchall()}


_LATELY = 20_000
"""Entries of the log; what moved before those is not looked for."""


def last_seqs(con: Connection, keys: Iterable[str]) -> dict[str, int]:
    """Return key -> the number of its newest entry in the log of what was seen, where that is among the last ones."""
    newest = con.execute("SELECT max(seq) FROM state_log").fetchone()
    found = con.execute(
        "SELECT key, max(seq) FROM state_log"
        f" WHERE seq > ? AND side = 'actual' AND key IN {rows.IN_TEXTS} GROUP BY key",
        [(newest[0] or 0) - _LATELY if newest else 0, rows.texts(keys)],
    ).fetchall()
    return dict(found)


def whole_sources(con: Connection) -> dict[str, frozenset[str]]:
    """Return the sources that are read completely, each with the kinds of which a gap may hide something.

    What they do not have of other kinds is not there.
    """
    found = con.execute(
        "SELECT provider || '/' || source, flatten(list(hidden_kinds)) FROM scopes_ GROUP BY ALL"
        " HAVING bool_and(status IN ('ok', 'partial'))"
    ).fetchall()
    return {source: frozenset(hidden) for source, hidden in found}


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
