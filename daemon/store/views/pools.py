"""Questions about pools: their rows with capacity and usage, properties with their origin, members."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from daemon.store import pools, rows
from daemon.store.database import Connection
from schemas.expected_queries import PoolRow, Property
from schemas.pools import Pool
from schemas.resources import Size

FRESH = timedelta(minutes=10)
"""Older samples say nothing of what is used now."""
_COLUMNS = "path, type, description, declared, unmanaged, members, running, drifting"
_SIZE = "cpu_cores, memory_bytes, disk_bytes, gpus"
# `cpu_ratio` of a container is of one core, of anything else of all its cores.
_USED = f"""
SELECT path, arg_min(cores, rank) FILTER (cores IS NOT NULL), arg_min(memory, rank) FILTER (memory IS NOT NULL)
FROM (
    SELECT path, rank, sum(cores) AS cores, sum(memory) AS memory FROM (
        SELECT r.path, c.rank, c.counted, max(u.memory) AS memory,
            max(CASE WHEN i.kind IN ('container', 'pod') THEN u.ratio ELSE u.ratio * i.cpu_cores END) AS cores
        FROM (
            SELECT key, arg_max(value, sampled_at) FILTER (metric = 'cpu_ratio') AS ratio,
                arg_max(value, sampled_at) FILTER (metric = 'memory_used_bytes') AS memory
            FROM samples WHERE sampled_at > ? AND sampled_at <= ? AND metric IN ('cpu_ratio', 'memory_used_bytes')
            GROUP BY key
        ) AS u
        JOIN inventory_ AS i USING (key) JOIN pool_counting_ AS c USING (key) JOIN pool_resources_ AS r USING (key)
        WHERE r.path IN {rows.IN_TEXTS}
        GROUP BY r.path, c.rank, c.counted
    ) GROUP BY path, rank
) GROUP BY path
"""


def paths(con: Connection, below: str | None = None) -> list[str]:
    """Return all paths there are, or ``below`` and those under it, in order."""
    found = con.execute(
        "SELECT DISTINCT above FROM pool_tree_ WHERE $1 IS NULL OR above = $1 OR starts_with(above, $1 || '/')"
        " ORDER BY above",
        [below],
    ).fetchall()
    return [path for (path,) in found]


def fetch(con: Connection, wanted: Sequence[str], *, now: datetime) -> list[PoolRow]:
    """Return these pools in the order of their paths."""
    if not wanted:
        return []
    texts = rows.texts(wanted)
    found = con.execute(
        f"SELECT {_COLUMNS}, {_SIZE} FROM pools WHERE path IN {rows.IN_TEXTS} ORDER BY path", [texts]
    ).fetchall()
    used = {path: figures for path, *figures in con.execute(_USED, [now - FRESH, now, texts]).fetchall()}
    said = dimensions(con, wanted)
    defined = pools.definitions(con)
    return [_row(row, used.get(row[0], (None, None)), said, defined) for row in found]


def dimensions(con: Connection, targets: Sequence[str]) -> dict[str, tuple[Property, ...]]:
    """Return the properties of these pools and resources, by name."""
    found = con.execute(
        f"SELECT target, name, value, origin FROM dimensions WHERE target IN {rows.IN_TEXTS} ORDER BY target, name",
        [rows.texts(targets)],
    ).fetchall()
    made: dict[str, tuple[Property, ...]] = {}
    for target, name, value, origin in found:
        one = Property(name=name, value=orjson.loads(value), origin=origin)
        made[target] = (*made.get(target, ()), one)
    return made


def members(con: Connection, path: str, *, after: str | None, limit: int) -> tuple[list[str], int]:
    """Return the first keys behind ``after`` of all that is in the pool and not gone, and how many there are in all."""
    found = con.execute(
        "WITH m AS MATERIALIZED (SELECT key FROM pool_resources_ WHERE path = ?)"
        " SELECT total, key FROM (SELECT count(*) AS total FROM m)"
        " LEFT JOIN (SELECT key FROM m WHERE key > ? ORDER BY key LIMIT ?) ON true ORDER BY key",
        [path, after or "", limit],
    ).fetchall()
    return [key for _, key in found if key is not None], found[0][0]


def full(con: Connection, wanted: Sequence[str]) -> list[str]:
    """Return those of these pools that have members."""
    found = con.execute(
        f"SELECT path FROM pools WHERE members > 0 AND path IN {rows.IN_TEXTS} ORDER BY path", [rows.texts(wanted)]
    ).fetchall()
    return [path for (path,) in found]


def absent(con: Connection, keys: Sequence[str]) -> list[str]:
    """Return those of ``keys`` that are gone, or that nobody ever saw."""
    found = con.execute(
        f"SELECT key FROM inventory_ WHERE presence <> 'gone' AND key IN {rows.IN_TEXTS}", [rows.texts(keys)]
    ).fetchall()
    return sorted(set(keys) - {key for (key,) in found})


def _row(
    row: Sequence[Any], used: Sequence[float | None], said: dict[str, tuple[Property, ...]], defined: dict[str, Pool]
) -> PoolRow:
    path, type_, description, declared, unmanaged, count, running, drifting, *size = row
    pool = defined.get(path)
    return PoolRow(
        path=path, type=type_, description=description, declared=declared, unmanaged=unmanaged, members=count,
        running=running, drifting=drifting, properties=said.get(path, ()),
        selectors=tuple(map(str, pool.selectors)) if pool else (), place=pool.place if pool else "",
        capacity=Size(**dict(zip(Size.model_fields, size, strict=True))),
        used_cpu_cores=used[0], used_memory_bytes=used[1],
    )  # fmt: skip
