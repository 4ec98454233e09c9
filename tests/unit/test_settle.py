from daemon.reconcile.settle import Circumstances, settle
from schemas.deviations import DeviationType, Difference, Severity, Transition
from schemas.expectations import Expectation
from tests.support.events import NOON, after, key

WEB, DB = key("web"), key("db")


def difference(of=WEB, kind=DeviationType.CHANGED, path="spec.image", **given):
    values = {"expected": "a", "actual": "b", "severity": Severity.MEDIUM} | given
    return Difference(key=of, type=kind, path=path, **values)


def settled(found, still_open=(), *, judged=frozenset({WEB, DB}), expected=None, evidence=None, now=NOON, **around):
    expectations = {WEB: Expectation(key=WEB, since=NOON)} if expected is None else expected
    return settle(
        found, still_open, judged=judged, expected=expectations, evidence=evidence or {}, now=now,
        around=Circumstances(**around),
    )  # fmt: skip


def opened(*found, now=NOON):
    return [deviation for _, deviation in settled(found, now=now).transitions]


def told(outcome):
    return [(transition, deviation.type, deviation.path) for transition, deviation in outcome.transitions]


def test_a_new_difference_opens_with_its_evidence():
    outcome = settled([difference()], evidence={WEB: {"scan": "s1", "presence": "present"}})

    ((transition, deviation),) = outcome.transitions
    assert (transition, deviation.first_scan, deviation.scans_seen) == (Transition.OPENED, "s1", 1)
    assert (deviation.detected_at, deviation.last_seen_at, deviation.resolved_at) == (NOON, NOON, None)
    assert deviation.evidence == {"scan": "s1", "presence": "present"}


def test_seen_again_is_no_news():
    (deviation,) = opened(difference())

    outcome = settled([difference()], [deviation], now=after(60))

    assert outcome.transitions == ()
    assert [(one.id, one.scans_seen, one.last_seen_at) for one in outcome.seen_again] == [(deviation.id, 2, after(60))]


def test_another_value_or_severity_changes_it_and_keeps_its_identity():
    (deviation,) = opened(difference())

    ((transition, changed),) = settled([difference(actual="c", severity=Severity.HIGH)], [deviation]).transitions

    assert (transition, changed.id, changed.actual, changed.severity) == (
        Transition.CHANGED, deviation.id, "c", Severity.HIGH,
    )  # fmt: skip


def test_no_longer_found_is_resolved_by_itself():
    (deviation,) = opened(difference(), now=after(1))

    ((transition, resolved),) = settled([], [deviation], now=after(60)).transitions

    assert (transition, resolved.resolved_at, resolved.resolved_by) == (Transition.RESOLVED, after(60), "self")


def test_what_could_not_be_judged_keeps_what_it_has():
    (deviation,) = opened(difference())

    assert settled([], [deviation], judged={DB}).transitions == ()


def test_a_status_in_between_neither_resolves_nor_confirms():
    stopped, image = opened(difference(kind=DeviationType.STOPPED, path="status"), difference())

    outcome = settled([], [stopped, image], unsettled={WEB})

    assert told(outcome) == [(Transition.RESOLVED, DeviationType.CHANGED, "spec.image")]


def test_what_went_missing_resolves_its_fields_as_gone():
    (deviation,) = opened(difference())

    outcome = settled([difference(kind=DeviationType.MISSING, path="")], [deviation], gone={WEB})

    assert [(t, d.type, d.resolved_by) for t, d in outcome.transitions] == [
        (Transition.RESOLVED, DeviationType.CHANGED, "gone"),
        (Transition.OPENED, DeviationType.MISSING, None),
    ]


def test_a_new_expectation_resolves_as_expected_changed():
    (deviation,) = opened(difference())

    ((_, resolved),) = settled([], [deviation], changed={WEB}).transitions
    assert resolved.resolved_by == "expected_changed"
    ((_, resolved),) = settled([], [deviation], expected={}).transitions
    assert resolved.resolved_by == "expected_changed"


def test_unmanaged_ends_by_adoption_or_with_the_thing():
    (deviation,) = opened(difference(kind=DeviationType.UNMANAGED, path=""))

    assert settled([], [deviation]).transitions[0][1].resolved_by == "operator"
    assert settled([], [deviation], expected={}, gone={WEB}).transitions[0][1].resolved_by == "gone"
    assert settled([], [deviation], expected={}).transitions[0][1].resolved_by == "expected_changed"


def test_a_cycle_says_itself_in_one_sentence():
    (deviation,) = opened(difference())

    assert str(settled([difference(DB)], [deviation])) == "opened 1, changed 0, resolved 1, reopened 0"
