"""What the token may read decides what a missing row means."""

import pytest

from agents.errors import Malformed
from agents.proxmox import rights
from agents.proxmox.config import ProxmoxConfig
from agents.proxmox.rights import AUDITOR, NEEDED, Rights
from schemas.events import Trouble
from schemas.resources import Kind

TOKEN = "monitor@pve!homelab"
CONFIG = ProxmoxConfig(name="lab", url="pve1", token_id=TOKEN, token_secret="env:X")
TOP = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")
AUDIT = dict.fromkeys(sorted(AUDITOR), 1)
ALL = frozenset(Kind)


def auditor(**more):
    """PVEAuditor on ``/``, as ``access/permissions`` answers it; ``more``: other paths, or None for one unlisted."""
    paths = dict.fromkeys(TOP, AUDIT) | {"/" + path.replace("__", "/"): granted for path, granted in more.items()}
    return Rights.parse({path: granted for path, granted in paths.items() if granted is not None})


def found(held, kinds=ALL):
    return {(gap.privilege, gap.path): gap for gap in rights.gaps(held, kinds, CONFIG)}


def test_a_privilege_holds_where_it_is_listed_whether_or_not_it_propagates():
    held = Rights.parse({"/vms/100": {"VM.Audit": 0}})

    assert held.has("/vms/100", "VM.Audit")
    assert not held.has("/vms/100", "VM.Config.Disk")
    assert not held.has("/vms/101", "VM.Audit")


def test_a_path_that_is_not_listed_inherits_what_propagates():
    held = Rights.parse({"/": {"VM.Audit": 1, "Sys.Audit": 0}})

    assert held.has("/vms/100", "VM.Audit")
    assert held.has("/", "Sys.Audit")
    assert not held.has("/nodes/pve1", "Sys.Audit")


def test_an_entry_replaces_what_was_inherited():
    held = Rights.parse({"/": {"VM.Audit": 1}, "/vms": {"VM.PowerMgmt": 1}})

    assert not held.has("/vms", "VM.Audit")
    assert not held.has("/vms/100", "VM.Audit")


def test_an_entry_that_does_not_propagate_replaces_nothing_below_it():
    held = Rights.parse({"/": {"VM.Audit": 1}, "/vms": {"VM.PowerMgmt": 0}})

    assert not held.has("/vms", "VM.Audit")
    assert held.has("/vms/100", "VM.Audit")
    assert not held.has("/vms/100", "VM.PowerMgmt")


def test_everywhere_is_at_the_root_and_at_all_that_is_listed_below():
    assert auditor().everywhere("/vms", "VM.Audit")
    assert auditor(vms__100={"VM.Audit": 0}).everywhere("/vms", "VM.Audit")
    assert not auditor(vms__100={"VM.PowerMgmt": 1}).everywhere("/vms", "VM.Audit")
    assert auditor(vmsx={"Other": 1}).everywhere("/vms", "VM.Audit")
    assert not Rights.parse({"/vms": {"VM.Audit": 0}}).everywhere("/vms", "VM.Audit")
    assert not Rights.parse({}).everywhere("/vms", "VM.Audit")


@pytest.mark.parametrize("raw", [None, [], {"/": None}, {"/": ["VM.Audit"]}, {"errors": "x"}, {"/": {"VM.Audit": "y"}}])
def test_another_shape_is_malformed(raw):
    with pytest.raises(Malformed, match="access/permissions"):
        Rights.parse(raw)


def test_flags_may_come_as_text():
    assert Rights.parse({"/": {"VM.Audit": "1"}}).everywhere("/vms", "VM.Audit")


def test_an_auditor_sees_all_but_backups():
    assert {(gap.kinds, gap.privilege) for gap in rights.gaps(auditor(), ALL, CONFIG)} == {
        ((Kind.BACKUP,), "Datastore.AllocateSpace"),
        ((Kind.BACKUP,), "VM.Backup"),
    }


def test_whoever_may_do_all_to_storages_sees_backups():
    held = auditor(storage=AUDIT | {"Datastore.Allocate": 1})

    assert rights.gaps(held, {Kind.BACKUP}, CONFIG) == []


def test_without_any_right_all_kinds_that_rights_hide_are_hidden():
    hidden = {kind for gap in rights.gaps(Rights({}), ALL, CONFIG) for kind in gap.kinds}

    assert hidden == {kind for need in NEEDED for kind in need.hides}
    assert {*rights.GUESTS, Kind.SNAPSHOT, Kind.STORAGE, Kind.POOL, Kind.CLUSTER, Kind.DISK} <= hidden
    assert Kind.NODE not in hidden


def test_only_the_kinds_that_are_asked_for_have_gaps():
    gaps = rights.gaps(Rights({}), {Kind.POOL, Kind.VM}, CONFIG)

    assert [gap.kinds for gap in gaps] == [(Kind.VM,), (Kind.POOL,)]
    assert all(gap.trouble is Trouble.UNAUTHORIZED for gap in gaps)


def test_a_gap_names_privilege_path_and_the_exact_command():
    gap = found(Rights({}), {Kind.VM})["VM.Audit", "/vms"]

    assert "VM.Audit is missing on /vms" in gap.detail
    assert f"pveum acl modify / --tokens '{TOKEN}' --roles PVEAuditor" in gap.detail
    assert "--users 'monitor@pve'" in gap.detail
    assert gap.keys == ()


def test_where_an_entry_replaces_the_right_it_is_granted_at_that_entry():
    held = auditor(vms={"VM.PowerMgmt": 1})

    assert "pveum acl modify /vms --tokens" in found(held)["VM.Audit", "/vms"].detail


def test_a_top_path_that_is_not_listed_is_closed():
    held = auditor(sdn=None, vms=None)

    assert not held.has("/sdn", "SDN.Audit")
    assert not held.has("/vms/100", "VM.Audit")
    assert not held.everywhere("/vms", "VM.Audit")
    assert held.has("/storage/nfs", "Datastore.Audit")
    assert set(found(held)) >= {("SDN.Audit", "/sdn"), ("VM.Audit", "/vms")}


def test_a_listing_of_the_root_alone_says_that_for_all():
    assert Rights.parse({"/": AUDIT}).everywhere("/vms", "VM.Audit")


def test_a_guest_that_alone_is_hidden_is_named():
    held = auditor(vms__100={"VM.PowerMgmt": 1}, vms__101={"VM.PowerMgmt": 0})
    vms, snapshots = [gap for gap in rights.gaps(held, {Kind.VM, Kind.SNAPSHOT}, CONFIG) if gap.privilege == "VM.Audit"]

    assert vms.keys == ("proxmox/lab/vm/100", "proxmox/lab/vm/101")
    assert "/vms/100, /vms/101" in vms.detail
    assert "pveum acl modify /vms/100 --tokens" in vms.detail
    assert (snapshots.kinds, snapshots.keys) == ((Kind.SNAPSHOT,), ())


def test_too_many_hidden_guests_to_name_hide_their_kind():
    held = auditor(**{f"vms__{vmid}": {"VM.PowerMgmt": 1} for vmid in range(100, 1200)})
    gap = found(held, {Kind.VM})["VM.Audit", "/vms/100"]

    assert (gap.kinds, gap.keys) == ((Kind.VM,), ())
    assert "and others" in gap.detail
    assert len(gap.detail) < 1000


def test_members_of_a_pool_alone_are_not_all_guests():
    held = Rights.parse({"/pool/web": AUDIT, "/vms/100": {"VM.Audit": 0}})

    assert found(held, {Kind.VM})["VM.Audit", "/vms"].keys == ()


def test_a_hidden_node_s_figures_are_a_gap_that_hides_no_node():
    gap = found(auditor(nodes={"Sys.PowerMgmt": 1}), {Kind.NODE, Kind.VM})["Sys.Audit", "/nodes"]

    assert gap.kinds == ()


def test_a_right_on_the_root_alone_need_not_propagate():
    held = Rights.parse({"/": {"Sys.Audit": 0}})

    assert ("Sys.Audit", "/") not in found(held)
    assert ("Sys.Audit", "/nodes") in found(held)


def test_what_no_ready_role_grants_gets_a_role_of_its_own():
    told = rights.advice(TOKEN, "Sys.Syslog")

    assert told.startswith("pveum role add HomelabSysSyslog --privs Sys.Syslog && pveum acl modify / --tokens ")
    assert "--roles HomelabSysSyslog" in told


def test_what_a_probe_says_of_a_need():
    need = next(need for need in NEEDED if need.privilege == "Sys.Syslog")

    assert not need.met(auditor())
    assert need.met(auditor(**{"": AUDIT | {"Sys.Syslog": 1}}))
    assert "pveum role add" in rights.detail(need, auditor(), TOKEN)
