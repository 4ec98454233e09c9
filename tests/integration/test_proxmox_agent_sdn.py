"""The Proxmox agent and SDN that is seen in part: a zone that is left out without a word is not gone."""

import pytest

from schemas.events import Trouble
from tests.support.proxmox_lab import Lab, agent_of, lab

pytestmark = pytest.mark.asyncio

ZONE, NET, OTHER = "network/sdn/zone/blue", "network/sdn/vnet/bluenet", "network/sdn/zone/red"


def furnish(one: Lab) -> None:
    one.world.add_zone("blue")
    one.world.add_vnet("bluenet", "blue")
    one.world.add_zone("red")


def told(gaps):
    return sorted((gap.trouble, gap.path, gap.keys) for gap in gaps)


HIDDEN = [
    (Trouble.UNAUTHORIZED, "/sdn/zones/blue", (f"proxmox/lab/{ZONE}",)),
    (Trouble.UNAUTHORIZED, "/sdn/zones/blue/bluenet", (f"proxmox/lab/{NET}",)),
]


async def test_a_zone_that_may_not_be_seen_any_more_is_hidden_and_so_are_its_nets():
    async with lab() as one:
        furnish(one)
        one.world.edit(101, net0="virtio=BC:24:11:00:00:01,bridge=bluenet")
        await one.all()
        attached = (await one.scan())["vm/101"].relations
        one.world.allow(one.sim.token_id, "/sdn/zones/blue", "NoAccess")
        one.clock.at = one.clock.at.replace(hour=13)
        await one.scan("cluster")
        held = one.last()

        for _ in range(2):
            found = await one.scan("networks")
            assert OTHER in found
            assert not {ZONE, NET} & found.keys()
            assert told(one.gaps("networks")) == HIDDEN
        assert (await one.scan())["vm/101"].relations == attached
        async with agent_of(one.sim, one.clock, last=held) as again:
            await again.collect(one.scope("networks"))
            assert told(again.gaps(one.scope("networks"))) == HIDDEN
        one.world.disallow(one.sim.token_id, "/sdn/zones/blue")
        assert {ZONE, NET} <= (await one.scan("networks")).keys()
        assert one.gaps("networks") == []


async def test_a_zone_and_a_net_that_were_removed_are_gone():
    async with lab() as one:
        furnish(one)
        await one.all()
        del one.world.zones["blue"], one.world.vnets["bluenet"]

        assert not {ZONE, NET} & (await one.scan("networks")).keys()
        assert one.gaps("networks") == []
        assert one.agent._memory.facts.vnets == frozenset()


@pytest.mark.parametrize("answer", [{"data": None}, {"data": {}}, {"data": {"/sdn/zones/red": []}}])
async def test_where_the_rights_are_not_told_nothing_is_gone(answer):
    async with lab() as one:
        furnish(one)
        await one.all()
        del one.world.zones["red"]
        rights = one.agent._memory.permissions.rights
        assert rights is not None
        one.sim.faults.answer({"data": dict(rights.granted)}, "access/permissions", times=1)
        one.sim.faults.answer(answer, "access/permissions")

        await one.scan("networks")
        (gap,) = one.gaps("networks")
        assert gap.keys == (f"proxmox/lab/{OTHER}",)
