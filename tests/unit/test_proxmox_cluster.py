"""The cluster, its nodes, and what high availability is told to do."""

from dataclasses import replace

import pytest

from agents.proxmox import cluster, nodes, wire, wire_slow
from schemas.resources import Health, SourceRef, Status
from tests.support import proxmox_samples as samples

SOURCE = SourceRef(provider="proxmox", name="lab")
GUESTS = {100: "proxmox/lab/vm/100", 101: "proxmox/lab/container/101"}
SAME = {"pve1": "9.0.5", "pve2": "9.0.5"}


def the_cluster(rows, versions=SAME, **labels):
    return cluster.cluster(SOURCE, [wire.ClusterRow.model_validate(row) for row in rows], versions, labels)


@pytest.mark.parametrize(
    ("online", "quorate", "versions", "status", "health"),
    [
        (3, 1, SAME, Status.RUNNING, Health.OK),
        (2, 1, SAME, Status.RUNNING, Health.DEGRADED),
        (3, 1, {"pve1": "9.0.5", "pve2": "8.4.9"}, Status.RUNNING, Health.DEGRADED),
        (1, 0, SAME, Status.RUNNING, Health.FAILING),
    ],
)
def test_a_cluster_is_as_well_as_its_quorum_and_nodes(online, quorate, versions, status, health):
    found = the_cluster(samples.cluster_status(online=online, quorate=quorate), versions)

    assert (found.key, found.name, found.native_kind) == ("proxmox/lab/cluster/cluster", "lab", "cluster")
    assert (found.status, found.health) == (status, health)
    assert found.native_status == ("quorate" if quorate else "no quorum")
    assert found.native == {
        "nodes_online": online,
        "offline": ["pve1", "pve2", "pve3"][online:],
        "versions": versions,
    }


def test_what_is_expected_of_a_cluster_does_not_change_with_who_is_there():
    whole, torn = the_cluster(samples.cluster_status(online=3)), the_cluster(samples.cluster_status(online=1))

    assert whole.spec == torn.spec == {"nodes": ["pve1", "pve2", "pve3"], "expected_nodes": 3}


def test_a_host_by_itself_is_a_cluster_of_one():
    found = the_cluster(samples.standalone_status(), region="home", tier="lab")

    assert (found.key, found.name, found.native_kind) == ("proxmox/lab/cluster/cluster", "solo", "standalone")
    assert (found.status, found.health, found.spec["expected_nodes"]) == (Status.RUNNING, Health.OK, 1)
    assert found.labels == {"region": "home", "tier": "lab"}


FACTS = nodes.with_subscription(
    nodes.with_status(nodes.NodeFacts(address="10.0.0.1"), wire_slow.NodeStatus.model_validate(samples.node_status())),
    wire_slow.Subscription.model_validate({"status": "notfound", "serverid": "AAAA", "key": "pve2c-1234567890"}),
)


def node(facts=FACTS, *, readable=True, last=None, **row):
    (found,) = wire.resources([samples.node_row(**row)]).nodes
    return nodes.node(SOURCE, found, facts, readable=readable, last=last)


def test_a_node_is_its_row_and_its_facts():
    found = node()

    assert (found.key, found.parent, found.addresses) == (
        "proxmox/lab/node/pve1", "proxmox/lab/cluster/cluster", ("10.0.0.1",),
    )  # fmt: skip
    assert (found.status, found.native_status, found.health) == (Status.RUNNING, "online", Health.OK)
    assert (found.native_kind, found.native) == ("node", {"version": "9.0.5"})
    assert (found.size.cpu_cores, found.size.memory_bytes, found.size.disk_bytes) == (16, 64 * 2**30, 94 * 2**30)
    assert found.spec == {
        "pve_version": "9.0.5", "kernel": "6.14.8-2-pve", "architecture": "x86_64", "cpu_model": "AMD Ryzen 7 5700G",
        "sockets": 1, "cores": 8, "threads": 16, "boot_mode": "efi", "secure_boot": False, "subscription": "notfound",
    }  # fmt: skip
    assert "pve2c" not in found.model_dump_json()
    assert "AAAA" not in found.model_dump_json()


def test_an_older_node_says_its_kernel_otherwise():
    status = wire_slow.NodeStatus.model_validate({"kversion": "Linux 6.8.12-11-pve #1 SMP", "pveversion": "8.4"})
    facts = nodes.with_status(nodes.NodeFacts(), status)

    assert (facts.kernel, facts.pve_version) == ("6.8.12-11-pve", "8.4")


@pytest.mark.parametrize(
    ("row", "readable", "status", "health"),
    [
        ({"status": "offline"}, True, Status.STOPPED, Health.UNKNOWN),
        ({"status": "unknown"}, True, Status.UNKNOWN, Health.UNKNOWN),
        ({"status": "online"}, True, Status.RUNNING, Health.OK),
        ({"maxcpu": None}, True, Status.RUNNING, Health.DEGRADED),
        ({"maxcpu": None}, False, Status.RUNNING, Health.UNKNOWN),
    ],
)
def test_a_node_is_what_its_row_says(row, readable, status, health):
    found = node(readable=readable, **row)

    assert (found.status, found.health) == (status, health)


def test_a_node_that_is_off_is_still_as_big_as_it_was():
    bare = {"maxcpu": None, "maxmem": None, "maxdisk": None, "status": "offline"}
    found = node(**bare)

    assert (found.size, found.spec) == (node().size, node().spec)


def test_a_node_of_which_little_may_be_read_says_little():
    bare = {"maxcpu": None, "maxmem": None, "maxdisk": None}
    found = node(nodes.NodeFacts(), readable=False, **bare)

    assert (found.size.cpu_cores, found.size.memory_bytes, found.size.disk_bytes) == (None, None, None)
    assert found.spec.keys() == node().spec.keys()
    assert set(found.spec.values()) == {None}


def test_the_facts_of_a_node_survive_a_restart_of_the_agent():
    last = node(replace(FACTS, updates=7))
    read = nodes.remembered(type(last).model_validate_json(last.model_dump_json()))

    assert node(read) == last


def test_a_fact_that_is_not_told_stays():
    facts = nodes.with_status(FACTS, wire_slow.NodeStatus.model_validate({"pveversion": "pve-manager/9.1.0/x"}))

    assert (facts.pve_version, facts.cpu_model) == ("9.1.0", "AMD Ryzen 7 5700G")


def test_a_root_file_system_that_wanders_is_no_news():
    last = node(maxdisk=100 * 2**30)

    assert node(last=last, maxdisk=101 * 2**30).size == last.size
    assert node(last=last, maxdisk=110 * 2**30).size != last.size


@pytest.mark.parametrize(
    ("crm_state", "status", "health"),
    [
        ("started", Status.RUNNING, Health.OK),
        ("stopped", Status.STOPPED, Health.OK),
        ("disabled", Status.STOPPED, Health.OK),
        ("migrate", Status.PENDING, Health.UNKNOWN),
        ("freeze", Status.PENDING, Health.UNKNOWN),
        ("recovery", Status.FAILED, Health.FAILING),
        ("fence", Status.FAILED, Health.FAILING),
        ("error", Status.FAILED, Health.FAILING),
        (None, Status.UNKNOWN, Health.UNKNOWN),
    ],
)
def test_a_guest_under_high_availability_is_as_the_manager_says(crm_state, status, health):
    row = wire_slow.HaResource.model_validate(
        {"sid": "vm:100", "type": "vm", "group": "front", "max_restart": "2", "digest": "x"}
    )
    found = cluster.ha_resource(SOURCE, row, crm_state, GUESTS)

    assert (found.native_id, found.native_kind, found.status, found.health) == (
        "ha/resource/vm:100", "ha-resource", status, health,
    )  # fmt: skip
    assert [(edge.type, edge.key) for edge in found.relations] == [("of", GUESTS[100])]
    assert (found.spec["state"], found.spec["group"], found.spec["max_restart"]) == ("started", "front", 2)


def test_enabled_is_an_old_word_for_started():
    rows = [wire_slow.HaResource.model_validate({"sid": "ct:101", "state": word}) for word in ("enabled", "started")]
    one, other = (cluster.ha_resource(SOURCE, row, None, {}) for row in rows)

    assert one == other
    assert one.relations == ()


def test_a_group_says_which_nodes_it_prefers():
    row = wire_slow.HaGroup.model_validate(
        {"group": "front", "type": "group", "nodes": "pve2,pve1:2", "restricted": "1"}
    )
    found = cluster.ha_group(SOURCE, row)

    assert (found.native_id, found.native_kind, found.parent) == (
        "ha/group/front",
        "ha-group",
        "proxmox/lab/cluster/cluster",
    )
    assert found.spec == {"nodes": {"pve1": 2, "pve2": 0}, "restricted": True, "nofailback": False, "comment": None}


def test_a_rule_says_which_guests_it_holds_to_what():
    row = {"rule": "apart", "type": "resource-affinity", "affinity": "negative", "resources": "vm:100,ct:101,vm:999"}
    found, disabled = (
        cluster.ha_rule(SOURCE, wire_slow.HaRule.model_validate(row | {"disable": off}), GUESTS) for off in (0, 1)
    )

    assert (found.native_id, found.native_kind, found.status) == ("ha/rule/apart", "ha-rule", Status.RUNNING)
    assert disabled.status is Status.STOPPED
    assert {edge.key for edge in found.relations} == {*GUESTS.values()}
    assert (found.spec["resources"], found.spec["affinity"]) == (["ct:101", "vm:100", "vm:999"], "negative")
