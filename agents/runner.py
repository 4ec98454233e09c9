"""The loop of one source: read a scope when it is due or hinted at, publish what changed, then the manifest.

It holds key -> content hash of what it last published.  A failure is logged when it begins and when it is over
(``outages``); between the two the ``scan_failed`` messages speak.  Nothing here knows a provider, and a provider's bug
is one scan's failure.
"""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import NoReturn

import structlog

from agents.contract import Agent, Hint, Scope
from agents.errors import AgentError, Throttled, Unauthorized
from agents.outages import Outages
from agents.reading import Reader, Reading
from agents.voice import Voice
from daemon.runtime.clock import Clock
from schemas.events import Gap, ScopeState, Trouble, new_id
from schemas.resources import Key, SourceRef

_AGAIN = 1.0
"""Seconds to the next try of a reading that failed while somebody said that there is news."""
_BREATH = 4
"""What part of a pause is kept however long the reading that failed took."""
_PATIENT = frozenset({Trouble.THROTTLED, Trouble.UNAUTHORIZED})
"""A hint is no reason to come back earlier than was asked, or to be refused once more."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a scope is read."""

    interval: timedelta = timedelta(seconds=60)
    deadline: timedelta = timedelta(seconds=30)
    slowest: timedelta = timedelta(minutes=15)
    jitter: float = 0.1
    retry: timedelta | None = None
    """How soon a reading that failed is tried again at first, where that is sooner than the interval."""

    def after(self, error: Exception | None, failures: int) -> timedelta:
        """How long to wait for the next reading, jitter aside."""
        first = min(self.retry or self.interval, self.interval)
        match error:
            case None:
                return self.interval
            case Throttled(retry_after=told):
                return max(told, first)
            case Unauthorized():
                return max(self.slowest, self.interval)
        return min(first * float(2 ** min(failures - 1, 20)), max(self.slowest, self.interval))


@dataclass(slots=True)
class Plan:
    """What the runner remembers of one scope."""

    scope: Scope
    cadence: Cadence
    due_at: float = 0.0
    """On the loop's clock; in the past means now."""
    failures: int = 0
    trouble: Trouble | None = None
    published: dict[str, str] = field(default_factory=dict)
    last_scan_at: datetime | None = None
    next_scan_at: datetime | None = None
    cost: float = 0.0
    """Seconds the last reading took: hints may not make it read all the time."""
    asked: bool = False
    """A hint or a request came after the last reading began."""
    again: bool = False
    """What was published is to be said again with the next reading."""
    gaps: tuple[Gap, ...] = ()
    """Of the last reading that did not fail."""
    unseen: set[str] = field(default_factory=set)
    """Keys the bus holds that a gap hides since: when they are reported as removed, that is to be said."""
    reading: bool = False
    """It is read at this moment, beside others."""

    def state(self) -> ScopeState:
        return ScopeState(
            scope=self.scope.name, last_scan_at=self.last_scan_at, next_scan_at=self.next_scan_at,
            resources=len(self.published), trouble=self.trouble,
        )  # fmt: skip


@dataclass(slots=True)
class Runner:
    source: SourceRef
    agent: Agent
    voice: Voice
    clock: Clock
    cadence: Cadence = field(default_factory=Cadence)
    random: Random = field(default_factory=Random)
    known: AbstractSet[str] = frozenset()
    """Keys that the bus held of this source when this began."""
    paused: bool = False
    plans: dict[str, Plan] = field(default_factory=dict)
    _removed: set[str] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _latest: datetime | None = None
    _reader: Reader = field(init=False)
    _outages: Outages = field(init=False)

    def __post_init__(self) -> None:
        self._outages = Outages(str(self.source))
        self._reader = Reader(self.source, self.agent, self.voice.fit)

    async def run(self) -> NoReturn:
        async with asyncio.TaskGroup() as group:
            while True:
                self._refresh_plans()
                waiting = (plan for plan in self.plans.values() if not plan.reading)
                plan = min(waiting, key=lambda plan: plan.due_at, default=None)
                if plan is None or self.paused or plan.due_at > self._now():
                    await self._sleep_until(plan)
                elif plan.scope.apart:
                    plan.reading = True
                    group.create_task(self._scan_apart(plan))
                else:
                    await self.scan(plan)
        raise AssertionError("an endless loop has ended")

    async def _scan_apart(self, plan: Plan) -> None:
        await self.scan(plan)
        plan.reading = False
        self._wake.set()

    def hinted(self, hint: Hint) -> None:
        """The provider's watch says that a scope changed: read it soon, unless the provider wants us to wait."""
        self._removed |= {self.source.key(kind, native_id) for kind, native_id in hint.removed}
        plan = self.plans.get(hint.scope)
        if plan is None or (plan.trouble in _PATIENT and not (hint.allowed and plan.trouble is Trouble.UNAUTHORIZED)):
            return
        self.due(hint.scope)

    def due(self, scope: str | None = None) -> list[str]:
        """Make one scope, or all, due now; return which."""
        chosen = [plan for plan in self.plans.values() if scope in (None, plan.scope.name)]
        for plan in chosen:
            plan.asked = True
            plan.due_at = min(plan.due_at, self._now() + (plan.cost if plan.failures == 0 else 0.0))
        self._wake.set()
        return [plan.scope.name for plan in chosen]

    def forget(self, scope: str | None = None) -> list[str]:
        """Publish everything again with the next scan."""
        chosen = self.due(scope)
        for name in chosen:
            self.plans[name].again = True
        return chosen

    def pause(self, *, paused: bool) -> None:
        self.paused = paused
        self._wake.set()

    async def scan(self, plan: Plan) -> None:
        """Read one scope once and say the outcome."""
        began, observed_at, scan = self._now(), self._observed_at(), new_id()
        error: Exception | None = None
        plan.asked = False
        try:
            await self._say_removed(plan, observed_at)
            reading = await self._reader.read(plan.scope, plan.cadence.deadline)
            await self._say_removed(plan, observed_at, but=reading.found.keys())
            await self._say(plan, reading, scan=scan, observed_at=observed_at, began=began)
            self._note_gaps(plan, reading.gaps)
        except AgentError as failure:
            error = failure
        except Exception as failure:
            if plan.trouble is not Trouble.DEFECT:
                log.exception("agent_defect", source=str(self.source), scope=plan.scope.name)
            error = failure
        if error is None:
            self._succeeded(plan)
            self._schedule(plan, None, began)
        else:
            plan.failures += 1
            plan.trouble = error.trouble if isinstance(error, AgentError) else Trouble.DEFECT
            self._schedule(plan, error, began)
            await self._say_failed(plan, error, scan=scan, observed_at=observed_at, began=began)

    async def _say_removed(self, plan: Plan, at: datetime, *, but: AbstractSet[str] = frozenset()) -> None:
        """Pass on what the provider reported as removed, if it was published; ``but`` what has been found since."""
        reported = {key for key in self._removed if Key.parse(key).kind in plan.scope.kinds and key not in but}
        self._removed -= reported
        for key in sorted(reported & (plan.published.keys() | plan.unseen)):
            await self.voice.removed(key, observed_at=at)
            plan.published.pop(key, None)
            plan.unseen.discard(key)

    async def _say(self, plan: Plan, reading: Reading, *, scan: str, observed_at: datetime, began: float) -> None:
        hides = any(gap.hides for gap in reading.gaps)
        plan.unseen = (plan.unseen | plan.published.keys()) - reading.found.keys() if hides else set()
        if plan.again:
            plan.published, plan.again = {}, False
        news = [one for key, one in reading.found.items() if plan.published.get(key) != one[1]]
        plan.cost, plan.last_scan_at = self._now() - began, observed_at
        await self.voice.observed(news, observed_at=observed_at)
        plan.published = reading.manifest
        await self.voice.closed(
            plan.scope.name, plan.published, scan=scan, observed_at=observed_at, duration=plan.cost,
            interval=plan.cadence.interval, gaps=reading.gaps,
        )  # fmt: skip

    async def _say_failed(
        self, plan: Plan, error: Exception, *, scan: str, observed_at: datetime, began: float
    ) -> None:
        trouble = plan.trouble or Trouble.DEFECT
        detail = str(error) if isinstance(error, AgentError) else f"a defect of the agent ({type(error).__name__})"
        if plan.failures == 1:
            self._outages.begin(plan.scope.name, trouble, detail)
        await self.voice.failed(
            plan.scope.name, trouble, detail, scan=scan, observed_at=observed_at, duration=self._now() - began,
            interval=plan.cadence.interval, failures=plan.failures, next_at=plan.next_scan_at,
        )  # fmt: skip

    def _note_gaps(self, plan: Plan, gaps: Sequence[Gap]) -> None:
        """Log what begins to be hidden, and what is not any more; which keys it is may change."""
        before, now = ({gap.model_copy(update={"keys": ()}): gap for gap in some} for some in (plan.gaps, gaps))
        for gap in [gap for same, gap in now.items() if same not in before]:
            log.warning("gap_found", source=str(self.source), scope=plan.scope.name, **_told(gap))
        for gap in [gap for same, gap in before.items() if same not in now]:
            log.info("gap_over", source=str(self.source), scope=plan.scope.name, **_told(gap))
        plan.gaps = tuple(gaps)

    def _succeeded(self, plan: Plan) -> None:
        """What was lost for the same reason is read at once: it has probably come back, too."""
        alike = self._outages.end(plan.scope.name, plan.failures) if plan.failures else []
        plan.failures, plan.trouble = 0, None
        for other in (self.plans[name] for name in alike):
            if other.trouble is not Trouble.THROTTLED:
                other.due_at = min(other.due_at, self._now())

    def _schedule(self, plan: Plan, error: Exception | None, began: float) -> None:
        pause = plan.cadence.after(error, plan.failures).total_seconds()
        if error is not None and not isinstance(error, Throttled):  # the wait for an answer was a pause, too
            pause = max(pause - (self._now() - began), pause / _BREATH)
        pause *= 1 + plan.cadence.jitter * self.random.random()
        if plan.asked and plan.trouble not in _PATIENT:  # while it was being read
            pause = min(pause, plan.cost if error is None else _AGAIN)
        plan.due_at = self._now() + pause
        plan.next_scan_at = self.clock.now() + timedelta(seconds=pause)

    def _observed_at(self) -> datetime:
        """Now, but never before what was said already: a clock set back must not make the news look old."""
        now = self.clock.now()
        if self._latest is not None and now <= self._latest:
            now = self._latest + timedelta(microseconds=1)
        self._latest = now
        return now

    def _refresh_plans(self) -> None:
        """Scopes may come (a Swarm is joined); one that is no longer offered is not read."""
        offered = {scope.name: scope for scope in self.agent.scopes()}
        for name in self.plans.keys() - offered.keys():
            self._outages.end(name, self.plans.pop(name).failures)
        for name, scope in offered.items():
            if name not in self.plans:
                interval = scope.interval or self.cadence.interval
                cadence = replace(self.cadence, interval=interval, retry=self.cadence.interval)
                unseen = {key for key in self.known if Key.parse(key).kind in scope.kinds}
                self.plans[name] = Plan(scope, cadence, unseen=unseen)

    async def _sleep_until(self, plan: Plan | None) -> None:
        when = None if plan is None or self.paused else plan.due_at
        try:
            async with asyncio.timeout_at(when):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _told(gap: Gap) -> dict[str, object]:
    """What a log line says of it."""
    told = gap.model_dump(mode="json", exclude={"keys"}, exclude_defaults=True)
    return told | ({"keys": len(gap.keys)} if gap.keys else {})


log = structlog.get_logger(__name__)
