"""The picture of the whole at a place in the log, and that of now; named pictures are snapshots.

A picture holds what was there.  Per key the last row tells presence, status, name and incarnation; the last row with
content tells spec, labels and parent.  Where that row is lost the resource is counted as lost, never shown empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from pydantic import JsonValue

from daemon.store import rows
from daemon.store.database import Connection
from daemon.store.inventory import instant
from daemon.store.views.resources import Condition

_OF_RESOURCES = "side = 'actual' AND kind <> 'source'"
_COLUMNS = "key, provider, source, kind, name, status, presence, incarnation, labels, parent, spec"
_NOW = f"(SELECT {_COLUMNS}, health FROM inventory_ WHERE presence <> 'gone')"
_COMPARED = ("name", "status", "presence", "incarnation", "labels", "parent", "spec_hash")


@dataclass(frozen=True, slots=True)
class Pictured:
    """One resource in a picture."""

    key: str
    name: str
    status: str
    presence: str
    incarnation: str
    labels: dict[str, str]
    parent: str | None
    spec: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A row of ``snapshots``."""

    name: str
    seq: int
    taken_at: datetime
    note: str
    taken_by: str
    resources: int


def take(con: Connection, name: str, *, at: datetime, note: str, by: str) -> Snapshot:
    """Give the picture of this moment a name."""
    row = con.execute(
        "INSERT INTO snapshots SELECT ?, (SELECT coalesce(max(seq), 0) FROM state_log), ?, ?, ?,"
        " (SELECT count(*) FROM inventory_ WHERE presence <> 'gone') RETURNING seq, resources",
        [name, at, note, by],
    ).fetchall()[0]
    return Snapshot(name, row[0], at, note, by, row[1])


def forget(con: Connection, name: str) -> None:
    con.execute("DELETE FROM snapshots WHERE name = ?", [name])


def snapshots(con: Connection, name: str | None = None) -> list[Snapshot]:
    """Newest first."""
    found = con.execute(
        "SELECT name, seq, epoch_us(taken_at), note, taken_by, resources FROM snapshots"
        " WHERE $1::VARCHAR IS NULL OR name = $1 ORDER BY seq DESC, taken_at DESC, name",
        [name],
    ).fetchall()
    return [Snapshot(row[0], row[1], _moment(row[2]), *row[3:]) for row in found]


def begun_at(con: Connection) -> datetime:
    """When this store was made: what was named before is not in it."""
    return _moment(con.execute("SELECT epoch_us(min(applied_at)) FROM migrations_").fetchall()[0][0])


def lost(con: Connection, snapshot: Snapshot) -> int:
    """How many resources of the snapshot the log cannot tell any longer."""
    row = con.execute(f"SELECT count(*) FROM {_at(snapshot.seq)}").fetchone()
    return max(0, snapshot.resources - (row[0] if row else 0))


def counts(con: Connection, seq: int) -> dict[str, int]:
    found = con.execute(
        f"SELECT provider || '/' || source || ' ' || kind AS what, count(*) FROM {_at(seq)} GROUP BY what ORDER BY what"
    ).fetchall()
    return dict(found)


def keys(
    con: Connection, seq: int | None, chosen: Condition, *, after: str | None, limit: int
) -> tuple[list[str], int]:
    """Return the first keys of a picture (None: now) behind ``after``, and how many are meant in all."""
    return _page(con, f"SELECT key FROM {_at(seq)} WHERE {chosen.sql}", chosen.parameters, after, limit)


def differing(
    con: Connection, older: int, newer: int, chosen: Condition, *, after: str | None, limit: int
) -> tuple[list[str], int]:
    """Return the first keys that differ between two pictures and are meant in either, and how many there are in all.

    Only what the log speaks of between the two is compared.
    """
    first, last = min(older, newer), max(older, newer)
    touched = f"SELECT key FROM state_log WHERE {_OF_RESOURCES} AND seq > {int(first)} AND seq <= {int(last)}"
    differs = " OR ".join(f"o.{name} IS DISTINCT FROM n.{name}" for name in _COMPARED)
    select = (
        f"SELECT key FROM (SELECT * FROM {_at(older)} WHERE key IN ({touched})) AS o"
        f" FULL JOIN (SELECT * FROM {_at(newer)} WHERE key IN ({touched})) AS n USING (key) WHERE ({differs})"
    )
    if not chosen.terms:
        return _page(con, select, [], after, limit)
    select += (
        f" AND key IN (SELECT key FROM {_at(older)} WHERE {chosen.sql}"
        f" UNION ALL SELECT key FROM {_at(newer)} WHERE {chosen.sql})"
    )
    return _page(con, select, [*chosen.parameters, *chosen.parameters], after, limit)


def last_seq(con: Connection) -> int:
    row = con.execute("SELECT coalesce(max(seq), 0) FROM state_log").fetchone()
    return row[0] if row else 0


def fetch(con: Connection, seq: int | None, wanted: Sequence[str]) -> dict[str, Pictured]:
    """Return what a picture (None: now) shows of ``wanted``."""
    found = con.execute(
        f"SELECT key, name, status, presence, incarnation, to_json(labels), parent, spec FROM {_at(seq)}"
        f" WHERE key IN {rows.IN_TEXTS}",
        [rows.texts(wanted)],
    ).fetchall()
    return {
        key: Pictured(key, name, status, presence, incarnation, orjson.loads(labels), parent, orjson.loads(spec))
        for key, name, status, presence, incarnation, labels, parent, spec in found
    }


def _moment(microseconds: int) -> datetime:
    at = instant(microseconds)
    assert at is not None  # noqa: S101 - for mypy: only NULL has none
    return at


def _at(seq: int | None) -> str:
    if seq is None:
        return _NOW
    lasts = (
        "SELECT max(seq) AS last, max(seq) FILTER (spec IS NOT NULL) AS content FROM state_log"
        f" WHERE {_OF_RESOURCES} AND seq <= {int(seq)} GROUP BY key"
    )
    return (
        "(SELECT l.key, l.provider, l.source, l.kind, l.name, l.status, l.presence, l.incarnation,"
        " coalesce(c.labels, MAP {}) AS labels, c.parent, c.spec, c.spec_hash, NULL::VARCHAR AS health"
        f" FROM ({lasts}) AS s JOIN state_log AS l ON l.seq = s.last JOIN state_log AS c ON c.seq = s.content"
        " WHERE l.presence <> 'gone')"
    )


def _page(
    con: Connection, select: str, parameters: Sequence[object], after: str | None, limit: int
) -> tuple[list[str], int]:
    found = con.execute(
        f"WITH m AS MATERIALIZED ({select})"
        " SELECT total, key FROM (SELECT count(*) AS total FROM m)"
        " LEFT JOIN (SELECT key FROM m WHERE key > ? ORDER BY key LIMIT ?) ON true ORDER BY key",
        [*parameters, after or "", limit],
    ).fetchall()
    return [key for _, key in found if key is not None], found[0][0]
