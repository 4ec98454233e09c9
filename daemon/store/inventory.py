"""The present, one row per key, and the log of how it came about.  All writing is set-wise."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import orjson

from daemon.store import rows
from daemon.store.database import Connection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Row:
    """A row of ``inventory_``: what was last observed of a key, and the presence that scans gave it."""

    key: str
    provider: str
    source: str
    kind: str
    native_id: str
    name: str
    native_kind: str
    scope: str
    status: str
    native_status: str
    health: str
    presence: str
    reported: bool
    hidden: str
    """`unknown` or `ineligible`: a gap hides that it is missing from the last scan; else empty."""
    parent: str | None
    relations: list[dict[str, str]]
    labels: dict[str, str]
    addresses: list[str]
    cpu_cores: float | None
    memory_bytes: int | None
    disk_bytes: int | None
    gpus: int | None
    created_at: datetime | None
    incarnation: str
    revision: str
    spec: dict[str, Any]
    native: dict[str, Any]
    hash: str
    first_seen_at: datetime
    observed_at: datetime
    changed_at: datetime
    search: str
    """Key, name and addresses in lower case: where a search for a text looks."""


@dataclass(slots=True)
class LogRow:
    """A row of ``state_log``, but for its ``seq``; equal ``spec`` have equal ``spec_hash``.

    With ``spec`` come ``labels`` and ``parent``: of such a row and the later ones of a key a picture is made.
    """

    at: datetime
    side: str
    op: str
    key: str
    provider: str
    source: str
    kind: str
    name: str
    incarnation: str
    status: str
    presence: str
    cause: str
    spec: dict[str, Any] | None = None
    spec_hash: str = field(init=False, default="")
    changed: list[str] = field(default_factory=list)
    labels: dict[str, str] | None = None
    parent: str | None = None

    def __post_init__(self) -> None:
        if self.spec:
            canonical = orjson.dumps(self.spec, option=orjson.OPT_SORT_KEYS)
            self.spec_hash = blake2b(canonical, digest_size=8).hexdigest()


_TYPES = {
    "reported": "BOOLEAN",
    "relations": "JSON",
    "labels": "MAP(VARCHAR, VARCHAR)",
    "addresses": "VARCHAR[]",
    "cpu_cores": "DOUBLE",
    "memory_bytes": "BIGINT",
    "disk_bytes": "BIGINT",
    "gpus": "INTEGER",
    "created_at": "TIMESTAMPTZ",
    "spec": "JSON",
    "native": "JSON",
    "first_seen_at": "TIMESTAMPTZ",
    "observed_at": "TIMESTAMPTZ",
    "changed_at": "TIMESTAMPTZ",
}
COLUMNS = {name: _TYPES.get(name, "VARCHAR") for name in Row.__dataclass_fields__}
_LOG_TYPES = {"at": "TIMESTAMPTZ", "spec": "JSON", "changed": "VARCHAR[]", "labels": "MAP(VARCHAR, VARCHAR)"}
LOG_COLUMNS = {name: _LOG_TYPES.get(name, "VARCHAR") for name in LogRow.__dataclass_fields__}
_TIMES = [i for i, kind in enumerate(COLUMNS.values()) if kind == "TIMESTAMPTZ"]
_JSONS = [i for i, kind in enumerate(COLUMNS.values()) if kind in ("JSON", "MAP(VARCHAR, VARCHAR)")]


def _readable(name: str, kind: str) -> str:
    """Times as microseconds and maps as JSON: what the Python binding converts cheaply."""
    match kind:
        case "TIMESTAMPTZ":
            return f"epoch_us({name})"
        case "MAP(VARCHAR, VARCHAR)":
            return f"to_json({name})"
    return name


_SELECT = ", ".join(_readable(name, kind) for name, kind in COLUMNS.items())


def instant(microseconds: int | None) -> datetime | None:
    """Return the moment; one outside Python's years 1 to 9999, which DuckDB has, as the last or the first of them."""
    if microseconds is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if microseconds > 0 else datetime.min.replace(tzinfo=UTC)


def fetch(con: Connection, keys: Iterable[str]) -> dict[str, Row]:
    """Return the rows there are for ``keys``."""
    wanted = rows.texts(keys)
    if wanted == "[]":
        return {}
    found = con.execute(f"SELECT {_SELECT} FROM inventory_ WHERE key IN {rows.IN_TEXTS}", [wanted]).fetchall()
    return {row[0]: _row(list(row)) for row in found}


def _row(values: list[Any]) -> Row:
    for i in _TIMES:
        values[i] = instant(values[i])
    for i in _JSONS:
        values[i] = orjson.loads(values[i])
    return Row(*values)


def put(con: Connection, changed: Iterable[Row], *, stored: AbstractSet[str]) -> None:
    """Replace the rows whose keys are in ``stored``, and append the others: that costs half."""
    every = list(changed)
    if replaced := [row.key for row in every if row.key in stored]:
        con.execute(f"DELETE FROM inventory_ WHERE key IN {rows.IN_TEXTS}", [rows.texts(replaced)])
    rows.insert(con, "inventory_", COLUMNS, every)


def log(con: Connection, entries: Sequence[LogRow]) -> None:
    """Append to ``state_log`` in this order; ``seq`` has no holes."""
    if not entries:
        return
    names = ", ".join(map(rows.quoted, LOG_COLUMNS))
    con.execute(
        f"INSERT INTO state_log (seq, {names})"
        f" SELECT base + i, {', '.join(f'r.{rows.quoted(name)}' for name in LOG_COLUMNS)}"
        f" FROM (SELECT from_json(l, '{rows.structure(LOG_COLUMNS)}') AS r, i"
        f" FROM (SELECT unnest(ls) AS l, generate_subscripts(ls, 1) AS i FROM (SELECT {rows.SPLIT} AS ls))),"
        " (SELECT coalesce(max(seq), 0) AS base FROM state_log)",
        [rows.array(entries)],
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What the brake and the manifest are compared with."""

    hash: str
    presence: str
    reported: bool
    hidden: str = ""
    parent: str | None = None


def known(con: Connection, provider: str, source: str, scope: str) -> dict[str, Known]:
    """Return what a scope has in the store, tombstones left out."""
    found = con.execute(
        "SELECT key, hash, presence, reported, hidden, parent FROM inventory_"
        " WHERE provider = ? AND source = ? AND scope = ? AND presence <> 'gone'",
        [provider, source, scope],
    ).fetchall()
    return {key: Known(*rest) for key, *rest in found}


_HIDING = {"key": "VARCHAR", "hidden": "VARCHAR", "seen_at": "TIMESTAMPTZ"}


def set_hidden(con: Connection, moved: Mapping[str, str], *, seen_at: datetime | None) -> None:
    """Say of keys what hides them now, or that nothing does; ``seen_at`` is when they were last listed, if they were.

    No log entries: like an outage, what a gap hides is told once, of its source.
    """
    if moved:
        told = [{"key": key, "hidden": hidden, "seen_at": seen_at} for key, hidden in moved.items()]
        con.execute(
            "UPDATE inventory_ SET hidden = m.r.hidden, observed_at = CASE WHEN presence = 'present' AND hidden = ''"
            " THEN greatest(observed_at, m.r.seen_at) ELSE observed_at END"
            f" FROM {rows.parsed(_HIDING)} AS m WHERE inventory_.key = m.r.key",
            [rows.array(told)],
        )


def set_presence(con: Connection, keys: Iterable[str], presence: str, *, op: str, at: datetime, cause: str) -> None:
    """Move ``keys`` on the axis of presence, with a log entry each."""
    wanted = rows.texts(sorted(keys))
    if wanted == "[]":
        return
    con.execute(
        "UPDATE inventory_ SET presence = ?, reported = reported AND ? = 'gone', changed_at = ?"
        f" WHERE key IN {rows.IN_TEXTS}",
        [presence, presence, at, wanted],
    )
    con.execute(
        'INSERT INTO state_log (seq, "at", side, op, key, provider, source, kind, name, incarnation, status, presence,'
        " spec_hash, changed, cause)"
        " SELECT base + row_number() OVER (ORDER BY key), ?, 'actual', ?, key, provider, source, kind, name,"
        " incarnation, status, presence, '', ['presence'], ?"
        f" FROM inventory_, (SELECT coalesce(max(seq), 0) AS base FROM state_log) WHERE key IN {rows.IN_TEXTS}",
        [at, op, cause, wanted],
    )
