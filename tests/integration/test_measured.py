"""What a source is told at its start about when it was last measured."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from agents import process
from agents.contract import Provider
from agents.process import Source
from daemon.runtime import bus, roles
from daemon.runtime.clock import SystemClock
from schemas import subjects
from schemas.config import SourceConfig
from schemas.events import MetricsBatch, Sample
from schemas.resources import Kind, SourceRef
from tests.support import events
from tests.support.events import NOON
from tests.support.nats_server import nats_server

LAB = SourceRef(provider="fake", name="lab")
OTHER = SourceRef(provider="fake", name="other")


class Enough(Exception):
    """The source was told; nothing more is wanted of it."""


@pytest.fixture
async def told(tmp_path):
    """Start the source on a real bus, and return what it is told."""
    found = []

    @asynccontextmanager
    async def connect(config, deps):
        found.append(deps.sampled_at)
        raise Enough
        yield

    source = Source(Provider("fake", SourceConfig, frozenset(Kind), connect), SourceConfig(provider="fake", name="lab"))
    async with (
        nats_server(tmp_path, sources=[LAB, OTHER]) as server,
        bus.connect(server.url, name="daemon", login=server.logins["daemon"]) as daemon,
        bus.connect(server.url, name="agent", login=server.agents[LAB]) as client,
    ):
        await bus.ensure(daemon)

        async def at_start():
            async with asyncio.timeout(10):
                with pytest.raises(Enough):
                    await process.run(source, client, SystemClock(), user=roles.agent_user(LAB), version="0.1.0")
            return found.pop()

        at_start.publisher = bus.Publisher(daemon)
        yield at_start


async def say(told, subject, event):
    await told.publisher.publish(subject, event.model_dump_json().encode(), msg_id=event.id)


async def say_samples(told, source, at):
    sample = Sample(key=source.key(Kind.VM, "100"), metric="cpu_ratio", value=0.5, at=at - timedelta(hours=9))
    batch = MetricsBatch(time=at, agent="test", provider=source.provider, source=source.name, samples=(sample,))
    await say(told, subjects.metrics(source.provider, source.name), batch)


async def test_a_source_is_told_when_it_was_last_measured_and_else_when_it_last_said_anything(told):
    assert await told() is None

    for minutes, name in ((5, "web"), (3, "db")):
        event = events.observed(events.resource(name, LAB), NOON + timedelta(minutes=minutes))
        await say(told, events.subject_of(event), event)
    assert await told() == NOON + timedelta(minutes=5)

    await say_samples(told, OTHER, NOON + timedelta(minutes=9))
    assert await told() == NOON + timedelta(minutes=5)

    for minutes in (1, 2):
        await say_samples(told, LAB, NOON + timedelta(minutes=minutes))
    assert await told() == NOON + timedelta(minutes=2)

    await told.publisher.publish(subjects.metrics("fake", "lab"), b"garbage", msg_id="garbage")
    assert await told() == NOON + timedelta(minutes=5)
