"""The newest backup of each guest over all storages, and the jobs that make backups and replicas."""

import pytest

from agents.proxmox import backups, schedules, wire_slow
from schemas.resources import Health, SourceRef, Status
from tests.support import proxmox_samples as samples

SOURCE = SourceRef(provider="proxmox", name="lab")
GUESTS = {100: "proxmox/lab/vm/100", 101: "proxmox/lab/container/101"}
NAS, PBS = "proxmox/lab/storage/nas", "proxmox/lab/storage/pbs"


def read(storage, rows):
    return backups.backups(storage, [wire_slow.Volume.model_validate(row) for row in rows])


def newest(*found):
    latest = backups.newest(one for part in found for one in part)
    return {vmid: backups.backup(SOURCE, one, GUESTS) for vmid, one in latest.items()}


def test_a_guest_has_its_newest_backup_of_one_storage():
    listed = newest(read(NAS, samples.backup_rows()))

    assert listed.keys() == {100, 101}
    one = listed[100]
    assert (one.key, one.native_kind, one.parent) == ("proxmox/lab/backup/100", "vma.zst", NAS)
    assert one.incarnation == one.name == "nas:backup/vzdump-qemu-100-2026_11_19-02_00_00.vma.zst"
    assert (one.created_at.isoformat(), one.size.disk_bytes) == ("2026-11-23T02:00:00+00:00", 6 * 2**30)
    assert one.spec == {"guest_type": "qemu", "protected": True, "encrypted": False}
    assert [(edge.type, edge.key) for edge in one.relations] == [("of", GUESTS[100])]


@pytest.mark.parametrize(
    "volid", ["nas:backup/vzdump-qemu-100-2026_13_45-02_00_00.vma.zst", "pbs:backup/vm/100/2026-13-45T02:00:00Z"]
)
def test_a_name_without_a_time_costs_nobody_else_anything(volid):
    copied = {"volid": volid, "content": "backup"}

    assert newest(read(NAS, [*samples.backup_rows(), copied])) == newest(read(NAS, samples.backup_rows()))
    (found,) = read(NAS, [copied | {"ctime": 1_763_000_000}])
    assert (found.vmid, found.made_at.isoformat()) == (100, "2025-11-13T02:13:20+00:00")


@pytest.mark.parametrize("turned", [False, True])
def test_the_newest_is_that_of_all_storages_whichever_was_read_first(turned):
    parts = [read(NAS, samples.backup_rows()), read(PBS, samples.pbs_rows())]
    listed = newest(*(reversed(parts) if turned else parts))

    assert {vmid: (one.parent, one.native_kind) for vmid, one in listed.items()} == {
        100: (PBS, "pbs-vm"),
        101: (NAS, "tar.zst"),
    }
    assert (listed[100].health, listed[100].spec["encrypted"]) == (Health.OK, True)
    assert listed[100].native["verification"] == "ok"


def test_a_newer_backup_is_no_change_of_configuration():
    older, newer = (newest(read(NAS, [row]))[100] for row in samples.backup_rows()[:2])
    newer_too = newest(read(NAS, [samples.backup_rows()[1] | {"protected": 0}]))[100]

    assert older.spec == newer_too.spec
    assert older.key == newer.key
    assert older.incarnation != newer.incarnation


@pytest.mark.parametrize(
    ("volid", "vmid", "subtype", "form", "at"),
    [
        ("x:backup/vzdump-qemu-100-2026_11_19-02_00_00.vma.zst", 100, "qemu", "vma.zst", "2026-11-19T02:00:00+00:00"),
        ("x:backup/vzdump-lxc-7777-2026_11_19-02_00_00.tar.gz", 7777, "lxc", "tar.gz", "2026-11-19T02:00:00+00:00"),
        ("x:backup/vzdump-openvz-101-2014_11_19-02_00_00.tar", 101, "lxc", "tar", "2014-11-19T02:00:00+00:00"),
        ("x:backup/ct/101/2026-11-20T02:00:00Z", 101, "lxc", "pbs-ct", "2026-11-20T02:00:00+00:00"),
    ],
)
def test_a_name_says_what_the_listing_does_not(volid, vmid, subtype, form, at):
    (one,) = read(NAS, [{"volid": volid}])

    assert (one.vmid, one.subtype, one.format, one.made_at.isoformat()) == (vmid, subtype, form, at)


@pytest.mark.parametrize(
    "volid", ["pbs:backup/host/pve1/2026-11-20T03:00:00Z", "nas:iso/debian.iso", "nas:backup/notes.txt"]
)
def test_what_is_no_guests_backup_is_none(volid):
    assert read(NAS, [{"volid": volid, "content": "backup", "ctime": 1}]) == []


def test_a_backup_that_failed_its_verification_is_failing_and_may_outlive_its_guest():
    row = samples.pbs_rows()[0] | {"vmid": 555, "volid": "pbs:backup/vm/555/2026-11-20T02:00:00Z"}
    found = newest(read(PBS, [row | {"verification": {"state": "failed"}}]))[555]

    assert (found.health, found.relations) == (Health.FAILING, ())


def jobs():
    storages = {"nas": NAS, "pbs": PBS}
    rows = [wire_slow.BackupJob.model_validate(row) for row in samples.backup_jobs()]
    return [schedules.backup_job(SOURCE, row, GUESTS, storages) for row in rows]


def test_a_backup_job_says_what_it_saves_when_and_where():
    nightly, weekly = jobs()

    assert (nightly.native_id, nightly.name, nightly.status) == ("vzdump/backup-1", "nightly", Status.RUNNING)
    assert nightly.spec == {
        "schedule": "02:00", "storage": "nas", "mode": "snapshot", "compress": None, "all": True, "guests": [],
        "pool": None, "exclude": [103, 105], "node": None, "keep": {"last": 3, "daily": 7}, "protected": False,
        "repeat_missed": False, "notes_template": "{{guestname}}", "comment": "nightly",
    }  # fmt: skip
    assert (weekly.name, weekly.status, weekly.spec["schedule"]) == ("backup-2", Status.STOPPED, "sat 03:00")
    assert weekly.spec["keep"] == {"daily": 7, "last": 3}
    assert (nightly.spec.keys(), nightly.parent) == (weekly.spec.keys(), "proxmox/lab/cluster/cluster")
    assert {(edge.type, edge.key) for edge in weekly.relations} == {
        ("uses", PBS),
        *(("of", key) for key in GUESTS.values()),
    }


def test_when_a_job_runs_next_is_no_configuration():
    (row, *_) = samples.backup_jobs()
    one, other = (wire_slow.BackupJob.model_validate(row | {"next-run": at}) for at in (1, 2))

    assert schedules.backup_job(SOURCE, one, {}, {}) == schedules.backup_job(SOURCE, other, {}, {})


def test_a_replication_job_is_the_same_from_wherever_its_guest_is():
    (row,) = samples.replication_jobs()
    before, after = (wire_slow.ReplicationJob.model_validate(row | {"source": node}) for node in ("pve1", "pve3"))
    found = schedules.replication_job(SOURCE, before, GUESTS)

    assert found == schedules.replication_job(SOURCE, after, GUESTS)
    assert (found.native_id, found.native_kind, found.status) == ("replication/100-0", "replication", Status.RUNNING)
    assert found.spec == {
        "guest": 100, "target": "pve2", "schedule": "*/15", "rate_mbytes": 10, "remove_job": None, "comment": None,
    }  # fmt: skip
    assert [edge.key for edge in found.relations] == [GUESTS[100]]


def test_a_replication_job_that_is_switched_off_is_stopped():
    row = wire_slow.ReplicationJob.model_validate(samples.replication_jobs()[0] | {"disable": "1"})

    assert schedules.replication_job(SOURCE, row, {}).status is Status.STOPPED
