from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.reconcile import adopt
from daemon.reconcile.actual import Actual
from daemon.reconcile.diff import BACKUP, diff, unsettled
from schemas.deviations import DeviationType
from schemas.expectations import Expectation, ExpectedField, ExpectedPresence, Owner
from schemas.manifests import SeverityRule
from schemas.resources import Presence
from tests.support.events import NOON, key

WEB = key("web")


def actual(presence=Presence.PRESENT, **fields):
    return Actual(WEB, presence, {"name": "web", "status": "running", "labels": {}, "spec": {}} | fields)


def expected(*, ignore=(), **fields):
    owned = {name: ExpectedField(value=value, owner=Owner.ADOPTED) for name, value in fields.items()}
    return Expectation(key=WEB, fields=owned, ignore=ignore, since=NOON)


def found(want, have, **more):
    differences = diff(want, have, now=NOON, **more)
    return None if differences is None else [(d.type.value, d.path, d.expected, d.actual) for d in differences]


def test_as_expected_is_silent():
    assert found(expected(name="web", status="running", spec={"image": "a"}), actual(spec={"image": "a"})) == []


def test_gone_is_missing():
    assert found(expected(name="web"), actual(Presence.GONE)) == [("missing", "", "present", "gone")]


def test_gone_and_not_expected_is_nothing():
    assert found(None, actual(Presence.GONE), unmanaged=True) == []


@pytest.mark.parametrize("presence", [Presence.SUSPECT, Presence.UNKNOWN, Presence.INELIGIBLE])
def test_what_is_not_known_is_not_judged(presence):
    assert found(expected(status="running"), actual(presence, status="stopped")) is None
    assert found(None, actual(presence), unmanaged=True) is None


def test_unmanaged_is_told_only_where_somebody_asked_for_it():
    assert found(None, actual(), unmanaged=False) == []
    assert found(None, actual(), unmanaged=True) == [("unmanaged", "", None, "present")]


@pytest.mark.parametrize("status", ["stopped", "failed", "paused"])
def test_expected_to_run_and_does_not_is_stopped(status):
    assert found(expected(status="running"), actual(status=status)) == [("stopped", "status", "running", status)]


def test_expected_to_be_stopped_and_runs_is_changed():
    assert found(expected(status="stopped"), actual()) == [("changed", "status", "stopped", "running")]


@pytest.mark.parametrize("status", ["pending", "unknown"])
def test_a_status_between_two_says_nothing_but_the_rest_is_judged(status):
    have = actual(status=status, spec={"image": "b"})

    assert found(expected(status="running", spec={"image": "a"}), have) == [("changed", "spec.image", "a", "b")]


def test_each_field_differs_by_itself():
    want = expected(spec={"image": "a", "env": {"A": "1", "B": "2"}}, labels={"x.y": "1"})
    have = actual(spec={"image": "b", "env": {"A": "1"}}, labels={"x.y": "2"})

    assert found(want, have) == [
        ("changed", "spec.env.B", "2", None),
        ("changed", "spec.image", "a", "b"),
        ("changed", 'labels."x.y"', "1", "2"),
    ]


def test_a_value_that_became_a_mapping_is_shown_whole():
    assert found(expected(spec={"limit": 1}), actual(spec={"limit": {"cpu": 1}})) == [
        ("changed", "spec.limit", 1, {"cpu": 1})
    ]


def test_what_nobody_expects_of_it_cannot_drift():
    assert found(expected(status="running"), actual(spec={"image": "anything"}, labels={"a": "b"})) == []


def test_ignored_paths_and_what_is_below_them_do_not_count():
    want = expected(spec={"env": {"A": "1"}, "environment": "x"}, status="running", ignore=("spec.env", "status"))

    assert found(want, actual(spec={"env": {"A": "2"}, "environment": "y"}, status="stopped")) == [
        ("changed", "spec.environment", "x", "y")
    ]


specs = st.dictionaries(
    st.text(max_size=3), st.none() | st.integers() | st.lists(st.text(max_size=2)) | st.just({}), max_size=4
)


def adopted(have):
    return Expectation(key=have.key, fields=adopt.adopted(have, None, now=NOON).fields, since=NOON)


@given(spec=specs, status=st.sampled_from(["running", "stopped", "paused", "pending", "failed", "unknown"]))
def test_what_is_adopted_does_not_deviate(spec, status):
    have = actual(spec=spec, status=status)

    assert diff(adopted(have), have, now=NOON, unmanaged=True) == []


@pytest.mark.parametrize("status", ["pending", "failed", "unknown"])
def test_a_status_that_does_not_last_is_not_adopted(status):
    assert "status" not in adopt.fields(actual(status=status))


def test_adopting_again_keeps_a_status_that_may_still_be_reached():
    before = adopt.adopted(actual(status="running"), None, now=NOON)

    assert adopt.adopted(actual(status="pending"), before, now=NOON).fields["status"].value == "running"
    assert adopt.adopted(actual(status="stopped"), before, now=NOON).fields["status"].value == "stopped"


@pytest.mark.parametrize(
    ("presence", "refused"),
    [(Presence.PRESENT, ""), (Presence.GONE, "gone"), (Presence.SUSPECT, "may be gone"), (Presence.UNKNOWN, "unknown")],
)
def test_only_what_is_seen_now_can_be_adopted(presence, refused):
    reason = adopt.refusal(actual(presence))

    assert bool(reason) == bool(refused)
    assert refused in reason


def test_types_are_those_of_the_glossary():
    (difference,) = diff(expected(status="running"), actual(status="stopped"), now=NOON)

    assert difference.identity == (WEB, DeviationType.STOPPED, "status")


# --- presence, circumstances, severities -----------------------------------------------------------------------------


def test_what_must_not_be_there_is_unmanaged_and_worse_than_what_nobody_knows():
    absent = expected().model_copy(update={"presence": ExpectedPresence.ABSENT})

    (difference,) = diff(absent, actual(), now=NOON)
    assert (difference.type, difference.expected, difference.severity) == ("unmanaged", "absent", "medium")
    assert found(absent, actual(Presence.GONE)) == []


def test_who_ignores_presence_is_not_told_of_it():
    assert found(expected(ignore=("presence",)), actual(Presence.GONE)) == []


def test_expected_offline_is_neither_missing_nor_stopped_but_its_fields_count():
    want = expected(status="running", spec={"image": "a"})

    assert found(want, actual(Presence.GONE), offline=True) == []
    assert found(want, actual(status="stopped", spec={"image": "b"}), offline=True) == [
        ("changed", "spec.image", "a", "b")
    ]


def test_another_parent_is_moved_and_another_incarnation_is_replaced():
    want = expected(parent="docker/nas/stack/a", incarnation="1")

    assert found(want, actual(parent="docker/nas/stack/b", incarnation="2")) == [
        ("moved", "parent", "docker/nas/stack/a", "docker/nas/stack/b"), ("replaced", "incarnation", "1", "2"),
    ]  # fmt: skip


def test_a_nearer_word_is_judged_in_place_of_the_wider_one():
    want = expected(spec={"image": "a", "restart": "no"}, **{"spec.image": "b"})

    assert found(want, actual(spec={"image": "b", "restart": "no"})) == []
    assert found(want, actual(spec={"image": "a", "restart": "x"})) == [
        ("changed", "spec.restart", "no", "x"), ("changed", "spec.image", "b", "a"),
    ]  # fmt: skip


def test_what_a_provider_computes_is_no_drift_unless_somebody_said_it():
    have = actual(labels={"com.docker.compose.config-hash": "2", "tier": "front"})

    assert found(expected(labels={"tier": "front"}), have) == []
    path = 'labels."com.docker.compose.config-hash"'
    assert found(expected(**{path: "1"}), have) == [("changed", path, "1", "2")]


def test_a_backup_that_is_too_old_is_stale_and_one_that_is_not_known_is_not():
    want = expected().model_copy(update={"max_backup_age_seconds": 3600.0})

    def backed_up(at):
        return found(want, actual(native={"newest_backup_at": at}))

    assert backed_up("2026-11-20T10:59:59+00:00") == [
        ("stale_backup", "native.newest_backup_at", 3600.0, "2026-11-20T10:59:59+00:00")
    ]
    assert backed_up("2026-11-20T11:00:01Z") == []
    assert backed_up(None) == [("stale_backup", "native.newest_backup_at", 3600.0, None)]
    assert [backed_up(at) for at in ("yesterday", "2026-11-20T01:00:00", 5)] == [[], [], []]
    assert found(want, actual(native={})) == []


def test_what_cannot_be_said_now_is_named():
    want = expected(status="running", health="ok").model_copy(update={"max_backup_age_seconds": 3600.0})
    have = actual(status="pending", health="unknown", native={})

    def said(wanted, seen):
        return list(unsettled(wanted, seen, NOON))

    assert said(want, have) == ["status", "health", "native.newest_backup_at"]
    assert said(None, have) == said(expected(name="web"), have) == ["status"]
    assert said(want, actual(native={"newest_backup_at": "yesterday"})) == ["native.newest_backup_at"]
    assert said(want, actual(native={"newest_backup_at": None})) == []


def test_a_backup_is_not_stale_where_a_newer_one_may_be_and_nobody_could_look():
    want = expected().model_copy(update={"max_backup_age_seconds": 3600.0})
    stale = [("stale_backup", "native.newest_backup_at")]

    def judged(at, **more):
        have = replace(actual(native={"newest_backup_at": at}), **more)
        return [(kind, path) for kind, path, *_ in found(want, have)], list(unsettled(want, have, NOON))

    old, new = "2026-11-20T10:00:00Z", "2026-11-20T11:30:00Z"
    assert judged(old) == judged(None) == (stale, [])
    assert judged(old, has_unread_backups=True) == judged(None, has_unread_backups=True) == ([], [BACKUP])
    assert judged(new, has_unread_backups=True) == ([], [])


def test_a_backup_that_was_just_found_counts_before_its_guest_says_so():
    want = expected().model_copy(update={"max_backup_age_seconds": 3600.0})

    def judged(at, minutes_ago, **native):
        have = replace(actual(native=native), backed_up_at=NOON - timedelta(minutes=minutes_ago))
        return len(found(want, have)), list(unsettled(want, have, NOON))

    assert judged(None, 30) == judged(None, 30, newest_backup_at="2026-11-20T01:00:00Z") == (0, [])
    assert judged(None, 30, newest_backup_at=None) == (0, [])
    assert judged(None, 90) == (0, [BACKUP])
    assert judged(None, 90, newest_backup_at=None) == (1, [])


def test_a_guest_that_the_provider_may_move_has_not_moved_unless_somebody_said_where_it_belongs():
    guest = "proxmox/lab/vm/100"
    here, there = ({"parent": f"proxmox/lab/node/{name}"} for name in ("pve1", "pve2"))

    def told(wish, owner):
        have = Actual(guest, Presence.PRESENT, {"spec": {"ha": wish}} | there)
        want = Expectation(key=guest, fields={"parent": ExpectedField(value=here["parent"], owner=owner)}, since=NOON)
        return [one.type.value for one in diff(want, have, now=NOON)]

    assert told(None, Owner.ADOPTED) == told(None, Owner.DECLARED) == told("started", Owner.DECLARED) == ["moved"]
    assert told("started", Owner.ADOPTED) == []
    have = {"spec": {"ha": "started"}} | here
    assert "parent" not in adopt.fields(Actual(guest, Presence.PRESENT, have))
    assert "parent" in adopt.fields(Actual(guest, Presence.PRESENT, have | {"spec": {"ha": None}}))


def test_what_only_one_side_has_is_one_deviation():
    disk = {"size": 8, "storage": "nfs", "options": {"ssd": "1"}}
    none, one = {"disks": {}}, {"disks": {"scsi1": disk}}

    assert found(expected(spec=none), actual(spec=one)) == [("changed", "spec.disks.scsi1", None, disk)]
    assert found(expected(spec=one), actual(spec=none)) == [("changed", "spec.disks.scsi1", disk, None)]
    other = {"disks": {"scsi1": disk | {"size": 9}}}
    assert found(expected(spec=one), actual(spec=other)) == [("changed", "spec.disks.scsi1.size", 8, 9)]
    assert found(expected(spec={"a": None}), actual(spec={"a": {}})) == []
    assert found(expected(spec={}), actual(spec={"env": {"A": "1"}})) == [("changed", "spec.env.A", None, "1")]


def test_where_some_of_it_does_not_count_the_rest_is_told_by_itself():
    disk = {"size": 8, "storage": "nfs"}
    have = actual(spec={"disks": {"scsi1": disk}})

    assert found(expected(spec={}, ignore=("spec.disks.*.size",)), have) == [
        ("changed", "spec.disks.scsi1.storage", None, "nfs")
    ]
    assert found(expected(**{"spec": {}, "spec.disks.scsi1.size": 8}), have) == [
        ("changed", "spec.disks.scsi1.storage", None, "nfs")
    ]


def test_an_orphan_and_a_duplicate_are_told_where_something_is_expected():
    have = replace(actual(parent="docker/nas/stack/a"), is_orphan=True, twins=("docker/b/container/web",))

    assert found(expected(name="web"), have) == [
        ("duplicate", "incarnation", None, ["docker/b/container/web"]),
        ("orphaned", "parent", "docker/nas/stack/a", "gone"),
    ]
    assert found(None, have) == []


def test_an_unknown_health_says_nothing():
    assert found(expected(health="ok"), actual(health="unknown")) == []
    assert found(expected(health="ok"), actual(health="failing")) == [("changed", "health", "ok", "failing")]


def test_the_first_rule_that_fits_says_how_bad_it_is():
    rules = [SeverityRule(path="spec.im*", severity="low"), SeverityRule(type="changed", severity="critical")]

    made = diff(expected(spec={"image": "a", "x": 1}), actual(spec={"image": "b", "x": 2}), now=NOON, rules=rules)

    assert [(one.path, str(one.severity)) for one in made] == [("spec.image", "low"), ("spec.x", "critical")]


@given(spec=specs, data=st.data())
def test_equal_states_do_not_differ_whatever_the_order(spec, data):
    turned = dict(data.draw(st.permutations(list(spec.items()))))

    assert found(expected(spec=spec), actual(spec=turned)) == []


@given(values=st.lists(st.sampled_from(["80:80", "81:81", "82:82"]), max_size=4), data=st.data())
def test_the_order_of_a_sorted_list_is_no_difference(values, data):
    turned = data.draw(st.permutations(values))

    assert found(expected(**{"spec.ports": values}), actual(spec={"ports": turned})) == []
    assert found(expected(spec={"ports": values}), actual(spec={"ports": turned})) == []
