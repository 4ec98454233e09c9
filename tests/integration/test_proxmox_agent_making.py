"""The Proxmox agent while a guest is being made, which may take longer than from one reading to the next."""

import pytest

from tests.support.proxmox_lab import lab

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("tasks", [False, True])
async def test_a_container_that_is_made_over_several_readings_is_one_container(tasks):
    async with lab() as one:
        if tasks:
            one.world.disallow(one.sim.token_id, "/", "Syslog")
        await one.scan()
        task = one.world.begin("pve1", "vzcreate", 150)
        guest = one.world.create("lxc", vmid=150, node="pve1", running=False, quiet=True)
        guest.config["lock"] = "create"
        begun = (await one.scan())["container/150"].incarnation
        one.cycle()
        del guest.config["lock"]
        one.world.end(task)
        one.cycle()

        assert begun != ""
        assert (await one.scan())["container/150"].incarnation == begun
        one.cycle()
        one.world.recreate(150, running=False)
        assert (await one.scan())["container/150"].incarnation not in ("", begun)


@pytest.mark.parametrize(("vmid", "key", "kind"), [(101, "vm/101", "qm"), (102, "container/102", "vz")])
async def test_a_guest_made_again_under_its_number_is_another_once_its_configuration_says_which(vmid, key, kind):
    """Until then the file holds nothing but a lock."""
    async with lab() as one:
        before = (await one.scan())[key]
        node = one.world.guests[vmid].node
        one.world.destroy(vmid)
        task = one.world.begin(node, f"{kind}create", vmid)
        guest = one.world.create("qemu" if kind == "qm" else "lxc", vmid=vmid, node=node, running=False, quiet=True)
        made, guest.config = guest.config, {"lock": "create"}

        for _ in range(2):
            found = (await one.scan())[key]
            assert (found.incarnation, found.spec) == (before.incarnation, before.spec)
            assert found.native["lock"] == "create"
            one.cycle()
        guest.config = made
        one.world.end(task)
        found = (await one.scan())[key]
        assert found.incarnation not in ("", before.incarnation)
        assert (await one.scan())[key].incarnation == found.incarnation


async def test_a_new_guest_is_listed_by_its_row_until_its_configuration_says_which_it_is():
    async with lab() as one:
        await one.scan()
        guest = one.world.create("qemu", vmid=150, node="pve1", running=False, quiet=True)
        made, guest.config = guest.config, {"lock": "create"}

        found = (await one.scan())["vm/150"]
        assert (found.incarnation, found.spec) == ("", {})
        assert one.gaps() == []
        guest.config = made
        assert (await one.scan())["vm/150"].spec["networks"] != {}
