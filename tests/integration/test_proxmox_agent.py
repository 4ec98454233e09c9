"""The Proxmox agent through its contract, against simulated clusters: usual days."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest

from agents.contract import Hint
from agents.runner import Runner
from agents.voice import Voice
from schemas.events import Removed, ScanClosed, parse_inventory
from schemas.resources import Health, Kind, Status
from tests.support.proxmox import World, furnish, influx, standard
from tests.support.proxmox_lab import SOURCE, Clock, agent_of, lab
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio


def configs(asked):
    return [path for path in asked if path.endswith("/config")]


def truth(world, vmid):
    return world.truth()[vmid]


async def test_the_first_reading_shows_everything_and_reads_every_configuration_once():
    async with lab() as one:
        found = await one.all()

        assert {Kind(key.split("/")[0]) for key in found} >= {Kind.NODE, Kind.VM, Kind.CONTAINER, Kind.TEMPLATE}
        assert {key for key in found if key.split("/")[0] in ("vm", "container", "template")} == {
            "template/100", "vm/101", "container/102", "vm/103", "vm/104", "container/105", "vm/106", "vm/107",
            "container/108",
        }  # fmt: skip
        assert len(configs(await one.asked())) == 9
        assert found["vm/101"].status is Status.RUNNING
        assert found["vm/101"].incarnation == truth(one.world, 101)["uuid"]
        assert found["vm/104"].status is Status.STOPPED
        assert [one.gaps(scope.name) for scope in one.agent.scopes()] == [[]] * 7


async def test_a_steady_reading_asks_three_things_and_gives_the_identical_objects():
    async with lab() as one:
        before = await one.scan()
        for _ in range(12):
            one.cycle()
            await one.asked()
            found = await one.scan()

            assert len(await one.asked()) == 3
            assert {key for key in found if found[key] is not before[key]} == set()


async def test_a_long_log_is_read_in_place_of_the_sweep():
    """Three requests and one for each guest that changed, however much was said of it."""
    async with lab() as one:
        await one.scan()
        for number in range(60):
            one.world.edit(101, memory=2048 + number)
        one.cycle()
        await one.asked()
        await one.scan()

        asked = await one.asked()
        assert [path.count("cluster/log") for path in asked].count(1) == 2
        assert len(asked) == 3 + 1


async def test_rights_are_looked_up_anew_every_five_minutes_in_place_of_the_sweep():
    async with lab() as one:
        await one.scan()
        asked = []
        for _ in range(31):
            one.cycle()
            await one.asked()
            await one.scan()
            asked.append(await one.asked())

        assert max(asked, key=len)[3:] == []
        assert ["access/permissions" in paths for paths in asked].count(True) == 1


async def test_an_edit_of_a_vm_stands_in_the_log_and_is_read_with_the_next_reading():
    async with lab(sweep=0) as one:
        before = await one.scan()
        await one.asked()
        one.world.edit(104, memory=8192, description="bigger")

        found = await one.scan()

        assert configs(await one.asked()) == ["nodes/pve2/qemu/104/config"]
        assert found["vm/104"].spec["memory_mib"] == 8192
        assert {key for key in found if found[key] is not before[key]} == {"vm/104"}


async def test_an_edit_of_a_container_leaves_no_trace_and_is_found_by_the_sweep():
    async with lab() as one:
        await one.scan()
        one.world.edit(108, description="new")

        for _ in range(9):
            found = await one.scan()

        assert found["container/108"].spec["description"] == "new"


async def test_what_was_done_to_a_container_in_one_go_with_a_vm_is_found_with_the_next_reading():
    world = standard(guests=30, nodes=3, now=(clock := Clock()).seconds)
    async with lab(world, clock) as one:
        await one.scan()
        containers = sum(guest["type"] == "lxc" for guest in one.world.truth().values())
        one.world.edit(101, description="new")
        one.world.edit(129, description="new")
        asked = []
        for _ in range(6):
            one.cycle()
            await one.asked()
            found = await one.scan()
            asked.append(len(configs(await one.asked())))

        assert (containers, asked) == (10, [2, 8, 2, 1, 1, 1])
        assert found["container/129"].spec["description"] == "new"


@pytest.mark.parametrize("vmid", [101, 102])
async def test_names_tags_locks_and_pools_are_seen_at_once(vmid):
    key = "vm/101" if vmid == 101 else "container/102"
    async with lab(sweep=0) as one:
        await one.scan()
        one.world.rename(vmid, "other")
        one.world.tag(vmid, "Blue", "red")
        one.world.set_lock(vmid, "backup")
        one.world.join("lab", vmid)
        one.world.pvestatd()

        found = (await one.scan())[key]

        assert (found.name, found.labels, found.native["lock"]) == ("other", {"blue": "", "red": ""}, "backup")
        assert found.spec["pool"] == "lab"


async def test_power_is_followed():
    async with lab() as one:
        await one.scan()
        for act, status, word in (
            (one.world.stop, Status.STOPPED, "stopped"),
            (one.world.start, Status.RUNNING, "running"),
            (one.world.pause, Status.PAUSED, "paused"),
            (one.world.resume, Status.RUNNING, "running"),
            (one.world.fail, Status.FAILED, "io-error"),
        ):
            act(101)
            one.cycle()
            found = (await one.scan())["vm/101"]

            assert (found.status, found.native_status) == (status, word)
        assert found.health is Health.FAILING


async def test_a_new_guest_is_named_by_its_configuration_and_unknown_until_it_is_told_of():
    async with lab() as one:
        await one.scan()
        one.world.create("qemu", vmid=200, node="pve3", name="new")

        found = (await one.scan())["vm/200"]
        assert (found.name, found.status) == ("new", Status.UNKNOWN)

        one.cycle()
        assert (await one.scan())["vm/200"].status is Status.RUNNING


async def test_a_destroyed_guest_is_not_listed_any_more_and_reported_as_removed():
    async with lab() as one:
        before = await one.scan()
        one.world.destroy(101)
        one.world.destroy(102)
        await one.asked()

        found = await one.scan()

        assert before.keys() - found.keys() == {"vm/101", "container/102"}
        (hint,) = one.hints()
        assert hint.scope == "resources"
        assert sorted(hint.removed) == [(Kind.CONTAINER, "102"), (Kind.VM, "101")]
        assert one.gaps() == []
        assert len(await one.asked()) == 3, "its task said so: nothing is asked about it"


async def test_a_destroyed_guest_is_said_to_be_removed_before_the_reading_without_it_ends():
    said = []

    async def publish(subject, data, *, msg_id, ttl=None):
        said.append(parse_inventory(data))

    async def obey():
        async for hint in one.agent.hints():
            runner.hinted(hint)

    async with lab() as one:
        runner = Runner(SOURCE, one.agent, Voice(SOURCE, "test", publish, one.clock), one.clock)
        runner._refresh_plans()
        watch = asyncio.create_task(obey())
        await runner.scan(runner.plans["resources"])
        said.clear()
        one.world.destroy(101)
        one.world.template(104)
        one.cycle()
        await runner.scan(runner.plans["resources"])
        watch.cancel()

    assert [(event.kind, event.native_id) for event in said if isinstance(event, Removed)] == [
        (Kind.VM, "101"),
        (Kind.VM, "104"),
    ]
    assert isinstance(said[-1], ScanClosed)


async def test_a_guest_that_went_without_a_word_is_asked_for_before_it_is_left_out():
    async with lab() as one:
        await one.scan()
        one.world.forget(one.world.guests[101])
        one.world.touch()
        await one.asked()

        found = await one.scan()

        assert "vm/101" not in found
        assert "nodes/pve2/qemu/101/config" in await one.asked()
        assert one.gaps() == []
        assert "vm/101" not in await one.scan()
        assert "nodes/pve2/qemu/101/config" not in await one.asked()


async def test_a_vm_that_becomes_a_template_is_reported_as_removed_under_its_old_key():
    async with lab() as one:
        before = await one.scan()
        one.world.template(104)
        one.cycle()

        found = await one.scan()

        assert "vm/104" not in found
        assert found["template/104"].incarnation == before["vm/104"].incarnation
        assert Hint("resources", ((Kind.VM, "104"),)) in one.hints()
        one.hints()
        await one.scan()
        assert one.hints() == []


@pytest.mark.parametrize(("vmid", "key"), [(101, "vm/101"), (102, "container/102")])
async def test_a_migrated_guest_is_the_same_one_elsewhere(vmid, key):
    async with lab() as one:
        before = (await one.scan())[key]
        one.world.begin_migration(vmid)
        assert (await one.scan())[key].native["lock"] == "migrate"
        one.world.finish_migration(vmid, "pve1")

        found = (await one.scan())[key]

        assert found.parent == "proxmox/lab/node/pve1"
        assert found.incarnation == before.incarnation
        assert "lock" not in found.native
        assert one.gaps() == []


@pytest.mark.parametrize(
    ("vmid", "made", "old", "new"),
    [
        (101, "qemu", "vm/101", "vm/101"),
        (102, "lxc", "container/102", "container/102"),
        (101, "lxc", "vm/101", "container/101"),
        (102, "qemu", "container/102", "vm/102"),
    ],
)
async def test_a_number_that_was_used_again_is_another_guest_with_nothing_of_the_old_one(vmid, made, old, new):
    async with lab() as one:
        before = (await one.scan())[old]
        assert before.status is Status.RUNNING
        one.world.recreate(vmid, made, name="second", running=False)

        found = await one.scan()

        assert found[new].incarnation != before.incarnation
        assert (found[new].name, found[new].status) == ("second", Status.STOPPED)
        assert (old in found) is (old == new)
        one.cycle()
        assert (await one.scan())[new].status is Status.STOPPED
        one.world.start(vmid)
        one.world.tag(vmid, "later")
        one.cycle()
        later = (await one.scan())[new]
        assert later.status is Status.RUNNING
        assert later.incarnation == found[new].incarnation


async def test_a_number_that_is_used_again_after_a_while_does_not_show_the_old_guests_state_either():
    async with lab() as one:
        await one.scan()
        one.world.destroy(101)
        assert "vm/101" not in await one.scan()
        one.clock.at += timedelta(seconds=200)
        one.world.create("qemu", vmid=101, node="pve2", running=False)

        assert (await one.scan())["vm/101"].status is Status.STOPPED


async def test_a_container_made_anew_is_another_one_where_nobody_tells_what_happened():
    async with lab() as one:
        one.world.add_role("Guests", "VM.Audit", "Datastore.Audit")
        one.world.disallow(one.sim.token_id, "/")
        one.world.allow(one.sim.token_id, "/", "Guests")
        before = (await one.scan())["container/102"]
        one.world.recreate(102, name="second")
        one.cycle()

        assert (await one.scan())["container/102"].incarnation != before.incarnation


async def test_a_container_restored_over_itself_is_the_same_one():
    async with lab() as one:
        before = (await one.scan())["container/102"]
        backup = one.world.back_up(102)
        one.world.edit(102, description="lost")
        await one.scan()
        one.world.destroy(102)
        one.world.restore(backup.volid, 102)

        assert (await one.scan())["container/102"].incarnation == before.incarnation


async def test_a_container_with_another_card_is_the_same_one_since_nothing_made_it_anew():
    async with lab() as one:
        before = (await one.scan())["container/102"]
        one.world.edit(102, net0="name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth", tags="x")

        found = (await one.scan())["container/102"]

        assert found.spec["networks"] != before.spec["networks"]
        assert found.incarnation == before.incarnation


async def test_without_the_log_the_tasks_tell():
    async with lab(sweep=0) as one:
        one.world.disallow(one.sim.token_id, "/", "Syslog")
        await one.scan()
        one.world.resize(101, "scsi0", by=8)
        one.world.destroy(104)
        one.world.pvestatd()
        await one.asked()

        found = await one.scan()

        asked = await one.asked()
        assert "cluster/log" not in asked
        assert configs(asked) == ["nodes/pve2/qemu/101/config"]
        assert found["vm/101"].size.disk_bytes == (32 + 8) * 2**30
        assert [hint.removed for hint in one.hints()] == [((Kind.VM, "104"),)]


async def test_more_news_than_one_answer_holds_are_all_read():
    async with lab(sweep=0) as one:
        await one.scan()
        one.world.edit(104, memory=8192)
        for _ in range(60):
            one.world.log("pve1", "successful auth for user 'root@pam'")
        await one.asked()

        assert (await one.scan())["vm/104"].spec["memory_mib"] == 8192
        assert configs(await one.asked()) == ["nodes/pve2/qemu/104/config"]


async def test_when_the_log_has_lost_lines_every_configuration_is_read():
    async with lab(sweep=0) as one:
        await one.scan()
        one.world.edit(108, description="unseen")
        for _ in range(1100):
            one.world.log("pve1", "successful auth for user 'root@pam'")

        assert (await one.scan())["container/108"].spec["description"] == "unseen"


async def test_when_another_tells_what_happened_every_configuration_is_read_once():
    async with lab(sweep=0) as one:
        await one.scan()
        one.world.edit(108, description="unseen")
        one.world.disallow(one.sim.token_id, "/", "Syslog")
        one.cycle(301)

        assert (await one.scan())["container/108"].spec["description"] == "unseen"
        await one.asked()
        await one.scan()
        assert configs(await one.asked()) == []


async def test_more_tasks_than_a_node_tells_of_are_asked_of_it():
    async with lab(sweep=0) as one:
        one.world.disallow(one.sim.token_id, "/", "Syslog")
        await one.scan()
        one.world.edit(101, memory=8192)
        one.world.did("pve2", "resize", 101)
        for _ in range(40):
            one.world.did("pve2", "aptupdate")
        one.world.pvestatd()

        assert (await one.scan())["vm/101"].spec["memory_mib"] == 8192


async def test_snapshots_are_asked_for_when_something_happened_to_them_and_not_else():
    async with lab() as one:
        await one.all()
        one.world.snapshot(101, "before", "the update")
        one.hints()
        await one.scan()
        assert Hint("snapshots") in one.hints()
        await one.asked()

        found = await one.scan("snapshots")

        assert await one.asked() == ["nodes/pve2/qemu/101/snapshot"]
        assert found["snapshot/101/before"].parent == "proxmox/lab/vm/101"
        assert await one.scan("snapshots") == found
        assert await one.asked() == []
        one.world.delete_snapshot(101, "before")
        await one.scan()
        assert await one.scan("snapshots") == {}


async def test_snapshots_of_a_number_that_was_used_again_are_another_guests():
    async with lab() as one:
        one.world.snapshot(101, "before")
        await one.scan()
        assert "snapshot/101/before" in await one.scan("snapshots")
        one.world.recreate(101)
        await one.scan()

        assert await one.scan("snapshots") == {}


async def test_the_newest_backup_of_each_guest_is_shown_and_known_to_it():
    async with lab() as one:
        first = await one.all()
        assert "newest_backup_at" not in first["vm/101"].native, "nobody has looked yet"
        assert (await one.scan())["vm/101"].native["newest_backup_at"] is None
        one.hints()
        one.world.back_up(101, "pbs")
        one.cycle(3600)
        one.world.back_up(101, "local")

        await one.scan()
        assert Hint("backups") in one.hints()
        found = await one.scan("backups")
        told = (await one.scan())["vm/101"].native["newest_backup_at"]

        assert found["backup/101"].parent == "proxmox/lab/storage/pve2/local"
        assert found["backup/101"].relations[0].key == "proxmox/lab/vm/101"
        assert told == "2026-11-20T13:00:00+00:00"


async def test_high_availability_is_part_of_what_is_expected_of_a_guest():
    clock = Clock()
    world = standard(guests=3, now=clock.seconds)
    world.manage(101, "started")
    world.add_ha_rule("stay", resources="vm:101", nodes="pve2")
    async with lab(world, clock) as one:
        found = await one.all()

        assert found["vm/101"].spec["ha"] == "started"
        assert found["rule/ha/resource/vm:101"].relations[0].key == "proxmox/lab/vm/101"
        assert found["rule/ha/rule/stay"].status is Status.RUNNING


async def test_before_version_9_there_are_groups_in_place_of_rules():
    clock = Clock()
    world = standard(guests=3, release=8, now=clock.seconds)
    world.add_ha_group("all", "pve1", "pve2")
    async with lab(world, clock) as one:
        assert "rule/ha/group/all" in await one.scan("cluster")


async def test_a_host_by_itself_is_read_like_a_cluster():
    clock = Clock()
    world = World(name=None, now=clock.seconds)
    world.add_node("pve")
    furnish(world)
    world.create("qemu", vmid=100, quiet=True)
    world.pvestatd()
    async with lab(world, clock) as one:
        found = await one.all()

        assert found["cluster/cluster"].native_kind == "standalone"
        assert found["cluster/cluster"].health is Health.OK
        assert found["vm/100"].status is Status.RUNNING


async def test_region_and_tier_are_labels_of_the_cluster():
    async with lab(region="attic", tier="laboratory") as one:
        assert (await one.scan("cluster"))["cluster/cluster"].labels == {"region": "attic", "tier": "laboratory"}


async def test_a_disabled_storage_is_stopped_and_not_gone():
    async with lab() as one:
        await one.all()
        one.world.storages["nfs"].enabled = False
        one.world.touch()

        found = (await one.scan())["storage/nfs"]

        assert (found.status, found.native_status) == (Status.STOPPED, "disabled")
        assert one.gaps() == []
        one.world.remove_storage("nfs")
        one.cycle(901)
        await one.scan("cluster")
        assert "storage/nfs" not in await one.scan()
        assert one.gaps() == []


async def test_a_storage_that_becomes_shared_or_leaves_a_node_is_known_by_its_new_place_alone():
    async with lab() as one:
        await one.all()
        one.world.storages["local-zfs"].nodes = ("pve1",)
        one.world.storages["local-lvm"].shared = True
        one.world.touch()

        found = await one.scan()

        assert {key for key in found if key.startswith("storage/") and key.endswith(("-zfs", "-lvm"))} == {
            "storage/pve1/local-zfs",
            "storage/local-lvm",
        }
        assert one.gaps() == []


async def test_a_restarted_agent_goes_on_with_what_the_bus_held():
    async with lab() as one:
        one.world.back_up(101, "pbs")
        one.world.snapshot(102, "clean")
        await one.all()
        await one.scan()
        held = one.last()

        async with agent_of(one.sim, one.clock, last=held) as again:
            found = {found.key: found for scope in again.scopes() for found in await again.collect(scope)}

        assert found == held


async def restarted(one, change):
    """Return what another agent finds that begins after ``change``, an hour after the cluster did."""
    one.cycle(3600)
    await one.all()
    held, sampled_at = one.last(), one.clock.now()
    change(one.world)
    one.cycle(60)
    async with agent_of(one.sim, one.clock, last=held, sampled_at=sampled_at) as again:
        found = await again.collect(one.scope("resources"))
    return held, {row.key: row for row in found}


def other_card(world):
    world.edit(102, net0=world.guests[102].config["net0"].replace("BC:24:11", "BC:24:12"))


@pytest.mark.parametrize(("change", "same"), [(other_card, True), (lambda world: world.recreate(102), False)])
async def test_whether_a_container_was_made_anew_while_nobody_looked_the_log_tells(change, same):
    async with lab() as one:
        held, found = await restarted(one, change)

        key = "proxmox/lab/container/102"
        assert held[key].spec["networks"] != found[key].spec["networks"]
        assert (held[key].incarnation == found[key].incarnation) is same


async def test_a_log_that_does_not_reach_back_tells_nothing():
    async with lab() as one:

        def change(world):
            world.log_entries.clear()
            other_card(world)

        held, found = await restarted(one, change)

        assert held["proxmox/lab/container/102"].incarnation != found["proxmox/lab/container/102"].incarnation


async def test_samples_come_of_the_same_listings():
    async with lab() as one:
        await one.scan()
        one.cycle()
        await one.scan()
        await one.asked()

        found = await one.agent.samples()

        assert {"proxmox/lab/vm/101", "proxmox/lab/node/pve1"} <= {sample.key for sample in found}
        assert await one.asked() == []


async def test_two_clusters_in_one_process_do_not_mix():
    async with lab() as one, lab(standard(guests=3, nodes=2, seed=7)) as other:
        first, second = await one.scan(), await other.scan()
        one.world.destroy(101)

        assert "vm/101" not in await one.scan()
        assert await other.scan() == second
        assert first["vm/101"].incarnation != second["vm/101"].incarnation
        assert other.hints() == []


async def test_what_the_nodes_push_is_seen_before_the_listing_tells_it():
    push = {"listen": "127.0.0.1:0", "token": "env:PUSH"}
    async with lab(push=push) as one, aiohttp.ClientSession() as session:
        await one.scan()
        await until(lambda: one.agent._push.port is not None)
        one.hints()
        one.clock.at += timedelta(seconds=5)
        one.world.power_off(101)
        one.world.power_off(104)
        (body,) = influx.batches(one.world, "pve2")
        headers = {"Authorization": f"Token {one.sim.secret}"}
        url = f"http://127.0.0.1:{one.agent._push.port}/api/v2/write?org=proxmox&bucket=proxmox"
        async with session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 204
        await until(lambda: one.agent._memory.hints.qsize() > 0)
        assert one.hints() == [Hint("resources")]

        found = await one.scan()

        assert (found["vm/101"].status, found["vm/101"].native_status) == (Status.STOPPED, "stopped")
        one.cycle(5)
        one.world.start(101)
        one.cycle()
        await one.scan()
        assert (await one.scan())["vm/101"].status is Status.RUNNING
