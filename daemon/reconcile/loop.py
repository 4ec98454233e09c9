"""When to compare: when something moved, and now and then regardless.

Events only mark keys; a cycle reads the store.  So the first cycle after a restart, the one after a lost mark and the
ordinary one are the same code.  Reading and judging are a reader's work; the writer gets only what changed.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import NoReturn

import structlog

from daemon.reconcile.diff import Actual, diff, is_unsettled
from daemon.reconcile.settle import Evidence, Settled, settle
from daemon.reconcile.severity import severity
from daemon.runtime.clock import Clock
from daemon.store import actuals, deviations, expectations, outbox
from daemon.store.database import Connection, Database, StoreUnavailable
from schemas import subjects
from schemas.deviations import Deviation, DeviationEvent, DeviationType, Difference, Transition
from schemas.expectations import Criticality
from schemas.resources import Key, Kind, Presence

_RETRY = 2.0
AGENT = "daemon"
CARRIERS = frozenset({Kind.NODE, Kind.HOST, Kind.CLUSTER})
"""When one of these is down, nothing is known of what it carries (the view ``down_parents_``)."""


@dataclass(slots=True)
class Marks:
    """What has to be looked at; ``everything`` is the full pass."""

    keys: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    everything: bool = False

    def __bool__(self) -> bool:
        return bool(self.keys or self.sources or self.everything)


@dataclass(frozen=True, slots=True)
class Cycle:
    """What one cycle did, fit for a log line, a metric and a test."""

    judged: int
    unknown: int
    settled: Settled

    def __str__(self) -> str:
        return f"judged {self.judged}, could not judge {self.unknown}: {self.settled}"


@dataclass(slots=True)
class Reconciler:
    """``unmanaged`` are the sources (``<provider>/<name>``) in which what nobody expects is a deviation.

    ``announced`` is called when there is something to send.
    """

    database: Database
    clock: Clock
    announced: Callable[[], None] = lambda: None
    unmanaged: frozenset[str] = frozenset()
    every: timedelta = timedelta(minutes=5)
    _marks: Marks = field(default_factory=lambda: Marks(everything=True))
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def mark(self, keys: Iterable[str] = (), sources: Iterable[str] = (), *, everything: bool = False) -> None:
        self._marks.keys.update(keys)
        self._marks.sources.update(sources)
        self._marks.everything |= everything
        if self._marks:
            self._wake.set()

    async def run(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        full_at = loop.time()
        while True:
            if loop.time() >= full_at:
                self._marks.everything, full_at = True, loop.time() + self.every.total_seconds()
            self._wake.clear()
            cycle = await self.cycle()
            if cycle.settled.transitions:
                log.info("reconciled", summary=str(cycle))
            with suppress(TimeoutError):
                async with asyncio.timeout_at(full_at):
                    await self._wake.wait()

    async def cycle(self) -> Cycle:
        """Judge what is marked.  When the store cannot be written the marks are kept."""
        marks, self._marks = self._marks, Marks()
        while True:
            now = self.clock.now()
            try:
                cycle = await self.database.read(partial(self._judge, marks=marks, now=now))
                if cycle.settled.transitions or (cycle.settled.seen_again and marks.everything):
                    await self.database.write(partial(_record, settled=cycle.settled, now=now))
            except StoreUnavailable as error:
                log.debug("cycle_waits", reason=str(error))
                await asyncio.sleep(_RETRY)
                continue
            if cycle.settled.transitions:
                self.announced()
            return cycle

    def _judge(self, con: Connection, marks: Marks, now: datetime) -> Cycle:
        still_open = deviations.still_open(con)
        keys = self._keys(con, marks, still_open)
        expected = expectations.fetch(con, keys)
        relevant = {key for key in keys if key in expected or _source(key) in self.unmanaged}
        relevant |= {deviation.key for deviation in still_open if deviation.key in keys}
        seen = {actual.key: actual for actual in _actuals(con, relevant)}
        found: list[Difference] = []
        judged: set[str] = set()
        for key in sorted(relevant):
            differences = diff(expected.get(key), seen.get(key), unmanaged=_source(key) in self.unmanaged)
            if differences is not None:
                judged.add(key)
                found += differences
        held = actuals.held(con)
        found += [_mass_absence(scope) for scope in held]
        judged |= {deviation.key for deviation in still_open if deviation.type is DeviationType.MASS_ABSENCE}
        evidence: dict[str, Evidence] = {
            f"{scope.provider}/{scope.source}": {"scan": scope.scan, "scope": scope.scope} for scope in held
        }
        evidence |= {key: _evidence(actual) for key, actual in seen.items()}
        unsettled = {key for key, actual in seen.items() if is_unsettled(actual)}
        settled = settle(
            found, still_open, judged=judged, expected=expected, evidence=evidence, now=now, unsettled=unsettled
        )
        return Cycle(judged=len(judged), unknown=len(relevant - judged), settled=settled)

    def _keys(self, con: Connection, marks: Marks, still_open: list[Deviation]) -> set[str]:
        """The keys to look at; sources stand for all they have."""
        if marks.everything:
            everywhere = expectations.fetch(con, None).keys() | {deviation.key for deviation in still_open}
            return everywhere | actuals.keys_of_sources(con, self.unmanaged)
        keys = set(marks.keys)
        if hosts := {key for key in keys if Key.parse(key).kind in CARRIERS}:
            keys |= actuals.carried(con, hosts)
        if marks.sources:
            keys |= expectations.of_sources(con, marks.sources)
            keys |= {deviation.key for deviation in still_open if _source(deviation.key) in marks.sources}
            keys |= actuals.keys_of_sources(con, marks.sources & self.unmanaged)
        return keys


def _actuals(con: Connection, keys: Iterable[str]) -> Iterable[Actual]:
    for key, presence, fields, observed_at, scan in actuals.fetch(con, keys):
        yield Actual(str(key), Presence(str(presence)), fields, observed_at, scan)  # type: ignore[arg-type]


def _source(key: str) -> str:
    return "/".join(key.split("/", 2)[:2])


def _evidence(actual: Actual) -> Evidence:
    observed_at = actual.observed_at.isoformat() if actual.observed_at else None
    return {"scan": actual.scan, "observed_at": observed_at, "presence": str(actual.presence)}


def _mass_absence(scope: actuals.Held) -> Difference:
    return Difference(
        key=f"{scope.provider}/{scope.source}", type=DeviationType.MASS_ABSENCE, path=scope.scope,
        expected=scope.resources, actual=scope.resources - scope.missing,
        severity=severity(DeviationType.MASS_ABSENCE, Criticality.MEDIUM),
    )  # fmt: skip


def _record(con: Connection, settled: Settled, now: datetime) -> None:
    """Write what a cycle found, and what is to be announced of it, in one transaction."""
    deviations.put(con, [*(deviation for _, deviation in settled.transitions), *settled.seen_again])
    outbox.put(con, [_letter(transition, deviation, now) for transition, deviation in settled.transitions])


def _letter(transition: Transition, deviation: Deviation, now: datetime) -> outbox.Letter:
    event = DeviationEvent(time=now, agent=AGENT, transition=transition, deviation=deviation)
    return outbox.Letter(event.id, subjects.drift(deviation.severity, deviation.key), event.model_dump_json())


log = structlog.get_logger(__name__)
