"""A shared storage is one however many nodes have it; what is not known of a storage has not changed."""

import pytest

from agents.proxmox import pools, storages, wire, wire_slow
from schemas.resources import Health, SourceRef, Status
from tests.support import proxmox_samples as samples

SOURCE = SourceRef(provider="proxmox", name="lab")
ALL = ("pve1", "pve2", "pve3")
GIB = 2**30
DEFINITIONS = {row["storage"]: wire_slow.StorageDefinition.model_validate(row) for row in samples.storage_definitions()}


def nas(node, **more):
    return samples.storage_row("nas", node, **{"plugintype": "nfs", "shared": 1, "content": "iso,backup", **more})


def found(*rows, online=ALL, definitions=DEFINITIONS, last=()):
    read = wire.resources([samples.node_row(), *rows]).storages
    listed = storages.storages(SOURCE, read, definitions, online=online, nodes=ALL, last={one.key: one for one in last})
    assert len({one.key for one in listed}) == len(listed)
    return {one.native_id: one for one in listed}


def test_a_local_storage_is_one_per_node_and_a_shared_one_is_one():
    listed = found(*(samples.storage_row(node=node) for node in ALL), *(nas(node) for node in ALL))

    assert listed.keys() == {"pve1/local-lvm", "pve2/local-lvm", "pve3/local-lvm", "nas"}
    assert listed["nas"].parent == "proxmox/lab/cluster/cluster"
    assert listed["pve2/local-lvm"].parent == "proxmox/lab/node/pve2"
    assert {one.name for one in listed.values()} == {"local-lvm", "nas"}
    assert (listed["nas"].native_kind, listed["nas"].status, listed["nas"].health) == ("nfs", Status.RUNNING, Health.OK)
    assert listed["nas"].native == {"nodes": ["pve1", "pve2", "pve3"], "unavailable_on": []}


def test_a_storage_has_the_key_that_guests_point_at():
    rows = wire.resources([samples.node_row(), samples.storage_row(), nas("pve1")]).storages
    keys = {storages.key(SOURCE, row.node, row.storage, storages.shared(rows)) for row in rows}

    assert keys == {one.key for one in found(samples.storage_row(), nas("pve1")).values()}


def test_a_shared_storage_is_available_when_any_node_says_so():
    one = found(nas("pve1", status="unknown", maxdisk=None), nas("pve2"), nas("pve3", status="unknown"))["nas"]

    assert (one.status, one.health, one.native["unavailable_on"]) == (Status.RUNNING, Health.DEGRADED, ["pve1", "pve3"])


@pytest.mark.parametrize(
    ("online", "status", "health"),
    [
        (("pve1", "pve2"), Status.UNKNOWN, Health.FAILING),
        (("pve3",), Status.RUNNING, Health.OK),
        ((), Status.UNKNOWN, Health.UNKNOWN),
    ],
)
def test_a_node_that_is_off_says_nothing_of_a_storage(online, status, health):
    rows = [nas("pve1", status="unknown"), nas("pve2", status="unknown"), nas("pve3")]
    one = found(*rows, online=online)["nas"]

    assert (one.status, one.health) == (status, health)


def test_a_local_storage_that_its_node_cannot_reach_is_failing():
    one = found(samples.storage_row(status="unknown", maxdisk=None))["pve1/local-lvm"]
    assert (one.status, one.native_status, one.health) == (Status.UNKNOWN, "unknown", Health.FAILING)

    off = found(samples.storage_row(), online=("pve2",))["pve1/local-lvm"]
    assert (off.status, off.health) == (Status.UNKNOWN, Health.UNKNOWN)


def test_the_spec_is_the_definition_and_what_the_rows_say():
    listed = found(samples.storage_row(), nas("pve1"), nas("pve2"))

    assert listed["pve1/local-lvm"].spec == {
        "type": "lvmthin", "content": ["images", "rootdir"], "shared": False, "disabled": False, "nodes": [],
        "settings": {"vgname": "pve", "thinpool": "data"},
    }  # fmt: skip
    assert listed["nas"].spec["content"] == ["backup", "iso"]
    assert listed["nas"].spec["settings"] == {
        "server": "10.0.0.20", "export": "/tank/pve", "path": "/mnt/pve/nas",
        "prune-backups": "keep-daily=7,keep-weekly=4",
    }  # fmt: skip


def test_a_password_among_mount_options_is_not_shown():
    row = {"storage": "nas", "type": "cifs", "options": "vers=3,password=hunter2", "nodes": "pve2,pve1"}
    definitions = {"nas": wire_slow.StorageDefinition.model_validate(row)}
    one = found(nas("pve1"), definitions=definitions)["nas"]

    assert one.spec["settings"] == {"options": "vers=3,password=<redacted>"}
    assert one.spec["nodes"] == ["pve1", "pve2"]


def test_a_definition_that_cannot_be_read_changes_nothing():
    before = found(nas("pve1"))["nas"]

    assert found(nas("pve1"), definitions={}, last=[before])["nas"] == before
    assert found(nas("pve1"), definitions={})["nas"].spec.keys() == before.spec.keys()


def test_a_disabled_storage_is_stopped_though_no_node_tells_of_it():
    rows = [
        {"storage": "old", "type": "dir", "content": "iso", "path": "/old", "disable": 1, "nodes": "pve2"},
        {"storage": "far", "type": "nfs", "content": "iso", "disable": 1},
    ]
    definitions = {row["storage"]: wire_slow.StorageDefinition.model_validate(row) for row in rows}
    listed = found(definitions=definitions)

    assert {key: (one.status, one.native_status) for key, one in listed.items()} == {
        "pve2/old": (Status.STOPPED, "disabled"),
        "far": (Status.STOPPED, "disabled"),
    }
    assert listed["far"].spec["disabled"] is True
    assert listed["pve2/old"].health is Health.UNKNOWN


def test_a_size_that_wanders_is_no_news():
    before = found(samples.storage_row(maxdisk=100 * GIB))
    last = before.values()

    same = found(samples.storage_row(maxdisk=101 * GIB), last=last)["pve1/local-lvm"]
    bigger = found(samples.storage_row(maxdisk=103 * GIB), last=last)["pve1/local-lvm"]
    gone = found(samples.storage_row(maxdisk=None), last=last)["pve1/local-lvm"]
    assert [one.size.disk_bytes // GIB for one in (same, bigger, gone)] == [100, 103, 100]


def test_a_shared_size_is_the_largest_that_is_told():
    rows = [nas("pve1", maxdisk=5 * GIB), nas("pve2", maxdisk="10737418240"), nas("pve3", maxdisk=0)]

    assert found(*rows)["nas"].size.disk_bytes == 10 * GIB


def test_a_pool_may_be_in_another_and_keeps_a_comment_that_cannot_be_read():
    rows = [wire.PoolRow("lab"), wire.PoolRow("lab/web")]
    outer, inner = pools.pools(SOURCE, rows, {"lab": "all of it", "lab/web": ""}, {})

    assert (outer.key, outer.parent, outer.spec) == (
        "proxmox/lab/pool/lab", "proxmox/lab/cluster/cluster", {"comment": "all of it"},
    )  # fmt: skip
    assert (inner.native_id, inner.parent, inner.spec) == ("lab/web", outer.key, {"comment": None})
    assert pools.pools(SOURCE, rows, {}, {outer.key: outer})[0] == outer
