"""A guest is the same through all that may happen to it, and another when it was made anew under its number."""

from base64 import b64encode

import pytest

from agents.proxmox import guests, identity, wire
from schemas.resources import SourceRef
from tests.support import proxmox_samples as samples

SOURCE = SourceRef(provider="proxmox", name="lab")
OTHER = "11111111-2222-4333-8444-555555555555"
MAC, NEW_MAC = "BC:24:11:CC:DD:01", "BC:24:11:EE:EE:EE"


def vm(last=None, recreated=None, **config):
    return _guest(samples.vm_row(), samples.vm_config(**config), last, recreated)


def ct(last=None, recreated=None, **config):
    return _guest(samples.ct_row(), samples.ct_config(**config), last, recreated)


def _guest(row, config, last, recreated):
    found = wire.resources([samples.node_row(), row]).guests[0]
    known = {name: value for name, value in config.items() if value is not None}
    extras = guests.GuestExtras(last=last, recreated=recreated)
    return guests.guest(SOURCE, found, wire.GuestConfig.model_validate(known), extras)


def card(mac, number=0):
    return {f"net{number}": f"name=eth{number},bridge=vmbr0,hwaddr={mac},type=veth"}


def test_a_vm_is_known_by_its_uuid():
    assert vm().incarnation == samples.UUID


def test_a_uuid_may_be_base64():
    encoded = b64encode(samples.UUID.upper().encode()).decode()

    assert vm(smbios1=f"base64=1,manufacturer=TWU=,uuid={encoded}").incarnation == samples.UUID


def test_a_uuid_that_is_none_is_none():
    assert vm(smbios1="base64=1,uuid=%%%").incarnation == "BC:24:11:AA:BB:01/local-lvm:vm-100-disk-0"


@pytest.mark.parametrize("recreated", [True, False, None])
def test_whatever_happened_the_same_uuid_is_the_same_vm(recreated):
    """Restored over itself, migrated, renamed, its disk moved, its card replaced."""
    moved = {"scsi0": "nas:100/vm-100-disk-0.qcow2,size=32G", "net0": f"virtio={NEW_MAC},bridge=vmbr1", "name": "x"}

    assert vm(last=vm(), recreated=recreated, **moved).incarnation == samples.UUID


@pytest.mark.parametrize(
    "what",
    [
        {"meta": "creation-qemu=9.2.0,ctime=1799999999"},
        {"net0": f"virtio={NEW_MAC},bridge=vmbr0"},
        {"scsi0": "local-lvm:vm-100-disk-7,size=32G"},
        {"scsi1": "local-lvm:vm-100-disk-7,size=32G"},
    ],
)
def test_another_uuid_and_anything_else_that_differs_is_another_vm(what):
    assert vm(last=vm(), smbios1=f"uuid={OTHER}", **what).incarnation == OTHER


@pytest.mark.parametrize("recreated", [False, None])
def test_an_edited_uuid_is_no_new_vm_neither_then_nor_later(recreated):
    edited = vm(last=vm(), recreated=recreated, smbios1=f"uuid={OTHER}", name="renamed")
    assert edited.incarnation == samples.UUID

    later = vm(last=edited, smbios1=f"uuid={OTHER}", net0=f"virtio={NEW_MAC},bridge=vmbr0")
    assert later.incarnation == samples.UUID


def test_another_uuid_is_another_vm_where_a_task_made_it():
    assert vm(last=vm(), recreated=True, smbios1=f"uuid={OTHER}").incarnation == OTHER


def test_a_disc_in_the_drive_says_nothing_of_who_a_vm_is():
    first = vm()
    second = vm(last=first, smbios1=f"uuid={OTHER}", ide2="local:iso/other.iso,media=cdrom")

    assert second.incarnation == first.incarnation


def test_what_was_known_survives_a_restart_of_the_agent():
    """Of what was published only its JSON is left."""
    published = type(vm()).model_validate_json(vm().model_dump_json())

    assert vm(last=published, smbios1=f"uuid={OTHER}").incarnation == samples.UUID


def test_a_vm_without_a_uuid_is_known_by_its_card_and_disk_and_keeps_that():
    first = vm(smbios1=None)
    assert first.incarnation == "BC:24:11:AA:BB:01/local-lvm:vm-100-disk-0"

    assert vm(last=first, smbios1=None, scsi0="nas:100/vm-100-disk-0.raw").incarnation == first.incarnation
    assert vm(last=first).incarnation == first.incarnation


def test_a_container_is_known_by_its_first_card_and_its_root():
    assert ct().incarnation == f"{MAC}/local-lvm:vm-101-disk-0"
    assert ct(**card(NEW_MAC, number=10), **card(OTHER, number=2)).incarnation == ct().incarnation


@pytest.mark.parametrize("recreated", [False, None])
@pytest.mark.parametrize(
    "what",
    [{"rootfs": "nas:101/vm-101-disk-0.raw,size=8G"}, card(NEW_MAC, number=1), {"hostname": "x"}, {"memory": 4096}],
)
def test_a_container_that_was_edited_is_the_same(what, recreated):
    first = ct()
    second = ct(last=first, recreated=recreated, **what)

    assert second.incarnation == first.incarnation
    assert ct(last=second, recreated=recreated).incarnation == first.incarnation


def test_one_new_address_of_two_is_an_edit_even_where_no_log_is_readable():
    first = ct(**card(NEW_MAC, number=1))

    assert ct(last=first, recreated=None, **card(OTHER), **card(NEW_MAC, number=1)).incarnation == first.incarnation


def test_a_new_address_is_an_edit_where_the_log_says_that_nothing_was_made():
    assert ct(last=ct(), recreated=False, **card(NEW_MAC)).incarnation == ct().incarnation


def test_all_addresses_are_new_where_no_log_is_readable():
    assert ct(last=ct(), recreated=None, **card(NEW_MAC)).incarnation == f"{NEW_MAC}/local-lvm:vm-101-disk-0"


def test_without_cards_a_moved_root_is_a_moved_root():
    first = ct(net0=None)
    assert first.incarnation == "local-lvm:vm-101-disk-0"

    assert ct(last=first, net0=None, rootfs="nas:101/x.raw").incarnation == first.incarnation
    assert ct(last=first, rootfs="nas:101/x.raw").incarnation == f"{MAC}/nas:101/x.raw"


def test_a_container_made_anew_just_as_it_was_is_another_each_time():
    first = ct()
    second = ct(last=first, recreated=True)
    third = ct(last=second, recreated=True)

    assert len({one.incarnation for one in (first, second, third)}) == 3
    assert ct(last=third, recreated=False).incarnation == third.incarnation


def test_a_guest_of_another_kind_is_another_guest():
    """A template's key does not say whether it is one of VMs or of containers."""
    marks = identity.Marks("lxc", macs=(MAC,))
    previous = identity.Remembered("x", identity.Marks("qemu", macs=(MAC,)))

    assert identity.incarnation(previous, marks, recreated=False) == MAC


def test_a_guest_of_which_only_the_row_was_seen_is_met_for_the_first_time():
    bare = guests.guest(SOURCE, wire.GuestRow(101, "lxc", "pve2"), None, guests.GuestExtras())

    assert ct(last=bare, recreated=True).incarnation == ct().incarnation
