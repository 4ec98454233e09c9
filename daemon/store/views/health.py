"""How the sources are as wholes: figures per kind, machines, fill of storages, backups.  One look per question.

All is read from ``resources``, so what cannot be read now is unknown here, too.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from daemon.store import backups
from daemon.store.database import Connection
from daemon.store.views.pools import FRESH
from schemas.base import Message
from schemas.health import (
    FULL,
    MOST_NAMED,
    STALE_DAYS,
    BackupHealth,
    Fill,
    KindHealth,
    Machine,
    SourceHealth,
    Unwell,
)
from schemas.resources import Kind

Ref = tuple[str, str]
"""Provider and source."""
_CHOSEN = "($provider::VARCHAR IS NULL OR provider = $provider) AND ($source::VARCHAR IS NULL OR source = $source)"
_MACHINES_NAMED = 200
_FULLEST = 5
_RUNNING = "('cluster', 'node', 'host', 'vm', 'container', 'pod')"
"""Kinds that run or do not; of others an unknown status is no news."""
_KINDS = f"""
SELECT provider, source, kind, CASE WHEN kind IN ('rule', 'schedule') THEN native_kind ELSE '' END AS native_kind,
    count(*) AS total,
    count(*) FILTER (known AND status = 'running') AS running,
    count(*) FILTER (known AND status IN ('stopped', 'paused', 'pending')) AS stopped,
    count(*) FILTER (known AND status = 'failed') AS failed,
    count(*) FILTER (NOT known OR (status = 'unknown' AND kind IN {_RUNNING})) AS unknown,
    count(*) FILTER (known AND health = 'degraded') AS degraded,
    count(*) FILTER (known AND health = 'failing') AS failing
FROM (
    SELECT provider, source, kind, native_kind, status, health, presence IN ('present', 'suspect') AS known
    FROM resources WHERE presence <> 'gone' AND {_CHOSEN}
) GROUP BY ALL ORDER BY ALL
"""
_ILL = "(status = 'failed' OR health IN ('degraded', 'failing'))"
_WORST = "health = 'failing' DESC, status = 'failed' DESC"
_MACHINES = f"""
SELECT provider, source, key, name, kind, status, native_status, health, presence,
    coalesce(native->>'$.version', spec->>'$.version', '') AS version
FROM resources WHERE presence <> 'gone' AND kind IN ('cluster', 'node', 'host') AND {_CHOSEN}
QUALIFY row_number() OVER (PARTITION BY provider, source ORDER BY kind = 'node', status = 'running' AND NOT {_ILL})
    <= {_MACHINES_NAMED}
ORDER BY kind, name, key
"""
_UNWELL = f"""
SELECT provider, source, key, name, kind, status, native_status, health FROM resources
WHERE presence = 'present' AND kind NOT IN ('cluster', 'node', 'host') AND {_ILL} AND {_CHOSEN}
QUALIFY row_number() OVER (PARTITION BY provider, source ORDER BY {_WORST}, key) <= {MOST_NAMED}
ORDER BY {_WORST}, key
"""
# Providers say `used_ratio`, or used and total, or only used: then the size it is given is the whole.
_STORAGES = f"""
SELECT provider, source, key, native_id, ratio FROM (
    SELECT r.provider, r.source, r.key, r.native_id,
        coalesce(u.ratio, u.used / nullif(coalesce(u.total, r.disk_bytes), 0)) AS ratio
    FROM (
        SELECT key, arg_max(value, sampled_at) FILTER (metric = 'used_ratio') AS ratio,
            arg_max(value, sampled_at) FILTER (metric IN ('used_bytes', 'disk_used_bytes')) AS used,
            arg_max(value, sampled_at) FILTER (metric = 'disk_total_bytes') AS total
        FROM samples
        WHERE sampled_at > $since AND sampled_at <= $now
            AND metric IN ('used_ratio', 'used_bytes', 'disk_used_bytes', 'disk_total_bytes')
        GROUP BY key
    ) AS u JOIN resources AS r USING (key)
    WHERE r.kind = 'storage' AND r.presence = 'present' AND {_CHOSEN}
) WHERE ratio IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY provider, source ORDER BY ratio DESC, key)
    <= CASE WHEN ratio > {FULL} THEN {MOST_NAMED} ELSE {_FULLEST} END
ORDER BY ratio DESC, key
"""
# `null` says that everything was looked through and there is none; nothing at all says that nobody could look.  Where a
# place could not be read since (`blind`), there may be newer ones than are known.
_BACKUPS = f"""
WITH keeping AS (
    SELECT DISTINCT provider, source FROM inventory_
    WHERE kind IN ('backup', 'schedule') AND presence <> 'gone' AND {_CHOSEN}
), guests AS (
    SELECT provider, source, key, name, json_type(native, '$.newest_backup_at') AS told,
        list_contains($sources, provider || '/' || source)
            OR coalesce(list_contains($machines, parent), false) AS blind,
        try_cast(native->>'$.newest_backup_at' AS TIMESTAMPTZ) AS made_at
    FROM resources WHERE kind IN ('vm', 'container') AND presence = 'present' AND {_CHOSEN}
)
SELECT provider, source, state, count(*), min_by({{'key': key, 'name': name}}, (name, key), {MOST_NAMED}) FROM (
    SELECT provider, source, key, name,
        CASE WHEN made_at >= $old THEN 'fresh'
             WHEN blind OR told IS NULL OR (told <> 'NULL' AND made_at IS NULL) THEN 'unknown'
             WHEN told = 'NULL' THEN 'without' ELSE 'stale' END AS state
    FROM guests JOIN keeping USING (provider, source)
) GROUP BY ALL
"""


def health(con: Connection, provider: str | None, source: str | None, *, now: datetime) -> dict[Ref, SourceHealth]:
    """Return how each source with anything in it is; of one, or of all."""
    of = {"provider": provider, "source": source}
    parts: dict[Ref, dict[str, Any]] = {}

    def rows(sql: str, **more: datetime | list[str]) -> Iterator[tuple[dict[str, Any], tuple[Any, ...]]]:
        for first, second, *rest in con.execute(sql, of | more).fetchall():
            yield parts.setdefault((first, second), {}), tuple(rest)

    for part, row in rows(_KINDS):
        part.setdefault("kinds", []).append(_made(KindHealth, row))
    for part, row in rows(_MACHINES):
        part.setdefault("machines", []).append(_made(Machine, row))
    for part, row in rows(_UNWELL):
        part.setdefault("unwell", []).append(_made(Unwell, row))
    for part, row in rows(_STORAGES, since=now - FRESH, now=now):
        part.setdefault("storages", []).append(_made(Fill, row))
    unread = backups.unread(con)
    blind = {"sources": sorted(unread.sources), "machines": sorted(unread.machines)}
    for part, (state, count, named) in rows(_BACKUPS, old=now - timedelta(days=STALE_DAYS), **blind):
        part.setdefault("backups", {}).update({state: count, f"named_{state}": named})
    return {ref: _source(part) for ref, part in parts.items()}


_Model = TypeVar("_Model", bound=Message)


def _made(model: type[_Model], row: tuple[Any, ...]) -> _Model:
    """``row`` has the columns in the order of the fields."""
    return model.model_validate(dict(zip(model.model_fields, row, strict=True)))


def _source(part: dict[str, Any]) -> SourceHealth:
    told, machines = part.pop("backups", None), part.get("machines", [])
    versions = Counter(one.version for one in machines if one.kind is Kind.NODE and one.version)
    return SourceHealth(
        **part, versions=dict(sorted(versions.items())), backups=None if told is None else BackupHealth(**told)
    )
