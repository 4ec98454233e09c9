"""Whether history says that a guest was made anew, and which rows still tell of the one before."""

import pytest

from agents.proxmox import wire
from agents.proxmox.history import Event, What
from agents.proxmox.rebirth import Evidence, Reborn

CREATED = Event(What.CREATED, 100, over=True)
RESTORED = Event(What.RESTORED, 100, over=True)
DESTROYED = Event(What.DESTROYED, 100, over=True)
DESTROYING = Event(What.DESTROYED, 100, over=False, well=False)
SPARED = Event(What.DESTROYED, 100, over=True, well=False)
EDITED = Event(What.EDITED, 100, over=True)


def evidence(*events, broken=1):
    found = Evidence()
    found.broken(broken)
    found.note(events)
    return found


@pytest.mark.parametrize(
    ("events", "recreated"),
    [
        ([], False),
        ([EDITED], False),
        ([SPARED], False),
        ([CREATED], True),
        ([DESTROYED], True),
        ([DESTROYING], None),
        ([RESTORED], None),
        ([DESTROYED, RESTORED], None),
        ([DESTROYING, CREATED], True),
    ],
)
def test_history_says_whether_a_guest_was_made_anew(events, recreated):
    assert evidence(*events).recreated(100, read=1) is recreated
    assert evidence(*events).recreated(101, read=1) is False


@pytest.mark.parametrize("read", [None, 4])
def test_where_history_has_a_hole_nobody_knows_unless_it_tells_of_it(read):
    assert evidence(broken=5).recreated(100, read) is None
    assert evidence(broken=5).recreated(100, read=5) is False
    assert evidence(CREATED, broken=5).recreated(100, read) is True


def test_what_history_tells_of_the_time_before_the_first_scan_counts_where_it_reaches_back():
    found = evidence(broken=1)
    found.before([CREATED])

    assert found.recreated(101, read=None) is False
    assert found.recreated(100, read=None) is None, "it may have been published already: what it has decides"
    found.settled([100])
    found.broken(7)
    assert found.recreated(101, read=None) is None


def test_what_was_used_is_no_evidence_any_more():
    found = evidence(CREATED)
    found.settled([100, 999])

    assert found.recreated(100, read=1) is False


def row(status="running", uptime=50.0, **fields):
    return wire.GuestRow(100, "qemu", "pve1", status, uptime=uptime, **fields)


def test_the_state_that_was_asked_for_holds_until_something_new_is_broadcast():
    reborn = Reborn()
    reborn.learn(row(), "stopped")

    reborn.saw([row(name="told at once", tags="x", lock="backup")])
    assert reborn.states == {"qemu/100": "stopped"}
    reborn.saw([row(uptime=51.0)])
    assert reborn.states == {}
    reborn.saw([row()])
    assert reborn.states == {}


def test_a_guest_that_is_not_listed_any_more_is_forgotten():
    reborn = Reborn()
    reborn.learn(row(), "stopped")
    reborn.saw([])

    assert reborn.states == {}
