"""Folding is pure: a row and an event in, a row and a log entry out."""

from dataclasses import replace

import pytest

from daemon.ingest import fold
from schemas.events import RemovalReason
from schemas.resources import Kind, Status
from tests.support.events import NOON, after, key, observed, removed


def seen(*, at=NOON, **given):
    """The row that one observation makes."""
    return fold.observed(None, observed("web", at, **given), scanned_at=None).row


def test_what_was_never_seen_appears():
    folded = fold.observed(None, observed("web", spec={"image": "nginx:1"}), scanned_at=None)

    assert (folded.entry.op, folded.entry.key, folded.entry.presence) == ("appeared", key("web"), "present")
    assert folded.entry.spec == {"image": "nginx:1"}
    assert (folded.row.first_seen_at, folded.row.observed_at, folded.row.changed_at) == (NOON, NOON, NOON)


def test_the_same_again_writes_nothing():
    assert fold.observed(seen(), observed("web", after(60)), scanned_at=None) == fold.Folded()


@pytest.mark.parametrize(
    ("before", "now", "paths"),
    [
        ({}, {"status": Status.STOPPED, "native_status": "exited"}, ["status", "native_status"]),
        ({"spec": {"image": "a"}}, {"spec": {"image": "b"}}, ["spec.image"]),
        ({"labels": {"a.b": "1"}}, {"labels": {}}, ['labels."a.b"']),
        ({}, {"parent": "docker/nas/stack/shop"}, ["parent"]),
        ({"size": {"cpu_cores": 1}}, {"size": {"cpu_cores": 2}}, ["cpu_cores"]),
        ({"addresses": ("10.0.0.1",)}, {"addresses": ("10.0.0.2",)}, ["addresses"]),
        ({"name": "web"}, {"name": "site"}, ["name"]),
    ],
)
def test_a_change_names_its_paths(before, now, paths):
    folded = fold.observed(seen(**before), observed("web", after(60), **now), scanned_at=None)

    assert (folded.entry.op, folded.entry.changed) == ("changed", paths)
    assert (folded.row.first_seen_at, folded.row.changed_at) == (NOON, after(60))


def test_a_mere_fact_that_no_path_tells_is_stored_without_a_log_entry():
    row = seen()

    folded = fold.observed(row, observed("web", after(60), created_at=NOON), scanned_at=None)

    assert folded.entry is None
    assert (folded.row.created_at, folded.row.changed_at) == (NOON, NOON)


def test_another_incarnation_is_replaced_and_keeps_its_first_sight():
    folded = fold.observed(seen(incarnation="c1"), observed("web", after(60), incarnation="c2"), scanned_at=None)

    assert folded.entry.op == "replaced"
    assert "incarnation" in folded.entry.changed
    assert folded.row.first_seen_at == NOON


@pytest.mark.parametrize(("before", "now"), [("", "c1"), ("c1", "")])
def test_an_incarnation_that_was_not_known_is_not_another_one(before, now):
    folded = fold.observed(seen(incarnation=before), observed("web", after(60), incarnation=now), scanned_at=None)

    assert (folded.entry.op, folded.entry.changed) == ("changed", ["incarnation"])


@pytest.mark.parametrize("presence", ["suspect", "gone"])
def test_what_was_missing_returns(presence):
    row = replace(seen(), presence=presence, changed_at=after(30))

    folded = fold.observed(row, observed("web", after(60)), scanned_at=after(30))

    assert (folded.entry.op, folded.entry.changed, folded.row.presence) == ("returned", ["presence"], "present")


@pytest.mark.parametrize(
    ("before", "now", "op", "changed_at"),
    [
        ({}, {}, None, NOON),
        ({}, {"status": Status.STOPPED}, "changed", after(60)),
        ({"presence": "suspect"}, {}, "returned", after(60)),
    ],
)
def test_what_a_gap_hid_and_is_observed_is_present_and_only_its_change_is_told(before, now, op, changed_at):
    row = replace(seen(), hidden="ineligible", **before)

    folded = fold.observed(row, observed("web", after(60), **now), scanned_at=after(60))

    assert (folded.row.hidden, folded.row.presence) == ("", "present")
    assert (folded.row.observed_at, folded.row.changed_at) == (after(60), changed_at)
    assert (folded.entry.op if folded.entry else None) == op


@pytest.mark.parametrize(("reason", "presence"), [(RemovalReason.REPORTED, "suspect"), (RemovalReason.ABSENT, "gone")])
def test_what_a_gap_hides_and_is_said_to_be_removed_is_hidden_no_more(reason, presence):
    row = replace(seen(), hidden="unknown")

    folded = fold.removed(row, removed("web", after(60), reason), scanned_at=NOON)

    assert (folded.row.presence, folded.row.hidden) == (presence, "")


def test_an_observation_older_than_the_stored_one_is_late():
    assert fold.observed(seen(at=after(60)), observed("web", NOON), scanned_at=None) == fold.Folded(late=True)


def test_an_observation_older_than_the_last_complete_scan_is_late_even_of_something_new():
    assert fold.observed(None, observed("web", NOON), scanned_at=after(1)) == fold.Folded(late=True)
    assert not fold.observed(None, observed("web", NOON), scanned_at=NOON).late


@pytest.mark.parametrize("presence", ["suspect", "gone"])
def test_an_observation_older_than_the_absence_does_not_bring_it_back(presence):
    row = replace(seen(), presence=presence, changed_at=after(60))

    assert fold.observed(row, observed("web", after(30)), scanned_at=None).late


def test_reported_as_removed_is_suspect_until_a_scan_agrees():
    folded = fold.removed(seen(), removed("web", after(60)), scanned_at=NOON)

    assert (folded.entry.op, folded.row.presence, folded.row.reported) == ("removed", "suspect", True)


def test_reported_twice_is_said_once():
    once = fold.removed(seen(), removed("web", after(60)), scanned_at=None).row

    assert fold.removed(once, removed("web", after(61)), scanned_at=None) == fold.Folded()


def test_a_removal_of_what_nobody_knows_or_has_says_nothing():
    assert fold.removed(None, removed("web"), scanned_at=None) == fold.Folded()
    gone = replace(seen(), presence="gone")
    assert fold.removed(gone, removed("web", after(60)), scanned_at=None) == fold.Folded()


def test_a_removal_older_than_the_last_sight_is_late():
    assert fold.removed(seen(at=after(60)), removed("web"), scanned_at=None).late
    assert fold.removed(seen(), removed("web"), scanned_at=after(60)).late


def test_our_own_word_of_absence_is_final_when_it_comes_back_to_an_empty_store():
    folded = fold.removed(seen(), removed("web", after(60), RemovalReason.ABSENT), scanned_at=after(120))

    assert (folded.entry.op, folded.row.presence) == ("gone", "gone")


def test_our_own_word_does_not_count_when_it_was_seen_since():
    folded = fold.removed(seen(at=after(90)), removed("web", after(60), RemovalReason.ABSENT), scanned_at=None)

    assert folded == fold.Folded()


def test_kinds_and_statuses_are_plain_text_in_a_row():
    row = seen(kind=Kind.CONTAINER)

    assert type(row.kind) is type(row.status) is type(row.presence) is str
