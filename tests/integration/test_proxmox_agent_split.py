"""The Proxmox agent while a cluster is split: whoever is cut off knows nothing of the others."""

import pytest

from schemas.resources import Health, Status
from tests.support.proxmox_lab import lab

pytestmark = pytest.mark.asyncio


async def test_a_node_that_is_cut_off_is_passed_over_for_one_of_the_majority():
    async with lab() as one:
        await one.all()
        cut_off = one.agent._memory.api.entry
        one.world.partition("pve1")
        one.cycle(31)

        cluster = (await one.scan("cluster"))["cluster/cluster"]
        assert (cluster.native_status, cluster.health) == ("quorate", Health.DEGRADED)
        assert cluster.native["offline"] == ["pve1"]
        for _ in range(5):
            found = await one.scan()
            told = {name: found[f"node/{name}"].status for name in ("pve1", "pve2", "pve3")}
            assert told == {"pve1": Status.STOPPED, "pve2": Status.RUNNING, "pve3": Status.RUNNING}
            one.cycle(31)
        assert one.agent._memory.api.entry != cut_off


async def test_where_none_is_of_a_majority_the_one_that_answers_is_asked():
    async with lab() as one:
        await one.all()
        one.world.kill("pve2")
        one.world.kill("pve3")
        one.sim.faults.refuse("pve2", "pve3")
        for _ in range(3):
            one.cycle(31)

            assert (await one.scan("cluster"))["cluster/cluster"].health is Health.FAILING
            assert (await one.scan())["node/pve1"].status is Status.RUNNING
