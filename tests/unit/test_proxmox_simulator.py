"""The simulator says what Proxmox VE says: how it answers, who may see what, and how late it tells."""

from random import Random
from typing import Any

import orjson
import pytest

from tests.support.proxmox import SECRET, TOKEN, World, influx, standard
from tests.support.proxmox.api import Api
from tests.support.proxmox.calls import Refusal
from tests.support.proxmox.model import GIB

USER = TOKEN.partition("!")[0]


class Asked:
    """A world asked without the wire: answers as Python values, refusals raised."""

    def __init__(self, world: World, token: str = TOKEN, secret: str = SECRET) -> None:
        self._api = Api(world)
        self._authorization = f"PVEAPIToken={token}={secret}"

    def __call__(self, path: str, method: str = "GET", /, *, entry: str = "pve1", **query: object) -> Any:
        named = {name.replace("_", "-"): str(value) for name, value in query.items()}
        answer = self._api.answer(method, path, named, self._authorization, entry)
        body = orjson.loads(answer.body) if answer.body.startswith(b"{") else {}
        if answer.status >= 400:
            raise Refusal(answer.status, answer.reason, errors=body.get("errors"), body=bool(answer.body))
        return body["data"]

    def rows(self, *types: str, entry: str = "pve1") -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in self("cluster/resources", entry=entry) if row["type"] in types}

    def guest(self, vmid: int) -> dict[str, Any]:
        return next(row for row in self("cluster/resources", type="vm") if row["vmid"] == vmid)

    def refused(self, path: str, method: str = "GET", /, **query: Any) -> Refusal:
        with pytest.raises(Refusal) as caught:
            self(path, method, **query)
        return caught.value


@pytest.fixture
def world() -> World:
    return standard(12, 3, seed=1, now=lambda: 1_800_000_000.0)


@pytest.fixture
def ask(world: World) -> Asked:
    return Asked(world)


# Errors and the order of checks (facts 6 to 11)


def test_without_a_token_and_with_a_wrong_one_the_answer_is_401_without_a_body(world: World, ask: Asked) -> None:
    wrong = Asked(world, secret="no").refused("version")
    assert (wrong.status, wrong.reason, wrong.body) == (401, "Authentication failed!", False)
    assert Api(world).answer("GET", "version", {}, "", "pve1").reason == "No ticket"


def test_a_revoked_and_an_expired_token_are_refused_at_once(world: World, ask: Asked) -> None:
    assert ask("version")["release"] == "9.2"
    world.tokens[TOKEN].expires_at = world.now() + 5
    assert ask("version")
    world.advance(6)
    assert ask.refused("version").status == 401
    world.tokens[TOKEN].expires_at = None
    world.revoke(TOKEN)
    assert ask.refused("version").reason == "Authentication failed!"


def test_what_does_not_exist_is_501_in_plain_words(ask: Asked) -> None:
    refusal = ask.refused("nodes/pve1/nothing")
    assert (refusal.status, refusal.reason) == (501, "Method 'GET /nodes/pve1/nothing' not implemented")


def test_permission_is_checked_before_the_node_and_before_the_guest(world: World, ask: Asked) -> None:
    world.kill("pve2")
    assert ask.refused("nodes/pve2/qemu/101/config").status == 595
    world.allow(TOKEN, "/vms", "NoAccess")
    refusal = ask.refused("nodes/pve2/qemu/101/config")
    assert (refusal.status, refusal.reason) == (403, "Permission check failed (/vms/101, VM.Audit)")
    assert ask.refused("nodes/pve2/qemu/99999/config").status == 403


def test_the_node_is_reached_before_parameters_are_checked(world: World, ask: Asked) -> None:
    assert ask.refused("nodes/pve2/qemu", wrong=1).errors == {
        "wrong": "property is not defined in schema and the schema does not allow additional properties"
    }
    world.kill("pve2")
    assert ask.refused("nodes/pve2/qemu", wrong=1).status == 595


def test_a_refusal_by_an_alternative_names_no_path_and_one_by_any_of_several_joins_them(world: World) -> None:
    world.add_token("nobody@pve!x", "s")
    ask = Asked(world, "nobody@pve!x", "s")
    assert ask.refused("nodes/pve1/disks/list").reason == "Permission check failed"
    reason = ask.refused("nodes/pve1/storage/nfs/status").reason
    assert reason == "Permission check failed (/storage/nfs, Datastore.Audit|Datastore.AllocateSpace)"


def test_a_guest_elsewhere_or_of_the_other_type_is_500_with_the_file_in_the_reason(ask: Asked) -> None:
    moved = ask.refused("nodes/pve1/qemu/101/config")
    assert (moved.status, moved.reason) == (500, "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist")
    other = ask.refused("nodes/pve2/lxc/101/config")
    assert other.reason == "Configuration file 'nodes/pve2/lxc/101.conf' does not exist"


def test_an_unknown_node_is_a_failed_lookup(ask: Asked) -> None:
    assert ask.refused("nodes/pve7/status").reason.startswith("hostname lookup 'pve7' failed - failed to get address")


# Two speeds (facts 23 to 26)


def test_a_new_guest_is_bare_until_the_first_cycle_and_then_whole(world: World, ask: Asked) -> None:
    vmid = world.create(node="pve2", name="fresh", tags=("b", "a")).vmid
    bare = {"id": f"qemu/{vmid}", "type": "qemu", "vmid": vmid, "node": "pve2", "status": "unknown", "tags": "a;b"}
    assert ask.guest(vmid) == bare
    world.pvestatd("pve1")
    assert ask.guest(vmid) == bare
    world.pvestatd("pve2")
    assert ask.guest(vmid) | {"name": "fresh", "status": "running", "template": 0, "maxcpu": 2} == ask.guest(vmid)


def test_status_waits_for_a_cycle_while_node_tags_lock_pool_and_hastate_do_not(world: World, ask: Asked) -> None:
    world.stop(101)
    world.rename(101, "other")
    world.migrate(101, "pve3")
    world.tag(101, "Prod")
    world.set_lock(101, "backup")
    world.join("lab", 101)
    world.manage(101, "stopped", crm_state="error")
    row = ask.guest(101)
    assert (row["status"], row["name"]) == ("running", "guest-101")
    assert (row["node"], row["tags"], row["lock"], row["pool"], row["hastate"]) == (
        ("pve3", "prod", "backup", "lab", "error")
    )
    world.pvestatd()
    assert (ask.guest(101)["status"], ask.guest(101)["name"]) == ("stopped", "other")


def test_states_of_qemu_stand_in_the_cluster_rows_and_only_two_words_in_the_node_lists(
    world: World, ask: Asked
) -> None:
    world.pause(101)
    world.pvestatd()
    assert ask.guest(101)["status"] == "paused"
    row = next(row for row in ask("nodes/pve2/qemu") if row["vmid"] == 101)
    assert row["status"] == "running"
    assert "qmpstatus" not in row
    assert ask("nodes/pve2/qemu/101/status/current")["qmpstatus"] == "paused"


def test_the_lists_of_a_node_are_not_delayed(world: World, ask: Asked) -> None:
    world.stop(101)
    assert ask.guest(101)["status"] == "running"
    assert next(row for row in ask("nodes/pve2/qemu") if row["vmid"] == 101)["status"] == "stopped"


def test_guests_of_an_offline_node_keep_their_values_for_five_minutes_and_are_then_bare(
    world: World, ask: Asked
) -> None:
    world.tag(101, "kept")
    world.kill("pve2")
    node = ask.rows("node")["node/pve2"]
    assert node["status"] == "offline"
    assert "maxmem" in node
    assert "mem" not in node
    world.advance(300)
    world.pvestatd()
    assert ask.guest(101)["status"] == "running"
    world.advance(1)
    bare = {"id": "qemu/101", "type": "qemu", "vmid": 101, "node": "pve2", "status": "unknown", "tags": "kept"}
    assert ask.guest(101) == bare
    assert "maxmem" not in ask.rows("node")["node/pve2"]


def test_values_grow_old_by_the_clock_alone() -> None:
    time = [1_800_000_000.0]
    ask = Asked(standard(2, 2, now=lambda: time[0]))
    assert ask.guest(101)["status"] == "running"
    time[0] += 301
    assert ask.guest(101)["status"] == "unknown"


def test_a_hung_pvestatd_freezes_its_node_which_stays_online_and_is_then_unknown(world: World, ask: Asked) -> None:
    before = ask.rows("node")["node/pve2"]
    world.hang_pvestatd("pve2")
    world.stop(101)
    world.advance(100)
    world.pvestatd()
    assert ask.rows("node")["node/pve2"] == before
    assert ask.rows("node")["node/pve1"]["uptime"] > before["uptime"] - 86_400
    assert ask.guest(101)["status"] == "running"
    assert ask("nodes/pve2/status")["uptime"] == before["uptime"] + 100
    world.advance(201)
    world.pvestatd()
    assert ask.rows("node")["node/pve2"]["status"] == "unknown"
    assert ask.guest(101)["status"] == "unknown"
    assert ask.rows("storage")["storage/pve2/nfs"]["status"] == "unknown"
    assert ask.rows("storage")["storage/pve1/nfs"]["status"] == "available"
    assert {row["online"] for row in ask("cluster/status")[1:]} == {1}
    world.mend_pvestatd("pve2")
    world.pvestatd()
    assert ask.guest(101)["status"] == "stopped"


def test_a_number_used_again_shows_the_old_guest_until_the_next_cycle(world: World, ask: Asked) -> None:
    world.recreate(101, "lxc", name="new")
    assert (ask.guest(101)["id"], ask.guest(101)["name"]) == ("lxc/101", "guest-101")
    world.pvestatd()
    assert ask.guest(101)["name"] == "new"


def test_a_storage_that_does_not_answer_keeps_its_values_and_is_then_unknown(world: World, ask: Asked) -> None:
    world.break_storage("nfs", "pve1")
    world.advance(301)
    world.pvestatd()
    assert ask.rows("storage")["storage/pve1/nfs"] == {
        "id": "storage/pve1/nfs",
        "storage": "nfs",
        "node": "pve1",
        "type": "storage",
        "plugintype": "nfs",
        "shared": 1,
        "content": "images,rootdir,iso",
        "status": "unknown",
    }
    assert ask.rows("storage")["storage/pve2/nfs"]["maxdisk"] == 500 * GIB


def test_a_pool_sums_its_running_members(world: World, ask: Asked) -> None:
    members = [ask.guest(vmid) for vmid in sorted(world.pools["lab"].guests)]
    assert {member["status"] for member in members} == {"running", "stopped"}
    running = [member for member in members if member["status"] == "running"]
    assert ask.rows("pool")["/pool/lab"]["maxmem"] == sum(member["maxmem"] for member in running)


def test_zones_are_network_rows_in_9_and_sdn_rows_in_8() -> None:
    now = standard(1, 1, release=9)
    assert Asked(now).rows("network", "sdn").keys() == {"network/pve1/zone/localnetwork"}
    before = standard(1, 1, release=8)
    assert Asked(before).rows("network", "sdn").keys() == {"sdn/pve1/localnetwork"}
    assert "memhost" in Asked(now).guest(100)
    assert "memhost" not in Asked(before).guest(100)


# Rights (facts 16 to 20)


def test_rows_one_may_not_see_are_missing_and_nothing_says_so(world: World, ask: Asked) -> None:
    world.disallow(TOKEN, "/", "PVEAuditor")
    assert {row["type"] for row in ask("cluster/resources")} == {"node"}
    node = ask.rows("node")["node/pve1"]
    assert node == {"id": "node/pve1", "node": "pve1", "type": "node", "status": "online", "level": ""}
    assert ask("nodes/pve1/qemu") == []


def test_a_token_has_what_both_it_and_its_user_have(world: World, ask: Asked) -> None:
    world.disallow(USER, "/", "PVEAuditor")
    assert ask("cluster/resources", type="vm") == []
    world.tokens[TOKEN].privsep = False
    world.touch()
    assert ask("cluster/resources", type="vm") == []
    world.allow(USER, "/", "PVEAuditor")
    assert len(ask("cluster/resources", type="vm")) == 12


def test_the_deepest_entry_replaces_those_above_and_one_that_does_not_propagate_acts_there_only(
    world: World, ask: Asked
) -> None:
    world.allow(TOKEN, "/vms/101", "NoAccess")
    assert 101 not in {row["vmid"] for row in ask("cluster/resources", type="vm")}
    assert len(ask("cluster/resources", type="vm")) == 11
    world.allow(TOKEN, "/vms", "NoAccess", propagate=False)
    assert len(ask("cluster/resources", type="vm")) == 11
    world.allow(TOKEN, "/vms", "Syslog")
    assert {row["vmid"] for row in ask("cluster/resources", type="vm")} == world.pools["lab"].guests


def test_a_right_to_a_pool_is_a_right_to_its_members(world: World, ask: Asked) -> None:
    world.disallow(TOKEN, "/", "PVEAuditor")
    world.allow(TOKEN, "/pool/lab", "PVEAuditor")
    assert {row["vmid"] for row in ask("cluster/resources", type="vm")} == world.pools["lab"].guests
    assert ask("access/permissions")["/vms/103"]["VM.Audit"] == 0
    world.allow(TOKEN, "/vms/103", "NoAccess")
    assert {row["vmid"] for row in ask("cluster/resources", type="vm")} == world.pools["lab"].guests - {103}


def test_the_listing_of_rights_holds_top_paths_listed_paths_and_members_where_there_is_any(
    world: World, ask: Asked
) -> None:
    listing = ask("access/permissions")
    assert listing["/"]["VM.Audit"] == 1
    assert {"/vms", "/nodes", "/storage", "/vms/103"} <= listing.keys()
    assert "/vms/101" not in listing
    world.allow(TOKEN, "/vms/101", "NoAccess")
    assert "/vms/101" not in ask("access/permissions")
    assert ask("access/permissions", path="/vms/102")["/vms/102"]["VM.Audit"] == 1


def test_backups_are_listed_only_to_who_may_restore_them(world: World, ask: Asked) -> None:
    world.back_up(101)
    assert [row["vmid"] for row in ask("nodes/pve1/storage/pbs/content", content="backup")] == [101]
    world.disallow(TOKEN, "/", "BackupReader")
    assert ask("nodes/pve1/storage/pbs/content", content="backup") == []


def test_a_token_without_sys_audit_sees_no_task_of_the_cluster_not_even_its_own(world: World, ask: Asked) -> None:
    world.did("pve1", "vzdump", 101)
    world.end(world.begin("pve1", "qmstart", 101, who=TOKEN))
    assert [row["type"] for row in ask("cluster/tasks")][:2] == ["qmstart", "vzdump"]
    world.disallow(TOKEN, "/", "PVEAuditor")
    assert ask("cluster/tasks") == []
    assert [(row["type"], row["tokenid"]) for row in ask("nodes/pve1/tasks")] == [("qmstart", "homelabd")]


def test_without_sys_syslog_the_log_is_ones_own_lines(world: World, ask: Asked) -> None:
    world.stop(101)
    assert ask("cluster/log")
    world.disallow(TOKEN, "/", "Syslog")
    assert ask("cluster/log") == []
    world.log("pve1", "mine", user=TOKEN)
    assert [line["msg"] for line in ask("cluster/log")] == ["mine"]


# The cluster (facts 21, 22, 27 to 33)


def test_status_is_of_the_asked_node_and_a_node_alone_has_no_cluster_row(ask: Asked) -> None:
    cluster, *nodes = ask("cluster/status", entry="pve2")
    assert (cluster["name"], cluster["nodes"], cluster["quorate"]) == ("lab", 3, 1)
    assert [node["local"] for node in nodes] == [0, 1, 0]
    (alone,) = Asked(standard(1, 1, name=None))("cluster/status")
    assert (alone["type"], alone["nodeid"], alone["local"], alone["online"]) == ("node", 0, 1, 1)


def test_a_cut_off_node_answers_without_quorum_what_it_last_knew(world: World, ask: Asked) -> None:
    world.partition("pve3")
    world.stop(101)
    world.stop(102)
    world.advance(20)
    world.pvestatd()
    assert ask("cluster/status", entry="pve3")[0]["quorate"] == 0
    assert ask("cluster/status", entry="pve1")[0]["quorate"] == 1
    assert ask.rows("node", entry="pve3")["node/pve1"]["status"] == "offline"
    assert ask.rows("node", entry="pve1")["node/pve3"]["status"] == "offline"
    assert ask.rows("qemu", entry="pve3")["qemu/101"]["status"] == "running"
    assert ask.rows("qemu", entry="pve1")["qemu/101"]["status"] == "stopped"
    assert ask.refused("nodes/pve1/status", entry="pve3").status == 595
    assert ask.rows("lxc", entry="pve1")["lxc/102"]["status"] == "running"
    world.heal()
    assert ask.rows("qemu", entry="pve3")["qemu/101"]["status"] == "stopped"
    assert ask.rows("lxc", entry="pve1")["lxc/102"]["status"] == "stopped"
    assert ask("cluster/status", entry="pve3")[0]["quorate"] == 1


def test_the_log_tells_of_edits_of_machines_but_not_of_containers(world: World, ask: Asked) -> None:
    world.edit(101, memory=4096)
    world.edit(102, memory=4096)
    world.tag(102, "new")
    assert [line["msg"] for line in ask("cluster/log", max=1)] == ["update VM 101: -memory 4096"]


def test_the_log_holds_start_and_end_of_tasks_newest_first_with_ids_per_node(world: World, ask: Asked) -> None:
    world.start(104)
    end, begin = ask("cluster/log", max=2)
    upid = begin["msg"].removeprefix("starting task ")
    assert upid.startswith("UPID:pve2:")
    assert upid.endswith(":qmstart:104:root@pam:")
    assert end["msg"] == f"end task {upid} OK"
    assert (begin["id"], end["id"]) == (f"{begin['uid']}:pve2", f"{begin['uid'] + 1}:pve2")


def test_the_log_is_a_ring_of_128_kib(world: World, ask: Asked) -> None:
    for _ in range(3000):
        world.log("pve1", "x" * 100)
    lines = ask("cluster/log", max=10_000)
    assert 600 < len(lines) < 1000
    assert lines[0]["uid"] > 3000


def test_the_cluster_hears_of_a_task_at_its_start_and_of_its_end_with_a_cycle(world: World, ask: Asked) -> None:
    world.start(104)
    task = ask("cluster/tasks")[-1]
    assert "endtime" not in task
    assert "status" not in task
    assert ask(f"nodes/pve2/tasks/{task['upid']}/status")["exitstatus"] == "OK"
    world.pvestatd()
    assert ask("cluster/tasks")[-1]["status"] == "OK"


def test_the_cluster_lists_25_tasks_of_a_node_and_the_node_all(world: World, ask: Asked) -> None:
    for _ in range(40):
        world.did("pve3", "vzdump", 102)
    assert len([row for row in ask("cluster/tasks") if row["node"] == "pve3"]) == 25 + 1
    assert len(ask("nodes/pve3/tasks", limit=100)) == 40
    assert len(ask("nodes/pve3/tasks")) == 40
    world.advance(10)
    world.start(102)
    assert [row["type"] for row in ask("nodes/pve3/tasks", since=int(world.now()))] == ["vzstart"]


def test_a_foreign_upid_is_400_and_an_empty_log_has_a_line(world: World, ask: Asked) -> None:
    assert ask.refused("nodes/pve1/tasks/UPID:pve1:x/status").errors == {"upid": "no such task"}
    task = world.begin("pve1", "vzdump", 100)
    assert ask(f"nodes/pve1/tasks/{task.upid}/log") == [{"n": 1, "t": "no content"}]
    assert ask("nodes/pve1/tasks", source="active")[0]["status"] == "RUNNING"


def test_nextid_is_the_lowest_free_number_as_text(world: World, ask: Asked) -> None:
    assert ask("cluster/nextid") == "112"
    world.destroy(105)
    assert ask("cluster/nextid") == "105"
    assert ask.refused("cluster/nextid", vmid=101).errors == {"vmid": "VM 101 already exists"}


def test_ha_says_what_was_asked_for_and_what_the_manager_made_of_it(world: World, ask: Asked) -> None:
    world.manage(101)
    world.manage(102, "stopped", crm_state="error")
    first, second = ask("cluster/ha/resources")
    assert {first["sid"], second["sid"]} == {"ct:102", "vm:101"}
    assert (first["state"], second.get("state")) == ("stopped", None)
    rows = {row["id"]: row for row in ask("cluster/ha/status/current")}
    assert (rows["service:ct:102"]["crm_state"], rows["service:ct:102"]["request_state"]) == ("error", "stopped")
    world.kill("pve3")
    beat = {row["id"]: row for row in ask("cluster/ha/status/current")}["lrm:pve3"]
    assert beat["timestamp"] < world.now() - 30


def test_groups_are_of_8_and_rules_of_9(ask: Asked) -> None:
    assert "migrated to rules" in ask.refused("cluster/ha/groups").reason
    assert ask("cluster/ha/rules") == []
    before = standard(1, 1, release=8)
    before.add_ha_group("first", "pve1")
    assert [row["group"] for row in Asked(before)("cluster/ha/groups")] == ["first"]
    assert Asked(before).refused("cluster/ha/rules").status == 501


def test_a_pool_is_asked_for_by_name_and_may_nest(world: World, ask: Asked) -> None:
    world.add_pool("lab/inner")
    world.join("lab/inner", 101, storages=("nfs",))
    (inner,) = ask("pools", poolid="lab/inner")
    assert [member["id"] for member in inner["members"]] == ["qemu/101", "storage/pve1/nfs"]
    assert [row["poolid"] for row in ask("pools")] == ["lab", "lab/inner"]


# Guests (facts 36 to 47)


def test_the_digest_follows_every_edit_lock_snapshot_and_pending_change(world: World, ask: Asked) -> None:
    def digest() -> str:
        return ask("nodes/pve2/qemu/101/config")["digest"]

    seen = [digest()]
    for act in (
        lambda: world.edit(101, description="a\nb"),
        lambda: world.set_lock(101, "backup"),
        lambda: world.set_lock(101, None) or world.snapshot(101, "s"),
        lambda: world.edit(101, memory=8192),
    ):
        act()
        seen.append(digest())
    assert len(set(seen)) == 5
    world.advance(1000)
    assert digest() == seen[-1]


def test_the_configuration_is_shown_with_what_is_pending_unless_what_runs_is_asked_for(
    world: World, ask: Asked
) -> None:
    world.edit(101, memory=8192, onboot=1)
    path = "nodes/pve2/qemu/101/config"
    assert (ask(path)["memory"], ask(path)["onboot"]) == ("8192", 1)
    assert ask(path, current=1)["memory"] == "2048"
    waiting = {row["key"]: row for row in ask("nodes/pve2/qemu/101/pending")}
    assert (waiting["memory"]["value"], waiting["memory"]["pending"]) == ("2048", "8192")
    assert "pending" not in waiting["onboot"]
    assert ask("nodes/pve2/qemu/101/status/current")["maxmem"] == 2 * GIB
    world.stop(101)
    world.start(101)
    assert ask(path, current=1)["memory"] == "8192"
    assert ask("nodes/pve2/qemu/101/status/current")["maxmem"] == 8 * GIB


def test_a_container_changes_as_it_runs_and_its_numbers_are_numbers(world: World, ask: Asked) -> None:
    world.edit(102, memory=4096, cores=4)
    config = ask("nodes/pve3/lxc/102/config", current=1)
    assert (config["memory"], config["cores"], config["hostname"]) == (4096, 4, "guest-102")
    assert ask("nodes/pve3/lxc/102/status/current")["maxmem"] == 4 * GIB


def test_a_detached_disk_is_unused_until_it_is_removed(world: World, ask: Asked) -> None:
    slot = world.add_disk(101, "nfs", 4)
    assert world.truth()[101]["disks"].keys() == {"scsi0", slot}
    world.remove_disk(101, slot)
    assert ask("nodes/pve2/qemu/101/config")["unused0"] == "nfs:101/vm-101-disk-0.qcow2"
    assert world.truth()[101]["disks"].keys() == {"scsi0"}
    world.remove_disk(101, "unused0")
    assert "unused0" not in ask("nodes/pve2/qemu/101/config")


def test_configurations_have_the_oddities_of_the_real_ones(world: World, ask: Asked) -> None:
    for vmid in (101, 102):
        world.edit(vmid, description="two\nlines")
    world.edit(101, cipassword="secret")
    world.edit(102, **{"lxc.mount.auto": "proc:rw"})
    machine, container = ask("nodes/pve2/qemu/101/config"), ask("nodes/pve3/lxc/102/config")
    assert (machine["description"], container["description"]) == ("two\nlines", "two\nlines\n")
    assert machine["cipassword"] == "**********"
    assert isinstance(machine["special-sections"], dict)
    assert container["lxc"] == [["lxc.mount.auto", "proc:rw"]]


def test_a_migration_locks_first_and_then_the_node_changes_with_all_else_the_same(world: World, ask: Asked) -> None:
    before = ask("nodes/pve2/qemu/101/config")
    world.begin_migration(101)
    assert (ask.guest(101)["node"], ask.guest(101)["lock"]) == ("pve2", "migrate")
    world.finish_migration(101, "pve1")
    assert (ask.guest(101)["node"], ask.guest(101).get("lock")) == ("pve1", None)
    assert ask.refused("nodes/pve2/qemu/101/config").status == 500
    assert ask("nodes/pve1/qemu/101/config") == before


def test_snapshots_form_a_tree_that_ends_with_current(world: World, ask: Asked) -> None:
    path = "nodes/pve2/qemu/101/snapshot"
    for name in ("a", "b", "c"):
        world.snapshot(101, name, vmstate=name == "c")
    rows = {row["name"]: row for row in ask(path)}
    assert list(rows) == ["a", "b", "c", "current"]
    assert [rows[name].get("parent") for name in rows] == [None, "a", "b", "c"]
    assert (rows["c"]["vmstate"], rows["current"]["running"]) == (1, 1)
    world.delete_snapshot(101, "b")
    assert {row["name"]: row.get("parent") for row in ask(path)} == {"a": None, "c": "a", "current": "c"}
    assert ask("nodes/pve2/qemu/101/config", snapshot="a")["name"] == "guest-101"


def test_a_rollback_brings_the_options_back_and_renews_only_the_generation(world: World, ask: Asked) -> None:
    before = ask("nodes/pve2/qemu/101/config")
    world.snapshot(101, "s")
    world.edit(101, name="later")
    world.rollback(101, "s")
    after = ask("nodes/pve2/qemu/101/config")
    assert (after["name"], after["smbios1"], after["meta"]) == (before["name"], before["smbios1"], before["meta"])
    assert after["vmgenid"] != before["vmgenid"]
    assert world.truth()[101]["status"] == "stopped"


def test_a_clone_has_an_identity_of_its_own_but_the_originals_ctime_tags_and_description(world: World) -> None:
    world.edit(101, description="owner: me", tags="web")
    original = world.guests[101].config
    copy = world.clone(101, name="copy").config
    assert (copy["meta"], copy["tags"], copy["description"]) == (original["meta"], "web", "owner: me")
    assert not {original[key] for key in ("smbios1", "vmgenid", "net0", "scsi0")} & set(copy.values())


def test_a_linked_clone_names_its_base_where_the_storage_can(world: World) -> None:
    world.add_pool("x")
    assert world.guests[100].config["scsi0"].startswith("local-zfs:base-100-disk-0,")
    linked = world.clone(100, full=False)
    assert linked.config["scsi0"].startswith(f"local-zfs:base-100-disk-0/vm-{linked.vmid}-disk-0,")
    on_files = world.create(storage="nfs", running=False).vmid
    world.template(on_files)
    other = world.clone(on_files, full=False)
    base = f"nfs:{on_files}/base-{on_files}-disk-0.qcow2"
    assert other.config["scsi0"].startswith(f"{base}/{other.vmid}/vm-{other.vmid}-disk-0.qcow2,")


def test_a_restore_keeps_the_uuid_unless_it_is_to_be_unique(world: World) -> None:
    backup = world.back_up(101)
    uuid = world.truth()[101]["uuid"]
    world.edit(101, name="later")
    generation = world.guests[101].config["vmgenid"]
    world.restore(backup.volid)
    assert world.guests[101].config["vmgenid"] != generation
    assert (world.truth()[101]["uuid"], world.truth()[101]["name"]) == (uuid, "guest-101")
    twin = world.restore(backup.volid, 150)
    other = world.restore(backup.volid, 151, unique=True)
    assert world.truth()[twin.vmid]["uuid"] == uuid
    assert world.truth()[other.vmid]["uuid"] != uuid


def test_a_destroyed_guest_leaves_pools_and_access_lists_and_jobs_only_when_purged(world: World, ask: Asked) -> None:
    world.allow(TOKEN, "/vms/103", "PVEAuditor")
    world.add_backup_job("j", vmid="103,101")
    world.destroy(103)
    assert 103 not in world.pools["lab"].guests
    assert "/vms/103" not in ask("access/permissions")
    assert ask("cluster/backup")[0]["vmid"] == "103,101"
    world.destroy(101, purge=True)
    assert ask("cluster/backup")[0]["vmid"] == "103"


def test_content_of_a_storage_is_per_node_unless_it_is_shared(world: World, ask: Asked) -> None:
    for role in ("Administrator",):
        world.allow(TOKEN, "/storage", role)
        world.allow(USER, "/storage", role)
    local = world.back_up(101, "local").volid
    shared = world.back_up(101, "pbs").volid
    assert local.startswith("local:backup/vzdump-qemu-101-2027_01_15-08_00_00.vma.zst")
    assert shared == "pbs:backup/vm/101/2027-01-15T08:00:00Z"
    assert [row["volid"] for row in ask("nodes/pve2/storage/local/content")] == [local]
    assert ask("nodes/pve1/storage/local/content") == []
    assert [row["subtype"] for row in ask("nodes/pve1/storage/pbs/content")] == ["qemu"]
    assert {row["content"] for row in ask("nodes/pve3/storage/nfs/content")} == {"rootdir"}
    world.break_storage("pbs")
    assert ask.refused("nodes/pve1/storage/pbs/content").reason == "storage 'pbs' is not online"
    assert {row["storage"]: row["total"] for row in ask("nodes/pve1/storage")}["pbs"] == 0


def test_history_is_answered_while_the_node_of_the_guest_is_down(world: World, ask: Asked) -> None:
    world.kill("pve2")
    rows = ask("nodes/pve2/qemu/101/rrddata", timeframe="hour", cf="AVERAGE")
    assert len(rows) == 60
    assert rows[1]["time"] - rows[0]["time"] == 60
    assert "timeframe" in ask.refused("nodes/pve2/qemu/101/rrddata").errors
    stopped = ask("nodes/pve2/qemu/104/rrddata", timeframe="day")
    assert set(stopped[0]) == {"time"}


def test_a_metric_server_hears_of_each_guest_of_a_node_unless_its_pvestatd_hangs(world: World) -> None:
    world.rename(101, "with space")
    (batch,) = influx.batches(world, "pve2")
    (line,) = [line for line in batch.splitlines() if "vmid=101" in line]
    assert line.startswith("system,object=qemu,vmid=101,nodename=pve2,host=with\\ space cpu=")
    assert 'status="running",qmpstatus="running",tags="web" 1800000000000000000' in line
    world.hang_pvestatd("pve2")
    assert influx.batches(world, "pve2") == []


# Commands (facts 13, 31, 42, 47)


@pytest.fixture
def admin(world: World) -> Asked:
    world.add_token("root@pam!x", "s", privsep=False)
    return Asked(world, "root@pam!x", "s")


def test_a_command_is_a_task_of_whoever_gave_it(world: World, admin: Asked) -> None:
    upid = admin("nodes/pve2/qemu/101/status/stop", "POST")
    assert upid.endswith(":qmstop:101:root@pam!x:")
    assert admin(f"nodes/pve2/tasks/{upid}/status")["exitstatus"] == "OK"
    assert world.truth()[101]["status"] == "stopped"


def test_a_machine_fails_in_its_task_and_a_container_at_once(world: World, admin: Asked) -> None:
    upid = admin("nodes/pve2/qemu/101/status/start", "POST")
    assert admin(f"nodes/pve2/tasks/{upid}/status")["exitstatus"] == "VM 101 already running"
    assert admin.refused("nodes/pve3/lxc/102/status/start", "POST").reason == "CT 102 already running"
    world.set_lock(101, "backup")
    upid = admin("nodes/pve2/qemu/101/status/stop", "POST")
    assert admin(f"nodes/pve2/tasks/{upid}/status")["exitstatus"] == "VM is locked (backup)"
    assert admin.refused("nodes/pve2/qemu/101/config", "PUT", name="x").reason == "VM is locked (backup)"


def test_a_task_takes_the_time_it_is_given_and_holds_its_lock(world: World, admin: Asked) -> None:
    world.task_seconds = 5
    upid = admin("nodes/pve2/qemu/101/migrate", "POST", target="pve1")
    assert admin(f"nodes/pve2/tasks/{upid}/status")["status"] == "running"
    assert (admin.guest(101)["node"], admin.guest(101)["lock"]) == ("pve2", "migrate")
    world.advance(5)
    assert admin(f"nodes/pve2/tasks/{upid}/status")["exitstatus"] == "OK"
    assert (admin.guest(101)["node"], admin.guest(101).get("lock")) == ("pve1", None)


def test_under_ha_a_command_only_asks_and_the_manager_does_the_work(world: World, admin: Asked) -> None:
    world.manage(101)
    upid = admin("nodes/pve2/qemu/101/status/stop", "POST")
    assert ":hastop:" in upid
    assert admin(f"nodes/pve2/tasks/{upid}/status")["exitstatus"] == "OK"
    assert world.truth()[101]["status"] == "running"
    admin("nodes/pve2/qemu/101/migrate", "POST", target="pve3")
    world.crm()
    assert (world.truth()[101]["status"], world.truth()[101]["node"]) == ("stopped", "pve3")
    reason = admin.refused("nodes/pve3/qemu/101", "DELETE").reason
    assert reason == "unable to remove VM 101 - used in HA resources and purge parameter not set."


def test_a_change_of_configuration_needs_options_and_the_digest_it_was_based_on(world: World, admin: Asked) -> None:
    path = "nodes/pve2/qemu/101/config"
    assert admin.refused(path, "PUT").reason == "no options specified"
    assert admin.refused(path, "PUT", name="x", digest="0").reason == "checksum mismatch (file change by other user?)"
    assert admin.refused("nodes/pve3/lxc/102/config", "PUT", cores=1, digest="0").reason.startswith("detected modified")
    assert "UPPER" in admin.refused(path, "PUT", UPPER=1).errors
    assert admin(path, "PUT", name="x", tags="B;a;b", delete="onboot") is None
    assert (world.truth()[101]["name"], world.truth()[101]["tags"]) == ("x", ["a", "b"])


def test_clone_snapshot_and_destroy_by_command(world: World, admin: Asked) -> None:
    admin("nodes/pve1/qemu/100/clone", "POST", newid=200, name="made")
    assert world.truth()[200]["name"] == "made"
    assert "/base-100" not in world.guests[200].config["scsi0"]
    admin("nodes/pve1/qemu/200/snapshot", "POST", snapname="s")
    assert world.truth()[200]["snapshots"] == ["s"]
    admin("nodes/pve1/qemu/200", "DELETE")
    assert 200 not in world.guests
    assert admin.refused("nodes/pve2/qemu/101", "DELETE").reason == "VM 101 is running - destroy failed"


def test_nothing_is_written_without_quorum_nor_without_the_right(world: World, ask: Asked, admin: Asked) -> None:
    reason = ask.refused("nodes/pve2/qemu/101/status/stop", "POST").reason
    assert reason == "Permission check failed (/vms/101, VM.PowerMgmt)"
    world.kill("pve2")
    world.kill("pve3")
    reason = admin.refused("nodes/pve1/qemu/103/status/stop", "POST").reason
    assert reason == "cluster not ready - no quorum?"


# Storms


def test_a_storm_is_the_same_for_the_same_seed() -> None:
    worlds = [standard(20, 3, seed=3, now=lambda: 1_800_000_000.0) for _ in range(2)]
    first, second = (world.storm(Random(7), 400) for world in worlds)
    assert first == second
    assert len(first) == 400
    assert worlds[0].truth() == worlds[1].truth()
    assert len({change.kind for change in first}) > 20


def test_after_a_storm_and_a_cycle_the_cluster_shows_the_truth(world: World, ask: Asked) -> None:
    world.storm(Random(5), 500)
    world.pvestatd()
    truth = world.truth()
    rows = {row["vmid"]: row for row in ask("cluster/resources", type="vm")}
    assert rows.keys() == truth.keys()
    for vmid, guest in truth.items():
        row = rows[vmid]
        told = {key: row[key] for key in ("type", "node", "status")} | {"template": bool(row["template"])}
        assert told == {key: guest[key] for key in ("type", "node", "status", "template")}
        config = ask(f"nodes/{row['node']}/{row['type']}/{vmid}/config")
        assert config["digest"] == guest["digest"]
        assert config.get("name", config.get("hostname", guest["name"])) == guest["name"]


def test_nothing_changes_in_a_storm_for_guests_of_a_node_that_is_down(world: World) -> None:
    world.kill("pve2")
    before = {vmid: guest for vmid, guest in world.truth().items() if guest["node"] == "pve2"}
    world.storm(Random(1), 200)
    after = world.truth()
    assert {vmid: after[vmid] for vmid in before} == before


def test_five_thousand_guests_are_answered_without_being_read_again(world: World) -> None:
    large = standard(5000, 5)
    api = Api(large)
    authorization = f"PVEAPIToken={TOKEN}={SECRET}"
    first = api.answer("GET", "cluster/resources", {}, authorization, "pve1")
    assert api.answer("GET", "cluster/resources", {}, authorization, "pve1") is first
    large.stop(large.create().vmid)
    assert api.answer("GET", "cluster/resources", {}, authorization, "pve1") is not first
