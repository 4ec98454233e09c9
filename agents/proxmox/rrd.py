"""Fills the hole that an absence left in the samples: each node keeps averages of everything for a day and longer.

Nobody measured while this did not run or the cluster could not be reached.  The newest hole only, with a few questions
each time samples are made; what the store has already is known by key, metric and time, and is not stored twice.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from statistics import fmean
from typing import NamedTuple, Protocol, TypeVar

import structlog

from agents.errors import AgentError, Throttled, Unreachable
from agents.proxmox import guests, storages, usage, wire
from agents.proxmox.figures import Number
from schemas.events import Sample
from schemas.resources import Kind, SourceRef

SHORTEST, LONGEST = timedelta(minutes=3), timedelta(days=1)
MOST_GUESTS = 1000
PER_CALL = 100
_AT_ONCE = 2
_SECONDS = 5.0
"""How long a call may take: the samples of now wait for it."""
_TRIES = 3
_LAST_HOUR = timedelta(minutes=55)
"""So far back there are averages of a minute in every version."""
_STEP = timedelta(minutes=5)
"""A day by the minute, as PVE 9 has it, is more than anybody looks at."""
Model = TypeVar("Model")


class Row(wire.Wire):
    """Averages over the time that ends at ``time``; traffic per second.  What was not known is missing."""

    time: int
    cpu: Number = None
    maxcpu: Number = None
    mem: Number = None
    memused: Number = None
    disk: Number = None
    rootused: Number = None
    netin: Number = None
    netout: Number = None
    diskread: Number = None
    diskwrite: Number = None
    used: Number = None
    total: Number = None


_FIGURES = tuple(name for name in Row.model_fields if name != "time")
Meaning = Callable[[Row], Iterator[usage.Metric]]


class Hole(NamedTuple):
    since: datetime
    until: datetime


class Asks(Protocol):
    async def rows(self, path: str, model: type[Model], /, **query: str | int) -> list[Model]: ...


@dataclass(slots=True)
class Target:
    """What is asked about, and what the answer means."""

    path: str
    key: str
    meaning: Meaning
    tries: int = 0


def targets(source: SourceRef, rows: wire.ResourceRows) -> Iterator[Target]:
    """Yield what is there and runs now."""
    online = {row.node for row in rows.nodes if row.status == "online"}
    for node in sorted(online):
        yield Target(f"nodes/{node}/rrddata", source.key(Kind.NODE, node), _node)
    shared, told = storages.shared(rows.storages), set[str]()
    for row in rows.storages:
        key = storages.key(source, row.node, row.storage, shared)
        if row.node in online and row.status == "available" and key not in told:
            told.add(key)
            yield Target(f"nodes/{row.node}/storage/{row.storage}/rrddata", key, _storage)
    for guest in rows.guests:
        if guest.node in online and guest.uptime:
            key = source.key(guests.kind(guest, None), str(guest.vmid))
            meaning = _vm if guest.type == "qemu" else _container
            yield Target(f"nodes/{guest.node}/{guest.type}/{guest.vmid}/rrddata", key, meaning)


def samples(target: Target, rows: Sequence[Row], hole: Hole) -> list[Sample]:
    """Return what lies wholly in the hole: of one longer than an hour, means over five minutes at least."""
    step = timedelta(seconds=min((later.time - row.time for row, later in pairwise(rows)), default=0))
    if not step:
        return []  # for how long a row stands, only the next one tells
    inside = [row for row in rows if _at(row) < hole.until and _at(row) - step >= hole.since]
    if step < _STEP and hole.until - hole.since > _LAST_HOUR:
        inside = thinned(inside)
    return [
        Sample(key=target.key, metric=metric, value=value, at=_at(row))
        for row in inside
        for metric, value in target.meaning(row)
    ]


def _at(row: Row) -> datetime:
    return datetime.fromtimestamp(row.time, UTC)


def thinned(rows: Iterable[Row]) -> list[Row]:
    """Return means over five minutes, each at the time of its last row."""
    stretches = groupby(rows, key=lambda row: -(-row.time // _STEP.seconds))
    return [_mean(list(stretch)) for _, stretch in stretches]


def _mean(rows: Sequence[Row]) -> Row:
    known = {name: [value for row in rows if (value := getattr(row, name)) is not None] for name in _FIGURES}
    return Row(time=rows[-1].time, **{name: fmean(values) for name, values in known.items() if values})


def _vm(row: Row) -> Iterator[usage.Metric]:
    return _guest("qemu", row)


def _container(row: Row) -> Iterator[usage.Metric]:
    return _guest("lxc", row)


def _guest(kind: str, row: Row) -> Iterator[usage.Metric]:
    if row.mem is not None:  # it ran
        as_now = wire.GuestRow(0, kind, "", cpu=row.cpu, maxcpu=row.maxcpu, mem=row.mem, disk=row.disk)
        yield from usage.guest(as_now, None)
        yield from ((metric, value) for metric, name in usage.RATES if (value := getattr(row, name)) is not None)


def _node(row: Row) -> Iterator[usage.Metric]:
    return usage.node(wire.NodeRow("", cpu=row.cpu, mem=row.memused, disk=row.rootused))


def _storage(row: Row) -> Iterator[usage.Metric]:
    return usage.storage(row.used, row.total)


@dataclass(slots=True)
class _Job:
    hole: Hole
    remaining: deque[Target]
    found: list[Sample] = field(default_factory=list)


class Backfill:
    """``sampled_at`` is when this source was last measured by whoever did it before us."""

    def __init__(self, api: Asks, source: SourceRef, sampled_at: datetime | None) -> None:
        self._api = api
        self._source = source
        self._last = sampled_at
        self._job: _Job | None = None

    def saw(self, rows: wire.ResourceRows, at: datetime) -> None:
        """Take note of a reading made at ``at``: after a long silence there is a hole before it."""
        last, self._last = self._last, at
        if last is None or at - last <= SHORTEST:
            return
        running = sum(1 for guest in rows.guests if guest.uptime)
        hole, told = Hole(max(last, at - LONGEST), at), {"source": str(self._source), "since": last.isoformat()}
        if running > MOST_GUESTS:
            self._job = None
            reason = f"{running} guests run: more than {MOST_GUESTS} are not asked about"
            log.warning("samples_missing", **told, reason=reason)
        else:
            self._job = _Job(hole, deque(targets(self._source, rows)))
            log.info("samples_filled_in", **told, targets=len(self._job.remaining))

    async def samples(self) -> list[Sample]:
        """Return the next part of what the hole lacks; nothing where there is none."""
        job = self._job
        if job is None or self._last is None:
            return []
        timeframe = "hour" if self._last - job.hole.since <= _LAST_HOUR else "day"
        part = [job.remaining.popleft() for _ in range(min(PER_CALL, len(job.remaining)))]
        waiting = iter(part)
        try:
            async with asyncio.timeout(_SECONDS), asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(self._work(job, waiting, timeframe))
        except TimeoutError:
            log.debug("samples_filled_in_slowly", source=str(self._source), left=len(job.remaining))
        finally:
            job.remaining.extendleft(reversed(list(waiting)))
        if not job.remaining and self._job is job:
            self._job = None
        found, job.found = job.found, []
        return found

    async def _work(self, job: _Job, waiting: Iterator[Target], timeframe: str) -> None:
        for target in waiting:
            target.tries += 1
            again = target.tries < _TRIES
            try:
                rows = await self._api.rows(target.path, Row, timeframe=timeframe, cf="AVERAGE")
                job.found += samples(target, rows, job.hole)
                again = False
            except (Unreachable, Throttled) as error:
                log.debug("samples_not_read", key=target.key, reason=str(error), again=again)
            except AgentError as error:
                again = False
                log.debug("samples_not_read", key=target.key, reason=str(error), again=again)
            finally:
                if again:
                    job.remaining.append(target)


log = structlog.get_logger(__name__)
