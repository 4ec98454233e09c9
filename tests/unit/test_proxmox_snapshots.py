"""The snapshots of a guest."""

import pytest

from agents.proxmox import guests, snapshots, wire, wire_slow
from schemas.resources import SourceRef, Status
from tests.support import proxmox_samples as samples

SOURCE = SourceRef(provider="proxmox", name="lab")


def guest(row):
    found = wire.resources([samples.node_row(), row]).guests[0]
    return guests.guest(SOURCE, found, None, guests.GuestExtras())


def found(row, rows):
    read = [wire_slow.SnapshotRow.model_validate(one) for one in rows]
    return snapshots.snapshots(SOURCE, guest(row), read)


def test_a_guest_has_its_snapshots_and_itself_is_none():
    before, after = found(samples.vm_row(), samples.snapshot_rows())

    assert (before.key, before.name) == ("proxmox/lab/snapshot/100/before", "before")
    assert (before.native_kind, before.parent) == ("qemu-snapshot", "proxmox/lab/vm/100")
    assert before.spec == {"description": "before the upgrade", "with_memory": True}
    assert before.created_at.isoformat() == "2024-11-13T12:13:20+00:00"
    assert (after.spec, after.native) == ({"description": None, "with_memory": False}, {"after": "before"})


def test_a_guest_without_snapshots_has_none():
    assert found(samples.vm_row(), samples.snapshot_rows()[-1:]) == []


def test_a_snapshot_made_anew_under_its_name_is_another():
    row = {"name": "before", "snaptime": 1731500000}
    (one,), (other,) = (found(samples.vm_row(), [row | {"snaptime": at}]) for at in (1731500000, "1731500001"))

    assert one.key == other.key
    assert one.incarnation != other.incarnation


@pytest.mark.parametrize(("row", "key"), [
    (samples.ct_row(), "proxmox/lab/container/101"), (samples.vm_row(template=1), "proxmox/lab/template/100"),
])  # fmt: skip
def test_a_snapshot_is_of_whatever_kind_its_guest_is(row, key):
    (one,) = found(row, [{"name": "x", "snaptime": 1}])

    assert (one.parent, one.native_kind) == (key, f"{row['type']}-snapshot")


def test_a_snapshot_that_is_not_ready_says_so():
    (one,) = found(samples.vm_row(), [{"name": "x", "snaptime": 1, "snapstate": "delete"}])

    assert (one.status, one.native_status) == (Status.PENDING, "delete")
