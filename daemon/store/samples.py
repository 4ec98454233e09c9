"""Utilisation: raw samples, and their rollups to 5 minutes and an hour."""

from datetime import datetime, timedelta

from daemon.store import rows
from daemon.store.database import Connection
from schemas.events import Sample

_COLUMNS = {"sampled_at": "TIMESTAMPTZ", "key": "VARCHAR", "metric": "VARCHAR", "value": "DOUBLE"}


def put(con: Connection, samples: list[Sample]) -> None:
    rows.insert(
        con,
        "samples",
        _COLUMNS,
        [{"sampled_at": s.at, "key": s.key, "metric": s.metric, "value": s.value} for s in samples],
    )


def roll_up(con: Connection, *, now: datetime) -> None:
    """Bring both rollups up to ``now``; an interval is written when it is over, once."""
    _roll(
        con,
        "samples_5m",
        "samples",
        timedelta(minutes=5),
        now=now,
        values="avg(value), min(value), max(value), count(*)",
    )
    _roll(
        con, "samples_1h", "samples_5m", timedelta(hours=1), now=now,
        values="sum(value * count) / sum(count), min(low), max(high), sum(count)::BIGINT",
    )  # fmt: skip


def _roll(con: Connection, into: str, out_of: str, step: timedelta, *, now: datetime, values: str) -> None:
    con.execute(
        f"INSERT INTO {into} SELECT time_bucket(?::INTERVAL, sampled_at) AS slot, key, metric, {values} FROM {out_of}"
        f" WHERE sampled_at >= coalesce((SELECT max(sampled_at) + ?::INTERVAL FROM {into}), '1970-01-01'::TIMESTAMPTZ)"
        " AND sampled_at < time_bucket(?::INTERVAL, ?::TIMESTAMPTZ) GROUP BY slot, key, metric",
        [step, step, step, now - timedelta(seconds=30)],
    )
