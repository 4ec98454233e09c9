"""Ten real containers, pictured, exported and expected again: nothing differs, until somebody changes one by hand."""

from pathlib import Path

import pytest

from agents.contract import Deps
from agents.docker import DockerConfig, connect
from agents.docker.agent import SCOPES
from daemon.api.applying import Applying
from daemon.api.picturing import Picturing
from daemon.cli import folders as written
from daemon.reconcile import manifests
from daemon.reconcile.folders import Folders
from daemon.reconcile.loop import Reconciler
from daemon.store import deviations
from schemas import expected_queries as e
from schemas.resources import Kind, SourceRef
from tests.support import docker_engine, events
from tests.support.docker_engine import IMAGE, RealEngine
from tests.support.store import Fed, fed

pytestmark = pytest.mark.docker
SOURCE = SourceRef(provider="docker", name="test")
CONTAINERS = next(scope for scope in SCOPES if scope.name == "containers")


class Lab:
    """The containers of one test as an agent reports them, in a store that expects things of them."""

    def __init__(self, engine: RealEngine, store: Fed) -> None:
        self.engine, self.store = engine, store
        self.reconciler = Reconciler(store.database, store.clock)
        self.picturing = Picturing(store.database, store.clock)
        folders = Folders(store.database, store.clock, self.reconciler)
        self.applying = Applying(store.database, store.clock, self.reconciler, folders)

    async def read(self, agent) -> None:
        self.store.clock.advance(seconds=60)
        at = self.store.clock.now()
        marks = self.engine.labels.items()
        found = [
            one for one in await agent.collect(CONTAINERS)
            if one.kind is Kind.CONTAINER and marks <= one.labels.items()
        ]  # fmt: skip
        self.store.say([events.observed(one, at) for one in found], events.scan(found, at, source=SOURCE), now=at)

    async def drift(self) -> list[tuple[str, str, str]]:
        self.reconciler.mark(everything=True)
        while not self.reconciler.is_idle:
            await self.reconciler.cycle()
        found = self.store.database.transact(deviations.still_open)
        return sorted((one.key.rpartition("-")[0].rpartition("-")[2], str(one.type), one.path) for one in found)

    async def export(self, folder: Path) -> None:
        await self.picturing.snapshot_change(e.SnapshotChangeQuery(name="then"))
        answer = await self.picturing.snapshot_export(e.SnapshotExportQuery(name="then"))
        written.write(folder, answer.manifests)

    async def apply(self, folder: Path) -> e.ExpectApplyAnswer:
        read = manifests.read([folder])
        assert read.faults == []
        return await self.applying.expect_apply(e.ExpectApplyQuery(documents=tuple(read.documents)))


async def test_an_exported_snapshot_is_expected_without_drift_and_each_change_by_hand_is_one_deviation(clock, tmp_path):
    async with (
        docker_engine.engine() as engine,
        connect(DockerConfig(name="test", url=engine.url), Deps(source=SOURCE)) as agent,
    ):
        net, volume = engine.name("net"), engine.name("vol")
        await engine.network(net)
        await engine.volume(volume)
        acts = ("stop", "rename", "image", "memory", "label", "network", "volume", "port", "restart", "remove")
        names = {act: engine.name(act) for act in acts}
        made = {
            act: await engine.run(name, Env=["PASSWORD=hunter2", "MODE=${HOME}"], HostConfig={"Memory": 64 << 20})
            for act, name in names.items()
        }
        with fed(clock) as store:
            lab = Lab(engine, store)
            await lab.read(agent)
            await lab.export(tmp_path / "out")
            assert "hunter2" not in "".join(file.read_text() for file in (tmp_path / "out").rglob("*.yaml"))
            answer = await lab.apply(tmp_path / "out")
            assert [one.change for one in answer.applied] == ["created"] * 10
            assert (answer.warnings, await lab.drift()) == ((), [])
            await lab.read(agent)
            assert await lab.drift() == []

            await _by_hand(engine, names, made, net, volume)
            await lab.read(agent)
            await lab.read(agent)
            assert await lab.drift() == [
                ("image", "changed", "spec.image"),
                ("label", "changed", "labels.tier"),
                ("memory", "changed", "spec.memory_bytes"),
                ("network", "changed", f"spec.networks.{net}"),
                ("port", "changed", "spec.ports"),
                ("remove", "missing", ""),
                ("rename", "changed", "name"),
                ("restart", "changed", "spec.restart_policy"),
                ("stop", "stopped", "status"),
                ("volume", "changed", "spec.mounts"),
            ]


async def _by_hand(engine: RealEngine, names: dict, made: dict, net: str, volume: str) -> None:
    usual = {"Env": ["PASSWORD=hunter2", "MODE=${HOME}"]}

    async def again(act: str, **config) -> None:
        await engine.remove(made[act])
        host = {"Memory": 64 << 20, **config.pop("HostConfig", {})}
        await engine.run(names[act], **usual, HostConfig=host, **config)

    await engine.post(f"containers/{made['stop']}/kill")
    await engine.post(f"containers/{made['rename']}/rename", name=engine.name("other"))
    other = f"{IMAGE.partition(':')[0]}:other-{engine.mark}"
    repository, _, tag = other.partition(":")
    await engine.post(f"images/{IMAGE}/tag", repo=repository, tag=tag)
    try:
        await again("image", Image=other)
    finally:
        await engine._quietly("DELETE", f"images/{other}", noprune="1")
    await again("memory", HostConfig={"Memory": 128 << 20})
    await again("label", labels={"tier": "front"})
    await engine.docker._query_json(f"networks/{net}/connect", method="POST", data={"Container": made["network"]})
    await again("volume", HostConfig={"Binds": [f"{volume}:/data"]})
    await again("port", HostConfig={"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]}})
    await again("restart", HostConfig={"RestartPolicy": {"Name": "unless-stopped"}})
    await engine.remove(made["remove"])
