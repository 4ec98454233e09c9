"""The Proxmox agent and an entry node that is, or has become, another cluster's: nothing is gone by what it tells."""

import pytest

from agents import errors
from tests.support.proxmox_lab import Lab, agent_of, lab

pytestmark = pytest.mark.asyncio


def separate(one: Lab, node: str | None = None) -> None:
    """The node (None: all of them) answers as one of another cluster."""
    row = {"id": "node/alien", "type": "node", "node": "alien", "status": "online"}
    one.sim.faults.answer({"data": [row]}, "cluster/resources", node=node)
    one.sim.faults.answer({"data": []}, "cluster/backup", node=node)


async def test_an_entry_node_that_is_of_another_cluster_is_passed_over():
    async with lab() as one:
        one.world.add_backup_job("nightly", vmid="101")
        before = await one.all()
        separate(one, "pve1")
        for _ in range(2):
            one.cycle(31)
            assert (await one.all()).keys() == before.keys()
        assert one.agent._memory.api.entry != one.sim.urls[0]


async def test_after_a_restart_the_first_node_that_is_asked_has_to_be_of_the_cluster():
    async with lab() as one:
        before = await one.all()
        separate(one, "pve1")
        async with agent_of(one.sim, one.clock, last=one.last()) as again:
            found = {each.key for scope in again.scopes() for each in await again.collect(scope)}

        assert found == {each.key for each in before.values()}


async def test_where_all_nodes_have_other_names_nothing_is_believed():
    async with lab(nodes=["pve1"]) as one:
        await one.all()
        separate(one)
        one.cycle()

        with pytest.raises(errors.Unreachable, match=r"alien.*pve1, pve2, pve3.*another name"):
            await one.scan()
