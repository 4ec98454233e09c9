"""One source from its configuration to the bus: connect, read, watch, measure, tell that it lives, obey.

Each source is alone: what breaks one is told under its name and leaves the others in peace.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NoReturn

import structlog
from pydantic import ValidationError

from agents import measured
from agents.contract import Agent, Checks, Deps, Measures, Provider, Watches
from agents.errors import AgentError
from agents.runner import Cadence, Runner
from agents.voice import Voice
from daemon.runtime import streams
from daemon.runtime.clock import Clock
from daemon.runtime.connection import BusClosed, Connection
from daemon.runtime.publisher import Publisher
from daemon.runtime.secrets import SecretUnavailable
from schemas import subjects
from schemas.commands import Control, ControlAnswer, Verb
from schemas.config import SourceConfig
from schemas.events import Heartbeat, Observed, parse_inventory
from schemas.resources import Kind, Resource, SourceRef

HEARTBEAT = timedelta(seconds=10)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0


@dataclass(frozen=True, slots=True)
class Source:
    """What it takes to run one source."""

    provider: Provider[Any]
    config: SourceConfig

    @property
    def ref(self) -> SourceRef:
        return SourceRef(provider=self.provider.name, name=self.config.name)

    @property
    def cadence(self) -> Cadence:
        return Cadence(
            interval=self.config.interval or self.provider.interval,
            deadline=self.config.deadline or self.provider.deadline,
            slowest=self.provider.slowest,
        )


async def run(source: Source, bus: Connection, clock: Clock, *, user: str, version: str) -> NoReturn:
    """Run one source for ever; ``user`` is the bus user, whose name the reading back of its own subjects needs."""
    process = f"{source.ref}@{socket.gethostname()}:{os.getpid()}"
    publisher = Publisher(bus)
    voice = Voice(source.ref, process, publisher.publish, clock)
    incarnations, last, told_at = await known(bus, source.ref, user=user, remembers=source.provider.remembers)
    sampled_at = await measured.last_at(bus, source.ref) or told_at
    deps = Deps(source.ref, clock=clock, known=incarnations, last=last, sampled_at=sampled_at)
    async with _connected(source, deps) as agent, asyncio.TaskGroup() as group:
        runner = Runner(source.ref, agent, voice, clock, source.cadence, known=incarnations.keys())
        beat = partial(heartbeat, source, runner, process, version=version, started_at=clock.now())
        group.create_task(_beats(source.ref, beat, publisher, clock))
        group.create_task(_obey(source.ref, bus, runner))
        group.create_task(_until_closed(bus))
        if isinstance(agent, Checks):
            group.create_task(_check(source, agent))
        if isinstance(agent, Watches):
            group.create_task(_watch(source.ref, agent, runner))
        if isinstance(agent, Measures):
            group.create_task(_measure(agent, voice, runner, source.provider.sample_interval))
        await runner.run()
    raise AssertionError("an endless run has ended")


@asynccontextmanager
async def _connected(source: Source, deps: Deps) -> AsyncIterator[Agent]:
    try:
        async with source.provider.connect(source.config, deps) as agent:
            yield agent
    except SecretUnavailable as error:
        log.error("secret_unavailable", source=str(source.ref), reason=str(error))  # noqa: TRY400
        raise


async def known(
    bus: Connection, ref: SourceRef, *, user: str, remembers: AbstractSet[Kind] = frozenset()
) -> tuple[dict[str, str], dict[str, Resource], datetime | None]:
    """Return resource key -> incarnation, and those of the kinds in ``remembers`` whole, as the bus last held them.

    So identity, and what is read now and then only, survive a restart.  What was removed is in neither.  The third is
    when any of it was last told of.
    """
    incarnations: dict[str, str] = {}
    last: dict[str, Resource] = {}
    told_at: datetime | None = None
    async for message in streams.latest(bus, subjects.inventory_of(ref.provider, ref.name), name=user):
        with suppress(ValidationError):  # what cannot be read says nothing here; the daemon refuses it
            event = parse_inventory(message.data)
            if isinstance(event, Observed):
                incarnations[event.resource.key] = event.resource.incarnation
                told_at = max(told_at or event.time, event.time)
                if event.resource.kind in remembers:
                    last[event.resource.key] = event.resource
    return incarnations, last, told_at


def heartbeat(source: Source, runner: Runner, process: str, *, version: str, started_at: datetime) -> Heartbeat:
    agent = runner.agent
    capabilities = [name for name, kind in (("watches", Watches), ("measures", Measures)) if isinstance(agent, kind)]
    return Heartbeat(
        provider=source.ref.provider, source=source.ref.name, agent=process, version=version, started_at=started_at,
        at=runner.clock.now(), pid=os.getpid(), hostname=socket.gethostname(), paused=runner.paused,
        capabilities=tuple(capabilities), kinds=tuple(sorted(source.provider.kinds)),
        scopes=tuple(plan.state() for plan in runner.plans.values()),
    )  # fmt: skip


async def _beats(ref: SourceRef, beat: Callable[[], Heartbeat], publisher: Publisher, clock: Clock) -> NoReturn:
    subject = subjects.heartbeats_of(ref.provider, ref.name)
    while True:
        await publisher.publish(subject, beat().model_dump_json().encode(), msg_id=f"{ref}@{clock.now().timestamp()}")
        await asyncio.sleep(HEARTBEAT.total_seconds())


async def _until_closed(bus: Connection) -> NoReturn:
    """A connection that has ended for good ends this run; whoever runs us begins again with a new one."""
    await bus.until_closed()
    raise BusClosed("the connection to the bus was closed")


async def _check(source: Source, agent: Checks) -> None:
    """Say once what a person should look at.  Nothing waits for it, and the scans tell whether it can be read."""
    try:
        async with asyncio.timeout(source.cadence.deadline.total_seconds()):
            findings = await agent.check()
    except (AgentError, TimeoutError) as error:
        log.debug("source_check_broken", source=str(source.ref), reason=str(error))
    except Exception:
        log.exception("agent_defect", source=str(source.ref), part="check")
    else:
        for one in findings:
            if one.outcome != "ok" and one.trouble is None:  # else the scans tell
                log.warning(
                    "source_check", source=str(source.ref), name=one.name, outcome=one.outcome, detail=one.detail
                )


async def _watch(ref: SourceRef, agent: Watches, runner: Runner) -> NoReturn:
    """Keep the watch up.  When it breaks, look at once: its end is the first sign of trouble."""
    pause, loop = _FIRST_PAUSE, asyncio.get_running_loop()
    while True:
        began, stood = loop.time(), False
        try:
            async for hint in agent.hints():
                stood = True
                runner.hinted(hint)
        except AgentError as error:
            log.debug("watch_broken", source=str(ref), reason=str(error))
        except Exception:
            log.exception("agent_defect", source=str(ref), part="watch")
        if stood:
            runner.due()
        if loop.time() - began > _LONGEST_PAUSE:
            pause = _FIRST_PAUSE
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _measure(agent: Measures, voice: Voice, runner: Runner, interval: timedelta) -> NoReturn:
    failing = False
    while True:
        if not runner.paused:
            try:
                async with asyncio.timeout(interval.total_seconds()):
                    samples = await agent.samples()
            except (AgentError, TimeoutError):
                failing = True  # the scans tell that it is down
            except Exception:
                if not failing:
                    log.exception("agent_defect", source=str(voice.source), part="samples")
                failing = True
            else:
                failing = False
                await voice.samples(samples)
        await asyncio.sleep(interval.total_seconds())


async def _obey(ref: SourceRef, bus: Connection, runner: Runner) -> NoReturn:
    subscription = await bus.subscribe(subjects.controls_of(ref.provider, ref.name))
    try:
        async for message in subscription.messages:
            answer = _control(runner, message.subject.rpartition(".")[2], message.data)
            if message.reply:  # else somebody only said it and does not wait for an answer
                await message.respond(answer.model_dump_json().encode())
    finally:
        await subscription.unsubscribe()
    raise AssertionError("an endless subscription has ended")


def _control(runner: Runner, verb: str, data: bytes) -> ControlAnswer:
    try:
        control = Control.model_validate_json(data or b"{}")
        asked = Verb(verb)
    except ValueError as error:
        return ControlAnswer(accepted=False, detail=str(error))
    match asked:
        case Verb.RESCAN:
            done = runner.due(control.scope)
        case Verb.REPUBLISH:
            done = runner.forget(control.scope)
        case _:
            runner.pause(paused=asked is Verb.PAUSE)
            done = list(runner.plans)
    return ControlAnswer(accepted=bool(done), detail=", ".join(done) or f"no scope {control.scope!r}")


log = structlog.get_logger(__name__)
