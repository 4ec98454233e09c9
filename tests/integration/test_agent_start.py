"""One source on a real bus: what happens beside its first reading."""

import asyncio
from contextlib import asynccontextmanager

from structlog.testing import capture_logs

from agents import process
from agents.contract import Finding, Provider, Scope
from agents.process import Source
from daemon.runtime import bus, roles
from daemon.runtime.clock import SystemClock
from schemas import subjects
from schemas.config import SourceConfig
from schemas.resources import Kind, SourceRef
from tests.support.events import resource
from tests.support.nats_server import nats_server
from tests.support.waiting import until

LAB = SourceRef(provider="fake", name="lab")


class Checking:
    """Its look at itself waits until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    def scopes(self):
        return [Scope("containers", frozenset({Kind.CONTAINER}))]

    async def collect(self, scope):
        return [resource("web", LAB)]

    async def check(self):
        await self.go.wait()
        return [Finding("clock", "warning", "7 s off")]


def checks(logs):
    return [line for line in logs if line["event"] == "source_check"]


async def test_the_first_reading_does_not_wait_for_the_look_at_the_source(tmp_path):
    agent, heard = Checking(), asyncio.Event()

    @asynccontextmanager
    async def connect(config, deps):
        yield agent

    async def hear(message):
        heard.set()

    source = Source(Provider("fake", SourceConfig, frozenset(Kind), connect), SourceConfig(provider="fake", name="lab"))
    with capture_logs() as logs:
        async with (
            nats_server(tmp_path, sources=[LAB]) as server,
            bus.connect(server.url, name="daemon", login=server.logins["daemon"]) as daemon,
            bus.connect(server.url, name="agent", login=server.agents[LAB]) as client,
        ):
            await bus.ensure(daemon)
            await daemon.subscribe(subjects.inventory(LAB.key(Kind.CONTAINER, "web")), cb=hear)
            user = roles.agent_user(LAB)
            running = asyncio.create_task(process.run(source, client, SystemClock(), user=user, version="0.1.0"))
            try:
                async with asyncio.timeout(10):
                    await heard.wait()
                assert not checks(logs)
                agent.go.set()
                await until(lambda: bool(checks(logs)))
            finally:
                running.cancel()
                await asyncio.wait([running])

    (line,) = checks(logs)
    assert (line["source"], line["name"], line["outcome"], line["detail"]) == (
        "fake/lab",
        "clock",
        "warning",
        "7 s off",
    )
