"""Only a complete scan may cause absence, and not too much of it at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.ingest.absence import HELD_SCANS, Verdict, judge
from daemon.store.inventory import Known
from schemas.events import Trouble
from tests.support.events import gap, key


def known(*names, presence="present", reported=False, hidden="", parent=None):
    return {name: Known(f"hash {name}", presence, reported, hidden, parent) for name in names}


def listed(*names):
    return {name: f"hash {name}" for name in names}


def verdict(had, has, *, held_scans=0, released=False, gaps=()) -> Verdict:
    return judge(had, has, held_scans=held_scans, released=released, gaps=gaps)


def many(count):
    return [f"c{number:03}" for number in range(count)]


def test_nothing_missing_moves_nothing():
    assert verdict(known("a", "b"), listed("a", "b")) == Verdict()


def test_missing_once_is_suspect():
    found = verdict(known("a", "b"), listed("a"))

    assert (found.suspect, found.gone, found.missing, found.held) == ({"b"}, set(), 1, False)


def test_missing_in_the_next_complete_scan_too_is_gone():
    found = verdict(known("a") | known("b", presence="suspect"), listed("a"))

    assert (found.suspect, found.gone) == (set(), {"b"})


def test_reported_as_removed_is_gone_with_the_first_scan_without_it():
    found = verdict(known("a") | known("b", presence="suspect", reported=True), listed("a"))

    assert found.gone == {"b"}


def test_suspect_and_listed_again_returns():
    found = verdict(known("a") | known("b", presence="suspect"), listed("a", "b"))

    assert (found.returned, found.gone) == ({"b"}, set())


def test_a_scope_that_is_empty_after_it_was_not_is_held():
    assert verdict(known("a"), {}).held
    assert verdict(known("a"), {}).suspect == set()


def test_an_empty_scope_that_was_empty_is_fine():
    assert verdict({}, {}) == Verdict()


def test_the_last_one_reported_as_removed_is_not_held():
    found = verdict(known("a", presence="suspect", reported=True), {})

    assert (found.held, found.gone) == (False, {"a"})


@pytest.mark.parametrize(
    ("had", "lost", "held"), [(10, 3, False), (10, 4, True), (100, 10, False), (100, 11, True), (30, 3, False)]
)
def test_more_than_three_or_a_tenth_at_once_is_held(had, lost, held):
    names = many(had)

    assert verdict(known(*names), listed(*names[lost:])).held is held


def test_what_the_provider_reported_does_not_count_towards_the_brake():
    names = many(20)
    had = known(*names[10:]) | known(*names[:10], presence="suspect", reported=True)

    found = verdict(had, listed(*names[12:]))

    assert (found.held, found.gone, found.suspect) == (False, set(names[:10]), set(names[10:12]))


def test_while_held_only_what_was_reported_goes():
    had = known(*many(10)) | known("missed", presence="suspect") | known("rm", presence="suspect", reported=True)

    found = verdict(had, listed("c000"))

    assert found.held
    assert (found.suspect, found.gone) == (set(), {"rm"})


def test_the_third_scan_in_a_row_is_believed():
    assert [verdict(known("a"), {}, held_scans=before).held for before in range(HELD_SCANS)] == [True, True, False]
    assert verdict(known("a"), {}, held_scans=2).suspect == {"a"}


def test_an_operator_releases_it_at_once():
    assert verdict(known(*many(10)), {}, released=True).suspect == set(many(10))


def test_what_the_store_has_not_or_has_otherwise_disagrees():
    found = verdict(known("a", "b"), listed("a", "new") | {"b": "another hash"})

    assert found.disagreeing == {"b", "new"}


# --- gaps ------------------------------------------------------------------------------------------------------------


def vm(number, **given):
    return known(f"proxmox/lab/vm/{number}", **given)


def disk(name, node, **given):
    return known(f"proxmox/lab/disk/{name}", parent=f"proxmox/lab/node/{node}", **given)


AWAY = {"trouble": Trouble.UNREACHABLE}


@pytest.mark.parametrize(
    ("trouble", "presence"),
    [(Trouble.UNAUTHORIZED, "ineligible")] + [(other, "unknown") for other in Trouble if other != "unauthorized"],
)
def test_what_a_gap_hides_is_not_missed(trouble, presence):
    had = vm(100) | vm(101)

    found = verdict(had, vm(100), gaps=[gap(kinds=("vm",), trouble=trouble)])

    assert (found.suspect, found.gone, found.missing, found.held) == (set(), set(), 0, False)
    assert found.hidden == found.moved == {"proxmox/lab/vm/101": presence}


def test_a_gap_hides_only_what_it_says():
    had = vm(100) | disk("sda", "pve1") | disk("sdb", "pve2") | disk("sdc", "pve2")
    hides = {
        "a kind": gap(kinds=("disk",)),
        "a kind in a parent": gap(kinds=("disk", "vm"), parent="proxmox/lab/node/pve2"),
        "keys": gap(keys=("proxmox/lab/vm/100", "proxmox/lab/disk/sda")),
        "a key in another parent": gap(keys=("proxmox/lab/disk/sda",), parent="proxmox/lab/node/pve2"),
        "a key or a kind": gap(kinds=("vm",), keys=("proxmox/lab/disk/sda",)),
        "details": gap(parent="proxmox/lab/node/pve2"),
        "another kind": gap(kinds=("container",)),
    }
    found = {
        what: sorted(hidden.rpartition("/")[2] for hidden in verdict(had, listed(), released=True, gaps=[one]).hidden)
        for what, one in hides.items()
    }

    assert found == {
        "a kind": ["sda", "sdb", "sdc"], "a kind in a parent": ["sdb", "sdc"], "keys": ["100", "sda"],
        "a key in another parent": [], "a key or a kind": ["100", "sda"], "details": [], "another kind": [],
    }  # fmt: skip


def test_of_two_gaps_the_first_says_why():
    had = vm(100)

    found = verdict(had, {}, gaps=[gap(kinds=("vm",), parent="x"), gap(kinds=("vm",), **AWAY), gap(kinds=("vm",))])

    assert found.hidden == {"proxmox/lab/vm/100": "unknown"}


def test_what_was_missing_before_a_gap_hid_it_is_not_gone_and_not_forgotten():
    had = vm(100) | vm(101, presence="suspect")

    hidden = verdict(had, vm(100), gaps=[gap(kinds=("vm",))])
    over = verdict(vm(100) | vm(101, presence="suspect", hidden="ineligible"), vm(100))

    assert (hidden.gone, hidden.moved) == (set(), {"proxmox/lab/vm/101": "ineligible"})
    assert (over.gone, over.moved) == ({"proxmox/lab/vm/101"}, {"proxmox/lab/vm/101": ""})


def test_what_was_hidden_and_is_missing_after_the_gap_is_suspect_first():
    found = verdict(vm(100) | vm(101, hidden="unknown"), vm(100))

    assert (found.suspect, found.gone, found.moved) == ({"proxmox/lab/vm/101"}, set(), {"proxmox/lab/vm/101": ""})


def test_what_is_listed_is_hidden_by_nothing():
    found = verdict(vm(100, hidden="unknown") | vm(101), listed(*vm(100), *vm(101)), gaps=[gap(kinds=("vm",))])

    assert (found.hidden, found.moved) == ({}, {"proxmox/lab/vm/100": ""})


def test_what_is_hidden_as_before_does_not_move():
    had = vm(100) | vm(101, hidden="ineligible") | vm(102, hidden="unknown")

    found = verdict(had, vm(100), gaps=[gap(kinds=("vm",))])

    assert found.moved == {"proxmox/lab/vm/102": "ineligible"}
    assert len(found.hidden) == 2


def test_what_was_reported_as_removed_is_gone_whatever_hides_it():
    found = verdict(vm(100) | vm(101, presence="suspect", reported=True), vm(100), gaps=[gap(kinds=("vm",))])

    assert (found.gone, found.hidden) == ({"proxmox/lab/vm/101"}, {})


def test_what_is_hidden_does_not_count_towards_the_brake_on_either_side():
    had = {name: row for number in range(40) for name, row in vm(number).items()}
    disks = {name: row for number in range(40) for name, row in disk(f"sd{number}", "pve1").items()}

    assert verdict(had | disks, had, gaps=[gap(kinds=("disk",))]).missing == 0
    few = dict(list(had.items())[4:])
    assert not verdict(had, few).held
    assert not verdict(had | disks, few, gaps=[gap(kinds=("disk",))]).held
    fewer = dict(list(had.items())[5:])
    assert not verdict(had | disks, fewer | disks).held
    assert verdict(had | disks, fewer, gaps=[gap(kinds=("disk",))]).held


def test_all_hidden_is_an_empty_manifest_that_is_not_held():
    found = verdict(vm(100) | vm(101), {}, gaps=[gap(kinds=("vm",))])

    assert (found.held, len(found.hidden)) == (False, 2)


def test_while_held_what_a_gap_hid_before_does_not_look_present():
    had = {name: row for number in range(20) for name, row in vm(number, hidden="unknown").items()} | vm(99)
    back = vm(0)

    found = verdict(had, vm(99) | back)

    assert (found.held, found.suspect, found.moved) == (True, set(), dict.fromkeys(back, ""))


names = st.sets(st.sampled_from([key(name) for name in many(12)]))


@given(
    present=names, suspect=names, reported=names, hidden=names, has=names, hides=names, held=st.integers(0, 3),
    released=st.booleans(),
)  # fmt: skip
def test_whatever_happens_nothing_listed_is_missing_and_each_moves_one_way(
    *, present, suspect, reported, hidden, has, hides, held, released
):
    had = known(*present) | known(*suspect, presence="suspect") | known(*reported, presence="suspect", reported=True)
    had |= known(*hidden & present, hidden="unknown") | known(*hidden - present, presence="suspect", hidden="unknown")

    found = verdict(had, listed(*has), held_scans=held, released=released, gaps=[gap(keys=tuple(sorted(hides)))])

    assert found.hidden.keys() == {one for one in (had.keys() & hides) - has if not had[one].reported}
    assert not (found.suspect | found.gone) & found.hidden.keys()

    assert not (found.suspect | found.gone) & has
    assert found.returned <= has
    assert not found.suspect & found.gone
    assert found.gone <= {name for name, row in had.items() if row.presence == "suspect"}
    assert found.missing == len(had.keys() - has - found.hidden.keys())
    assert not (released and found.held)
