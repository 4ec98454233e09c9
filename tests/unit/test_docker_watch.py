"""The event stream: what it hints at, what it makes old, and what a reading asks the engine while it stands."""

import asyncio
import contextlib

import pytest

from agents import errors
from agents.contract import Deps, Hint
from agents.docker import DockerConfig, connect
from agents.docker.agent import SCOPES
from schemas.resources import Kind, SourceRef, Status
from tests.support.fake_docker import event, fake_docker

CONTAINERS, NETWORKS = SCOPES[0], SCOPES[3]
EVERY = [Hint(scope.name) for scope in SCOPES]
WEB = "web".ljust(64, "0")
INSPECT = f"GET /containers/{WEB}/json"


@pytest.fixture
async def fake(tmp_path):
    async with fake_docker(tmp_path) as made:
        made.contain("web")
        yield made


@pytest.fixture
async def agent(fake, clock):
    deps = Deps(source=SourceRef(provider="docker", name="lab"), clock=clock)
    async with connect(DockerConfig(name="lab", url=fake.url), deps) as made:
        yield made


@contextlib.asynccontextmanager
async def watching(agent):
    """A watch that stands: its hints, after the first one of each scope."""
    async with contextlib.aclosing(agent.hints()) as hints, asyncio.timeout(10):
        assert [await anext(hints) for _ in SCOPES] == EVERY
        yield hints


async def names(agent):
    return {one.native_id: one.name for one in await agent.collect(CONTAINERS) if one.kind is Kind.CONTAINER}


async def test_without_a_watch_every_reading_inspects_everything(agent, fake):
    await agent.collect(CONTAINERS)
    await agent.collect(CONTAINERS)

    assert fake.count(INSPECT) == 2


async def test_while_the_watch_stands_only_what_an_event_named_is_inspected_anew(agent, fake):
    fake.contain("web", "db")
    async with watching(agent) as hints:
        await agent.collect(CONTAINERS)
        await agent.collect(CONTAINERS)
        fake.say(event("container", "update", WEB))
        assert await anext(hints) == Hint("containers")
        fake.answers[INSPECT] |= {"HostConfig": {"Memory": 64}}
        web = next(one for one in await agent.collect(CONTAINERS) if one.native_id == "web")

    assert web.spec["memory_bytes"] == 64
    assert fake.count(INSPECT) == 2
    assert fake.count(f"/containers/{'db'.ljust(64, '0')}/json") == 1


@pytest.mark.parametrize("action", ["connect", "disconnect"])
async def test_a_network_that_is_joined_or_left_makes_the_containers_inspection_old(agent, fake, action):
    async with watching(agent) as hints:
        await agent.collect(CONTAINERS)
        fake.say(event("network", action, "net1", container=WEB))
        assert await anext(hints) == Hint("containers")
        await agent.collect(CONTAINERS)

    assert fake.count(INSPECT) == 2


async def test_a_listing_that_differs_makes_the_inspection_old_without_an_event(agent, fake):
    async with watching(agent):
        await agent.collect(CONTAINERS)
        fake.answers["GET /containers/json?all=1"][0]["State"] = "exited"
        fake.answers[INSPECT] |= {"State": {"Status": "exited"}}
        (web,) = await agent.collect(CONTAINERS)

    assert web.status is Status.STOPPED


async def test_an_event_while_an_inspection_is_under_way_makes_its_answer_old(agent, fake):
    async with watching(agent) as hints, asyncio.TaskGroup() as group:
        fake.gates[INSPECT] = asyncio.Event()
        reading = group.create_task(agent.collect(CONTAINERS))
        while not fake.count(INSPECT):
            fake.reached.clear()
            await fake.reached.wait()
        fake.say(event("container", "health_status: healthy", WEB))
        await anext(hints)
        fake.gates[INSPECT].set()
        await reading
        await agent.collect(CONTAINERS)

    assert fake.count(INSPECT) == 2


async def test_after_ten_minutes_everything_is_inspected_anew(agent, fake, clock):
    async with watching(agent):
        await agent.collect(CONTAINERS)
        clock.advance(minutes=9)
        await agent.collect(CONTAINERS)
        clock.advance(minutes=1)
        await agent.collect(CONTAINERS)

    assert fake.count(INSPECT) == 2


async def test_a_watch_that_broke_leaves_nothing_to_trust(agent, fake):
    async with watching(agent) as hints:
        await agent.collect(CONTAINERS)
        fake.end_streams()
        with pytest.raises(errors.Unreachable, match="event stream"):
            await anext(hints)
    await agent.collect(CONTAINERS)

    assert fake.count(INSPECT) == 2


async def test_a_reading_that_failed_leaves_nothing_to_trust(agent, fake):
    async with watching(agent):
        await agent.collect(CONTAINERS)
        fake.failures["GET /containers/json?all=1"] = 500
        with pytest.raises(errors.Unreachable):
            await agent.collect(CONTAINERS)
        fake.failures.clear()
        await agent.collect(CONTAINERS)

    assert fake.count(INSPECT) == 2


async def test_a_new_watch_asks_for_what_came_after_the_last_event(agent, fake):
    async with watching(agent) as hints:
        fake.say(event("image", "pull", nano=1_700_000_000_000_000_041))
        await anext(hints)
        fake.end_streams()
        with pytest.raises(errors.Unreachable):
            await anext(hints)
    async with watching(agent):
        pass

    assert [line for line in fake.asked if "events" in line] == [
        "GET /events",
        "GET /events?since=1700000000.000000042",
    ]


async def test_a_burst_is_one_hint_per_scope(agent, fake):
    async with watching(agent) as hints:
        fake.say(
            *(event("container", action, WEB) for action in ("die", "stop", "start") * 50), event("volume", "create")
        )
        found = [await anext(hints), await anext(hints)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(hints)

    assert found == [Hint("containers"), Hint("volumes")]


async def test_events_cut_anywhere_are_put_together_again(agent, fake):
    async with watching(agent) as hints:
        fake.send(b'{"Type":"ima')
        await asyncio.sleep(0)
        fake.send(b'ge","Action":"pull","timeNano":5}\n\n{"Type":"network","Act')
        assert await anext(hints) == Hint("images")
        fake.send(b'ion":"create"}\n')
        assert await anext(hints) == Hint("networks")


@pytest.mark.parametrize(
    ("type_", "action"),
    [
        *(
            ("container", action)
            for action in ("exec_create: sh", "exec_start: sh", "exec_die", "top", "attach", "kill")
        ),
        *(("container", action) for action in ("resize", "export", "archive-path", "extract-to-dir", "logs")),
        *(("volume", action) for action in ("mount", "unmount")),
        *(("image", action) for action in ("push", "save")),
        ("plugin", "enable"),
        ("builder", "prune"),
        ("secret", "create"),
    ],
)
async def test_what_changes_nothing_hints_at_nothing(agent, fake, type_, action):
    async with watching(agent) as hints:
        fake.say(event(type_, action, WEB), event("daemon", "reload"))
        assert await anext(hints) == Hint("engine")


@pytest.mark.parametrize(
    ("said", "scopes"),
    [
        (event("container", "health_status: unhealthy", WEB), {"containers"}),
        (event("container", "start", WEB, **{"com.docker.swarm.task.id": "t"}), {"containers", "swarm"}),
        (event("container", "init", WEB), {"containers"}),
        (event("image", "tag", "sha256:1"), {"images"}),
        (event("image", "prune"), {"images"}),
        (event("volume", "create", "v"), {"volumes"}),
        (event("network", "create", "n"), {"networks"}),
        (event("service", "update", "s"), {"swarm"}),
        (event("node", "update", "n"), {"swarm", "engine"}),
        (event("daemon", "reload"), {"engine"}),
    ],
)
async def test_an_event_hints_at_its_scopes(agent, fake, said, scopes):
    async with watching(agent) as hints:
        fake.say(said)
        assert {(await anext(hints)).scope for _ in scopes} == scopes


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        (event("container", "destroy", WEB), Hint("containers", ((Kind.CONTAINER, "web"),))),
        (event("container", "remove", WEB), Hint("containers", ((Kind.CONTAINER, "web"),))),
        (event("container", "destroy", "never-seen"), Hint("containers")),
        (event("volume", "destroy", "data"), Hint("volumes", ((Kind.VOLUME, "data"),))),
        (event("network", "destroy", "n1"), Hint("networks", ((Kind.NETWORK, "front"),))),
        (event("network", "destroy", "never-seen"), Hint("networks")),
        (event("image", "delete", "ab"), Hint("images", ((Kind.IMAGE, "sha256:ab"),))),
        (event("image", "untag", "sha256:ab"), Hint("images")),
    ],
)
async def test_a_removal_is_named_as_the_resource_was(agent, fake, said, hint):
    fake.answers["GET /networks"] = [{"Id": "n1", "Name": "front", "Driver": "bridge"}]
    async with watching(agent) as hints:
        await agent.collect(CONTAINERS)
        await agent.collect(NETWORKS)
        fake.say(said)
        assert await anext(hints) == hint


async def test_an_old_containers_removal_does_not_remove_the_one_that_took_its_key_over(agent, fake):
    new = "f" * 64
    async with watching(agent) as hints:
        await agent.collect(CONTAINERS)
        fake.contain(web=new)
        await agent.collect(CONTAINERS)
        fake.say(event("container", "destroy", WEB))
        assert await anext(hints) == Hint("containers")


async def test_an_event_that_is_none_is_malformed(agent, fake):
    async with watching(agent) as hints:
        fake.send(b"<html>\n")
        with pytest.raises(errors.Malformed):
            await anext(hints)


async def test_a_container_that_vanishes_while_it_is_read_is_looked_for_once_more(agent, fake):
    """It was made anew in between: without a second listing it would look gone."""
    old, new = WEB, "e" * 64
    del fake.answers[INSPECT]
    fake.gates[INSPECT] = asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        reading = group.create_task(agent.collect(CONTAINERS))
        while not fake.count(INSPECT):
            fake.reached.clear()
            await fake.reached.wait()
        fake.contain(web=new)
        fake.gates[INSPECT].set()

    assert [(one.native_id, one.incarnation) for one in reading.result()] == [("web", new)]
    assert old not in {one.incarnation for one in reading.result()}


async def test_a_container_that_stays_vanished_is_left_out_and_the_others_are_told(agent, fake):
    fake.contain("web", "db")
    del fake.answers[INSPECT]

    assert await names(agent) == {"db": "db"}


@pytest.mark.parametrize(("speaks", "asked"), [("1.41", "v1.41"), ("1.99", "v1.51"), ("2.0", "v1.51")])
async def test_an_engine_is_spoken_to_in_a_version_both_know(agent, fake, speaks, asked):
    fake.answers["GET /version"] = {"Version": "x", "ApiVersion": speaks}
    await agent.collect(CONTAINERS)

    assert f"/{asked}/containers/json" in fake.paths


async def test_a_version_that_is_none_is_malformed(agent, fake):
    fake.answers["GET /version"] = {"Version": "x", "ApiVersion": "new"}
    with pytest.raises(errors.Malformed, match="API version"):
        await agent.collect(CONTAINERS)


async def test_a_swarm_that_is_left_in_the_middle_is_not_now(agent, fake):
    fake.answers["GET /info"] |= {"Swarm": {"ControlAvailable": True}}
    with pytest.raises(errors.Unreachable):
        await agent.collect(SCOPES[-1])
