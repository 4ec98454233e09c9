"""What an agent gives is measured once, as long as it is the identical object."""

import asyncio
import gc
import weakref
from datetime import timedelta

import pytest

from agents.contract import Scope
from agents.reading import Reader
from schemas.resources import Kind, hash_of
from tests.support.events import NAS, key, resource

CONTAINERS = Scope("containers", frozenset({Kind.CONTAINER}))
LONG = timedelta(seconds=30)


class Given:
    """An agent that gives what it has, and a ``fit`` that notes what it was asked about."""

    def __init__(self, *resources) -> None:
        self.resources = list(resources)
        self.fitted: list[str] = []
        self.reader = Reader(NAS, self, self.fit)

    async def collect(self, _):
        return list(self.resources)

    def fit(self, one):
        self.fitted.append(one.name)
        return one.model_copy(update={"spec": {"truncated": True}}) if one.name == "huge" else one

    async def read(self):
        return await self.reader.read(CONTAINERS, LONG)


async def test_the_identical_object_is_measured_once():
    given = Given(resource("web"), resource("huge", spec={"a": 1}))

    first, second = await given.read(), await given.read()

    assert given.fitted == ["web", "huge"]
    assert first.found == second.found
    assert second.found[key("web")] == (given.resources[0], hash_of(given.resources[0]))
    assert second.found[key("huge")][0].spec == {"truncated": True}
    assert second.manifest[key("huge")] == hash_of(second.found[key("huge")][0])


async def test_an_equal_object_is_another_one():
    given = Given(resource("web"), resource("db"))
    await given.read()
    given.resources[0] = resource("web", status="stopped")

    assert (await given.read()).manifest[key("web")] == hash_of(given.resources[0])
    assert given.fitted == ["web", "db", "web"]


async def test_what_the_agent_keeps_no_longer_is_not_kept_here():
    given = Given(resource("web"), resource("huge"))
    seen = [weakref.ref(one) for one in given.resources]
    await given.read()

    given.resources = [resource(f"c{number}") for number in range(100)]
    gc.collect()
    assert [one() for one in seen] == [None, None]
    for _ in range(3):
        given.resources = [resource(f"c{number}") for number in range(100)]
        assert (await given.read()).manifest == {one.key: hash_of(one) for one in given.resources}
    assert len(given.reader._given) <= 100


async def test_a_large_scope_does_not_keep_the_others_waiting():
    given = Given(*(resource(f"c{number}") for number in range(1000)))
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    await given.read()
    task.cancel()
    assert turns >= 10


@pytest.mark.parametrize("again", [False, True])
async def test_what_was_measured_before_is_still_checked(again):
    given = Given(resource("web"))
    if again:
        await given.read()
    given.resources = [given.resources[0], given.resources[0]]

    with pytest.raises(ValueError, match="two resources have the key docker/nas/container/web"):
        await given.read()
    with pytest.raises(ValueError, match="of scope containers came from docker/nas:volumes"):
        await given.reader.read(Scope("volumes", frozenset({Kind.VOLUME})), LONG)
