"""Two Proxmox clusters that only the environment tells of, in one `homelab up`: 3 nodes and 120 guests, 2 and 40."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest_asyncio

from tests.support.instance import Instance, running
from tests.support.proxmox import TOKEN, Simulator, World, standard
from tests.support.waiting import until

SECRETS = {"prod": "8a6e0804-2bd0-4672-b79d-d97027f9071a", "lab": "c1f6b2f0-5b6e-4f0e-9a55-0d6f3c1f7e42"}
STATUS = {"running": "running", "stopped": "stopped", "paused": "paused", "io-error": "failed"}
BURSTS, CHANGES = 6, {"prod": 35, "lab": 15}
SCOPES = 7


@dataclass(frozen=True)
class Cluster:
    name: str
    sim: Simulator
    world: World

    @property
    def source(self) -> str:
        return f"proxmox/{self.name}"

    def key(self, guest: dict[str, Any]) -> str:
        kind = "template" if guest["template"] else {"qemu": "vm", "lxc": "container"}[guest["type"]]
        return f"{self.source}/{kind}/{guest['vmid']}"

    def truth(self) -> dict[str, dict[str, Any]]:
        """What is to be shown of each guest, by key."""
        return {
            self.key(guest): {
                "status": STATUS[guest["status"]],
                "parent": f"{self.source}/node/{guest['node']}",
                "name": guest["name"],
                "labels": dict.fromkeys(guest["tags"], ""),
                "cpu_cores": guest["cores"],
                "memory_bytes": guest["memory"],
                "presence": "present",
            }
            for guest in self.world.truth().values()
        }

    def change(self, random: Random, count: int) -> set[str]:
        """Change so many guests, each in one thing; return their keys."""
        guests = [guest for guest in self.world.truth().values() if not guest["template"] and not guest["lock"]]
        chosen = random.sample(guests, count)
        for guest in chosen:
            self._change(random, guest)
        self.world.pvestatd()
        return {self.key(guest) for guest in chosen}

    def _change(self, random: Random, guest: dict[str, Any]) -> None:
        vmid, world, word = guest["vmid"], self.world, f"w{random.randrange(10**9)}"
        power = world.stop if guest["status"] == "running" else world.start
        elsewhere = random.choice([node for node in world.nodes if node != guest["node"]])
        random.choice([
            lambda: power(vmid),
            lambda: world.rename(vmid, word),
            lambda: world.tag(vmid, word),
            lambda: world.migrate(vmid, elsewhere),
            lambda: world.edit(vmid, description=word),
            lambda: world.edit(vmid, memory=guest["memory"] // 2**20 + 512),
        ])()  # fmt: skip


@dataclass(frozen=True)
class Two:
    homelab: Instance
    clusters: tuple[Cluster, Cluster]

    async def shown(self, cluster: Cluster) -> dict[str, dict[str, Any]]:
        wanted = ("status", "parent", "name", "labels", "cpu_cores", "memory_bytes", "presence")
        answer = await self.homelab.ask(
            "resources", provider="proxmox", source=cluster.name, limit=1000, fields=["key", "kind", *wanted]
        )
        assert answer["next_cursor"] is None
        rows = {row["key"]: row for row in answer["items"] if row["kind"] in {"vm", "container", "template"}}
        return {key: {name: row[name] for name in wanted} for key, row in rows.items()}

    async def told(self, cluster: Cluster, after: int = 0) -> list[dict[str, Any]]:
        """The log's rows of its guests after a place in it, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            last = found[-1]["seq"] if found else after
            answer = await self.homelab.ask(
                "events", provider="proxmox", source=cluster.name, after_seq=last, limit=1000
            )  # fmt: skip
            if not answer["items"]:
                return [row for row in found if row["kind"] in {"vm", "container", "template"}]
            found += answer["items"]

    async def read(self, cluster: Cluster) -> dict[str, str]:
        """Read its guests now; return why that failed."""
        query = {"source": cluster.source, "scope": "resources", "wait_seconds": 8}
        return (await self.homelab.ask("refresh", "intent", role="operator", **query))["failed"]


@contextmanager
def simulated(name: str, **options: Any) -> Iterator[Cluster]:
    world = standard(**options)
    world.add_token(TOKEN, SECRETS[name])
    sim = Simulator(world)
    sim.start()
    try:
        yield Cluster(name, sim, world)
    finally:
        sim.stop()


def environment(*clusters: Cluster) -> dict[str, str]:
    found = {"PROXMOX_CLUSTERS": ",".join(one.name for one in clusters)}
    for one in clusters:
        said = {"API_URL": ",".join(one.sim.urls), "TOKEN_ID": TOKEN, "TOKEN_SECRET": SECRETS[one.name]}
        trust = {"prod": {"CA": str(one.sim.ca)}, "lab": {"VERIFY": "false"}}[one.name]
        found |= {f"PROXMOX_CLUSTER_{one.name}_{variable}": value for variable, value in (said | trust).items()}
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(tmp_path_factory) -> AsyncIterator[Two]:
    folder = tmp_path_factory.mktemp("clusters")
    with simulated("prod", guests=120, nodes=3, seed=1) as prod, simulated("lab", guests=40, nodes=2, release=8) as lab:
        async with running(Instance(folder, None, environment=environment(prod, lab))) as homelab:
            both = Two(homelab, (prod, lab))
            await until(lambda: _all_is_read(both), seconds=30)
            yield both


async def _all_is_read(two: Two) -> bool:
    sources = {f"{row['provider']}/{row['source']}": row for row in (await two.homelab.ask("sources"))["items"]}
    rows = [sources.get(cluster.source, {"scopes": ()}) for cluster in two.clusters]
    return all(len(row["scopes"]) == SCOPES and row["status"] == "ok" for row in rows)


async def test_each_of_three_hundred_changes_is_in_the_log_once_and_the_store_equals_the_truth(two: Two):
    async with asyncio.TaskGroup() as group:
        for number, cluster in enumerate(two.clusters):
            group.create_task(_storm(two, cluster, Random(number)))

    for cluster in two.clusters:
        assert await two.shown(cluster) == cluster.truth()


async def _storm(two: Two, cluster: Cluster, random: Random) -> None:
    assert await two.shown(cluster) == cluster.truth()
    for _ in range(BURSTS):
        before = (await two.told(cluster))[-1]["seq"]
        changed = cluster.change(random, CHANGES[cluster.name])
        for _ in range(12):  # an edit of a container leaves no trace: the containers are read eight at a time
            assert await two.read(cluster) == {}
            if {row["key"] for row in await two.told(cluster, before)} >= changed:
                break
        assert await two.read(cluster) == {}

        told = await two.told(cluster, before)
        assert Counter(row["key"] for row in told) == Counter(changed)
        assert {row["op"] for row in told} == {"changed"}


async def test_one_that_refuses_is_named_leaves_the_other_alone_and_comes_back(two: Two):
    prod, lab = two.clusters
    lab.world.add_token(TOKEN, "another secret than we have")
    await two.read(lab)
    await until(lambda: _are(two, lab, {"ineligible"}), seconds=20)

    rows = {row["source"]: row for row in (await two.homelab.ask("sources"))["items"]}
    assert rows["prod"]["status"] == "ok"
    assert "token" in rows["lab"]["detail"]
    assert rows["lab"]["status"] in {"degraded", "failed"}
    assert await two.shown(prod) == prod.truth()

    lab.world.add_token(TOKEN, SECRETS["lab"])
    await until(lambda: _are(two, lab, {"present"}), seconds=25)
    assert await two.shown(lab) == lab.truth()


async def _are(two: Two, cluster: Cluster, presences: set[str]) -> bool:
    return {row["presence"] for row in (await two.shown(cluster)).values()} == presences


async def test_a_guest_is_found_by_its_number_where_the_cluster_is_named(two: Two):
    found = [await two.homelab.json("show", "101", "--cluster", cluster.name) for cluster in two.clusters]
    assert [one["resource"]["source"] for one in found] == ["prod", "lab"]
    assert (await two.homelab.cli("probe", "prod")).code == 0


async def test_no_secret_stands_in_anything_that_is_written(two: Two):
    said = await two.homelab.cli("config", "check")
    written = [path.read_bytes() for path in two.homelab.folder.rglob("*") if path.is_file()]

    assert said.code == 0
    assert any(b"proxmox/prod" in data for data in written)
    for data in (*written, said.out.encode(), said.err.encode()):
        assert not any(secret.encode() in data for secret in SECRETS.values())
