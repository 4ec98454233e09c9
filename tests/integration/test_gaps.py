"""From an agent that does not see everything, over the bus, to what the daemon shows; and back, after restarts."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from agents import process
from agents.contract import Deps, Provider, Scope
from agents.process import Source
from daemon.ingest.announce import Announcer
from daemon.ingest.loop import InventoryIngest
from daemon.runtime import bus
from daemon.runtime.metrics import Metrics
from daemon.runtime.publisher import Publisher
from daemon.runtime.supervise import begun
from daemon.store.database import Database
from schemas.config import SourceConfig
from schemas.resources import Kind, SourceRef
from tests.conftest import FakeClock
from tests.support.events import after, gap, key, resource
from tests.support.nats_server import nats_server
from tests.support.waiting import until

LAB = SourceRef(provider="proxmox", name="lab")
USER = "agent-proxmox-lab"
DENIED = gap("VM.Audit is missing", kinds=("vm",), privilege="VM.Audit", path="/vms")


def vm(number):
    return resource(str(number), LAB, kind=Kind.VM, scope="all", incarnation=f"uuid-{number}", spec={"cores": number})


@dataclass
class Cluster:
    """What the agent is to find; it notes what it was given at each start, and how often it was read."""

    found: list = field(default_factory=list)
    gaps_now: list = field(default_factory=list)
    given: list[Deps] = field(default_factory=list)
    readings: int = 0

    def scopes(self):
        return [Scope("all", frozenset({Kind.VM, Kind.NODE}))]

    async def collect(self, _):
        self.readings += 1
        self._gaps = list(self.gaps_now)
        return list(self.found)

    def gaps(self, _):
        return self._gaps

    @asynccontextmanager
    async def connect(self, _, deps):
        self.given.append(deps)
        yield self

    async def read_again(self):
        """Return when a reading that began after this call is over."""
        wanted = self.readings + 2
        await until(lambda: self.readings >= wanted)


@dataclass
class Lab:
    server: object
    path: Path
    cluster: Cluster = field(default_factory=Cluster)

    @asynccontextmanager
    async def agent(self):
        provider = Provider(
            name="proxmox", config=SourceConfig, kinds=frozenset({Kind.VM, Kind.NODE}), connect=self.cluster.connect,
            remembers=frozenset({Kind.VM}),
        )  # fmt: skip
        before = len(self.cluster.given)
        config = SourceConfig(provider="proxmox", name="lab", interval=timedelta(milliseconds=20))
        async with (
            bus.connect(self.server.url, name=USER, login=self.server.agents[LAB]) as client,
            begun(
                "agent", process.run(Source(provider, config), client, FakeClock(after(0)), user=USER, version="test")
            ),
        ):
            await until(lambda: len(self.cluster.given) > before)
            yield

    @asynccontextmanager
    async def daemon(self):
        clock = FakeClock(after(3600))
        login = self.server.logins["daemon"]
        async with (
            bus.connect(self.server.url, name="daemon", login=login) as client,
            Database.open(self.path, clock) as database,
        ):
            announcer = Announcer(database, Publisher(client))
            ingest = InventoryIngest(
                client, database, clock, Metrics(), lambda _: announcer.wake(), lambda _: None
            )  # fmt: skip
            async with begun("ingest", ingest.run()), begun("announcer", announcer.run()):
                yield database


@pytest.fixture
async def lab(tmp_path):
    async with nats_server(tmp_path / "nats", sources=[LAB]) as server:
        async with bus.connect(server.url, name="daemon", login=server.logins["daemon"]) as client:
            await bus.ensure(client)
        yield Lab(server, tmp_path / "store.duckdb")


async def presences(database):
    return dict(await database.read(lambda con: con.execute("SELECT name, presence FROM resources").fetchall()))


async def ops(database):
    found = await database.read(lambda con: con.execute("SELECT op, name FROM state_log ORDER BY seq").fetchall())
    return [f"{op} {name}" for op, name in found]


async def is_announced(database):
    """Whether the bus has what the daemon judged."""
    return await database.read(lambda con: con.execute("SELECT count(*) FROM outbox_").fetchone()) == (0,)


async def shows(lab, database, expected):
    async def shown():
        return await presences(database) == expected

    await until(shown)
    await lab.cluster.read_again()


async def test_what_a_gap_hides_is_neither_missing_nor_forgotten_whoever_is_restarted(lab):
    hidden = {"100": "present", "101": "ineligible"}
    lab.cluster.found = [vm(100), vm(101)]
    async with lab.daemon() as database, lab.agent():
        await shows(lab, database, {"100": "present", "101": "present"})
        lab.cluster.found, lab.cluster.gaps_now = [vm(100)], [DENIED]
        await shows(lab, database, hidden)

    async with lab.agent():
        await lab.cluster.read_again()
        async with lab.daemon() as database:
            await shows(lab, database, hidden)
            assert await ops(database) == ["appeared 100", "appeared 101", "source_appeared lab", "source_lost lab"]

            lab.cluster.found, lab.cluster.gaps_now = [vm(100), vm(101)], []
            await shows(lab, database, {"100": "present", "101": "present"})
            assert (await ops(database))[4:] == ["source_recovered lab"]

    first, second = lab.cluster.given
    assert (first.known, first.last) == ({}, {})
    assert second.known == {vm(100).key: "uuid-100", vm(101).key: "uuid-101"}
    assert second.last == {vm(100).key: vm(100), vm(101).key: vm(101)}


async def test_an_agent_is_given_what_is_still_there_of_the_kinds_it_remembers(lab):
    node = resource("pve1", LAB, kind=Kind.NODE, scope="all")
    lab.cluster.found = [vm(100), vm(101), vm(102), node]
    async with lab.daemon() as database, lab.agent():
        await shows(lab, database, dict.fromkeys(("100", "101", "102", "pve1"), "present"))
        lab.cluster.found = [vm(100), vm(102), node]
        await shows(lab, database, dict.fromkeys(("100", "102", "pve1"), "present") | {"101": "gone"})
        await until(lambda: is_announced(database))

    async with lab.agent():
        await lab.cluster.read_again()

    given = lab.cluster.given[-1]
    assert given.known.keys() == {vm(100).key, vm(102).key, key("pve1", LAB, Kind.NODE)}
    assert given.last == {vm(100).key: vm(100), vm(102).key: vm(102)}
