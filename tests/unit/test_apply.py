"""A batch of messages, applied to a real store in memory."""

import json
from datetime import timedelta

import pytest

from daemon.ingest import apply
from daemon.ingest.loop import start_of
from daemon.ingest.messages import Message
from daemon.store import scans
from daemon.store.cursors import Cursor
from schemas import subjects
from schemas.events import RemovalReason, ScanClosed, ScanPart, Trouble
from schemas.resources import Kind, SourceRef
from tests.support.events import NAS, NOON, after, failed, gap, key, message, observed, removed, resource, scan
from tests.support.store import STREAM_MADE, fed

OTHER = SourceRef(provider="docker", name="other")


@pytest.fixture
def store(clock):
    clock.advance(hours=4)  # it is noon
    with fed(clock) as made:
        yield made


def known(store, *names, at=NOON):
    """Say that these are there."""
    store.say([observed(name, at) for name in names], scan(names, at))


# --- one batch -------------------------------------------------------------------------------------------------------


def test_a_batch_is_applied_in_the_order_of_the_stream(store):
    applied = store.say(
        observed("web"), scan(["web"]), observed("web", after(60), status="stopped"), scan([], after(60)),
        removed("web", after(120)), observed("web", after(180)), scan(["web"], after(180)),
    )  # fmt: skip

    assert store.log() == ["appeared web", "changed web", "removed web", "returned web", "source_appeared nas"]
    assert store.rows("SELECT outcome FROM scans ORDER BY observed_at") == [("complete",), ("held",), ("complete",)]
    assert applied.keys == {key("web")}
    assert +applied.counts == {"observed": 3, "removed": 1, "scan_part": 2, "scan_closed": 3}


def test_what_a_scan_moved_is_known_to_what_follows_it_in_the_batch(store):
    store.say(
        observed("web"), observed("db"), scan(["web", "db"]), scan(["web"], after(60)), observed("db", after(30)),
        observed("db", after(120)),
    )  # fmt: skip

    assert store.log()[:4] == ["appeared web", "appeared db", "suspect db", "returned db"]
    assert store.presences() == {"db": "present", "web": "present"}


def test_the_numbers_of_the_log_have_no_holes(store):
    for batch in range(3):
        store.say([observed(f"c{number}", after(batch), spec={"batch": batch}) for number in range(5)])

    assert store.rows("SELECT seq FROM state_log ORDER BY seq") == [(number,) for number in range(1, 16)]


def test_the_sequence_is_stored_with_what_it_brought(store):
    store.say(observed("web"))

    start = store.database.transact(lambda con: start_of(con, "INVENTORY"))
    assert (start.sequence, start.created_at) == (1, STREAM_MADE)


def test_a_batch_that_fails_leaves_no_trace(store):
    batch = [message(observed("web"))]

    def stumble(con):
        apply.apply(con, batch, cursor=Cursor("INVENTORY", STREAM_MADE, 1), now=NOON)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.database.transact(stumble)

    assert store.log() == []
    assert store.database.transact(lambda con: start_of(con, "INVENTORY")) is None


def test_the_same_messages_twice_change_nothing_more(store):
    said = [observed("web"), observed("db"), *scan(["web", "db"])]
    store.say(*said)
    before = store.rows("FROM state_log"), store.rows("FROM inventory_ ORDER BY key"), store.rows("FROM scans")

    store.say(*said)

    assert before == (
        store.rows("FROM state_log"), store.rows("FROM inventory_ ORDER BY key"), store.rows("FROM scans"),
    )  # fmt: skip


def test_what_is_missing_is_not_missed_twice_by_the_same_scan(store):
    known(store, "web", "db")
    again = scan(["web"], after(60))
    empty = scan([], after(60), scope="volumes")

    for _ in range(4):
        store.say(again, empty)

    assert store.presences() == {"db": "suspect", "web": "present"}


# --- late ------------------------------------------------------------------------------------------------------------


def test_what_is_late_is_counted_and_not_applied(store):
    store.say(observed("web", after(60), status="stopped"), scan(["web"], after(60)))

    applied = store.say(observed("web", NOON), scan([], NOON), removed("web", NOON), failed(NOON))

    assert applied.counts["late"] == 4
    assert store.presences() == {"web": "present"}
    assert store.rows("SELECT status FROM resources") == [("stopped",)]
    assert store.rows("SELECT late_messages, status FROM sources") == [(4, "ok")]


def test_a_failure_older_than_the_last_scan_does_not_lose_the_source(store):
    known(store, "web", at=after(60))

    store.say(failed(after(30)))

    assert store.rows("SELECT status FROM sources") == [("ok",)]


# --- scans -----------------------------------------------------------------------------------------------------------


def test_the_parts_of_a_manifest_may_come_in_several_batches(store):
    known(store, *"abcdefgh")
    one, two, three, closed = scan("abcdef", after(60), parts=3)

    for each in (three, one, [two, closed]):
        store.say(each)

    assert store.presences() | {"g": "suspect", "h": "suspect"} == store.presences()
    assert store.rows("FROM scan_parts_") == []


@pytest.mark.parametrize("lost", [0, 1])
def test_a_scan_that_lacks_a_part_judges_nothing(store, lost):
    known(store, "web", "db", "cache")
    said = scan(["web", "db"], after(60), parts=2)
    del said[lost]

    store.say(said)

    assert set(store.presences().values()) == {"present"}
    assert store.rows("SELECT outcome, detail FROM scans WHERE outcome <> 'complete'") == [
        ("incomplete", "1 of 2 parts came, with 1 of 2 keys")
    ]


def test_a_scan_whose_count_does_not_agree_judges_nothing(store):
    known(store, "web", "db")
    part, closed = scan(["web"], after(60))

    store.say(part, closed.model_copy(update={"count": 2}))

    assert store.presences() == {"db": "present", "web": "present"}


def test_missing_twice_is_gone_and_said_on_the_bus(store):
    known(store, "web", "db")

    store.say(scan(["web"], after(60)))
    applied = store.say(scan(["web"], after(120)))

    assert store.presences() == {"db": "gone", "web": "present"}
    assert store.log()[-2:] == ["suspect db", "gone db"]
    assert applied.letters == 1
    ((subject, payload),) = store.rows("SELECT subject, payload FROM outbox_")
    assert subject == subjects.inventory(key("db"))
    assert json.loads(payload)["reason"] == "absent"


def test_what_the_provider_reported_is_gone_with_the_next_scan_and_not_said_again(store):
    known(store, "web", "db")

    applied = store.say(removed("db", after(60)), scan(["web"], after(60)))

    assert (store.presences()["db"], applied.letters) == ("gone", 0)
    assert store.log()[-2:] == ["removed db", "gone db"]


def test_rows_are_never_deleted_and_a_tombstone_may_return(store):
    known(store, "web", "db")
    store.say(removed("db", after(60)), scan(["web"], after(60)))

    store.say(observed("db", after(120)), scan(["web", "db"], after(120)))

    assert store.log()[-1] == "returned db"
    assert store.rows("SELECT first_seen_at FROM resources WHERE name = 'db'") == [(NOON,)]


def test_half_vanished_is_held_until_the_third_scan(store):
    names = [f"c{number}" for number in range(10)]
    known(store, *names)

    held = []
    for number in range(1, 5):
        store.say(scan(names[:5], after(60 * number)))
        held.append((store.rows("SELECT status, held_scans, held_missing FROM scopes_")[0], store.presences()["c9"]))

    assert held == [
        (("held", 1, 5), "present"), (("held", 2, 5), "present"), (("ok", 0, 0), "suspect"), (("ok", 0, 0), "gone"),
    ]  # fmt: skip


def test_a_released_scope_believes_the_next_scan_and_only_that(store):
    names = [f"c{number}" for number in range(10)]
    known(store, *names)
    store.say(scan(names[:5], after(60)))

    assert store.database.transact(lambda con: scans.release(con, "docker", "nas")) == ["containers"]
    store.say(scan(names[:5], after(120)))
    assert store.presences()["c9"] == "suspect"
    store.say(scan(names[:5], after(180)))
    store.say(scan([], after(240)))

    assert (store.presences()["c9"], store.presences()["c0"]) == ("gone", "present")


def test_a_scope_judges_only_its_own(store):
    known(store, "web")
    store.say(observed(resource("data", kind=Kind.VOLUME, scope="volumes")), scan([], after(1), scope="volumes"))

    store.say(scan(["web"], after(60)))

    assert store.presences()["web"] == "present"


def test_another_source_with_the_same_names_is_another_thing(store):
    known(store, "web")
    there = resource("web", OTHER)
    store.say(observed(there), scan([there], source=OTHER))

    store.say(scan([], after(60), source=OTHER), scan([], after(120), source=OTHER), scan([], after(180), source=OTHER))

    assert store.rows("SELECT source, presence FROM resources ORDER BY source") == [
        ("nas", "present"), ("other", "suspect"),
    ]  # fmt: skip


def test_a_manifest_that_the_store_cannot_follow_asks_the_source_to_say_it_again(store):
    applied = store.say(scan(["web"]))

    assert applied.republish == {NAS}
    assert store.say(observed("web", after(1)), scan(["web"], after(1))).republish == set()


def test_moved_to_another_scope_is_not_missing_in_the_first(store):
    known(store, "web", "db")
    moved = resource("web", scope="swarm")

    store.say(observed(moved, after(60)), scan([moved], after(60), scope="swarm"), scan(["db"], after(61)))

    assert store.presences() == {"db": "present", "web": "present"}


# --- gaps ------------------------------------------------------------------------------------------------------------

DENIED = gap("VM.Audit is missing", kinds=("container",), privilege="VM.Audit", path="/vms")
AWAY = gap("pve2 does not answer", trouble=Trouble.UNREACHABLE, keys=(key("db"),))


def hidden(store):
    return dict(store.rows("SELECT name, hidden FROM inventory_ WHERE hidden <> ''"))


@pytest.mark.parametrize(("one", "presence"), [(DENIED, "ineligible"), (AWAY, "unknown")])
def test_what_a_gap_hides_is_told_once_of_the_source_and_comes_back_by_itself(store, one, presence):
    known(store, "web", "db", "cache")

    applied = store.say(scan(["web", "cache"], after(60), gaps=[one]))
    again = store.say(scan(["web", "cache"], after(120), gaps=[one]))

    assert store.presences() == {"cache": "present", "db": presence, "web": "present"}
    assert (applied.keys, applied.sources) == ({key("db")}, {"docker/nas"})
    assert (again.keys, again.sources, again.letters, again.log_entries) == (set(), set(), 0, 0)
    back = store.say(scan(["web", "db", "cache"], after(180)))
    assert store.presences()["db"] == "present"
    assert (back.keys, back.sources) == ({key("db")}, {"docker/nas"})
    assert store.log()[3:] == ["source_appeared nas", "source_lost nas", "source_recovered nas"]
    assert store.rows("SELECT changed_at, observed_at FROM inventory_ WHERE name = 'db'") == [(NOON, NOON)]


def test_the_row_of_the_source_names_the_gap_and_it_is_not_complete(store):
    known(store, "web", "db")

    store.say(scan(["web"], after(60), gaps=[AWAY, DENIED, gap("old details")]))

    assert store.rows("SELECT status, detail FROM sources") == [
        ("degraded", "pve2 does not answer; VM.Audit is missing")
    ]
    assert store.rows("SELECT cause FROM state_log WHERE op = 'source_lost'") == [
        ("scans: pve2 does not answer; VM.Audit is missing",)
    ]
    assert store.rows("SELECT outcome, missing, detail FROM scans ORDER BY observed_at DESC LIMIT 1") == [
        ("complete", 0, "pve2 does not answer; VM.Audit is missing")
    ]
    assert store.rows("SELECT status, hidden, hidden_kinds FROM scopes_") == [("partial", 1, ["container"])]


def test_a_gap_in_details_alone_takes_nothing_from_the_scope(store):
    known(store, "web")

    applied = store.say(scan(["web"], after(60), gaps=[gap("pve2 does not answer", parent="docker/nas/node/pve2")]))

    assert store.rows("SELECT status, detail FROM sources") == [("ok", "")]
    assert (applied.sources, applied.keys) == (set(), set())
    assert "pve2" in store.rows("SELECT gaps FROM scopes_")[0][0]


def test_what_is_left_unread_on_purpose_is_hidden_and_the_source_counts_as_whole(store):
    known(store, "web", "db")

    store.say(scan(["web"], after(60), gaps=[DENIED.model_copy(update={"optional": True})]))

    assert store.presences() == {"db": "ineligible", "web": "present"}
    assert store.rows("SELECT status, detail FROM sources") == [("ok", "")]
    assert store.rows("SELECT status, hidden, hidden_kinds FROM scopes_") == [("ok", 1, ["container"])]
    assert '"optional":true' in store.rows("SELECT gaps FROM scopes_")[0][0]


def test_a_source_was_read_when_what_is_read_most_often_was(store):
    """An hourly scope that was read long ago, or never, says nothing of the others."""
    store.say(scan([], scope="backups", interval=3600), scan(["web"], after(300), interval=10))
    store.say(scan([], after(290), scope="cluster", interval=20), failed(after(200), scope="disks"))

    assert store.rows("SELECT observed_at FROM sources") == [(after(290),)]
    store.say(failed(after(305), scope="guests").model_copy(update={"interval_seconds": 10}))
    assert store.rows("SELECT observed_at FROM sources") == [(None,)], "one that is read as often was never read"


def test_what_of_a_source_is_hidden_is_told_when_it_is_other_kinds_and_only_then(store):
    known(store, "web")
    store.say(scan(["web"], after(60), gaps=[DENIED]))
    same = gap("again no right", keys=(key("db"),))
    other = gap("no right for volumes", kinds=("volume",))

    assert store.say(scan(["web"], after(120), gaps=[same])).sources == set()
    assert store.say(scan(["web"], after(180), gaps=[same, other])).sources == {"docker/nas"}


def test_a_scope_that_failed_says_more_of_the_source_than_one_with_a_gap(store):
    known(store, "web")

    store.say(failed(after(60), scope="volumes"), scan(["web"], after(120), gaps=[DENIED]))

    assert store.rows("SELECT status, detail FROM sources") == [("degraded", "volumes: no engine")]


def test_what_several_scopes_fail_for_is_said_once_and_what_all_do_without_their_names(store):
    known(store, "web")
    store.say(scan([], after(60), scope="networks"), failed(after(60), scope="volumes"))
    store.say(failed(after(70), scope="images"))

    assert store.rows("SELECT detail FROM sources") == [("images, volumes: no engine",)]
    store.say(failed(after(120)), failed(after(120), scope="networks"))
    assert store.rows("SELECT detail FROM sources") == [("no engine",)]
    store.say(failed(after(180), detail="no socket"))
    assert store.rows("SELECT detail FROM sources") == [("containers: no socket",)]


def test_a_source_that_has_a_gap_from_the_beginning_is_lost_and_recovers(store):
    store.say(observed("web"), scan(["web"], gaps=[DENIED]))
    store.say(scan(["web"], after(60), gaps=[AWAY, DENIED]))
    store.say(failed(after(120)))
    store.say(scan(["web"], after(180), gaps=[DENIED]))

    store.say(scan(["web"], after(240)))

    assert store.log() == ["appeared web", "source_lost nas", "source_recovered nas"]


def test_what_is_hidden_was_observed_when_it_was_last_listed(store):
    known(store, "web", "db")
    store.say(scan(["web", "db"], after(60)))

    store.say(scan(["web"], after(120), gaps=[DENIED]))
    store.say(scan(["web"], after(180), gaps=[AWAY]))

    assert store.rows("SELECT name, observed_at FROM resources ORDER BY name") == [
        ("db", after(60)), ("web", after(180)),
    ]  # fmt: skip
    assert store.rows("SELECT observed_at FROM known_ ORDER BY key") == [(after(60),), (after(180),)]


def test_missed_once_and_hidden_then_is_gone_only_when_it_is_missed_again(store):
    known(store, "web", "db")
    store.say(scan(["web"], after(60)))

    for second in (120, 180, 240):
        store.say(scan(["web"], after(second), gaps=[DENIED]))
        assert store.presences()["db"] == "ineligible"
    store.say(scan(["web"], after(300)))

    assert store.presences()["db"] == "gone"
    assert [line for line in store.log() if "db" in line] == ["appeared db", "suspect db", "gone db"]


def test_missed_once_and_hidden_then_returns_like_anything_that_was_missed(store):
    known(store, "web", "db")
    store.say(scan(["web"], after(60)))
    store.say(scan(["web"], after(120), gaps=[DENIED]))

    store.say(scan(["web", "db"], after(180)))

    assert store.presences()["db"] == "present"
    assert [line for line in store.log() if "db" in line] == ["appeared db", "suspect db", "returned db"]


def test_hidden_and_missing_when_the_gap_is_over_is_missed_for_the_first_time(store):
    known(store, "web", "db")
    store.say(scan(["web"], after(60), gaps=[DENIED]))

    store.say(scan(["web"], after(120)))
    assert store.presences()["db"] == "suspect"
    store.say(scan(["web"], after(180)))

    assert store.presences()["db"] == "gone"


def test_reported_as_removed_is_gone_although_a_gap_would_hide_it(store):
    known(store, "web", "db")
    store.say(scan(["web"], after(60), gaps=[DENIED]))

    store.say(removed("db", after(120)), scan(["web"], after(120), gaps=[DENIED]))

    assert store.presences()["db"] == "gone"
    assert (hidden(store), store.rows("SELECT hidden FROM scopes_")) == ({}, [(0,)])
    assert store.log()[-2:] == ["removed db", "gone db"]


def test_gone_stays_gone_whatever_a_gap_hides(store):
    known(store, "web", "db")
    store.say(removed("db", after(60)), scan(["web"], after(60)))

    applied = store.say(scan(["web"], after(120), gaps=[DENIED, AWAY]))

    assert (store.presences()["db"], applied.keys) == ("gone", set())


def test_what_is_observed_is_present_although_it_was_hidden_in_the_same_batch(store):
    known(store, "web", "db", "cache")
    said = [
        observed("cache", after(30)), observed("db", after(30)), *scan(["web"], after(60), gaps=[DENIED]),
        observed("db", after(90)), removed("cache", after(90)),
    ]  # fmt: skip

    store.say(said)

    assert store.presences() == {"cache": "suspect", "db": "present", "web": "present"}
    assert hidden(store) == {}
    assert store.rows("SELECT status, hidden FROM scopes_") == [("partial", 2)]


def test_an_observation_older_than_the_scan_that_lacks_it_does_not_show_it(store):
    known(store, "web", "db")
    store.say(scan(["web"], after(60), gaps=[DENIED]))

    assert store.say(observed("db", after(30))).counts["late"] == 1
    assert store.presences()["db"] == "ineligible"


def test_a_scan_with_a_gap_that_is_heard_again_moves_nothing(store):
    known(store, "web", "db")
    with_gap, without = scan(["web"], after(60), gaps=[DENIED]), scan(["web", "db"], after(120))
    store.say(with_gap)
    before = store.rows("FROM state_log"), store.rows("FROM inventory_ ORDER BY key"), store.rows("FROM scopes_")

    store.say(with_gap)
    assert before == (
        store.rows("FROM state_log"), store.rows("FROM inventory_ ORDER BY key"), store.rows("FROM scopes_"),
    )  # fmt: skip
    store.say(without)
    store.say(with_gap)
    assert store.presences()["db"] == "present"


def test_what_is_said_again_whole_does_not_show_what_is_hidden(store):
    known(store, "web", "db")
    store.say(scan(["web"], after(60), gaps=[DENIED]))

    applied = store.say(observed("web", after(120)), scan(["web"], after(120), gaps=[DENIED]))

    assert (store.presences()["db"], applied.republish) == ("ineligible", set())


def test_a_store_that_is_made_anew_hears_of_it_by_the_next_scan(store):
    store.say(observed("web"), observed("db"), scan(["web"], after(60), gaps=[DENIED]))

    assert store.presences() == {"db": "ineligible", "web": "present"}


def test_an_outage_hides_what_a_gap_hides_and_gives_it_back_hidden(store):
    known(store, "web", "db")
    store.say(scan(["web"], after(60), gaps=[DENIED]))

    store.say(failed(after(120)))
    assert store.presences() == {"db": "unknown", "web": "unknown"}
    store.say(scan(["web"], after(180), gaps=[DENIED]))

    assert store.presences() == {"db": "ineligible", "web": "present"}


def test_a_scope_with_a_gap_turns_late_like_any_other(store, clock):
    known(store, "web", at=clock.now())
    store.say(scan(["web"], clock.now(), gaps=[DENIED]))

    clock.advance(minutes=4)

    assert store.database.transact(lambda con: scans.mark_late(con, now=clock.now())) == [
        ("docker", "nas", "containers")
    ]


def test_a_gap_and_a_mass_absence_at_once_is_held_and_still_hides(store):
    names = [f"c{number}" for number in range(10)]
    known(store, "web", "db", *names)

    store.say(scan(["web"], after(60), gaps=[AWAY]))

    assert store.presences() == {"db": "unknown", "web": "present"} | dict.fromkeys(names, "present")
    assert store.rows("SELECT status, held_missing, hidden FROM scopes_") == [("held", 10, 1)]


# --- rebuilding from the bus -----------------------------------------------------------------------------------------


def test_our_own_word_of_absence_rebuilds_a_tombstone(store):
    store.say(observed("web"), removed("web", after(60), RemovalReason.ABSENT))

    assert store.presences() == {"web": "gone"}
    assert store.log() == ["appeared web", "gone web"]


def test_our_own_word_coming_back_changes_nothing(store):
    known(store, "web", "db")
    store.say(scan(["web"], after(60)))
    store.say(scan(["web"], after(120)))
    ((payload,),) = store.rows("SELECT payload FROM outbox_")
    before = store.log()

    applied = store.say(Message(subjects.inventory(key("db")), payload.encode(), 99))

    assert (store.log(), applied.keys, applied.counts["late"]) == (before, set(), 0)


# --- sources ---------------------------------------------------------------------------------------------------------


def test_an_outage_is_one_row_and_its_end_another(store):
    known(store, "web")
    store.say(scan([], NOON, scope="volumes"))
    said = [
        failed(after(60)), failed(after(60), scope="volumes"), failed(after(120)), failed(after(180), scope="volumes"),
        scan(["web"], after(240)), scan([], after(300), scope="volumes"),
    ]  # fmt: skip

    for one in said:
        store.say(one)

    assert store.log() == ["appeared web", "source_appeared nas", "source_lost nas", "source_recovered nas"]
    assert store.rows("SELECT cause FROM state_log WHERE op = 'source_lost'") == [("scans: containers: no engine",)]


def test_unknown_is_derived_and_not_written(store):
    known(store, "web", "db")

    applied = store.say(failed(after(60)))

    assert store.presences() == {"db": "unknown", "web": "unknown"}
    assert store.rows("SELECT DISTINCT presence FROM inventory_") == [("present",)]
    assert applied.sources == {"docker/nas"}
    store.say(scan(["web", "db"], after(120)))
    assert store.presences() == {"db": "present", "web": "present"}


def test_denied_is_ineligible(store):
    known(store, "web")

    store.say(failed(after(60), Trouble.UNAUTHORIZED, "needs the group docker"))

    assert store.presences() == {"web": "ineligible"}
    assert store.rows("SELECT status, detail FROM sources") == [("failed", "needs the group docker")]


def test_gone_stays_gone_whatever_the_source(store):
    known(store, "web", "db")
    store.say(removed("db", after(60)), scan(["web"], after(60)))

    store.say(failed(after(120)))

    assert store.presences() == {"db": "gone", "web": "unknown"}


def test_a_failed_scan_moves_nothing_and_the_count_of_missing_goes_on_after_it(store):
    known(store, "web", "db")
    store.say(scan(["web"], after(60)))
    store.say(failed(after(120)))
    store.say(scan(["web"], after(180)))

    assert store.presences()["db"] == "gone"


def test_a_node_that_is_down_makes_what_it_carries_unknown(store):
    node = resource("nas", kind=Kind.NODE, scope="node")
    guest = resource("vm", kind=Kind.VM, parent=node.key)
    store.say(observed(node), observed(guest), scan([node], scope="node"), scan([guest]))

    store.say(observed("nas", after(60), kind=Kind.NODE, scope="node", status="stopped"))

    assert store.presences() == {"nas": "present", "vm": "unknown"}


def test_a_late_source_is_lost_once_and_recovers(store, clock):
    known(store, "web")
    clock.advance(minutes=4)

    def mark(con):
        late = scans.mark_late(con, now=clock.now())
        return late, scans.log_source_changes(con, at=clock.now(), cause="late")

    late, moved = store.database.transact(mark)

    assert late == [("docker", "nas", "containers")]
    assert moved == [("docker", "nas", "late")]
    assert store.presences() == {"web": "unknown"}
    assert store.database.transact(mark) == ([], [])
    store.say(scan(["web"], clock.now()))
    assert store.log()[-2:] == ["source_lost nas", "source_recovered nas"]


@pytest.mark.parametrize(
    ("silent_for", "says"),
    [
        (20, "its agent lives and has not read it for 240 s: does the source answer slowly?"),
        (30, "nothing was heard of its agent for 240 s; is it running?"),
    ],
)
def test_a_late_source_is_told_from_a_dead_agent(store, clock, silent_for, says):
    known(store, "web")
    clock.advance(minutes=4)
    at = clock.now() - timedelta(seconds=silent_for)
    beat = {"provider": "docker", "source": "nas", "paused": False, "agent": "a", "version": "1", "at": at}

    store.database.transact(lambda con: scans.heartbeats(con, [{**beat, "capabilities": []}]))
    store.database.transact(lambda con: scans.mark_late(con, now=clock.now()))

    assert store.rows("SELECT status, detail FROM sources") == [("late", says)]


@pytest.mark.parametrize(("seconds", "late"), [(180, False), (182, True)])
def test_late_is_after_three_intervals(store, clock, seconds, late):
    known(store, "web")

    now = NOON + timedelta(seconds=seconds)
    assert store.database.transact(lambda con: scans.any_late(con, now=now)) is late


# --- what cannot be read ---------------------------------------------------------------------------------------------

INV = subjects.inventory(key("web"))
SCAN = subjects.scan("docker", "nas", "containers")


def _with(event, **changes):
    return json.dumps(json.loads(event.model_dump_json()) | changes).encode()


def _of(event, **changes):
    said = json.loads(event.model_dump_json())
    return json.dumps(said | {"resource": said["resource"] | changes}).encode()


@pytest.mark.parametrize(
    ("subject", "data", "reason"),
    [
        (INV, b"", "Invalid JSON"),
        (INV, b"\x00\xff\xfe garbage", "Invalid JSON"),
        (INV, observed("web").model_dump_json().encode()[:-20], "Invalid JSON"),
        (INV, b"[1, 2]", "message:"),
        (INV, b'{"type": "unheard_of"}', "does not match any"),
        (INV, b'{"type": "observed"}', "Field required"),
        (INV, _of(observed("web"), kind="spaceship"), "kind"),
        (INV, _of(observed("web"), labels={"a": [1]}), "labels"),
        (INV, _of(observed("web"), size={"memory_bytes": -1}), "memory_bytes"),
        (INV, _with(observed("web"), observed_at="yesterday"), "observed_at"),
        (INV, _with(observed("web"), observed_at="2026-11-20T12:00:00"), "timezone"),
        (INV, _with(observed("web"), observed_at="2027-01-01T00:00:00Z"), "in the future"),
        (SCAN, _with(scan([])[0], observed_at="2027-01-01T00:00:00Z"), "in the future"),
        (INV, observed("db").model_dump_json().encode(), "under another key's subject"),
        (INV, observed(resource("web", OTHER)).model_dump_json().encode(), "under another key's subject"),
        (INV, removed("db").model_dump_json().encode(), "under another key's subject"),
        (SCAN, scan([], scope="volumes")[0].model_dump_json().encode(), "under another scope's subject"),
        (SCAN, scan([], source=OTHER)[0].model_dump_json().encode(), "under another scope's subject"),
        (SCAN, _with(scan(["web"])[0], manifest={key("web", OTHER): "0" * 16}), "lists"),
        (SCAN, scan([], gaps=[gap(keys=(key("web", OTHER),))])[0].model_dump_json().encode(), "hides"),
        (SCAN, scan([], gaps=[gap(keys=("web",))])[0].model_dump_json().encode(), "'web' is not"),
        (INV, scan([])[0].model_dump_json().encode(), "not a scan subject"),
        ("homelab.inv.docker", observed("web").model_dump_json().encode(), "not an inventory subject"),
    ],
)
def test_what_cannot_be_read_is_put_aside_with_its_bytes_and_a_reason(store, subject, data, reason):
    applied = store.say(observed("before"), Message(subject, data, 77), observed("after"))

    assert store.log() == ["appeared before", "appeared after"]
    assert applied.counts["quarantined"] == 1
    ((stream, sequence, where, why, size, kept),) = store.rows(
        "SELECT stream, sequence, subject, reason, bytes, payload FROM quarantine"
    )
    assert (stream, sequence, where, size, kept) == ("INVENTORY", 77, subject, len(data), data)
    assert reason in why
    assert len(why) < 1000


def test_of_a_huge_refused_message_only_the_beginning_is_kept(store):
    store.say(Message(INV, b"x" * 5_000_000, 1))

    assert store.rows("SELECT bytes, octet_length(payload) FROM quarantine") == [(5_000_000, 65536)]


def test_a_clock_a_little_ahead_is_forgiven(store):
    store.say(observed("web", after(599)))

    assert store.log() == ["appeared web"]


def test_odd_names_values_and_labels_survive(store):
    odd = resource(
        "web/a?b c", name="wéb'\"; DROP TABLE inventory_; --\n\u0000", labels={"a.b/c=d": "x=y", "": ""},
        spec={"e": {"": [1, {"x": None}]}, "big": 2**53, "neg": -1.5e-9}, addresses=["::1"],
    )  # fmt: skip

    store.say(observed(odd), scan([odd]))

    ((name, labels, spec),) = store.rows("SELECT name, to_json(labels)::VARCHAR, spec::VARCHAR FROM resources")
    assert (name, json.loads(labels), json.loads(spec)) == (odd.name, odd.labels, odd.spec)
    assert store.say(observed(odd, after(60)), scan([odd], after(60))).keys == set()


def test_a_part_that_comes_twice_counts_once(store):
    known(store, "web", "db")
    part, closed = scan(["web", "db"], after(60))
    assert isinstance(part, ScanPart)
    assert isinstance(closed, ScanClosed)

    store.say(part)
    store.say(part, closed)

    assert store.rows("SELECT outcome FROM scans ORDER BY observed_at DESC LIMIT 1") == [("complete",)]
