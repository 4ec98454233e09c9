"""Utilisation: raw samples, and their rollups to 5 minutes and an hour."""

from datetime import datetime, timedelta

from daemon.store import rows
from daemon.store.database import Connection
from schemas.events import Sample

_BELATED = timedelta(minutes=90)
"""More than METRICS holds: what is older cannot come any more."""
_COLUMNS = {"sampled_at": "TIMESTAMPTZ", "key": "VARCHAR", "metric": "VARCHAR", "value": "DOUBLE"}


def put(con: Connection, samples: list[Sample]) -> None:
    rows.insert(
        con,
        "samples",
        _COLUMNS,
        [{"sampled_at": s.at, "key": s.key, "metric": s.metric, "value": s.value} for s in samples],
    )


def roll_up(con: Connection, *, now: datetime) -> None:
    """Bring both rollups up to ``now``.

    An interval is written when it is over, and again while its samples may still come: those of an agent that was away
    from the bus, or of the time in which nobody read them.
    """
    _roll(con, "samples_5m", "samples", timedelta(minutes=5), "avg(value), min(value), max(value), count(*)", now=now)
    mean = "sum(value * count) / sum(count), min(low), max(high), sum(count)::BIGINT"
    _roll(con, "samples_1h", "samples_5m", timedelta(hours=1), mean, now=now)


def _roll(con: Connection, into: str, out_of: str, step: timedelta, values: str, *, now: datetime) -> None:
    row = con.execute(
        "SELECT time_bucket($1::INTERVAL, least($2::TIMESTAMPTZ,"
        f" coalesce((SELECT max(sampled_at) + $1::INTERVAL FROM {into}), '1970-01-01'::TIMESTAMPTZ)))",
        [step, now - _BELATED],
    ).fetchone()
    since = row[0] if row else now
    con.execute(
        f"MERGE INTO {into} AS t USING (SELECT time_bucket($1::INTERVAL, sampled_at) AS slot, key, metric, {values}"
        f" FROM {out_of} WHERE sampled_at >= $2 AND sampled_at < time_bucket($1::INTERVAL, $3::TIMESTAMPTZ)"
        " GROUP BY slot, key, metric) AS s (slot, key, metric, value, low, high, count)"
        " ON t.sampled_at >= $2 AND t.sampled_at = s.slot AND t.key = s.key AND t.metric = s.metric"
        " WHEN MATCHED AND t.count <> s.count"
        " THEN UPDATE SET value = s.value, low = s.low, high = s.high, count = s.count"
        " WHEN NOT MATCHED THEN INSERT VALUES (s.slot, s.key, s.metric, s.value, s.low, s.high, s.count)",
        [step, since, now - timedelta(seconds=30)],
    )
