"""The Proxmox agent and what is asked seldom: facts, what became of the missing, scopes made of what each node has."""

from datetime import timedelta

import pytest

from agents.proxmox import guests as mapping
from schemas.events import Trouble
from schemas.resources import Kind
from tests.support.proxmox import standard
from tests.support.proxmox_lab import Clock, lab


async def unlisted(one, vmid):
    """The next listing lacks a guest that is there."""
    one.world.allow(one.sim.token_id, f"/vms/{vmid}", "NoAccess")
    one.stale_listing()
    one.world.disallow(one.sim.token_id, f"/vms/{vmid}")


async def test_of_guests_that_nothing_changed_of_nothing_is_made_anew(monkeypatch):
    async with lab(sweep=0) as one:
        before = await one.scan()
        one.cycle()
        monkeypatch.setattr(mapping, "guest", None)

        assert await one.scan() == before


# --- facts -----------------------------------------------------------------------------------------------------------


async def test_facts_are_read_again_after_fifteen_minutes_and_not_before():
    async with lab() as one:
        await one.scan("cluster")
        await one.asked()
        for minutes in (1, 13):
            one.cycle(60 * minutes)
            await one.scan("cluster")
            assert [path for path in await one.asked() if path in ("storage", "version", "nodes/pve1/status")] == []
        one.world.nodes["pve1"].version = "9.3.0"
        one.cycle(61)

        found = await one.scan("cluster")

        assert {"storage", "version", "nodes/pve1/status"} <= set(await one.asked())
        assert found["cluster/cluster"].native["versions"]["pve1"] == "9.3.0"
        assert (await one.scan())["node/pve1"].native["version"] == "9.3.0"


async def test_a_node_that_returns_is_asked_for_its_facts_at_once():
    async with lab() as one:
        await one.scan("cluster")
        one.world.kill("pve2")
        one.cycle()
        await one.scan("cluster")
        one.world.nodes["pve2"].kernel = "7.0.0-1-pve"
        one.world.revive("pve2")
        one.cycle()
        await one.scan("cluster")

        assert (await one.scan())["node/pve2"].spec["kernel"] == "7.0.0-1-pve"


async def test_settings_of_a_new_storage_are_read_with_the_next_look_at_the_cluster():
    async with lab() as one:
        await one.all()
        one.world.add_storage("backup", "nfs", shared=True, content="backup", options={"server": "192.0.2.9"})
        one.cycle()
        await one.scan()
        one.cycle(30)
        await one.scan("cluster")

        assert (await one.scan())["storage/backup"].spec["settings"] == {"server": "192.0.2.9"}


async def test_facts_that_cannot_be_read_stay_and_are_named_until_they_can():
    async with lab() as one:
        await one.all()
        before = await one.scan()
        one.sim.faults.status(596, "nodes/pve2/status")
        one.cycle(901)
        await one.scan("cluster")

        assert [gap.hides for gap in one.gaps("cluster")] == [False]
        assert "nodes/pve2" in one.gaps("cluster")[0].detail
        assert (await one.scan())["node/pve2"].spec == before["node/pve2"].spec
        one.sim.faults.clear()
        one.cycle(121)
        await one.scan("cluster")
        assert one.gaps("cluster") == []


async def test_a_net_that_may_not_be_seen_any_more_is_still_what_a_guest_is_attached_to():
    clock = Clock()
    world = standard(guests=3, now=clock.seconds)
    world.add_zone("lab", "vlan", bridge="vmbr0")
    world.add_vnet("vnet20", "lab", tag=20)
    world.create("qemu", vmid=200, bridge="vnet20", quiet=True)
    world.pvestatd()
    async with lab(world, clock) as one:
        before = (await one.all())["vm/200"]
        assert ("attached", "proxmox/lab/network/sdn/vnet/vnet20") in {
            (edge.type, edge.key) for edge in before.relations
        }
        one.world.allow(one.sim.token_id, "/sdn", "NoAccess")
        one.cycle(901)

        await one.all()
        one.world.tag(200, "later")
        found = await one.scan()

        assert found["vm/200"].relations == before.relations
        assert {gap.privilege for gap in one.gaps("networks")} == {"SDN.Audit"}


# --- what is missing -------------------------------------------------------------------------------------------------


async def test_a_guest_that_is_not_listed_and_still_answers_is_kept():
    async with lab() as one:
        before = await one.scan()
        await unlisted(one, 101)

        assert (await one.scan()).keys() == before.keys()
        assert one.gaps() == []


async def test_a_guest_that_is_not_listed_while_its_node_passes_nothing_on_may_still_be_there():
    async with lab() as one:
        await one.scan()
        await unlisted(one, 101)
        one.sim.faults.status(596, "nodes/pve2/qemu/101/config")

        assert "vm/101" not in await one.scan()
        (gap,) = one.gaps()
        assert (gap.trouble, gap.keys) == (Trouble.UNREACHABLE, ("proxmox/lab/vm/101",))
        one.sim.faults.clear()
        assert "vm/101" in await one.scan()
        assert one.gaps() == []


async def test_a_guest_that_is_not_listed_and_whose_node_is_off_is_gone_for_who_may_ask_would_see_it():
    async with lab() as one:
        await one.scan()
        one.world.kill("pve2")
        one.world.forget(one.world.guests[101])
        one.cycle()

        assert "vm/101" not in await one.scan()
        assert one.gaps() == []


# --- of each node ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "path", "kind"), [("networks", "network", Kind.NETWORK), ("disks", "disks/list", Kind.DISK)]
)
async def test_of_a_node_that_does_not_answer_what_it_has_is_hidden(scope, path, kind):
    async with lab() as one:
        await one.all()
        before = await one.scan(scope)
        one.sim.faults.status(596, f"nodes/pve2/{path}")

        found = await one.scan(scope)

        assert {before[key].parent for key in before.keys() - found.keys()} == {"proxmox/lab/node/pve2"}
        (gap,) = one.gaps(scope)
        assert (gap.kinds, gap.parent) == ((kind,), "proxmox/lab/node/pve2")
        one.sim.faults.clear()
        assert await one.scan(scope) == before
        assert one.gaps(scope) == []


async def test_only_guests_that_may_have_snapshots_are_asked_for_them():
    async with lab() as one:
        one.world.snapshot(102, "before")
        await one.scan()
        await one.asked()

        found = await one.scan("snapshots")

        assert set(found) == {"snapshot/102/before"}
        assert await one.asked() == ["nodes/pve3/lxc/102/snapshot"]
        one.clock.at += timedelta(minutes=5)
        assert await one.scan("snapshots") == found
