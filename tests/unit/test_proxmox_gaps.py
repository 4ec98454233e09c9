"""How what could not be seen is put into gaps that a scan's close can carry."""

import pytest

from agents.errors import Unreachable
from agents.proxmox import gaps
from agents.proxmox.troubles import Denied
from schemas.events import ScanClosed, Trouble
from schemas.resources import Kind

DETAIL = gaps.because(Unreachable("no answer"), "a detail")
HIDING = gaps.because(Unreachable("no answer"), "a part", kinds=(Kind.VM,))


def test_a_gap_tells_why_and_which_right_is_missing():
    found = gaps.because(
        Denied("refused", path="/vms/100", privilege="VM.Audit"), "guests", keys=("proxmox/lab/vm/100",)
    )

    assert (found.trouble, found.privilege, found.path) == (Trouble.UNAUTHORIZED, "VM.Audit", "/vms/100")
    assert found.detail == "guests: refused"
    assert found.hides
    assert not DETAIL.hides


def test_of_too_many_those_that_hide_something_are_carried_first():
    found = gaps.fitting([DETAIL] * 150 + [HIDING] * 3)

    assert len(found) == ScanClosed.model_fields["gaps"].metadata[0].max_length == 100
    assert found[:4] == (HIDING, HIDING, HIDING, DETAIL)


def test_a_text_is_cut_to_what_a_gap_holds():
    assert len(gaps.because(Unreachable("x" * 5000), "a part").detail) == 1000


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (1000, [1000]), (2001, [1000, 1000, 1])])
def test_more_keys_than_one_gap_holds_take_several(count, sizes):
    found = gaps.of_keys([str(number) for number in range(count)], "hidden", Trouble.UNAUTHORIZED)

    assert [len(gap.keys) for gap in found] == sizes


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "0"), (5, "0, 1, 2, 3, 4"), (6, "0, 1, 2, 3, 4 and 1 other"), (8, "0, 1, 2, 3, 4 and 3 others")],
)
def test_only_some_are_named(count, words):
    assert gaps.named(range(count)) == words
