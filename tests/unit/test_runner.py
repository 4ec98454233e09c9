"""Time is the test's: looptime moves the loop, FakeClock moves the dates, nobody waits."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest
from structlog.testing import capture_logs

from agents.contract import Hint, Scope
from agents.errors import Malformed, Throttled, Unauthorized, Unreachable
from agents.runner import Cadence, Runner
from agents.voice import Voice
from schemas.events import Gap, Observed, Removed, ScanClosed, ScanFailed, ScanPart, Trouble, parse_inventory
from schemas.resources import Kind, SourceRef
from tests.support.events import NAS, key, resource

pytestmark = pytest.mark.looptime
CONTAINERS = Scope("containers", frozenset({Kind.CONTAINER}))
VOLUMES = Scope("volumes", frozenset({Kind.VOLUME}))
DOWN = Unreachable("no engine")


class ScriptedAgent:
    """Does, in turn, what it is told for a scope: returns a list, raises, or awaits first; then its last step again."""

    def __init__(self, *script, scopes=(CONTAINERS,), **scripts) -> None:
        self.scripts = {"containers": list(script)} | {name: list(steps) for name, steps in scripts.items()}
        self.offered = scopes
        self.asked_at: list[float] = []
        self.asked: list[str] = []

    def scopes(self):
        return self.offered

    async def collect(self, scope):
        self.asked_at.append(round(asyncio.get_running_loop().time(), 3))
        self.asked.append(scope.name)
        script = self.scripts[scope.name]
        step = script.pop(0) if len(script) > 1 else script[0] if script else []
        if callable(step):
            step = await step()
        if isinstance(step, Exception):
            raise step
        return step


class Bus:
    """Keeps what is published; ``held`` stops it at a subject's first message."""

    def __init__(self) -> None:
        self.said: list = []
        self.times: list[float] = []
        self.held = asyncio.Event()
        self.held.set()
        self.refuses: Exception | None = None

    async def publish(self, subject, data, *, msg_id, ttl=None):
        await self.held.wait()
        if self.refuses is not None:
            raise self.refuses
        self.said.append(parse_inventory(data))
        self.times.append(round(asyncio.get_running_loop().time(), 3))

    def of(self, kind):
        return [event for event in self.said if isinstance(event, kind)]

    def story(self):
        """`observed web`, `closed 1`... in order."""
        return [_told(event) for event in self.said if not isinstance(event, ScanPart)]


def _told(event):
    match event:
        case Observed():
            return f"observed {event.resource.name}"
        case Removed():
            return f"removed {event.native_id}"
        case ScanClosed():
            return f"closed {event.count}"
        case ScanFailed():
            return f"failed {event.trouble}"
    raise AssertionError(event)


@asynccontextmanager
async def running(agent, clock, *, bus=None, jitter=0.0, **cadence):
    bus = bus or Bus()
    voice = Voice(NAS, "test", bus.publish, clock)
    seconds = {name: timedelta(seconds=value) for name, value in cadence.items()}
    runner = Runner(NAS, agent, voice, clock, Cadence(jitter=jitter, **seconds), Random(0))
    task = asyncio.ensure_future(runner.run())
    await asyncio.sleep(0)
    try:
        yield runner, bus
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def after_seconds(seconds, agent, clock, **more):
    async with running(agent, clock, **more) as (_, bus):
        await asyncio.sleep(seconds)
    return bus


# --- what is said ----------------------------------------------------------------------------------------------------


async def test_the_first_scan_says_everything_and_the_next_only_what_changed(clock):
    agent = ScriptedAgent(
        [resource("web"), resource("db")], [resource("web"), resource("db", status="stopped")], [resource("web")]
    )

    bus = await after_seconds(121, agent, clock)

    assert bus.story() == [
        "observed web", "observed db", "closed 2", "observed db", "closed 2", "closed 1",
    ]  # fmt: skip


async def test_the_manifest_has_every_resource_also_those_that_did_not_change(clock):
    bus = await after_seconds(61, ScriptedAgent([resource("web"), resource("db")]), clock)

    first, second = bus.of(ScanPart)
    assert first.manifest == second.manifest
    assert first.manifest.keys() == {key("web"), key("db")}
    assert first.scan != second.scan


async def test_an_empty_source_is_still_a_complete_scan(clock):
    (closed,) = (await after_seconds(1, ScriptedAgent([]), clock)).said

    assert (closed.parts, closed.count, closed.observed_at) == (0, 0, clock.now())


async def test_what_comes_back_unchanged_is_said_again(clock):
    agent = ScriptedAgent([resource("web")], [], [resource("web")])

    bus = await after_seconds(121, agent, clock)

    assert bus.story() == ["observed web", "closed 1", "closed 0", "observed web", "closed 1"]


async def test_all_of_one_scan_has_the_moment_at_which_the_reading_began(clock):
    async def slow():
        await asyncio.sleep(5)
        clock.advance(seconds=5)
        return [resource("web")]

    began = clock.now()
    bus = await after_seconds(6, ScriptedAgent(slow), clock)

    assert {event.observed_at for event in bus.said if not isinstance(event, ScanPart)} == {began}
    assert bus.of(ScanClosed)[0].duration_seconds == pytest.approx(5)


async def test_a_clock_that_is_set_back_does_not_make_the_news_look_old(clock):
    async def back():
        clock.advance(hours=-1)
        return [resource("web")]

    bus = await after_seconds(121, ScriptedAgent(back), clock)

    moments = [closed.observed_at for closed in bus.of(ScanClosed)]
    assert moments == sorted(moments)
    assert len(set(moments)) == 3


# --- failures --------------------------------------------------------------------------------------------------------


async def test_failures_slow_the_loop_down_and_success_restores_it(clock):
    agent = ScriptedAgent([], DOWN, DOWN, DOWN, [])

    await after_seconds(600, agent, clock)

    assert agent.asked_at == [0, 60, 120, 240, 480, 540, 600][: len(agent.asked_at)]
    assert len(agent.asked_at) >= 6


async def test_it_never_waits_longer_than_a_quarter_of_an_hour(clock):
    agent = ScriptedAgent(DOWN)

    await after_seconds(10_000, agent, clock)

    pauses = [later - sooner for sooner, later in zip(agent.asked_at, agent.asked_at[1:], strict=False)]
    assert pauses[:6] == [60, 120, 240, 480, 900, 900]


async def test_a_failed_scan_has_no_manifest_and_says_why_and_when_next(clock):
    agent = ScriptedAgent([resource("web")], DOWN)

    bus = await after_seconds(61, agent, clock)

    assert bus.story() == ["observed web", "closed 1", "failed unreachable"]
    (failed,) = bus.of(ScanFailed)
    assert (failed.detail, failed.failures, failed.interval_seconds) == ("no engine", 1, 60)
    assert failed.next_at == clock.now() + timedelta(seconds=60)


async def test_after_an_outage_only_what_changed_is_said(clock):
    agent = ScriptedAgent([resource("web"), resource("db")], DOWN, [resource("web"), resource("db", status="stopped")])

    bus = await after_seconds(121, agent, clock)

    assert bus.story()[-3:] == ["failed unreachable", "observed db", "closed 2"]


async def test_each_outage_is_logged_twice(clock):
    agent = ScriptedAgent(DOWN, DOWN, [], DOWN, [])

    with capture_logs() as logs:
        await after_seconds(301, agent, clock)

    assert [(line["event"], line.get("failures")) for line in logs] == [
        ("source_lost", None), ("source_recovered", 2), ("source_lost", None), ("source_recovered", 1),
    ]  # fmt: skip


IMAGES = Scope("images", frozenset({Kind.IMAGE}), interval=timedelta(hours=1))
REFUSED = Unauthorized("403")


async def outages(seconds, clock, **scripts):
    """Return what is logged of outages while three scopes do as they are told."""
    agent = ScriptedAgent(scopes=(CONTAINERS, VOLUMES, IMAGES), **scripts)
    with capture_logs() as logs:
        await after_seconds(seconds, agent, clock)
    names = {"source_lost": "scope", "source_recovered": "scopes"}
    return [(line["event"], line[names[line["event"]]], line.get("failures")) for line in logs], agent


async def test_an_outage_of_several_scopes_is_logged_once_and_is_over_with_the_last_of_them(clock):
    logs, _ = await outages(
        200, clock, containers=[[], DOWN, DOWN, []], volumes=[[], Unreachable("no engine"), []], images=[[]]
    )

    assert logs == [("source_lost", "containers", None), ("source_recovered", ["containers", "volumes"], 2)]


async def test_scopes_that_are_lost_for_different_reasons_are_two_outages(clock):
    logs, _ = await outages(200, clock, containers=[DOWN, []], volumes=[Unreachable("no socket"), []], images=[[]])

    assert logs == [
        ("source_lost", "containers", None), ("source_lost", "volumes", None),
        ("source_recovered", ["containers"], 1), ("source_recovered", ["volumes"], 1),
    ]  # fmt: skip


async def test_a_scope_that_returns_and_is_lost_again_while_another_is_away_is_no_news(clock):
    down = asyncio.Event()

    async def until_told():
        if not down.is_set():
            raise DOWN
        return []

    agent = ScriptedAgent(DOWN, [], DOWN, [], scopes=(CONTAINERS, VOLUMES), volumes=[until_told])
    with capture_logs() as logs:
        async with running(agent, clock):
            await asyncio.sleep(200)
            down.set()
            await asyncio.sleep(900)

    assert [line["event"] for line in logs] == ["source_lost", "source_recovered"]


async def test_a_second_outage_is_logged_as_the_first(clock):
    logs, _ = await outages(300, clock, containers=[DOWN, [], DOWN, []], volumes=[DOWN, [], DOWN, []], images=[[]])

    assert [event for event, *_ in logs] == ["source_lost", "source_recovered"] * 2


@pytest.mark.parametrize("trouble", [DOWN, REFUSED, Malformed("API 9")])
async def test_what_one_scope_finds_ended_the_others_do_not_wait_an_hour_for(trouble, clock):
    logs, agent = await outages(1000, clock, containers=[trouble, []], volumes=[trouble, []], images=[trouble, []])

    back = agent.asked_at[3]
    assert (agent.asked[3:6], agent.asked_at[3:6]) == (["containers", "volumes", "images"], [back] * 3)
    assert logs[-1] == ("source_recovered", ["containers", "volumes", "images"], 1)


async def test_what_was_lost_for_another_reason_or_is_to_wait_is_not_hurried(clock):
    soon, later = (Throttled("429", retry_after=timedelta(hours=hours)) for hours in (0, 1))
    _, other = await outages(100, clock, containers=[DOWN, []], volumes=[[]], images=[Unauthorized("no socket")])
    _, told = await outages(100, clock, containers=[soon, []], volumes=[later], images=[later])

    assert other.asked.count("images") == 1
    assert told.asked == ["containers", "volumes", "images", "containers"]


async def test_an_outage_is_over_when_the_scope_is_not_offered_any_more(clock):
    agent = ScriptedAgent([], scopes=(CONTAINERS, VOLUMES), volumes=[DOWN])
    with capture_logs() as logs:
        async with running(agent, clock):
            await asyncio.sleep(1)
            agent.offered = (CONTAINERS,)
            await asyncio.sleep(70)

    assert [line["event"] for line in logs] == ["source_lost", "source_recovered"]


@pytest.mark.parametrize(("told", "asked_at"), [(300, [0, 300]), (5, [0, 60])])
async def test_retry_after_is_obeyed_and_never_faster_than_the_interval(told, asked_at, clock):
    agent = ScriptedAgent(Throttled("429", retry_after=timedelta(seconds=told)), [])

    await after_seconds(asked_at[-1] + 1, agent, clock)

    assert agent.asked_at == asked_at


async def test_refused_credentials_are_not_hammered(clock):
    agent = ScriptedAgent(Unauthorized("403: needs VM.Audit"), [])

    bus = await after_seconds(901, agent, clock)

    assert agent.asked_at == [0, 900]
    assert bus.of(ScanFailed)[0].trouble is Trouble.UNAUTHORIZED


async def test_a_scope_that_is_read_once_an_hour_is_not_away_for_an_hour(clock):
    """It is tried again as soon as its source is read, then slower and slower, up to its own interval."""
    hourly = Scope("containers", frozenset({Kind.CONTAINER}), timedelta(hours=1))
    agent = ScriptedAgent(DOWN, scopes=(hourly,))

    await after_seconds(20_000, agent, clock, slowest=10)

    pauses = [later - before for before, later in pairwise(agent.asked_at)]
    assert pauses[:8] == [60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_what_asked_for_time_is_read_after_it_though_it_is_read_once_an_hour(clock):
    hourly = Scope("containers", frozenset({Kind.CONTAINER}), timedelta(hours=1))
    agent = ScriptedAgent(Throttled("429", retry_after=timedelta(seconds=90)), [], scopes=(hourly,))

    await after_seconds(3600, agent, clock)

    assert agent.asked_at == [0, 90]


@pytest.mark.parametrize(("seconds", "asked_at"), [(20, [0, 60, 180]), (50, [0, 65, 185]), (100, [0, 115, 245])])
async def test_the_wait_for_an_answer_that_does_not_come_is_a_part_of_the_pause(seconds, asked_at, clock):
    async def hang():
        await asyncio.sleep(seconds)
        raise DOWN

    agent = ScriptedAgent(hang)

    await after_seconds(246, agent, clock, deadline=200)

    assert agent.asked_at == asked_at


async def test_a_source_may_be_asked_at_its_interval_however_long_it_was_away(clock):
    agent = ScriptedAgent(DOWN, Unauthorized("401"), DOWN)

    await after_seconds(301, agent, clock, slowest=1)

    assert agent.asked_at == [0, 60, 120, 180, 240, 300]


async def test_what_is_read_apart_holds_up_nobody_and_is_not_read_twice_at_once(clock):
    slow = Scope("volumes", frozenset({Kind.VOLUME}), timedelta(seconds=20), apart=True)

    async def takes_its_time():
        await asyncio.sleep(25)
        return []

    agent = ScriptedAgent([], scopes=(slow, CONTAINERS), volumes=[takes_its_time])
    async with running(agent, clock, interval=10) as (runner, bus):
        await asyncio.sleep(5)
        runner.due("volumes")
        await asyncio.sleep(80)
        assert not runner.plans["containers"].failures

    asked = list(zip(agent.asked, agent.asked_at, strict=True))
    assert [at for name, at in asked if name == "containers"] == [0, 10, 20, 30, 40, 50, 60, 70, 80]
    assert [at for name, at in asked if name == "volumes"] == [0, 45], "after it, not beside"
    assert bus.story().count("closed 0") == 9 + 2


async def test_a_scope_apart_that_fails_fails_alone(clock):
    slow = Scope("volumes", frozenset({Kind.VOLUME}), apart=True)
    bus = await after_seconds(61, ScriptedAgent([], scopes=(CONTAINERS, slow), volumes=[RuntimeError("bug")]), clock)

    assert bus.story() == ["closed 0", "failed defect", "closed 0", "failed defect"]


async def test_a_source_that_hangs_is_unreachable_not_absent(clock):
    async def hang():
        await asyncio.sleep(3600)

    agent = ScriptedAgent([resource("web")], hang)

    bus = await after_seconds(95, agent, clock)

    assert bus.story() == ["observed web", "closed 1", "failed unreachable"]
    assert "30 s" in bus.of(ScanFailed)[0].detail
    assert bus.times[-1] == 90


@pytest.mark.parametrize(
    "step",
    [
        ZeroDivisionError("oops"),
        [resource("web"), resource("web", status="stopped")],
        [resource("web", scope="elsewhere")],
        [resource("web", SourceRef(provider="docker", name="other"))],
        [resource("ü" * 300)],
        [object()],
    ],
    ids=["bug", "duplicate key", "stray scope", "stray source", "unspeakable id", "not a resource"],
)
async def test_a_defect_fails_the_scan_and_the_loop_goes_on(step, clock):
    agent = ScriptedAgent(step, [resource("web")])

    with capture_logs() as logs:
        bus = await after_seconds(61, agent, clock)

    assert bus.story()[0] == "failed defect"
    assert bus.story()[-2:] == ["observed web", "closed 1"]
    assert "oops" not in bus.of(ScanFailed)[0].detail
    assert [line["event"] for line in logs] == ["agent_defect", "source_lost", "source_recovered"]


async def test_a_defect_that_stays_is_traced_once(clock):
    with capture_logs() as logs:
        await after_seconds(1000, ScriptedAgent(ZeroDivisionError()), clock)

    assert [line["event"] for line in logs] == ["agent_defect", "source_lost"]


async def test_malformed_backs_off(clock):
    agent = ScriptedAgent(Malformed("API 9"))

    await after_seconds(200, agent, clock)

    assert agent.asked_at == [0, 60, 180]


async def test_jitter_only_slows_and_only_a_little(clock):
    agent = ScriptedAgent([])

    await after_seconds(600, agent, clock, jitter=0.1)

    pauses = [later - sooner for sooner, later in zip(agent.asked_at, agent.asked_at[1:], strict=False)]
    assert all(60 <= pause <= 66 for pause in pauses)
    assert len({round(pause, 1) for pause in pauses}) > 1


# --- gaps ------------------------------------------------------------------------------------------------------------

DENIED = Gap(
    trouble=Trouble.UNAUTHORIZED, detail="VM.Audit is missing on /vms", kinds=(Kind.CONTAINER,), privilege="VM.Audit",
    path="/vms",
)  # fmt: skip
AWAY = Gap(trouble=Trouble.UNREACHABLE, detail="pve2 does not answer: its details are old")


class CoveringAgent(ScriptedAgent):
    """A step is (resources, gaps)."""

    def __init__(self, *script, **more) -> None:
        super().__init__(*script, **more)
        self.asked_gaps = 0

    async def collect(self, scope):
        found, self.found_gaps = await super().collect(scope)
        return found

    def gaps(self, scope):
        self.asked_gaps += 1
        if isinstance(self.found_gaps, Exception):
            raise self.found_gaps
        return [gap for gap in self.found_gaps if scope.name == "containers"]


async def test_what_a_reading_could_not_see_is_said_with_its_close(clock):
    agent = CoveringAgent(([resource("web")], [DENIED, AWAY]), ([resource("web")], []))

    bus = await after_seconds(61, agent, clock)

    assert [closed.gaps for closed in bus.of(ScanClosed)] == [(DENIED, AWAY), ()]


async def test_an_agent_that_sees_everything_has_no_gaps(clock):
    bus = await after_seconds(1, ScriptedAgent([resource("web")]), clock)

    assert bus.of(ScanClosed)[0].gaps == ()


async def test_of_a_reading_that_failed_no_gaps_are_asked(clock):
    agent = CoveringAgent(DOWN)

    bus = await after_seconds(61, agent, clock)

    assert (agent.asked_gaps, bus.story()) == (0, ["failed unreachable"] * 2)


async def test_a_defect_in_telling_the_gaps_fails_the_scan(clock):
    agent = CoveringAgent(([resource("web")], ZeroDivisionError()), ([resource("web")], []))

    bus = await after_seconds(61, agent, clock)

    assert bus.story() == ["failed defect", "observed web", "closed 1"]


async def test_each_gap_is_logged_when_it_begins_and_when_it_is_over_whatever_its_keys(clock):
    some = DENIED.model_copy(update={"keys": (key("a"),)})
    more = DENIED.model_copy(update={"keys": (key("a"), key("b"))})
    agent = CoveringAgent(([], [some]), ([], [more, AWAY]), DOWN, ([], [AWAY]), ([], []))

    with capture_logs() as logs:
        await after_seconds(600, agent, clock)

    assert [(line["event"], line.get("privilege"), line.get("keys")) for line in logs] == [
        ("gap_found", "VM.Audit", 1), ("gap_found", None, None), ("source_lost", None, None),
        ("gap_over", "VM.Audit", 2), ("source_recovered", None, None), ("gap_over", None, None),
    ]  # fmt: skip
    assert (logs[1]["detail"], logs[1]["scope"], logs[1]["source"]) == (AWAY.detail, "containers", "docker/nas")


async def test_what_a_gap_hides_is_still_said_when_it_is_reported_as_removed(clock):
    agent = CoveringAgent(([resource("web"), resource("db")], []), ([resource("db")], [DENIED]))
    async with running(agent, clock) as (runner, bus):
        await asyncio.sleep(130)
        runner.forget()
        await asyncio.sleep(1)
        for _ in range(2):
            runner.hinted(Hint("containers", removed=((Kind.CONTAINER, "web"), (Kind.CONTAINER, "ghost"))))
            await asyncio.sleep(1)

    assert bus.story()[-5:] == ["observed db", "closed 1", "removed web", "closed 1", "closed 1"]


async def test_what_the_bus_held_before_this_began_is_said_to_be_removed(clock):
    agent = CoveringAgent(([resource("db")], [DENIED]), ([resource("db")], []))
    bus = Bus()
    runner = Runner(
        NAS, agent, Voice(NAS, "test", bus.publish, clock), clock, known={key("web"), key("data", kind=Kind.VOLUME)}
    )
    runner._refresh_plans()
    (plan,) = runner.plans.values()
    await runner.scan(plan)
    runner.hinted(Hint("containers", removed=((Kind.CONTAINER, "web"), (Kind.VOLUME, "data"))))
    await runner.scan(plan)
    runner.hinted(Hint("containers", removed=((Kind.CONTAINER, "web"),)))
    await runner.scan(plan)

    assert bus.story() == ["observed db", "closed 1", "removed web", "closed 1", "closed 1"]


# --- hints, requests, pauses -----------------------------------------------------------------------------------------


async def test_a_hint_reads_the_scope_at_once(clock):
    agent = ScriptedAgent([], scopes=(CONTAINERS, VOLUMES), volumes=[[]])
    async with running(agent, clock) as (runner, _):
        await asyncio.sleep(10)
        runner.hinted(Hint("containers"))
        await asyncio.sleep(1)

    assert agent.asked == ["containers", "volumes", "containers"]
    assert agent.asked_at[-1] == 10


async def test_a_hint_of_a_scope_that_nobody_offers_is_nothing(clock):
    agent = ScriptedAgent([])
    async with running(agent, clock) as (runner, _):
        await asyncio.sleep(10)
        runner.hinted(Hint("swarm", removed=((Kind.SERVICE, "x"),)))
        await asyncio.sleep(1)

    assert agent.asked_at == [0]


async def test_a_hint_during_a_scan_is_not_lost(clock):
    async def slow():
        await asyncio.sleep(2)
        return []

    agent = ScriptedAgent(slow)
    async with running(agent, clock) as (runner, _):
        await asyncio.sleep(1)
        runner.hinted(Hint("containers"))
        await asyncio.sleep(10)

    assert agent.asked_at == [0, 4]


async def test_many_hints_make_no_more_readings_than_the_source_can_bear(clock):
    async def slow():
        await asyncio.sleep(1)
        return []

    agent = ScriptedAgent(slow)
    async with running(agent, clock) as (runner, _):
        for _ in range(200):
            runner.hinted(Hint("containers"))
            await asyncio.sleep(0.1)

    assert len(agent.asked_at) <= 11


async def test_a_hint_ends_the_back_off_of_a_source_that_was_away(clock):
    agent = ScriptedAgent(DOWN, DOWN, DOWN, [])
    async with running(agent, clock) as (runner, bus):
        await asyncio.sleep(200)
        runner.hinted(Hint("containers"))
        await asyncio.sleep(1)

    assert agent.asked_at == [0, 60, 180, 200]
    assert bus.story()[-1] == "closed 0"


async def test_a_hint_during_a_failing_scan_tries_again_soon_but_not_in_a_tight_loop(clock):
    agent = ScriptedAgent(DOWN)
    async with running(agent, clock) as (runner, _):

        async def failing():
            runner.hinted(Hint("containers"))
            raise DOWN

        agent.scripts["containers"] = [failing]
        await asyncio.sleep(65)

    assert agent.asked_at[:4] == [0, 60, 61, 62]


@pytest.mark.parametrize("refusal", [Throttled("429", retry_after=timedelta(seconds=900)), Unauthorized("403")])
async def test_a_hint_is_no_reason_to_come_back_earlier_than_was_asked(refusal, clock):
    agent = ScriptedAgent(refusal)
    async with running(agent, clock) as (runner, _):
        for _ in range(89):
            await asyncio.sleep(10)
            runner.hinted(Hint("containers"))

    assert agent.asked_at == [0]


async def test_what_was_refused_is_read_when_it_may_be_allowed_now(clock):
    agent = ScriptedAgent(Unauthorized("403"), [])
    async with running(agent, clock) as (runner, _):
        await asyncio.sleep(10)
        runner.hinted(Hint("containers", allowed=True))
        await asyncio.sleep(1)

    assert agent.asked_at == [0, 10]


async def test_one_that_asked_for_time_gets_it_whatever_is_allowed(clock):
    agent = ScriptedAgent(Throttled("429", retry_after=timedelta(seconds=900)))
    async with running(agent, clock) as (runner, _):
        await asyncio.sleep(10)
        runner.hinted(Hint("containers", allowed=True))
        await asyncio.sleep(100)

    assert agent.asked_at == [0]


async def test_a_person_is_obeyed_whatever_the_back_off(clock):
    agent = ScriptedAgent(Unauthorized("403"), [])
    async with running(agent, clock) as (runner, _):
        await asyncio.sleep(10)
        assert runner.due() == ["containers"]
        await asyncio.sleep(1)

    assert agent.asked_at == [0, 10]


async def test_what_the_watch_reported_as_removed_is_said_before_the_scan_without_it(clock):
    agent = ScriptedAgent([resource("web"), resource("db")], [resource("db")])
    async with running(agent, clock) as (runner, bus):
        await asyncio.sleep(10)
        runner.hinted(Hint("containers", removed=((Kind.CONTAINER, "web"),)))
        await asyncio.sleep(1)

    assert bus.story()[-2:] == ["removed web", "closed 1"]


async def test_what_was_reported_as_removed_during_a_scan_is_said_before_its_end(clock):
    async def reported():
        runner.hinted(Hint("containers", removed=((Kind.CONTAINER, "web"),)))
        return [resource("db")]

    agent = ScriptedAgent([resource("web"), resource("db")], reported, [resource("db")])
    async with running(agent, clock) as (runner, bus):
        await asyncio.sleep(61)

    assert bus.story()[2:5] == ["closed 2", "removed web", "closed 1"]


async def test_what_was_reported_as_removed_during_a_scan_that_found_it_is_said_with_the_next(clock):
    async def reported():
        runner.hinted(Hint("containers", removed=((Kind.CONTAINER, "web"),)))
        return [resource("web"), resource("db")]

    agent = ScriptedAgent([resource("web"), resource("db")], reported, [resource("db")])
    async with running(agent, clock) as (runner, bus):
        await asyncio.sleep(70)

    assert bus.story()[2:6] == ["closed 2", "closed 2", "removed web", "closed 1"]


async def test_a_removal_of_what_was_never_said_is_not_said(clock):
    agent = ScriptedAgent([resource("db")])
    async with running(agent, clock) as (runner, bus):
        await asyncio.sleep(10)
        runner.hinted(Hint("containers", removed=((Kind.CONTAINER, "ghost"),)))
        await asyncio.sleep(1)

    assert bus.of(Removed) == []


async def test_removed_and_made_anew_under_the_same_key_is_said_as_both(clock):
    agent = ScriptedAgent([resource("web", incarnation="1")], [resource("web", incarnation="2")])
    async with running(agent, clock) as (runner, bus):
        await asyncio.sleep(10)
        runner.hinted(Hint("containers", removed=((Kind.CONTAINER, "web"),)))
        await asyncio.sleep(1)

    assert bus.story()[-3:] == ["removed web", "observed web", "closed 1"]


async def test_republish_says_everything_again(clock):
    agent = ScriptedAgent([resource("web")])
    async with running(agent, clock) as (runner, bus):
        await asyncio.sleep(10)
        assert runner.forget() == ["containers"]
        await asyncio.sleep(1)

    assert bus.story() == ["observed web", "closed 1"] * 2


async def test_republish_during_a_scan_is_not_lost(clock):
    agent = ScriptedAgent([resource("web")])
    async with running(agent, clock) as (runner, bus):
        await asyncio.sleep(10)
        bus.held.clear()
        runner.due()
        await asyncio.sleep(1)
        runner.forget()
        bus.held.set()
        await asyncio.sleep(1)

    assert bus.story() == ["observed web", "closed 1", "closed 1", "observed web", "closed 1"]


async def test_republish_does_not_forget_what_was_reported_as_removed(clock):
    agent = ScriptedAgent([resource("web"), resource("db")], [resource("db")])
    async with running(agent, clock) as (runner, bus):
        await asyncio.sleep(10)
        runner.forget()
        runner.hinted(Hint("containers", removed=((Kind.CONTAINER, "web"),)))
        await asyncio.sleep(1)

    assert bus.story()[-3:] == ["removed web", "observed db", "closed 1"]


async def test_one_scope_may_be_asked_for_alone(clock):
    agent = ScriptedAgent([], scopes=(CONTAINERS, VOLUMES), volumes=[[]])
    async with running(agent, clock) as (runner, _):
        await asyncio.sleep(10)
        assert (runner.due("volumes"), runner.forget("nothing")) == (["volumes"], [])
        await asyncio.sleep(1)

    assert agent.asked == ["containers", "volumes", "volumes"]


async def test_paused_means_not_read_until_it_goes_on(clock):
    agent = ScriptedAgent([])
    async with running(agent, clock) as (runner, _):
        await asyncio.sleep(10)
        runner.pause(paused=True)
        runner.hinted(Hint("containers"))
        await asyncio.sleep(600)
        assert agent.asked_at == [0]
        runner.pause(paused=False)
        await asyncio.sleep(1)

    assert agent.asked_at == [0, 610]


# --- scopes ----------------------------------------------------------------------------------------------------------


async def test_one_scope_fails_alone(clock):
    agent = ScriptedAgent([], scopes=(CONTAINERS, VOLUMES), volumes=[DOWN])

    bus = await after_seconds(61, agent, clock)

    assert [event.scope for event in bus.of(ScanClosed)] == ["containers", "containers"]
    assert [event.scope for event in bus.of(ScanFailed)] == ["volumes", "volumes"]


async def test_a_scope_has_its_own_interval(clock):
    slow = Scope("volumes", frozenset({Kind.VOLUME}), interval=timedelta(seconds=300))
    agent = ScriptedAgent([], scopes=(CONTAINERS, slow), volumes=[[]])

    bus = await after_seconds(299, agent, clock)

    assert (agent.asked.count("containers"), agent.asked.count("volumes")) == (5, 1)
    assert {(one.scope, one.interval_seconds) for one in bus.of(ScanClosed)} == {("containers", 60), ("volumes", 300)}


async def test_scopes_may_come_and_go(clock):
    agent = ScriptedAgent([], volumes=[[]])
    async with running(agent, clock) as (runner, _):
        await asyncio.sleep(1)
        agent.offered = (CONTAINERS, VOLUMES)
        await asyncio.sleep(60)
        agent.offered = (CONTAINERS,)
        await asyncio.sleep(120)

    assert agent.asked.count("volumes") == 1
    assert runner.plans.keys() == {"containers"}


async def test_a_heartbeat_can_tell_how_each_scope_is(clock):
    agent = ScriptedAgent([resource("web")], scopes=(CONTAINERS, VOLUMES), volumes=[DOWN])
    async with running(agent, clock) as (runner, _):
        await asyncio.sleep(1)
        states = {plan.scope.name: plan.state() for plan in runner.plans.values()}

    assert (states["containers"].resources, states["containers"].trouble) == (1, None)
    assert states["containers"].next_scan_at == clock.now() + timedelta(seconds=60)
    assert (states["volumes"].trouble, states["volumes"].last_scan_at) == (Trouble.UNREACHABLE, None)


# --- the bus ---------------------------------------------------------------------------------------------------------


async def test_a_scan_whose_news_could_not_be_said_is_said_again_whole(clock):
    bus = Bus()
    agent = ScriptedAgent([resource("web")])

    async def gone_wrong(subject, data, *, msg_id, ttl=None):
        if bus.refuses is None and subject.startswith("homelab.inv"):
            bus.refuses = ValueError("cannot be said")
            raise bus.refuses
        bus.refuses = None if isinstance(bus.refuses, ValueError) and "scan" in subject else bus.refuses
        bus.said.append(parse_inventory(data))

    voice = Voice(NAS, "test", gone_wrong, clock)
    runner = Runner(NAS, agent, voice, clock, Cadence(jitter=0), Random(0))
    runner._refresh_plans()
    (plan,) = runner.plans.values()
    await runner.scan(plan)
    bus.refuses = OSError("never again")
    await runner.scan(plan)

    assert bus.story() == ["failed defect", "observed web", "closed 1"]
