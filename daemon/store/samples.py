"""Utilisation: raw samples, and their rollups to 5 minutes and an hour."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from daemon.store import rows
from daemon.store.database import Connection
from schemas.events import Sample

_BELATED = timedelta(minutes=90)
"""More than METRICS holds: what is older was not measured when it was said, but filled in by an agent."""
_FILLED = timedelta(hours=26)
"""More than an agent fills in: what is older cannot come any more."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = {"sampled_at": "TIMESTAMPTZ", "key": "VARCHAR", "metric": "VARCHAR", "value": "DOUBLE"}


def put(con: Connection, samples: list[Sample]) -> None:
    """Store what is not there yet: one metric of one key has one value at a time, and the first stands."""
    if not samples:
        return
    new = {(s.at, s.key, s.metric): s.value for s in reversed(samples)}
    times = [at for at, _, _ in new]
    con.execute(
        "MERGE INTO samples AS t"
        f" USING (SELECT from_json(l, '{rows.structure(_COLUMNS)}') AS r FROM (SELECT unnest({rows.SPLIT}) AS l)) AS s"
        " ON t.sampled_at BETWEEN ? AND ?"  # else all there are were looked through
        " AND t.sampled_at = s.r.sampled_at AND t.key = s.r.key AND t.metric = s.r.metric"
        " WHEN NOT MATCHED THEN INSERT (sampled_at, key, metric, value)"
        " VALUES (s.r.sampled_at, s.r.key, s.r.metric, s.r.value)",
        [rows.array([dict(zip(_COLUMNS, (*one, value), strict=True)) for one, value in new.items()]),
         min(times), max(times)],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Rollup:
    into: str
    out_of: str
    step: timedelta
    values: str
    count: str
    """How many samples a row of ``out_of`` stands for, summed up."""


_ROLLUPS = (
    _Rollup("samples_5m", "samples", timedelta(minutes=5), "avg(value), min(value), max(value), count(*)", "count(*)"),
    _Rollup(
        "samples_1h",
        "samples_5m",
        timedelta(hours=1),
        "sum(value * count) / sum(count), min(low), max(high), sum(count)::BIGINT",
        "sum(count)",
    ),
)


def roll_up(con: Connection, *, now: datetime) -> None:
    """Bring both rollups up to ``now``.

    An interval is written when it is over, and again while its samples may still come: those of an agent that was away
    from the bus, of the time in which nobody read them, or of a hole that an agent fills in.
    """
    for rollup in _ROLLUPS:
        since = _since(con, rollup, now)
        for first, end in _lacking(con, rollup, now - _FILLED, since):
            _roll(con, rollup, first, end)
        _roll(con, rollup, since, now - timedelta(seconds=30))


def _since(con: Connection, rollup: _Rollup, now: datetime) -> datetime:
    row = con.execute(
        "SELECT time_bucket($1::INTERVAL, least($2::TIMESTAMPTZ,"
        f" coalesce((SELECT max(sampled_at) + $1::INTERVAL FROM {rollup.into}), '1970-01-01'::TIMESTAMPTZ)))",
        [rollup.step, now - _BELATED],
    ).fetchone()
    return row[0] if row else now


def _lacking(con: Connection, rollup: _Rollup, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return the stretches of whole intervals that stand for fewer samples than there are.

    Counting all of a day takes milliseconds: they are only looked for when that says that there are some.
    """
    since -= (since - _EPOCH) % rollup.step
    there, rolled = (
        f"SELECT {{}} FROM {table} WHERE sampled_at >= $since AND sampled_at < $until"
        for table in (rollup.out_of, rollup.into)
    )
    all_there, all_rolled = there.format(rollup.count), rolled.format("sum(count)")
    span: dict[str, object] = {"since": since, "until": until}
    row = con.execute(f"SELECT ({all_there}) IS DISTINCT FROM ({all_rolled})", span).fetchone()
    if row == (False,):
        return []
    slot, micros = "epoch_us(sampled_at) // $step", rollup.step // timedelta(microseconds=1)
    return con.execute(
        f"WITH there (slot, n) AS ({there.format(f'{slot}, {rollup.count}')} GROUP BY ALL),"
        f" rolled (slot, n) AS ({rolled.format(f'{slot}, sum(count)')} GROUP BY ALL),"
        " lacking AS (SELECT slot, slot - row_number() OVER (ORDER BY slot) AS stretch"
        "  FROM there LEFT JOIN rolled USING (slot) WHERE there.n > coalesce(rolled.n, 0))"
        " SELECT make_timestamptz(min(slot) * $step), make_timestamptz((max(slot) + 1) * $step)"
        " FROM lacking GROUP BY stretch ORDER BY 1",
        span | {"step": micros},
    ).fetchall()


def _roll(con: Connection, rollup: _Rollup, since: datetime, until: datetime) -> None:
    """Write the intervals that begin at ``since`` or later and are over at ``until``."""
    con.execute(
        f"MERGE INTO {rollup.into} AS t"
        f" USING (SELECT time_bucket($1::INTERVAL, sampled_at) AS slot, key, metric, {rollup.values}"
        f" FROM {rollup.out_of} WHERE sampled_at >= $2 AND sampled_at < time_bucket($1::INTERVAL, $3::TIMESTAMPTZ)"
        " GROUP BY slot, key, metric) AS s (slot, key, metric, value, low, high, count)"
        " ON t.sampled_at >= $2 AND t.sampled_at < $3 AND t.sampled_at = s.slot AND t.key = s.key"
        " AND t.metric = s.metric"
        " WHEN MATCHED AND t.count < s.count"
        " THEN UPDATE SET value = s.value, low = s.low, high = s.high, count = s.count"
        " WHEN NOT MATCHED THEN INSERT VALUES (s.slot, s.key, s.metric, s.value, s.low, s.high, s.count)",
        [rollup.step, since, until],
    )
