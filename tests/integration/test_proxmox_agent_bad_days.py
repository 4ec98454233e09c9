"""The Proxmox agent against clusters on bad days: nothing that is there is lost, nothing wrong is said, it recovers."""

import asyncio
import time
from random import Random

import pytest

from agents import errors
from schemas.events import Trouble
from schemas.resources import Health, Kind, Status
from tests.support.proxmox import World, furnish, standard
from tests.support.proxmox_lab import Clock, agent_of, lab
from tests.support.waiting import until

GUESTS = ("vm", "container", "template")


def guests(found):
    return {key: one for key, one in found.items() if key.split("/")[0] in GUESTS}


def of(found, node):
    return {key: one for key, one in guests(found).items() if one.parent.endswith(f"/{node}")}


def differing(before, found):
    return {key for key in before.keys() | found.keys() if before.get(key) is not found.get(key)}


def crowded(clock, guests=500):
    return standard(guests=guests, nodes=3, now=clock.seconds)


# --- nodes -----------------------------------------------------------------------------------------------------------


async def test_guests_of_a_dead_node_stay_as_they_were_for_as_long_as_it_takes():
    clock = Clock()
    async with lab(crowded(clock), clock, timeout="10s") as one:
        before = await one.scan()
        assert len(of(before, "pve2")) > 150
        one.world.kill("pve2")
        for seconds in (10, 60, 300, 3600):
            one.cycle(seconds)
            found = await one.scan()

            assert guests(found) == guests(before)
            assert (found["node/pve2"].status, found["node/pve2"].native_status) == (Status.STOPPED, "offline")
            assert found["node/pve2"].spec == before["node/pve2"].spec
            assert found["node/pve2"].size == before["node/pve2"].size
            assert one.gaps() == []
        one.world.revive("pve2")
        one.cycle()
        one.cycle()

        assert guests(await one.scan()) == guests(before)


async def test_what_else_a_dead_node_has_is_a_gap():
    async with lab() as one:
        before = await one.all()
        one.world.kill("pve2")
        one.cycle(61)

        for scope, kind in (("networks", Kind.NETWORK), ("disks", Kind.DISK)):
            found = await one.scan(scope)
            assert {key for key in before.keys() - found.keys() if before[key].scope == scope} == {
                key for key, row in before.items() if row.scope == scope and row.parent == "proxmox/lab/node/pve2"
            }
            (gap,) = one.gaps(scope)
            assert (gap.trouble, gap.kinds, gap.parent) == (Trouble.UNREACHABLE, (kind,), "proxmox/lab/node/pve2")
            assert "pve2 is offline" in gap.detail
        one.world.revive("pve2")
        one.cycle(61)
        assert differing_keys(before, await one.scan("networks"), "networks") == set()
        assert one.gaps("networks") == []


def differing_keys(before, found, scope):
    return {key for key, row in before.items() if row.scope == scope} ^ found.keys()


async def test_a_guest_that_was_recovered_from_a_dead_node_is_the_same_one_elsewhere():
    async with lab() as one:
        before = await one.scan()
        one.world.kill("pve2")
        one.cycle()
        await one.scan()
        one.world.recover(101, "pve1")
        one.cycle()

        found = await one.scan()

        assert found["vm/101"].parent == "proxmox/lab/node/pve1"
        assert found["vm/101"].incarnation == before["vm/101"].incarnation
        assert found["vm/101"].status is Status.RUNNING


async def test_a_guest_never_seen_before_on_a_dead_node_is_listed_bare_and_stays_unknown():
    clock = Clock()
    world = standard(guests=6, now=clock.seconds)
    world.kill("pve2")
    async with lab(world, clock, nodes=("pve1", "pve3")) as one:
        found = await one.scan()

        assert found["vm/101"].status is Status.UNKNOWN
        assert found["vm/101"].spec == {}
        one.world.revive("pve2")
        one.cycle()
        assert (await one.scan())["vm/101"].spec["name"] == "guest-101"


async def test_an_agent_that_starts_while_a_node_is_dead_shows_what_was_last_published():
    async with lab() as one:
        await one.all()
        await one.scan()
        before = one.last()
        one.world.kill("pve2")
        one.cycle(400)

        async with agent_of(one.sim, one.clock, last=before) as again:
            found = {row.key: row for row in await again.collect(one.scope("resources"))}

        assert {key for key, row in before.items() if row.scope == "resources"} == found.keys()
        assert [row for key, row in found.items() if row.kind in GUESTS and row != before[key]] == []
        node = found["proxmox/lab/node/pve2"]
        assert (node.spec, node.size, node.status) == (
            before[node.key].spec,
            before[node.key].size,
            Status.STOPPED,
        )


async def test_a_node_that_was_removed_from_the_cluster_is_not_listed_any_more():
    async with lab() as one:
        await one.all()
        for vmid in [vmid for vmid, guest in one.world.guests.items() if guest.node == "pve3"]:
            one.world.migrate(vmid, "pve1")
        one.world.remove_node("pve3")
        one.cycle(61)

        found = await one.all()

        assert not [key for key in found if "pve3" in key]
        assert len(guests(found)) == 9
        assert [one.gaps(scope.name) for scope in one.agent.scopes()] == [[]] * 7


async def test_while_pvestatd_of_a_node_hangs_the_node_itself_says_how_its_guests_are():
    async with lab() as one:
        one.world.pause(107)
        one.cycle()
        before = await one.scan()
        one.world.hang_pvestatd("pve2")
        one.cycle()
        one.world.power_off(101)
        one.cycle(20)
        assert (await one.scan())["vm/101"].status is Status.RUNNING, "nobody can know better yet"
        one.cycle(40)

        found = await one.scan()

        assert (found["vm/101"].status, found["vm/101"].native_status) == (Status.STOPPED, "stopped")
        assert found["vm/107"].status is Status.PAUSED, "the node's own list calls it running"
        assert found["node/pve2"].status is Status.RUNNING
        assert found["node/pve2"].health is Health.DEGRADED
        assert found["node/pve2"].size == before["node/pve2"].size
        (gap,) = one.gaps()
        assert not gap.hides
        assert "pvestatd of pve2 hangs" in gap.detail
        for seconds in (30, 400):
            one.cycle(seconds)
            again = await one.scan()
            assert again["vm/101"].status is Status.STOPPED
            assert again["vm/104"].status is Status.STOPPED
            assert again["vm/104"].name == before["vm/104"].name
            assert again["node/pve2"].status is Status.RUNNING
            assert again["node/pve2"].size == before["node/pve2"].size
        one.world.start(101)
        assert (await one.scan())["vm/101"].status is Status.RUNNING
        one.world.mend_pvestatd("pve2")
        one.cycle()
        mended = await one.scan()
        assert mended["node/pve2"].health is Health.OK
        assert mended["vm/107"].status is Status.PAUSED
        assert one.gaps() == []


@pytest.mark.parametrize("silent", ["nodes/pve2/*", "nodes/pve2/qemu", "nodes/pve2/lxc"])
async def test_a_node_whose_pvestatd_hangs_and_that_does_not_answer_either_is_unknown_with_all_its_guests_kept(silent):
    async with lab() as one:
        before = await one.scan()
        one.world.hang_pvestatd("pve2")
        one.sim.faults.status(596, silent)
        one.world.stop(101)
        for seconds in (60, 10, 400):
            one.cycle(seconds)
            found = await one.scan()

            assert guests(found) == guests(before)
            assert found["node/pve2"].status is Status.UNKNOWN
            assert found["node/pve2"].size == before["node/pve2"].size
        assert "pve2 is a member of the cluster and does not answer" in one.gaps()[0].detail
        one.sim.faults.clear()
        one.world.mend_pvestatd("pve2")
        one.cycle()
        assert (await one.scan())["vm/101"].status is Status.STOPPED
        assert one.gaps() == []


async def test_answers_that_do_not_run_on_because_they_are_recorded_are_no_sign_of_a_daemon_that_hangs():
    async with lab() as one:
        before = await one.scan()
        told = [request for request in one.sim.requests if request.path == "cluster/resources"]
        assert told
        one.stale_listing(times=5)
        for node in ("pve1", "pve2", "pve3"):
            uptime = one.world.now() - one.world.nodes[node].booted_at
            one.sim.faults.answer({"data": {"uptime": uptime}}, f"nodes/{node}/status")
        for _ in range(5):
            one.clock.at += one.clock.at.resolution * 30_000_000
            found = await one.scan()

        assert one.gaps() == []
        assert {found[key].status for key in found if key.startswith("node/")} == {Status.RUNNING}
        assert guests(found) == guests(before)


# --- the way to the cluster ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda faults: faults.truncate("cluster/resources"), errors.Malformed),
        (lambda faults: faults.html("cluster/resources"), errors.Malformed),
        (lambda faults: faults.html("*"), errors.Malformed),
        (lambda faults: faults.answer({"data": None}, "cluster/resources"), errors.Malformed),
        (lambda faults: faults.answer({"data": {}}, "cluster/resources"), errors.Malformed),
        (lambda faults: faults.answer({"data": []}, "cluster/resources"), errors.Malformed),
        (lambda faults: faults.answer({"data": [{"type": "qemu"}]}, "cluster/resources"), errors.Malformed),
        (lambda faults: faults.reset("cluster/resources"), errors.Unreachable),
        (lambda faults: faults.hang("cluster/resources"), errors.Unreachable),
        (lambda faults: faults.status(595, "*"), errors.Unreachable),
        (lambda faults: faults.status(500, "*"), errors.Unreachable),
        (lambda faults: faults.status(401, "*"), errors.Unauthorized),
        (lambda faults: faults.status(503, "*", retry_after=7), errors.Throttled),
        (lambda faults: faults.refuse(), errors.Unreachable),
    ],
)
async def test_a_listing_that_cannot_be_had_is_a_failure_and_the_next_one_is_as_before(break_it, reason):
    async with lab(timeout="1s") as one:
        before = await one.scan()
        break_it(one.sim.faults)

        with pytest.raises(reason) as caught:
            await one.scan()

        assert type(caught.value) is reason
        assert one.sim.secret not in str(caught.value)
        one.sim.faults.clear()
        one.cycle(31)
        assert differing(before, await one.scan()) == set()


async def test_a_slow_cluster_is_read_all_the_same():
    async with lab() as one:
        one.sim.faults.slow(0.2, "cluster/*")

        assert len(guests(await one.scan())) == 9


async def test_a_token_that_is_revoked_in_the_middle_of_a_reading_publishes_nothing():
    async with lab() as one:
        one.sim.faults.status(401, "nodes/*/config")

        with pytest.raises(errors.Unauthorized, match="refuses the token"):
            await one.scan()

        one.sim.faults.clear()
        assert len(guests(await one.scan())) == 9


async def test_the_other_nodes_are_asked_when_the_one_that_was_asked_is_gone():
    async with lab() as one:
        before = await one.scan()
        one.sim.faults.refuse("pve1")
        one.cycle()

        assert differing(before, await one.scan()) == set()


# --- configurations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "break_it",
    [
        lambda faults, path: faults.status(595, path),
        lambda faults, path: faults.status(596, path),
        lambda faults, path: faults.status(500, path, reason="unable to parse value of 'net0'"),
        lambda faults, path: faults.truncate(path),
        lambda faults, path: faults.html(path),
        lambda faults, path: faults.reset(path),
        lambda faults, path: faults.answer({"data": {}}, path),
        lambda faults, path: faults.answer({"data": ["no", "mapping"]}, path),
    ],
)
async def test_a_configuration_that_cannot_be_read_stays_what_it_was_and_is_named(break_it):
    async with lab(sweep=0, timeout="10s") as one:
        before = await one.scan()
        one.world.edit(104, description="other")
        one.world.edit(101, description="more")
        break_it(one.sim.faults, "nodes/*/qemu/104/config")

        found = await one.scan()

        assert found["vm/104"] == before["vm/104"]
        (gap,) = one.gaps()
        assert not gap.hides
        assert ("guests on pve2" if "the node pve2 cannot be reached" in gap.detail else "qemu/104") in gap.detail
        one.sim.faults.clear()
        one.cycle(31)
        mended = await one.scan()
        assert mended["vm/104"].spec["description"] == "other"
        assert mended["vm/101"].spec["description"] == "more"
        assert one.gaps() == []


async def test_a_node_that_never_answers_keeps_nobody_waiting_for_long():
    async with lab(timeout="1s", sweep=0) as one:
        before = await one.scan()
        for vmid in (101, 104, 107):
            one.world.edit(vmid, description="other")
        one.world.edit(103, description="other")
        one.sim.faults.hang("nodes/pve2/*")

        began = time.monotonic()
        found = await one.scan()

        assert time.monotonic() - began < 2.5
        assert of(found, "pve2") == of(before, "pve2")
        assert found["vm/103"].spec["description"] == "other"
        assert "the configuration of guests on pve2 is shown as last known" in one.gaps()[0].detail


async def test_a_node_that_passes_nothing_on_costs_one_question_and_loses_nothing():
    clock = Clock()
    async with lab(crowded(clock, 120), clock, sweep=0) as one:
        await one.scan()
        for vmid, guest in one.world.guests.items():
            if guest.node == "pve2":
                one.world.set_lock(vmid, "backup")
        one.world.touch()
        one.sim.faults.status(595, "nodes/pve2/*")
        await one.scan()
        await one.asked()

        found = await one.scan()

        assert len(guests(found)) == 120
        assert [path for path in await one.asked() if path.endswith("/config")].__len__() == 1
        assert {row.native.get("lock") for row in of(found, "pve2").values()} == {"backup"}
        assert "guests on pve2 is shown as last known: the node pve2 cannot be reached" in one.gaps()[0].detail
        one.sim.faults.clear()
        await one.scan()
        assert one.gaps() == []
        assert len([path for path in await one.asked() if path.endswith("/config")]) == 40


async def test_a_first_reading_whose_configurations_fail_lists_the_guests_with_what_their_rows_say():
    async with lab() as one:
        one.sim.faults.status(596, "nodes/pve2/*/config")

        found = await one.scan()

        assert len(guests(found)) == 9
        assert (found["vm/101"].name, found["vm/101"].status) == ("guest-101", Status.RUNNING)
        assert found["vm/101"].native["config"] == "unread"
        one.sim.faults.clear()
        assert (await one.scan())["vm/101"].spec["name"] == "guest-101"


async def test_an_agent_that_starts_while_configurations_cannot_be_read_shows_what_was_last_published():
    async with lab() as one:
        await one.all()
        await one.scan()
        before = one.last()
        one.sim.faults.status(596, "nodes/pve2/*")

        async with agent_of(one.sim, one.clock, last=before) as again:
            found = {row.key: row for scope in again.scopes()[:2] for row in await again.collect(scope)}

        assert [key for key, row in found.items() if row.kind in GUESTS and row != before[key]] == []


async def test_a_first_reading_that_is_cut_off_goes_on_where_it_was():
    clock = Clock()
    async with lab(crowded(clock, 60), clock, sweep=0) as one:
        kept = one.agent._memory.configs._kept
        one.sim.faults.slow(0.05, "nodes/*/config")
        reading = asyncio.create_task(one.scan())
        await until(lambda: len(kept) >= 16)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        one.sim.faults.clear()
        before, asked = len(kept), one.agent._memory.api.requests
        assert before < 60

        found = await one.scan()

        assert one.agent._memory.api.requests - asked == 2 + 60 - before
        assert len(guests(found)) == 60


async def test_an_edit_that_was_told_of_while_a_reading_was_cut_off_is_not_forgotten():
    async with lab(sweep=0) as one:
        await one.scan()
        one.world.edit(104, memory=8192)
        slow = one.sim.faults.hang("nodes/*/config")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await one.scan()
        slow.clear()

        assert (await one.scan())["vm/104"].spec["memory_mib"] == 8192


# --- guests that move and go while they are read ---------------------------------------------------------------------


@pytest.mark.parametrize(("vmid", "key"), [(101, "vm/101"), (102, "container/102")])
async def test_a_guest_that_migrates_during_a_reading_is_found_where_it_went(vmid, key):
    async with lab(sweep=0) as one:
        before = (await one.scan())[key]
        one.world.set_lock(vmid, "migrate")
        one.stale_listing()
        one.world.migrate(vmid, "pve1")
        one.world.edit(vmid, description="on its way")

        found = (await one.scan())[key]

        assert found.parent == "proxmox/lab/node/pve1"
        assert found.spec["description"] == "on its way"
        assert found.incarnation == before.incarnation
        assert one.gaps() == []


async def test_a_guest_that_goes_during_a_reading_is_not_listed():
    async with lab(sweep=0) as one:
        await one.scan()
        one.world.set_lock(101, "backup")
        one.stale_listing()
        one.world.destroy(101)

        assert "vm/101" not in await one.scan()
        assert one.gaps() == []
        assert [hint.removed for hint in one.hints()] == [((Kind.VM, "101"),)]


async def test_a_guest_that_goes_during_the_first_reading_is_not_listed():
    async with lab() as one:
        one.stale_listing()
        one.world.destroy(101)

        assert "vm/101" not in await one.scan()


async def test_a_guest_that_is_listed_and_has_no_configuration_is_not_listed_before_it_was_ever_known():
    async with lab() as one:
        one.stale_listing(times=2)
        one.world.destroy(101)

        assert "vm/101" not in await one.scan()


@pytest.mark.parametrize(
    ("status", "reason"), [(596, ""), (500, "Configuration file 'nodes/pve3/lxc/102.conf' does not exist")]
)
async def test_one_configuration_that_can_never_be_read_does_not_keep_the_sweep_from_the_others(status, reason):
    async with lab() as one:
        await one.scan()
        one.sim.faults.status(status, "nodes/pve3/lxc/102/config", reason=reason)
        one.world.edit(108, description="found")

        for _ in range(10):
            found = await one.scan()

        assert found["container/108"].spec["description"] == "found"


async def test_a_guest_that_is_listed_and_has_no_configuration_is_kept_while_it_is_known():
    async with lab(sweep=0) as one:
        before = await one.scan()
        one.world.set_lock(101, "backup")
        gone = "Configuration file 'nodes/pve2/qemu-server/101.conf' does not exist"
        one.sim.faults.status(500, "nodes/pve2/qemu/101/config", reason=gone)

        found = await one.scan()

        assert found["vm/101"].spec == before["vm/101"].spec
        one.sim.faults.clear()
        assert (await one.scan())["vm/101"].native["lock"] == "backup"


# --- rights ----------------------------------------------------------------------------------------------------------


async def test_guests_that_may_not_be_seen_any_more_are_hidden_and_come_back():
    clock = Clock()
    async with lab(crowded(clock), clock, timeout="10s") as one:
        before = await one.scan()
        for role in ("PVEAuditor", "BackupReader", "Syslog"):
            one.world.disallow(one.sim.token_id, "/", role)
        one.world.allow(one.sim.token_id, "/nodes", "PVEAuditor")
        one.world.allow(one.sim.token_id, "/storage", "PVEAuditor")
        for _ in range(3):
            one.cycle()
            found = await one.scan()

            assert guests(found) == {}
            hidden = [gap for gap in one.gaps() if set(gap.kinds) >= {Kind.VM, Kind.CONTAINER, Kind.TEMPLATE}]
            assert [(gap.trouble, gap.privilege, gap.path) for gap in hidden] == [
                (Trouble.UNAUTHORIZED, "VM.Audit", "/vms")
            ]
        for role in ("PVEAuditor", "BackupReader", "Syslog"):
            one.world.allow(one.sim.token_id, "/", role)
        one.cycle()
        again = await one.scan()
        assert guests(again).keys() == guests(before).keys()
        assert {key: row.incarnation for key, row in guests(again).items()} == {
            key: row.incarnation for key, row in guests(before).items()
        }
        assert one.gaps() == []
        assert [hint for hint in one.hints() if hint.removed] == []


@pytest.mark.parametrize(("vmid", "key"), [(101, "vm/101"), (102, "container/102")])
async def test_one_guest_that_may_not_be_seen_any_more_is_named_for_as_long_as_that_lasts(vmid, key):
    async with lab() as one:
        first = (await one.scan())[key]
        other = {"net0": one.world.guests[vmid].config["net0"].replace("BC:24:11", "BC:24:12")}
        one.world.edit(vmid, tags="edited", **other)
        one.world.snapshot(vmid, "before")
        one.world.back_up(vmid)
        before = await one.all()
        assert before[key].incarnation == first.incarnation
        one.world.allow(one.sim.token_id, f"/vms/{vmid}", "NoAccess")
        for _ in range(3):
            one.cycle(120)
            found = await one.scan()

            assert differing_guests(before, found) == {key}
            (gap,) = one.gaps()
            assert (gap.trouble, gap.keys) == (Trouble.UNAUTHORIZED, (f"proxmox/lab/{key}",))
            assert (gap.privilege, gap.path) == ("VM.Audit", f"/vms/{vmid}")
            assert "pveum acl modify" in gap.detail
        for scope, hidden in (("snapshots", f"snapshot/{vmid}/before"), ("backups", f"backup/{vmid}")):
            assert hidden not in await one.scan(scope)
            assert f"proxmox/lab/{hidden}" in {name for gap in one.gaps(scope) for name in gap.keys}
        one.world.disallow(one.sim.token_id, f"/vms/{vmid}")
        one.cycle()
        assert (await one.scan())[key].incarnation == before[key].incarnation
        assert one.gaps() == []
        assert f"snapshot/{vmid}/before" in await one.scan("snapshots")
        assert f"backup/{vmid}" in await one.scan("backups")
        assert one.gaps("backups") == []


def differing_guests(before, found):
    return guests(before).keys() ^ guests(found).keys()


async def test_a_guest_hidden_while_the_agent_was_away_is_not_taken_for_gone():
    async with lab() as one:
        await one.all()
        held = one.last()
        one.world.allow(one.sim.token_id, "/vms/101", "NoAccess")

        async with agent_of(one.sim, one.clock, last=held) as again:
            await again.collect(one.scope("resources"))
            (gap,) = again.gaps(one.scope("resources"))

        assert gap.keys == ("proxmox/lab/vm/101",)


async def test_a_number_that_was_destroyed_used_again_and_hidden_is_hidden():
    async with lab() as one:
        await one.scan()
        one.world.recreate(101)
        await one.scan()
        one.hints()
        one.world.allow(one.sim.token_id, "/vms/101", "NoAccess")

        await one.scan()

        assert [gap.keys for gap in one.gaps()] == [("proxmox/lab/vm/101",)]
        assert one.hints() == []


async def test_a_guest_destroyed_while_it_was_hidden_is_gone_when_that_can_be_seen():
    async with lab() as one:
        await one.scan()
        one.world.allow(one.sim.token_id, "/vms/101", "NoAccess")
        await one.scan()
        one.world.forget(one.world.guests[101])
        one.cycle(301)

        assert "vm/101" not in await one.scan()
        assert one.gaps() == []


@pytest.mark.parametrize(
    ("path", "key", "privilege"),
    [("/storage/nfs", "storage/nfs", "Datastore.Audit"), ("/pool/lab", "pool/lab", "Pool.Audit")],
)
async def test_a_storage_or_pool_that_may_not_be_seen_any_more_is_named(path, key, privilege):
    async with lab() as one:
        before = await one.all()
        one.world.allow(one.sim.token_id, path, "NoAccess")
        one.cycle()

        found = await one.scan()

        assert before.keys() - found.keys() >= {key}
        (gap,) = [gap for gap in one.gaps() if gap.privilege == privilege]
        assert (gap.keys, gap.path) == ((f"proxmox/lab/{key}",), path)
        one.world.disallow(one.sim.token_id, path)
        assert key in await one.scan()
        assert one.gaps() == []


async def test_a_pool_that_was_removed_is_gone():
    async with lab() as one:
        await one.all()
        one.world.remove_pool("lab")
        one.cycle()

        found = await one.scan()

        assert "pool/lab" not in found
        assert found["vm/103"].spec["pool"] is None
        assert one.gaps() == []


async def test_which_pool_a_guest_is_in_is_not_forgotten_where_it_may_not_be_seen():
    async with lab() as one:
        before = await one.scan()
        assert before["vm/103"].spec["pool"] == "lab"
        one.world.add_role("Blind", *("VM.Audit", "Sys.Audit", "Datastore.Audit", "SDN.Audit", "Sys.Syslog"))
        one.world.disallow(one.sim.token_id, "/")
        one.world.allow(one.sim.token_id, "/", "Blind")
        one.cycle(301)

        found = await one.scan()

        assert found["vm/103"] is before["vm/103"]
        assert {gap.privilege for gap in one.gaps()} == {"Pool.Audit"}


async def test_without_sys_audit_the_cluster_is_refused_by_name_and_the_rest_is_read():
    async with lab() as one:
        one.world.add_role("Guests", "VM.Audit", "Datastore.Audit", "Pool.Audit")
        one.world.disallow(one.sim.token_id, "/")
        one.world.allow(one.sim.token_id, "/", "Guests")

        with pytest.raises(errors.Unauthorized, match=r"Sys\.Audit"):
            await one.scan("cluster")
        found = await one.scan()

        assert len(guests(found)) == 9
        assert found["node/pve1"].status is Status.RUNNING
        assert found["node/pve1"].health is Health.UNKNOWN
        assert found["storage/nfs"].spec["settings"] == {"server": "192.0.2.250"}
        with pytest.raises(errors.Unauthorized, match=r"Sys\.Audit"):
            await one.scan("schedules")
        one.cycle(60)
        assert guests(await one.scan()) == guests(found)


async def test_without_the_rights_to_see_backups_nobody_says_that_there_are_none():
    async with lab() as one:
        one.world.disallow(one.sim.token_id, "/", "BackupReader")
        one.world.back_up(101)
        await one.all()
        found = await one.scan()

        assert "newest_backup_at" not in found["vm/101"].native
        assert await one.scan("backups") == {}
        assert {gap.privilege for gap in one.gaps("backups")} == {"Datastore.AllocateSpace", "VM.Backup"}
        assert all(Kind.BACKUP in gap.kinds for gap in one.gaps("backups"))


# --- storages --------------------------------------------------------------------------------------------------------


async def test_a_storage_that_cannot_be_read_takes_nobodys_newest_backup_away():
    async with lab() as one:
        one.world.back_up(101, "local")
        one.cycle()
        one.world.back_up(101, "pbs")
        one.world.back_up(102, "pbs")
        before = await one.all()
        told = (await one.scan())["vm/101"].native["newest_backup_at"]
        one.sim.faults.status(500, "nodes/*/storage/pbs/content", reason="storage 'pbs' is not online")

        assert await one.scan("backups") == {key: row for key, row in before.items() if key.startswith("backup/")}
        (gap,) = one.gaps("backups")
        assert (gap.kinds, gap.parent) == ((Kind.BACKUP,), "proxmox/lab/storage/pbs")
        assert (await one.scan())["vm/101"].native["newest_backup_at"] == told
        held = one.last()
        async with agent_of(one.sim, one.clock, last=held) as again:
            await again.collect(one.scope("resources"))
            found = {row.key: row for row in await again.collect(one.scope("backups"))}
            known = {row.key: row for row in await again.collect(one.scope("resources"))}

        assert found["proxmox/lab/backup/101"].parent == "proxmox/lab/storage/pbs"
        assert known["proxmox/lab/vm/101"].native["newest_backup_at"] == told


async def test_a_storage_that_went_away_fails_and_comes_back():
    async with lab() as one:
        await one.scan()
        one.world.break_storage("nfs")
        one.cycle(301)
        one.cycle()

        found = (await one.scan())["storage/nfs"]

        assert (found.status, found.health) == (Status.UNKNOWN, Health.FAILING)
        one.world.mend_storage("nfs")
        one.cycle()
        assert (await one.scan())["storage/nfs"].health is Health.OK


async def test_snapshots_of_a_node_that_died_are_kept_and_after_a_restart_hidden():
    async with lab() as one:
        one.world.snapshot(101, "before")
        await one.all()
        one.world.kill("pve2")
        one.cycle(61)
        await one.scan()
        assert "snapshot/101/before" in await one.scan("snapshots")
        held = one.last()

        async with agent_of(one.sim, one.clock, last=held) as again:
            await again.collect(one.scope("resources"))
            found = await again.collect(one.scope("snapshots"))
            gaps = again.gaps(one.scope("snapshots"))

        assert found == []
        assert [gap.keys for gap in gaps] == [("proxmox/lab/snapshot/101/before",)]


# --- ends ------------------------------------------------------------------------------------------------------------


async def test_it_closes_at_once_while_the_cluster_hangs():
    async with lab(timeout="30s") as one:
        one.sim.faults.hang("*")
        async with agent_of(one.sim, one.clock, timeout="30s") as again:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await again.collect(one.scope("resources"))
            began = time.monotonic()

        assert time.monotonic() - began < 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_after_any_storm_it_shows_what_is_true(seed):
    clock = Clock()
    world = World(now=clock.seconds, seed=seed)
    for number in range(1, 4):
        world.add_node(f"pve{number}")
    furnish(world)
    random = Random(seed)
    async with lab(world, clock) as one:
        for _ in range(12):
            one.world.storm(random, 12)
            await one.scan()
        one.cycle()
        for _ in range(len(one.world.guests) + 1):
            found = await one.scan()
        snapshots = await one.scan("snapshots")

        shown = {int(row.native_id): row for row in guests(found).values()}
        told = one.world.truth()
        assert shown.keys() == told.keys()
        for vmid, true in told.items():
            row = shown[vmid]
            assert (row.native_kind, row.name, row.native_status) == (true["type"], true["name"], true["status"]), vmid
            assert row.parent == f"proxmox/lab/node/{true['node']}"
            assert row.kind is Kind.TEMPLATE or not true["template"]
            assert sorted(row.labels) == sorted(true["tags"])
            assert row.revision == "" or row.revision == true["digest"]
        assert sorted(snapshots) == sorted(
            f"snapshot/{vmid}/{name}" for vmid, true in told.items() for name in true["snapshots"]
        )
