"""A change in a real Docker engine -> its event on the bus -> its deviation on the bus.

The clock starts when the call that pauses or unpauses an adopted container is sent to the engine, and stops when a
subscriber in this process has the message; so the engine's own time is in it, and stands beside it.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import orjson
from nats.aio.msg import Msg

from daemon.api.bus_answers import BusAnswers
from daemon.runtime import bus
from schemas import queries as q
from schemas import subjects
from schemas.resources import Kind
from tests.bench import figures, instance
from tests.bench.figures import Figure
from tests.support import docker_engine
from tests.support.docker_engine import SOCKET, RealEngine

CHANGES = 60
REST = 0.15
"""Seconds between two changes: longer than a change takes, so that each is seen alone."""
_PATIENCE = 10.0


@dataclass(slots=True)
class Heard:
    """When what was waited for came."""

    key: str
    status: str = ""
    observed: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    deviation: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def on_inventory(self, message: Msg) -> None:
        event = orjson.loads(message.data)
        if event["type"] == "observed" and event["resource"]["status"] == self.status and not self.observed.done():
            self.observed.set_result(asyncio.get_running_loop().time())

    async def on_drift(self, message: Msg) -> None:
        if message.subject.endswith(subjects.inventory(self.key).removeprefix("homelab.inv")):
            wanted = {"resolved"} if self.status == "running" else {"opened", "reopened"}
            if orjson.loads(message.data)["transition"] in wanted and not self.deviation.done():
                self.deviation.set_result(asyncio.get_running_loop().time())

    def expect(self, status: str) -> None:
        loop = asyncio.get_running_loop()
        self.status, self.observed, self.deviation = status, loop.create_future(), loop.create_future()


async def bench() -> AsyncIterator[Figure]:
    if not docker_engine.answers(SOCKET):
        yield Figure("no Docker engine answers: latency not measured", 0, "")
        return
    async with docker_engine.engine() as engine, instance.folder() as state:
        name = engine.name("bench")
        container = await engine.run(name)
        async with (
            instance.up(state, [{"provider": "docker", "name": "local"}, instance.synthetic(500)]) as running,
            running.client() as client,
        ):
            answers = BusAnswers(client, timeout=30)
            key = await _adopted(answers, name)
            async for figure in _measured(client, engine, container, Heard(key)):
                yield figure


async def _adopted(answers: BusAnswers, name: str) -> str:
    async with asyncio.timeout(_PATIENCE):
        while True:
            found = await answers.resources(q.ResourcesQuery(kind=Kind.CONTAINER, name=name))
            if found.items:
                break
            await asyncio.sleep(0.1)
    key = str(found.items[0]["key"])
    await answers.adopt(q.AdoptQuery(keys=(key,)))
    return key


async def _measured(client: bus.Connection, engine: RealEngine, container: str, heard: Heard) -> AsyncIterator[Figure]:
    await client.subscribe(subjects.inventory(heard.key), cb=heard.on_inventory)
    await client.subscribe("homelab.drift.>", cb=heard.on_drift)
    await client.flush()
    calls, events, deviations = [], [], []
    for number in range(CHANGES + 2):
        took = await _change(engine, container, heard, pause=number % 2 == 0)
        if number > 1:  # the first of each kind finds cold caches
            for values, value in zip((calls, events, deviations), took, strict=True):
                values.append(value)
        await asyncio.sleep(REST)
    for figure in [
        *figures.spread("Docker's own time for the call", calls),
        *figures.spread("Docker change -> event on the bus", events, (100, 500)),
        *figures.spread("Docker change -> deviation on the bus", deviations, (250, 1000)),
    ]:
        yield figure


async def _change(engine: RealEngine, container: str, heard: Heard, *, pause: bool) -> tuple[float, float, float]:
    """Milliseconds from sending the call to its answer, the event, the deviation."""
    loop = asyncio.get_running_loop()
    heard.expect("paused" if pause else "running")
    began = loop.time()
    call = await figures.timed(partial(engine.post, f"containers/{container}/{'pause' if pause else 'unpause'}"))
    async with asyncio.timeout(_PATIENCE):
        event, deviation = await heard.observed, await heard.deviation
    return call, (event - began) * 1000, (deviation - began) * 1000


if __name__ == "__main__":
    figures.main(bench)
