"""Questions about what is watched and how fresh it is, and about the whole."""

from datetime import datetime

import orjson

from daemon.store.database import Connection
from daemon.store.inventory import instant
from schemas.answers import Provenance
from schemas.queries import GapRow, KindCount, ScopeRow, SourceRow

_SOURCE = (
    "SELECT provider, source, status, detail, resources, epoch_us(observed_at), epoch_us(next_scan_at),"
    " late_messages, agent, agent_version, epoch_us(heartbeat_at), capabilities FROM sources"
)
_SCOPE = (
    "SELECT provider, source, scope, status, resources, epoch_us(observed_at), epoch_us(last_attempt_at),"
    " duration_seconds, interval_seconds, failures, trouble, detail, held_scans, held_missing, hidden, gaps"
    " FROM scopes_"
)
_WHERE = " WHERE (?::VARCHAR IS NULL OR provider = ?) AND (?::VARCHAR IS NULL OR source = ?)"
_COMPLETE = frozenset({"ok"})


def sources(con: Connection, provider: str | None, source: str | None, *, now: datetime) -> list[SourceRow]:
    parameters = [provider, provider, source, source]
    scopes: dict[tuple[str, str], list[ScopeRow]] = {}
    for row in con.execute(f"{_SCOPE}{_WHERE} ORDER BY ALL", parameters).fetchall():
        scopes.setdefault((row[0], row[1]), []).append(
            ScopeRow(
                scope=row[2],
                status=row[3],
                resources=row[4],
                observed_at=instant(row[5]),
                last_attempt_at=instant(row[6]),
                duration_seconds=row[7],
                interval_seconds=row[8],
                failures=row[9],
                trouble=row[10],
                detail=row[11],
                held_scans=row[12],
                held_missing=row[13],
                hidden=row[14],
                gaps=tuple(GapRow.model_validate(gap) for gap in orjson.loads(row[15])),
            )
        )
    found = con.execute(f"{_SOURCE}{_WHERE} ORDER BY provider, source", parameters).fetchall()
    return [_source(row, tuple(scopes.get((row[0], row[1]), ())), now) for row in found]


def _source(row: tuple[object, ...], scopes: tuple[ScopeRow, ...], now: datetime) -> SourceRow:
    names = (
        "provider", "source", "status", "detail", "resources", "observed_at", "next_scan_at", "late_messages", "agent",
        "agent_version", "heartbeat_at", "capabilities",
    )  # fmt: skip
    values: dict[str, object] = dict(zip(names, row, strict=True))
    for name in ("observed_at", "next_scan_at", "heartbeat_at"):
        value = values[name]
        values[name] = instant(value) if isinstance(value, int) else None
    observed_at = values["observed_at"]
    age = max(0.0, (now - observed_at).total_seconds()) if isinstance(observed_at, datetime) else None
    return SourceRow.model_validate(values | {"age_seconds": age, "scopes": scopes})


def provenance(con: Connection, provider: str | None, source: str | None, *, now: datetime) -> tuple[Provenance, ...]:
    """Say of each source an answer may draw on how fresh and how complete it is."""
    found = con.execute(
        f"SELECT provider || '/' || source, status, detail, epoch_us(observed_at) FROM sources{_WHERE} ORDER BY ALL",
        [provider, provider, source, source],
    ).fetchall()
    made = []
    for name, status, detail, observed in found:
        at = instant(observed)
        age = max(0.0, (now - at).total_seconds()) if at else None
        made.append(
            Provenance(
                source=name, status=status, observed_at=at, age_seconds=age, complete=status in _COMPLETE, detail=detail
            )
        )
    return tuple(made)


def counts(con: Connection) -> tuple[KindCount, ...]:
    found = con.execute(
        "SELECT provider, source, kind, count(*), count(*) FILTER (status = 'running' AND presence = 'present'),"
        " count(*) FILTER (status NOT IN ('running', 'unknown') AND presence = 'present'),"
        " count(*) FILTER (presence NOT IN ('present', 'suspect'))"
        " FROM resources WHERE presence <> 'gone' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    names = ("provider", "source", "kind", "total", "running", "not_running", "unknown")
    return tuple(KindCount.model_validate(dict(zip(names, row, strict=True))) for row in found)


def named(con: Connection, text: str) -> list[tuple[str, str]]:
    """Return the (provider, source) that ``text``, a name or ``<provider>/<name>``, may mean."""
    return con.execute(
        "SELECT provider, source FROM sources WHERE source = ? OR provider || '/' || source = ? ORDER BY ALL",
        [text, text],
    ).fetchall()


def all_names(con: Connection) -> list[tuple[str, str]]:
    return con.execute("SELECT provider, source FROM sources ORDER BY ALL").fetchall()


def attempts_since(con: Connection, at: datetime, scope: str | None = None) -> dict[tuple[str, str], bool]:
    """Say of each source whether all its scopes, or this one, have been read, or tried, at or after ``at``."""
    found = con.execute(
        "SELECT provider, source, bool_and(last_attempt_at >= $1) FROM scopes_"
        " WHERE $2::VARCHAR IS NULL OR scope = $2 GROUP BY ALL",
        [at, scope],
    ).fetchall()
    return {(provider, source): done for provider, source, done in found}


def figures(con: Connection) -> dict[str, int]:
    row = con.execute(
        "SELECT (SELECT count(*) FROM quarantine), (SELECT coalesce(sum(late_messages), 0)::BIGINT FROM agents_),"
        " (SELECT count(*) FROM inventory_ WHERE presence <> 'gone')"
    ).fetchone()
    return dict(zip(("quarantined", "late_messages", "resources"), row or (0, 0, 0), strict=True))
