"""How each scope and source is, each scan's outcome, and manifests that came in parts."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from daemon.store import inventory, rows
from daemon.store.database import Connection


@dataclass(slots=True)
class ScopeRow:
    """A row of ``scopes_``."""

    provider: str
    source: str
    scope: str
    status: str = "new"
    resources: int = 0
    last_scan: str | None = None
    observed_at: datetime | None = None
    last_attempt_at: datetime | None = None
    duration_seconds: float | None = None
    interval_seconds: float | None = None
    next_at: datetime | None = None
    failures: int = 0
    trouble: str | None = None
    detail: str = ""
    held_scans: int = 0
    held_missing: int = 0
    released: bool = False
    gaps: str = "[]"
    """What the last complete scan could not see: JSON of ``GapRow``s."""
    hidden: int = 0
    """How many known resources that hides."""
    hidden_kinds: list[str] = field(default_factory=list)
    """The kinds of which something may be missing from its listing."""


@dataclass(slots=True)
class ScanRow:
    """A row of ``scans``."""

    scan: str
    provider: str
    source: str
    scope: str
    outcome: str
    observed_at: datetime
    duration_seconds: float
    resources: int | None = None
    missing: int | None = None
    gone: int | None = None
    trouble: str | None = None
    detail: str = ""


_TYPES = {
    "resources": "BIGINT",
    "observed_at": "TIMESTAMPTZ",
    "last_attempt_at": "TIMESTAMPTZ",
    "duration_seconds": "DOUBLE",
    "interval_seconds": "DOUBLE",
    "next_at": "TIMESTAMPTZ",
    "failures": "BIGINT",
    "held_scans": "BIGINT",
    "held_missing": "BIGINT",
    "released": "BOOLEAN",
    "hidden": "BIGINT",
    "hidden_kinds": "VARCHAR[]",
    "missing": "BIGINT",
    "gone": "BIGINT",
}
SCOPE_COLUMNS = {name: _TYPES.get(name, "VARCHAR") for name in ScopeRow.__dataclass_fields__}
SCAN_COLUMNS = {name: _TYPES.get(name, "VARCHAR") for name in ScanRow.__dataclass_fields__}
_SCOPE_KEY = ("provider", "source", "scope")
ScopeKey = tuple[str, str, str]


def scopes(con: Connection) -> dict[ScopeKey, ScopeRow]:
    times = ("observed_at", "last_attempt_at", "next_at")
    select = ", ".join(f"epoch_us({name})" if name in times else name for name in SCOPE_COLUMNS)
    found: dict[ScopeKey, ScopeRow] = {}
    for values in con.execute(f"SELECT {select} FROM scopes_").fetchall():
        row = ScopeRow(*values)
        for name in times:
            setattr(row, name, inventory.instant(getattr(row, name)))
        found[row.provider, row.source, row.scope] = row
    return found


def put_scopes(con: Connection, changed: list[ScopeRow]) -> None:
    rows.merge(con, "scopes_", SCOPE_COLUMNS, _SCOPE_KEY, changed)


def add_scans(con: Connection, ended: list[ScanRow]) -> None:
    rows.insert(con, "scans", SCAN_COLUMNS, ended)


def stage_part(con: Connection, scan: str, part: int, at: datetime, manifest: dict[str, str]) -> None:
    con.execute("INSERT INTO scan_parts_ VALUES (?, ?, ?, ?)", [scan, part, at, orjson.dumps(manifest).decode()])


def take_parts(con: Connection, scan: str) -> dict[int, dict[str, str]]:
    """Return the staged parts of a scan and forget them."""
    found = con.execute("SELECT part, manifest FROM scan_parts_ WHERE scan = ?", [scan]).fetchall()
    if found:
        con.execute("DELETE FROM scan_parts_ WHERE scan = ?", [scan])
    return {part: orjson.loads(manifest) for part, manifest in found}


_LATE = (
    "status IN ('ok', 'held', 'partial') AND last_attempt_at + to_seconds(? * interval_seconds + 1) < ?::TIMESTAMPTZ"
)
LATE_INTERVALS = 3
_DEAD = "paused AND heartbeat_at < ?::TIMESTAMPTZ"
_LIFE, _BEATS = timedelta(minutes=1), timedelta(seconds=25)
"""A living agent is heard of every ten seconds: beyond the second it is doubted, beyond the first it is dead."""


def any_late(con: Connection, *, now: datetime) -> bool:
    """Whether nothing was heard of a scope for three of its intervals, or of a paused agent, unnoticed so far."""
    row = con.execute(
        f"SELECT EXISTS (FROM scopes_ WHERE {_LATE}) OR EXISTS (FROM agents_ WHERE {_DEAD})",
        [LATE_INTERVALS, now, now - _LIFE],
    ).fetchone()
    return bool(row and row[0])


def mark_late(con: Connection, *, now: datetime) -> list[ScopeKey]:
    """Turn those to ``late``; return which.  An agent that died while it was paused is not paused any more."""
    con.execute(f"UPDATE agents_ SET paused = false WHERE {_DEAD}", [now - _LIFE])
    found = con.execute(
        "UPDATE scopes_ SET status = 'late', detail = replace(CASE WHEN EXISTS (FROM agents_ AS a WHERE"
        " a.provider = scopes_.provider AND a.source = scopes_.source AND a.heartbeat_at >= ?::TIMESTAMPTZ)"
        " THEN 'its agent lives and has not read it for $ s: does the source answer slowly?'"
        " ELSE 'nothing was heard of its agent for $ s; is it running?' END,"
        " '$', (epoch(?::TIMESTAMPTZ - last_attempt_at))::BIGINT::VARCHAR)"
        f" WHERE {_LATE} RETURNING provider, source, scope",
        [now - _BEATS, now, LATE_INTERVALS, now],
    ).fetchall()
    return [(provider, source, scope) for provider, source, scope in found]


def release(con: Connection, provider: str, source: str) -> list[str]:
    """Let the next scan of the held scopes take effect; return their names."""
    found = con.execute(
        "UPDATE scopes_ SET released = true WHERE provider = ? AND source = ? AND held_scans > 0 RETURNING scope",
        [provider, source],
    ).fetchall()
    return sorted(scope for (scope,) in found)


_LOST = "('failed', 'degraded', 'late')"


def log_source_changes(con: Connection, *, at: datetime, cause: str) -> list[tuple[str, str, str]]:
    """Log each source that was lost or is whole again; return (provider, source, status) of those.

    An outage is one row when it begins and one when it is over, however many scopes fail and return one by one.
    """
    con.execute(
        "INSERT INTO agents_ SELECT provider, source, 'new', false, NULL, NULL, NULL, [], 0, NULL FROM scopes_"
        " ANTI JOIN agents_ USING (provider, source) GROUP BY ALL"
    )
    moved = con.execute(
        "SELECT provider, source, s.status, s.detail, a.status FROM sources AS s JOIN agents_ AS a"
        " USING (provider, source)"
        f" WHERE (s.status IN {_LOST} AND a.status NOT IN {_LOST}) OR (s.status = 'ok' AND a.status <> 'ok')"
        " ORDER BY ALL"
    ).fetchall()
    entries = [
        inventory.LogRow(
            at=at, side="actual", op=_source_op(before, status), key=f"{provider}/{source}", provider=provider,
            source=source, kind="source", name=source, incarnation="", status=status, presence="present",
            cause=cause if status == "ok" else f"{cause}: {detail}"[:500], changed=["status"],
        )
        for provider, source, status, detail, before in moved
    ]  # fmt: skip
    inventory.log(con, entries)
    for provider, source, status, *_ in moved:
        con.execute("UPDATE agents_ SET status = ? WHERE provider = ? AND source = ?", [status, provider, source])
    return [(provider, source, status) for provider, source, status, *_ in moved]


def _source_op(before: str, status: str) -> str:
    if status != "ok":
        return "source_lost"
    return "source_appeared" if before == "new" else "source_recovered"


def count_late(con: Connection, provider: str, source: str, count: int) -> None:
    con.execute(
        "MERGE INTO agents_ AS a USING (SELECT ? AS provider, ? AS source, ?::BIGINT AS n) AS s"
        " ON a.provider = s.provider AND a.source = s.source"
        " WHEN MATCHED THEN UPDATE SET late_messages = a.late_messages + s.n"
        " WHEN NOT MATCHED THEN INSERT VALUES (s.provider, s.source, 'new', false, NULL, NULL, NULL, [], s.n, NULL)",
        [provider, source, count],
    )


def heartbeats(con: Connection, seen: list[dict[str, Any]]) -> None:
    """Store what agents say of themselves."""
    for beat in seen:
        con.execute(
            "MERGE INTO agents_ AS a USING (SELECT ? AS provider, ? AS source) AS s"
            " ON a.provider = s.provider AND a.source = s.source"
            " WHEN MATCHED THEN UPDATE SET paused = ?, agent = ?, agent_version = ?, heartbeat_at = ?,"
            " capabilities = from_json(?::JSON, '[\"VARCHAR\"]')"
            " WHEN NOT MATCHED THEN INSERT VALUES (s.provider, s.source, 'new', ?, ?, ?, ?,"
            " from_json(?::JSON, '[\"VARCHAR\"]'), 0, NULL)",
            [beat["provider"], beat["source"], *([beat["paused"], beat["agent"], beat["version"], beat["at"],
             rows.texts(beat["capabilities"])] * 2)],
        )  # fmt: skip


def forget_staged(con: Connection, *, now: datetime, older_than: timedelta = timedelta(hours=1)) -> None:
    con.execute("DELETE FROM scan_parts_ WHERE staged_at < ?", [now - older_than])
