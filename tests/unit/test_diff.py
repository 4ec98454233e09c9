import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.reconcile import adopt
from daemon.reconcile.actual import Actual
from daemon.reconcile.diff import diff
from schemas.deviations import DeviationType
from schemas.expectations import Expectation, ExpectedField, Owner
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
