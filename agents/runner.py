"""The loop of one source: read a scope when it is due or hinted at, publish what changed, then the manifest.

It holds key -> content hash of what it last published.  A failure is logged when it begins and when it is over; between
the two the ``scan_failed`` messages speak.  Nothing here knows a provider, and a provider's bug is one scan's failure.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import NoReturn

import structlog

from agents.contract import Agent, Hint, Scope
from agents.errors import AgentError, Throttled, Unauthorized, Unreachable
from agents.voice import Voice
from daemon.runtime.clock import Clock
from schemas.events import ScopeState, Trouble, new_id
from schemas.resources import Key, Resource, SourceRef, hash_of

SLOWEST = timedelta(minutes=15)
_AT_A_STRETCH = 200
_AGAIN = 1.0
"""Seconds to the next try of a reading that failed while somebody said that there is news."""
_PATIENT = frozenset({Trouble.THROTTLED, Trouble.UNAUTHORIZED})
"""A hint is no reason to come back earlier than was asked, or to be refused once more."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often a scope is read."""

    interval: timedelta = timedelta(seconds=60)
    deadline: timedelta = timedelta(seconds=30)
    slowest: timedelta = SLOWEST
    jitter: float = 0.1

    def after(self, error: Exception | None, failures: int) -> timedelta:
        """How long to wait for the next reading, jitter aside."""
        match error:
            case None:
                return self.interval
            case Throttled(retry_after=told):
                return max(told, self.interval)
            case Unauthorized():
                return max(self.slowest, self.interval)
        return min(self.interval * float(2 ** min(failures - 1, 10)), max(self.slowest, self.interval))


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
    paused: bool = False
    plans: dict[str, Plan] = field(default_factory=dict)
    _removed: set[str] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _latest: datetime | None = None

    async def run(self) -> NoReturn:
        while True:
            self._refresh_plans()
            plan = min(self.plans.values(), key=lambda plan: plan.due_at, default=None)
            if plan is None or self.paused or plan.due_at > self._now():
                await self._sleep_until(plan)
                continue
            await self.scan(plan)

    def hinted(self, hint: Hint) -> None:
        """The provider's watch says that a scope changed: read it soon, unless the provider wants us to wait."""
        self._removed |= {self.source.key(kind, native_id) for kind, native_id in hint.removed}
        plan = self.plans.get(hint.scope)
        if plan is not None and plan.trouble not in _PATIENT:
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
            found = await self._read(plan)
            await self._say(plan, found, scan=scan, observed_at=observed_at, began=began)
        except AgentError as failure:
            error = failure
        except Exception as failure:
            if plan.trouble is not Trouble.DEFECT:
                log.exception("agent_defect", source=str(self.source), scope=plan.scope.name)
            error = failure
        if error is None:
            self._succeeded(plan)
            self._schedule(plan, None)
        else:
            plan.failures += 1
            plan.trouble = error.trouble if isinstance(error, AgentError) else Trouble.DEFECT
            self._schedule(plan, error)
            await self._say_failed(plan, error, scan=scan, observed_at=observed_at, began=began)

    async def _read(self, plan: Plan) -> list[tuple[Resource, str]]:
        """Return all the scope has, each with its content hash."""
        deadline = plan.cadence.deadline
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                resources = await self.agent.collect(plan.scope)
        except TimeoutError as error:
            raise Unreachable(f"it gave no answer in {deadline.total_seconds():g} s: is it hung?") from error
        found = []
        for number, resource in enumerate(map(self.voice.fit, resources), start=1):
            found.append((resource, hash_of(resource)))
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)  # a large scope must not keep the other tasks waiting
        if len({resource.key for resource, _ in found}) != len(found):
            raise ValueError(f"{plan.scope.name}: two resources have one key")
        if stray := next((r for r, _ in found if r.scope != plan.scope.name or r.ref != self.source), None):
            raise ValueError(f"{stray.key} of scope {stray.scope} came from {self.source}:{plan.scope.name}")
        return found

    async def _say_removed(self, plan: Plan, at: datetime) -> None:
        """Pass on what the provider reported as removed, if it was published."""
        reported = {key for key in self._removed if Key.parse(key).kind in plan.scope.kinds}
        self._removed -= reported
        for key in sorted(reported & plan.published.keys()):
            await self.voice.removed(key, observed_at=at)
            del plan.published[key]

    async def _say(
        self, plan: Plan, found: list[tuple[Resource, str]], *, scan: str, observed_at: datetime, began: float
    ) -> None:
        if plan.again:
            plan.published, plan.again = {}, False
        news = [(resource, hashed) for resource, hashed in found if plan.published.get(resource.key) != hashed]
        plan.cost, plan.last_scan_at = self._now() - began, observed_at
        await self.voice.observed(news, observed_at=observed_at)
        plan.published = {resource.key: hashed for resource, hashed in found}
        await self.voice.closed(
            plan.scope.name, plan.published, scan=scan, observed_at=observed_at, duration=plan.cost,
            interval=plan.cadence.interval,
        )  # fmt: skip

    async def _say_failed(
        self, plan: Plan, error: Exception, *, scan: str, observed_at: datetime, began: float
    ) -> None:
        trouble = plan.trouble or Trouble.DEFECT
        detail = str(error) if isinstance(error, AgentError) else f"a defect of the agent ({type(error).__name__})"
        if plan.failures == 1:
            log.warning("source_lost", source=str(self.source), scope=plan.scope.name, trouble=trouble, detail=detail)
        await self.voice.failed(
            plan.scope.name, trouble, detail, scan=scan, observed_at=observed_at, duration=self._now() - began,
            interval=plan.cadence.interval, failures=plan.failures, next_at=plan.next_scan_at,
        )  # fmt: skip

    def _succeeded(self, plan: Plan) -> None:
        if plan.failures:
            log.info("source_recovered", source=str(self.source), scope=plan.scope.name, failures=plan.failures)
        plan.failures, plan.trouble = 0, None

    def _schedule(self, plan: Plan, error: Exception | None) -> None:
        pause = plan.cadence.after(error, plan.failures).total_seconds()
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
            del self.plans[name]
        for name, scope in offered.items():
            if name not in self.plans:
                interval = scope.interval or self.cadence.interval
                cadence = Cadence(interval, self.cadence.deadline, self.cadence.slowest, self.cadence.jitter)
                self.plans[name] = Plan(scope, cadence)

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


log = structlog.get_logger(__name__)
