"""Figures for Prometheus: how fresh, how many, how bad."""

from dataclasses import dataclass
from datetime import datetime

from daemon.store.database import Connection
from daemon.store.views import history

Labelled = dict[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Gauges:
    """Label values -> figure, in the order of each gauge's labels."""

    scan_ages: Labelled
    scans_ok: Labelled
    resources: Labelled
    open_deviations: Labelled


def gauges(con: Connection, *, now: datetime) -> Gauges:
    scopes = con.execute(
        "SELECT provider, source, scope, epoch(?::TIMESTAMPTZ - observed_at), status IN ('ok', 'held', 'partial')"
        " FROM scopes_",
        [now],
    ).fetchall()
    presences = con.execute("SELECT provider, source, presence, count(*) FROM resources GROUP BY ALL").fetchall()
    return Gauges(
        scan_ages={(p, s, scope): age for p, s, scope, age, _ in scopes if age is not None},
        scans_ok={(p, s, scope): float(ok) for p, s, scope, _, ok in scopes},
        resources={(p, s, presence): float(count) for p, s, presence, count in presences},
        open_deviations={(name,): float(count) for name, count in history.open_by_severity(con).items()},
    )
