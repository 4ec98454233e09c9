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

from daemon.reconcile import declared, sight, standing
from daemon.reconcile.declared import Index
from daemon.reconcile.judge import Expecting, Judged, judge
from daemon.reconcile.settle import Settled
from daemon.reconcile.sight import Marks
from daemon.runtime.clock import Clock
from daemon.store import actuals, deviations, expectations, inventory, memberships, operator_states, outbox
from daemon.store.database import Connection, Database, StoreUnavailable
from schemas import subjects
from schemas.deviations import Deviation, DeviationEvent, Transition
from schemas.expectations import Expectation
from schemas.manifests import MaintenanceWindow
from schemas.operator import OperatorState
from schemas.resources import Key

_RETRY = 2.0
AGENT = "daemon"


@dataclass(frozen=True, slots=True)
class Cycle:
    """What one cycle did, fit for a log line, a metric and a test."""

    judged: int
    unknown: int
    settled: Settled
    expecting: tuple[Expecting, ...] = ()

    def __str__(self) -> str:
        counts = [sum(one.op == op for one in self.expecting) for op in ("declared", "adopted", "changed", "withdrawn")]
        told = f"judged {self.judged}, could not judge {self.unknown}: {self.settled}"
        if any(counts):
            told += "; expectations: declared {}, adopted {}, changed {}, withdrawn {}".format(*counts)
        return told


@dataclass(frozen=True, slots=True)
class _Holding:
    """What held when it was last looked at: when it is something else, keys have to be judged again."""

    states: tuple[OperatorState, ...] = ()
    windows: tuple[MaintenanceWindow, ...] = ()
    over: frozenset[str] = frozenset()
    """Keys with a mute that has ended."""


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
    _index: Index | None = None
    _holding: _Holding | None = None

    def mark(self, keys: Iterable[str] = (), sources: Iterable[str] = (), *, everything: bool = False) -> None:
        """``everything`` asks for a full pass: what is declared or said changed for more than a few keys."""
        self._marks.add(Marks(set(keys), set(sources), everything=everything))
        if self._marks:
            self._wake.set()

    def mark_target(self, target: str) -> None:
        """Mark what an operator's state means: a key, a source, or all of a pool."""
        if target.startswith("/"):
            self.mark(everything=True)
        elif target.count("/") == 1:
            self.mark(sources=[target])
        else:
            self.mark(keys=[target])

    @property
    def is_idle(self) -> bool:
        return not self._marks

    async def run(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        full_at = loop.time()
        while True:
            if loop.time() >= full_at:
                self._marks.everything, full_at = True, loop.time() + self.every.total_seconds()
            self._wake.clear()
            cycle = await self.cycle()
            if cycle.settled.transitions or cycle.settled.quietly or cycle.expecting:
                log.info("reconciled", summary=str(cycle))
            with suppress(TimeoutError):
                async with asyncio.timeout_at(full_at):
                    await self._wake.wait()

    async def tick(self) -> None:
        """Notice that a state ended, a window opened or closed, or a mute is over; cheap, every few seconds."""
        now = self.clock.now()
        holding = await self.database.read(partial(self._noticed, now=now))
        before, self._holding = self._holding, holding
        self.mark(keys=holding.over - (before.over if before else set()))
        if before is not None and before.windows != holding.windows:
            self.mark(everything=True)
        for said in set(before.states if before else ()) ^ set(holding.states if before else ()):
            self.mark_target(said.target)

    def _noticed(self, con: Connection, now: datetime) -> _Holding:
        index = declared.load(con, self._index)
        windows = tuple(one for one in index.windows if standing.is_open(one, now))
        states = tuple(operator_states.fetch(con, now=now))
        return _Holding(states, windows, frozenset(deviations.mutes_over(con, now)))

    async def cycle(self) -> Cycle:
        """Judge what is marked.  When the store cannot be written the marks are kept."""
        marks, self._marks = self._marks, Marks()
        while True:
            now = self.clock.now()
            try:
                await self._prepare(marks)
                judged, again = await self.database.read(partial(self._judge, marks=marks, now=now))
                settled = judged.settled
                if judged.expecting or settled.changed or (settled.seen_again and marks.everything):
                    await self.database.write(partial(_record, judged=judged, now=now))
            except StoreUnavailable as error:
                log.debug("cycle_waits", reason=str(error))
                await asyncio.sleep(_RETRY)
                continue
            if settled.transitions:
                self.announced()
            self.mark(again.keys, again.sources)
            return Cycle(judged.judged, judged.unknown, settled, judged.expecting)

    async def _prepare(self, marks: Marks) -> None:
        """Bring the pools' members up to date: selectors may ask for them."""
        if await self.database.read(partial(self._is_stale, marks=marks)):
            work = partial(memberships.refresh, keys=_pooled(marks))
            marks.keys |= await self.database.write(work)

    def _is_stale(self, con: Connection, marks: Marks) -> bool:
        marks.everything |= self._is_declared_anew(con)
        return memberships.is_stale(con, _pooled(marks))

    def _is_declared_anew(self, con: Connection) -> bool:
        before, self._index = self._index, declared.load(con, self._index)
        return self._index is not before

    def _judge(self, con: Connection, marks: Marks, now: datetime) -> tuple[Judged, Marks]:
        assert self._index is not None  # noqa: S101 - just loaded
        seen = sight.look(con, marks, self._index, self.unmanaged, now)
        judged = judge(seen, now=now)
        return _with_seqs(con, judged), _again(con, judged)


def _pooled(marks: Marks) -> set[str] | None:
    return None if marks.everything else marks.keys


def _again(con: Connection, judged: Judged) -> Marks:
    """Sources that cannot be read, of which other things are expected now than when they were judged."""
    changed = sight.sources_of(one.key for one in judged.expecting)
    return Marks(sources=changed & actuals.blind_sources(con) if changed else set())


def _with_seqs(con: Connection, judged: Judged) -> Judged:
    """Add to what was opened the number of the log entry that shows it."""
    new = {Transition.OPENED, Transition.REOPENED}
    settled = judged.settled
    keys = {one.key for what, one in (*settled.transitions, *settled.quietly) if what in new}
    if not keys:
        return judged
    seqs = actuals.last_seqs(con, keys)

    def proved(what: Transition, one: Deviation) -> tuple[Transition, Deviation]:
        if what not in new or one.key not in seqs:
            return what, one
        return what, one.model_copy(update={"evidence": {**one.evidence, "seq": seqs[one.key]}})

    told = tuple(proved(*step) for step in settled.transitions)
    quietly = tuple(proved(*step) for step in settled.quietly)
    return Judged(
        judged.judged, judged.unknown, judged.expecting, Settled(told, settled.seen_again, quietly, settled.recorded)
    )


def _record(con: Connection, judged: Judged, now: datetime) -> None:
    """Write what a cycle found, and what is to be announced of it, in one transaction."""
    expectations.put(con, [one.after for one in judged.expecting if one.after is not None])
    if gone := [one.key for one in judged.expecting if one.after is None]:
        expectations.delete(con, gone)
    inventory.log(con, [_entry(one, now) for one in judged.expecting])
    deviations.put(con, [*judged.settled.changed, *judged.settled.seen_again])
    outbox.put(con, [_letter(transition, deviation, now) for transition, deviation in judged.settled.transitions])


def _entry(one: Expecting, now: datetime) -> inventory.LogRow:
    part, told = Key.parse(one.key), one.after or one.before
    values = {path: owned.value for path, owned in told.fields.items()} if told else {}
    spec = values.get("spec")
    return inventory.LogRow(
        at=now, side="expected", op=one.op, key=one.key, provider=part.provider, source=part.source, kind=part.kind,
        name=str(values.get("name", "")), incarnation="", status=str(values.get("status", "")),
        presence=str(one.after.presence) if one.after else "", cause=one.cause,
        spec=spec if isinstance(spec, dict) and one.after else None,
        changed=_changed(one.before, one.after),
    )  # fmt: skip


def _changed(before: Expectation | None, after: Expectation | None) -> list[str]:
    """The paths at which something else is expected, and which words on how to treat it changed."""
    old, new = (before.fields if before else {}), (after.fields if after else {})
    paths = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    if before is None or after is None:
        return paths
    others = [name for name in Expectation.model_fields if name not in {"key", "fields", "since", "file"}]
    return paths + [name for name in others if getattr(before, name) != getattr(after, name)]


def _letter(transition: Transition, deviation: Deviation, now: datetime) -> outbox.Letter:
    event = DeviationEvent(time=now, agent=AGENT, transition=transition, deviation=deviation)
    return outbox.Letter(event.id, subjects.drift(deviation.severity, deviation.key), event.model_dump_json())


log = structlog.get_logger(__name__)
