"""Asking a source to say everything again: soon, not too often, and not in vain."""

import asyncio
import itertools
from contextlib import asynccontextmanager

import pytest

from daemon.api.republish import LONGEST, PATIENCE, TRIES, Republish
from schemas.commands import Verb
from tests.support.events import NAS

pytestmark = pytest.mark.looptime


class Asking:
    """Stands for the intents: remembers who was asked when, and answers what it is told."""

    def __init__(self, clock, *troubles) -> None:
        self.clock = clock
        self.troubles = list(troubles)
        self.asked: list[tuple[str, str]] = []

    async def ask(self, provider, source, verb, control):
        assert verb is Verb.REPUBLISH
        self.asked.append((f"{provider}/{source}", control.reason))
        return self.troubles.pop(0) if self.troubles else ""


class Names:
    """Stands for the store: knows two sources."""

    async def read(self, work):
        return [("docker", "nas"), ("host", "box")]


@asynccontextmanager
async def running(asking, clock):
    republish = Republish(Names(), asking, clock)
    task = asyncio.ensure_future(republish.run())
    try:
        yield republish
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_disagreement_is_asked_about_once_it_has_settled(clock):
    asking = Asking(clock)
    async with running(asking, clock) as republish:
        republish.want([NAS])
        republish.want([NAS])
        await asyncio.sleep(1.9)
        assert asking.asked == []
        await asyncio.sleep(0.2)

    assert asking.asked == [("docker/nas", "its manifest and the store disagree")]


async def test_a_gap_asks_everybody(clock):
    asking = Asking(clock)
    async with running(asking, clock) as republish:
        republish.want_all("the stream was made anew")
        await asyncio.sleep(3)

    assert asking.asked == [("docker/nas", "the stream was made anew"), ("host/box", "the stream was made anew")]


async def test_who_was_asked_is_left_in_peace_for_a_while(clock):
    asking = Asking(clock)
    async with running(asking, clock) as republish:
        for _ in range(10):
            republish.want([NAS])
            await asyncio.sleep(3)
            clock.advance(seconds=3)

    assert len(asking.asked) == 1


async def test_what_asking_does_not_mend_is_asked_for_less_and_less_often(clock):
    asking, moments = Asking(clock), []
    began = clock.now()
    async with running(asking, clock) as republish:
        for _ in range(24 * 60):
            republish.want([NAS])
            before = len(asking.asked)
            await asyncio.sleep(3)
            if len(asking.asked) > before:
                moments.append((clock.now() - began).total_seconds())
            clock.advance(seconds=60)

    pauses = [later - sooner for sooner, later in itertools.pairwise(moments)]
    assert pauses[:3] == [PATIENCE.total_seconds(), 120, 240]
    assert pauses[-1] == LONGEST.total_seconds()


async def test_after_a_quiet_time_the_patience_is_short_again(clock):
    asking = Asking(clock)
    async with running(asking, clock) as republish:
        for pause in (60, 1000, 60):
            republish.want([NAS])
            await asyncio.sleep(3)
            clock.advance(seconds=pause)
        republish.want([NAS])
        await asyncio.sleep(3)

    assert len(asking.asked) == 4


async def test_who_does_not_answer_yet_is_asked_again_a_few_times(clock):
    asking = Asking(clock, *["its agent is not running"] * 2)
    async with running(asking, clock) as republish:
        republish.want([NAS])
        await asyncio.sleep(60)
    assert len(asking.asked) == 3

    asking = Asking(clock, *["its agent is not running"] * 100)
    async with running(asking, clock) as republish:
        republish.want([NAS])
        await asyncio.sleep(600)
    assert len(asking.asked) == TRIES + 1
