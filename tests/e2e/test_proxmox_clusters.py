"""Two Proxmox clusters that the environment alone tells of, under one `homelab up`; and a kill while a node is off."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from tests.support.cli import Said
from tests.support.instance import Instance, running
from tests.support.leaks import kept
from tests.support.proxmox import TOKEN
from tests.support.proxmox_clusters import (
    SECRETS,
    Cluster,
    are_read,
    instance,
    log_of,
    logged,
    refreshed,
    rows,
    simulated,
    sql,
    stored,
    true,
)
from tests.support.proxmox_story import KINDS, faults, key
from tests.support.waiting import until

WRONG = "00c0ffee-0000-4000-8000-000000000000"
CARRIERS = ("cluster", "disk", "network", "node", "pool", "storage")
"""Kinds of what no storm changes."""


@dataclass(frozen=True)
class Two:
    lab: Instance
    clusters: tuple[Cluster, Cluster]

    async def says(self, *arguments: str, **environment: str) -> Said:
        said = await self.lab.cli(*arguments, **environment)
        assert secrets_in(said.out + said.err) == []
        return said


def secrets_in(text: str | bytes) -> list[str]:
    found = text.encode() if isinstance(text, str) else text
    return [secret for secret in (*SECRETS.values(), WRONG) if secret.encode() in found]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Two]:
    folder = tmp_path_factory.mktemp("clusters")
    with simulated("prod", guests=120, nodes=3) as prod, simulated("lab", guests=40, nodes=2, release=8) as second:
        async with running(instance(folder, prod, second)) as lab:
            await are_read(lab, prod, second)
            yield Two(lab, (prod, second))


async def read_anew(lab: Instance, cluster: Cluster, scope: str | None = "resources") -> None:
    assert await refreshed(lab, cluster, scope) == {}


async def test_all_guests_of_both_are_as_they_are_and_a_number_in_both_is_two_of_them(two: Two):
    for cluster in two.clusters:
        await read_anew(two.lab, cluster)
        assert await stored(two.lab, cluster) == true(cluster)
    prod, second = (set(cluster.world.guests) for cluster in two.clusters)
    assert len(prod & second) > 10


async def burst(lab: Instance, cluster: Cluster, random: Random, changes: int) -> None:
    """Some changes while it is being read, which are not told, and the others between two readings."""
    few, asked = changes // 10, cluster.sim.requests
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read_anew(lab, cluster))
        for more in range(len(asked) + 2, len(asked) + 10, 2):
            await until(lambda more=more: len(asked) >= more or reading.done(), seconds=30)
            cluster.story.goes_on(partial(cluster.world.storm, random, few), told=False)
    cluster.story.goes_on(partial(cluster.world.storm, random, changes - 4 * few))
    await read_anew(lab, cluster)


async def storm(lab: Instance, cluster: Cluster, seed: int) -> None:
    random = Random(seed)
    for _ in range(5):
        await burst(lab, cluster, random, 60)


async def test_after_a_storm_on_both_the_store_says_what_is_true_and_the_log_how_it_came_about(two: Two):
    async with asyncio.TaskGroup() as group:
        for seed, cluster in enumerate(two.clusters):
            group.create_task(storm(two.lab, cluster, seed))

    for cluster in two.clusters:
        await read_anew(two.lab, cluster, None)
        at = datetime.now(UTC)
        await read_anew(two.lab, cluster)
        assert await stored(two.lab, cluster) == true(cluster)
        made = {(vmid, name) for vmid, one in cluster.world.guests.items() for name in one.snapshots}
        snapshots = {f"{cluster.source}/snapshot/{vmid}/{name}" for vmid, name in made}
        assert (await rows(two.lab, cluster, "snapshot")).keys() == snapshots
        readings, log = await log_of(two.lab, cluster, since=at)
        assert faults(cluster.story, readings, log) == []
        ops = [entry.op for entry in log]
        assert "suspect" not in ops, "each destruction was told"
        assert min(map(ops.count, ("removed", "gone", "replaced", "changed"))) > 10
    others = f"SELECT key, op FROM state_log WHERE provider = 'proxmox' AND kind IN {CARRIERS} AND op <> 'appeared'"
    assert await sql(two.lab, others) == []
    assert await sql(two.lab, "SELECT min(seq), max(seq) - count(*) FROM state_log") == [[1, 0]]


async def test_what_strikes_one_cluster_is_named_and_leaves_the_other_alone(two: Two):
    lab, (well, struck) = two.lab, two.clusters
    for cluster in two.clusters:
        await read_anew(lab, cluster, None)
        await read_anew(lab, cluster)
    before = {cluster.name: await stored(lab, cluster) for cluster in two.clusters}
    began = datetime.now(UTC)

    async def are(presence: str) -> None:
        """Those of the cluster that is struck; the other one is read as ever."""
        await read_anew(lab, well)
        assert await stored(lab, well) == before[well.name]
        hidden = {key: one._replace(presence=presence) for key, one in before[struck.name].items()}
        assert await stored(lab, struck) == hidden

    struck.sim.faults.refuse(next(iter(struck.world.nodes)))
    await read_anew(lab, struck, None)
    await are("present")

    struck.sim.faults.refuse()
    (why,) = (await refreshed(lab, struck, None)).values()
    assert all(url in why for url in struck.sim.urls)
    await are("unknown")

    struck.sim.faults.accept()
    fault = struck.sim.faults.status(401)
    told = await two.says("sources", "refresh", struck.name)
    assert told.code == 1
    assert struck.source in told.err
    assert TOKEN in told.err
    await are("ineligible")

    fault.clear()
    await until(partial(is_well, lab, struck), seconds=20)
    await are("present")
    assert {line["source"] for line in lab.log if line["event"] == "source_lost"} == {struck.source}
    for cluster in two.clusters:
        assert [one for one in await logged(lab, cluster, since=began) if not _may_be_late(*one)] == []


async def is_well(lab: Instance, cluster: Cluster) -> bool:
    return await refreshed(lab, cluster, None) == {}


def _may_be_late(key: str, op: str) -> bool:
    """An edit of a container leaves no trace, and is found by and by."""
    return op == "changed" and "/container/" in key


async def test_commands_find_both_clusters_in_the_environment_and_the_secrets_are_nowhere(two: Two):
    prod, second = two.clusters
    truth = second.world.truth()
    vmid = next(vmid for vmid in truth if vmid in prod.world.guests)
    name, wanted = truth[vmid]["name"], key(second.name, truth[vmid])
    by_number, by_name, shown = await asyncio.gather(
        two.says("show", str(vmid), "--cluster", second.name, "--json"),
        two.says("show", name, "--cluster", second.name),
        two.says("sources", "show", prod.name),
    )
    assert (by_number.code, by_name.code, shown.code) == (0, 0, 0)
    assert by_number.json["resource"]["key"] == wanted
    assert wanted in by_name.out
    assert prod.source in shown.out

    probed, refused = await asyncio.gather(
        two.says("probe", prod.name, second.name, "--json"),
        two.says("probe", second.name, PROXMOX_CLUSTER_lab_TOKEN_SECRET=WRONG),
    )
    assert (probed.code, refused.code) == (0, 1)
    assert {one["source"]: _guests(one) for one in probed.json} == {
        cluster.name: len(cluster.world.guests) for cluster in two.clusters
    }
    assert TOKEN in refused.out

    places = await kept(two.lab)
    assert name.encode() in places["the bus"]
    assert [place for place, found in places.items() if secrets_in(found)] == []


def _guests(probed: dict[str, Any]) -> int:
    (counts,) = (scope["counts"] for scope in probed["scopes"] if scope["scope"] == "resources")
    return sum(counts[kind] for kind in KINDS)


async def test_guests_of_a_node_that_is_off_stay_as_they_were_through_a_kill_and_nothing_is_told_twice(tmp_path: Path):
    with simulated("prod", guests=18, nodes=3) as prod:
        lab, world, off = instance(tmp_path, prod), prod.world, "proxmox/prod/node/pve1"
        world.migrate(102, "pve1")
        prod.story.goes_on(partial(world.snapshot, 103, "before"))

        async def shows_what_was_known() -> None:
            await refreshed(lab, prod)
            assert await stored(lab, prod) == {
                key: one._replace(presence="unknown") if one.parent == off else one for key, one in true(prod).items()
            }
            (snapshot,) = (await rows(lab, prod, "snapshot")).values()
            assert snapshot["presence"] == "unknown"
            assert {key: row["spec"] for key, row in (await rows(lab, prod, *KINDS)).items() if key in specs} == specs

        async with running(lab):
            await are_read(lab, prod)
            before = await rows(lab, prod, *KINDS)
            specs = {key: row["spec"] for key, row in before.items() if row["parent"] == off}
            assert {key.split("/")[2] for key in specs} == set(KINDS)
            world.kill("pve1")
            prod.story.goes_on()
            await refreshed(lab, prod, None)
            await shows_what_was_known()

            await lab.kill()
            await until(lambda: lab.survivors() == [])
            began = datetime.now(UTC)
            prod.story.goes_on(partial(world.stop, 101))
            prod.story.goes_on(partial(world.destroy, 105))
            await lab.start()
            await refreshed(lab, prod)
            await shows_what_was_known()
            assert await logged(lab, prod, since=began) == [
                ("proxmox/prod/vm/101", "changed"),
                ("proxmox/prod/container/105", "suspect"),
                ("proxmox/prod/container/105", "gone"),
            ]

            revived = datetime.now(UTC)
            world.revive("pve1")
            prod.story.goes_on()
            await refreshed(lab, prod)
            assert await stored(lab, prod) == true(prod)
            said = await logged(lab, prod, since=revived)
            assert [one for one in said if one[0].split("/")[2] in KINDS] == []
            assert faults(prod.story, *await log_of(lab, prod, since=revived)) == []
