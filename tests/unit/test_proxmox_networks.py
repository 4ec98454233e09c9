"""Bridges, bonds, VLANs and cards; the zones and nets of SDN; and the disks of a node."""

import pytest

from agents.proxmox import disks, networks, wire_slow
from schemas.resources import Health, SourceRef, Status
from tests.support import proxmox_samples as samples

SOURCE = SourceRef(provider="proxmox", name="lab")


def found(*rows):
    read = [wire_slow.NetworkRow.model_validate(row) for row in rows or samples.network_rows()]
    return {one.native_id: one for one in networks.networks(SOURCE, "pve1", read)}


def test_a_network_is_one_of_its_node():
    listed = found()

    assert {key: (one.native_kind, one.status) for key, one in listed.items()} == {
        "pve1/eno1": ("eth", Status.RUNNING),
        "pve1/vmbr0": ("bridge", Status.RUNNING),
        "pve1/vmbr0.20": ("vlan", Status.STOPPED),
    }
    assert {one.parent for one in listed.values()} == {"proxmox/lab/node/pve1"}
    assert listed["pve1/vmbr0"].addresses == ("10.0.0.1",)
    assert len({tuple(one.spec) for one in listed.values()}) == 1


def test_a_bridge_has_its_ports_and_a_vlan_what_it_is_on():
    listed = found()
    edges = {key: [(edge.type, edge.key) for edge in one.relations] for key, one in listed.items()}

    assert edges == {
        "pve1/eno1": [],
        "pve1/vmbr0": [("uses", "proxmox/lab/network/pve1/eno1")],
        "pve1/vmbr0.20": [("uses", "proxmox/lab/network/pve1/vmbr0")],
    }
    spec = listed["pve1/vmbr0"].spec
    assert (spec["members"], spec["vlan_aware"], spec["vlans"]) == (["eno1"], True, ["2-4094"])
    assert (spec["address"], spec["gateway"], spec["comments"]) == ("10.0.0.1/24", "10.0.0.254", "the lab")
    assert (listed["pve1/vmbr0.20"].spec["vlan"], listed["pve1/vmbr0.20"].spec["vlan_of"]) == (20, "vmbr0")


def test_the_order_of_members_is_no_configuration():
    bond = {"iface": "bond0", "type": "bond", "bond_mode": "802.3ad", "slaves": "eno2 eno1", "mtu": "9000"}
    turned = bond | {"slaves": "eno1 eno2", "mtu": 9000}

    assert found(bond) == found(turned)
    assert found(bond)["pve1/bond0"].spec["members"] == ["eno1", "eno2"]
    assert found({"iface": "vmbr1", "type": "bridge", "bridge_ports": "none"})["pve1/vmbr1"].spec["members"] == []


@pytest.mark.parametrize(
    ("row", "entry", "expected"),
    [
        ({"type": "bridge", "autostart": 1}, "autostart", True),
        ({"method": "dhcp"}, "method", "dhcp"),
        ({"address": "10.0.0.1"}, "address", "10.0.0.1"),
        ({"method6": "auto"}, "method6", "auto"),
        ({"cidr6": "fd00::1/64", "address6": "fd00::1"}, "address6", "fd00::1/64"),
        ({"gateway6": "fe80::1"}, "gateway6", "fe80::1"),
        ({"mtu": "9000"}, "mtu", 9000),
        ({"bond_mode": "802.3ad"}, "bond_mode", "802.3ad"),
        ({"bond-primary": "eno1"}, "bond_primary", "eno1"),
        ({"bond_xmit_hash_policy": "layer2+3"}, "bond_hash_policy", "layer2+3"),
        ({"type": "OVSBridge", "ovs_ports": "tap0 eno1"}, "members", ["eno1", "tap0"]),
        ({"ovs_tag": "30"}, "vlan", 30),
        ({"ovs_bonds": "eno2 eno1"}, "members", ["eno1", "eno2"]),
        ({"ovs_bridge": "vmbr1"}, "ovs_bridge", "vmbr1"),
        ({"ovs_options": "vlan_mode=access"}, "ovs_options", "vlan_mode=access"),
        ({}, "vlan", None),
    ],
)
def test_a_setting_of_a_network_has_its_place(row, entry, expected):
    (one,) = found({"iface": "x", "type": "unknown", **row}).values()

    assert one.spec[entry] == expected


def test_a_guest_points_at_the_bridge_or_the_net_it_is_on():
    assert networks.key(SOURCE, "pve1", "vmbr0", {"blue"}) in {one.key for one in found().values()}

    vnet = networks.vnet(SOURCE, wire_slow.VnetRow.model_validate({"vnet": "blue", "type": "vnet", "zone": "z"}))
    assert networks.key(SOURCE, "pve1", "blue", {"blue"}) == vnet.key


def test_a_net_is_in_its_zone_and_a_zone_in_the_cluster():
    row = {"zone": "z", "type": "vxlan", "peers": "10.0.0.2,10.0.0.1", "mtu": 1450, "nodes": "pve2,pve1", "pending": {}}
    zone = networks.zone(SOURCE, wire_slow.ZoneRow.model_validate(row))
    vnet = networks.vnet(
        SOURCE,
        wire_slow.VnetRow.model_validate({"vnet": "blue", "type": "vnet", "zone": "z", "tag": 7, "vlanaware": 1}),
    )

    assert (zone.native_id, zone.native_kind, zone.parent) == ("sdn/zone/z", "sdn-zone", "proxmox/lab/cluster/cluster")
    assert (zone.spec["peers"], zone.spec["nodes"], zone.spec["mtu"]) == (
        ["10.0.0.1", "10.0.0.2"],
        ["pve1", "pve2"],
        1450,
    )
    assert (vnet.native_id, vnet.native_kind, vnet.parent) == ("sdn/vnet/blue", "sdn-vnet", zone.key)
    assert (vnet.spec["tag"], vnet.spec["vlan_aware"]) == (7, True)


def listed_disks(*rows):
    read = [wire_slow.DiskRow.model_validate(row) for row in rows or samples.disk_rows()]
    return {one.native_id: one for one in disks.disks(SOURCE, "pve1", read)}


def test_a_disk_is_known_by_what_it_carries_with_it():
    listed = listed_disks()

    assert listed.keys() == {"pve1/S7KHNJ0X000001", "pve1/WD-1", "pve1//dev/sdb"}
    ssd = listed["pve1/S7KHNJ0X000001"]
    assert (ssd.name, ssd.native_kind, ssd.parent) == ("/dev/nvme0n1", "nvme", "proxmox/lab/node/pve1")
    assert (ssd.size.disk_bytes, ssd.spec["model"], ssd.spec["vendor"]) == (
        2000398934016,
        "Samsung_SSD_990_PRO_2TB",
        None,
    )
    assert (ssd.spec["rpm"], listed["pve1/WD-1"].spec["rpm"], listed["pve1//dev/sdb"].spec["rpm"]) == (None, 5400, None)
    assert (listed["pve1/WD-1"].spec["vendor"], listed["pve1//dev/sdb"].native_kind) == ("ATA", "disk")
    assert ssd.native == {"device": "/dev/nvme0n1", "used_as": "LVM"}


def test_a_disk_that_is_found_under_another_name_is_the_same():
    (row, *_) = samples.disk_rows()
    (before,), (after,) = listed_disks(row).values(), listed_disks(row | {"devpath": "/dev/nvme1n1"}).values()

    assert (before.key, before.spec) == (after.key, after.spec)


def test_two_disks_with_one_serial_number_are_two():
    rows = [{"devpath": path, "serial": "S", "size": 1} for path in ("/dev/sda", "/dev/sdb")]
    partition = {"devpath": "/dev/sda1", "parent": "/dev/sda", "size": 1}

    assert listed_disks(*rows, partition).keys() == {"pve1/S@/dev/sda", "pve1/S@/dev/sdb"}
    assert listed_disks({"devpath": "/dev/sda", "serial": "unknown", "wwn": "0x5"}).keys() == {"pve1/0x5"}


@pytest.mark.parametrize(
    ("word", "health"),
    [
        ("PASSED", Health.OK),
        ("OK", Health.OK),
        ("FAILED", Health.FAILING),
        ("UNKNOWN", Health.UNKNOWN),
        ("", Health.UNKNOWN),
    ],
)
def test_a_disk_is_as_well_as_smart_says(word, health):
    (one,) = listed_disks({"devpath": "/dev/sda", "health": word}).values()

    assert one.health is health


@pytest.mark.parametrize(("said", "left"), [(97, 97), ("12", 12), ("N/A", None), (None, None)])
def test_what_is_left_of_a_disk_is_a_number_or_not_known(said, left):
    assert wire_slow.DiskRow.model_validate({"devpath": "/dev/sda", "wearout": said}).wearout == left
