"""What a cluster answers is read leniently, but for what a thing is known by; and one thing is written one way."""

import random

import pytest
from pydantic import ValidationError

from agents.errors import Malformed
from agents.proxmox import parse, redaction, wire, wire_slow
from tests.support import proxmox_samples as samples

ROWS = [
    samples.node_row(), samples.vm_row(), samples.ct_row(), samples.storage_row(), samples.pool_row(),
    samples.sdn_row(pve=8), samples.sdn_row(pve=9),
]  # fmt: skip


def test_the_rows_of_a_cluster_are_sorted_by_what_they_are():
    found = wire.resources(ROWS)

    assert [(row.id, row.node, row.name) for row in found.guests] == [
        ("qemu/100", "pve1", "vm100"),
        ("lxc/101", "pve2", "ct101"),
    ]
    assert [row.node for row in found.nodes] == ["pve1"]
    assert [(row.node, row.storage, row.shared) for row in found.storages] == [("pve1", "local-lvm", False)]
    assert [row.pool for row in found.pools] == ["lab"]


def test_a_number_may_come_as_text_and_a_figure_that_is_none_is_not_known():
    odd = {
        "vmid": "100",
        "template": "1",
        "maxmem": "8589934592",
        "cpu": "0.5",
        "netin": "",
        "mem": "NaN",
        "disk": None,
    }
    (row,) = wire.resources([samples.node_row(), samples.vm_row(**odd)]).guests

    assert (row.vmid, row.template, row.maxmem, row.cpu) == (100, True, 8589934592, 0.5)
    assert (row.netin, row.mem, row.disk) == (None, None, None)


def test_what_a_row_does_not_say_is_not_known():
    rows = [{"id": "node/pve1", "type": "node", "node": "pve1"}, {"id": "lxc/101", "type": "lxc", "node": 7}]
    rows += [{"id": "storage/pve1/x", "type": "storage", "node": "pve1", "storage": "x", "shared": "1"}]
    found = wire.resources(rows)

    assert found.nodes == [wire.NodeRow("pve1")]
    assert found.guests == [wire.GuestRow(101, "lxc", "7")]
    assert found.storages == [wire.StorageRow("x", "pve1", shared=True)]
    assert {row.status for row in (*found.nodes, *found.guests, *found.storages)} == {"unknown"}


def test_a_guest_of_which_nothing_was_told_yet_is_listed():
    (row,) = wire.resources([samples.node_row(), samples.bare_row()]).guests

    assert (row.vmid, row.status, row.name, row.template, row.maxmem) == (102, "unknown", None, None, None)


def test_a_row_of_a_type_nobody_knows_is_left_out():
    found = wire.resources([*ROWS, {"id": "quark/1", "type": "quark"}])

    assert len(found.guests) == 2


@pytest.mark.parametrize(
    "row",
    [
        "qemu/100",
        None,
        ["qemu/100"],
        {"type": "qemu", "vmid": 100, "node": "pve1"},
        {"id": "qemu/100", "vmid": 100, "node": "pve1"},
        {"id": "qemu/100", "type": "qemu", "vmid": 100},
        {"id": "qemu/x", "type": "qemu", "node": "pve1"},
        {"id": "qemu/100", "type": "qemu", "vmid": 100, "node": None},
        {"id": "storage/pve1/x", "type": "storage", "node": "pve1"},
        {"id": "", "type": "pool", "pool": "x"},
    ],
)
def test_a_row_that_does_not_say_what_it_is_spoils_the_listing(row):
    with pytest.raises(Malformed):
        wire.resources([*ROWS, row])


@pytest.mark.parametrize("raw", [{"errors": "<html>"}, None, "", [], [samples.vm_row()]])
def test_what_is_no_listing_of_a_cluster_is_malformed(raw):
    with pytest.raises(Malformed):
        wire.resources(raw)


@pytest.mark.parametrize("raw", [{}, [], None, {"errors": b"<html>"}])
def test_what_is_no_configuration_is_refused(raw):
    with pytest.raises(ValidationError):
        wire.GuestConfig.model_validate(raw)


def test_an_option_is_read_in_whatever_type_it_came():
    config = wire.GuestConfig.model_validate({"digest": "d", "cores": "4", "onboot": "1", "numa": 0, "name": 42})

    assert (config.whole("cores"), config.flag("onboot"), config.flag("numa"), config.text("name")) == (
        4,
        True,
        False,
        "42",
    )
    assert (config.text("special-sections"), config.whole("vcpus"), config.flag("acpi", default=True)) == (
        "",
        None,
        True,
    )
    assert config.digest == "d"


def test_null_and_unknown_keys_are_as_if_they_were_not_there():
    row = wire_slow.NetworkRow.model_validate(
        {"iface": "eno1", "mtu": None, "active": "1", "quark": {}, "vlan-id": "20"}
    )

    assert (row.mtu, row.active, row.vlan_id) == (None, True, 20)


def test_no_secret_of_a_storage_is_even_read():
    secrets = {"password": "hunter2", "encryption-key": "k", "keyring": "k", "master-pubkey": "k", "what-is-next": "k"}
    found = wire_slow.StorageDefinition.model_validate(samples.storage_definitions()[2] | secrets)

    assert found.settings.keys() == {"server", "datastore", "username", "fingerprint"}
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("local:vm-100-disk-0,ssd=1,size=32G", "file", {"file": "local:vm-100-disk-0", "ssd": "1", "size": "32G"}),
        ("1", "enabled", {"enabled": "1"}),
        ("", "enabled", {}),
        ("uuid=x,serial=QUJD==", "", {"uuid": "x", "serial": "QUJD=="}),
        ("order=1, up=30", "order", {"order": "1", "up": "30"}),
    ],
)  # fmt: skip
def test_a_property_string_is_taken_apart(text, default, expected):
    assert parse.properties(text, default) == expected


def test_the_order_of_sub_keys_does_not_matter():
    parts = ["cache=none", "discard=on", "iothread=1", "size=32G"]
    shuffled = {",".join(["q35", *random.sample(parts, k=len(parts))]) for _ in range(20)}

    assert {parse.canonical(text) for text in shuffled} == {"q35,cache=none,discard=on,iothread=1,size=32G"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("32G", 2**35),
        ("528K", 528 * 2**10),
        ("4M", 2**22),
        ("1.5T", 3 * 2**39),
        ("512", 512),
        ("", None),
        ("big", None),
    ],
)
def test_a_size_is_bytes(text, expected):
    assert parse.size(text) == expected


@pytest.mark.parametrize(
    ("volid", "expected"),
    [
        ("local-lvm:vm-100-disk-0", ("local-lvm", "vm-100-disk-0")),
        ("nas:100/vm-100-disk-0.qcow2", ("nas", "100/vm-100-disk-0.qcow2")),
        ("/dev/disk/by-id/ata-X:1", (None, "/dev/disk/by-id/ata-X:1")),
        ("none", (None, "none")),
    ],
)
def test_a_volume_is_on_a_storage_or_on_none(volid, expected):
    assert parse.split_volume(volid) == expected


@pytest.mark.parametrize(
    ("volume", "template"),
    [
        ("base-9000-disk-0/vm-101-disk-0", 9000),
        ("9000/base-9000-disk-0.qcow2/101/vm-101-disk-0.qcow2", 9000),
        ("basevol-900-disk-0/subvol-101-disk-0", 900),
        ("base-9000-disk-0", None),
        ("vm-100-disk-0", None),
    ],
)
def test_a_linked_clone_says_its_template(volume, template):
    assert parse.base_of(volume) == template


def test_tags_have_one_form():
    assert parse.tags("Web;prod,db  web") == parse.tags("db;prod;web") == ("db", "prod", "web")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.5/24", "10.0.0.5"), ("10.0.0.5", "10.0.0.5"), ("fd00::5/64", "fd00::5"),
        ("dhcp", None), ("auto", None), ("manual", None), ("", None),
    ],
)  # fmt: skip
def test_an_address_that_somebody_set_is_one(text, address):
    assert parse.static_address(text) == address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-vnc 0.0.0.0:7,password=hunter2", "-vnc 0.0.0.0:7,password=<redacted>"),
        ("-device x,secret=hunter2,id=a", "-device x,secret=<redacted>,id=a"),
        ("login: admin\npassword: hunter2", "login: admin\npassword: <redacted>"),
        ("**Password:** `hunter2`", "**Password:** `<redacted>`"),
        ("https://me:hunter2@nas/share", "https://me:<redacted>@nas/share"),
        ("--token hunter2 -smp 4", "--token <redacted> -smp 4"),
        ("-object secret,id=a,data=hunter2 -smp 4", "-object secret,id=a,data=<redacted> -smp 4"),
        ("-fw_cfg name=opt/x/config,string=hunter2", "-fw_cfg name=opt/x/config,string=<redacted>"),
        ("ghp_hunter2hunter2hunter2", "<redacted>"),
        ("-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\nrest", "<redacted>\nrest"),
    ],
)
def test_what_looks_like_a_secret_is_not_shown(text, shown):
    assert redaction.text(text) == shown
    assert redaction.text(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "The web server, see https://wiki/web:8080/x",
        "-device vfio-pci,id=keyboard0",
        "auth: on",
        "-smp 4,pin=off",
        "a key role",
    ],
)
def test_what_is_plainly_no_secret_stays(text):
    assert redaction.text(text) == text
