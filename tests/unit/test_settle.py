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

    outcome = settled([], [stopped, image], unsettled={(WEB, "status")})

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


# --- quiet, and again ------------------------------------------------------------------------------------------------

SHOP = "docker/nas/stack/shop"
STOPPED = difference(kind=DeviationType.STOPPED, path="status", expected="running", actual="stopped")


def quietly(outcome):
    return [(transition, deviation.quiet) for transition, deviation in outcome.quietly]


def resolved(deviation, at=60, by="self"):
    return deviation.model_copy(update={"resolved_at": after(at), "resolved_by": by})


def test_what_is_quiet_is_recorded_and_not_told():
    outcome = settled([difference()], quiet={WEB: "maintenance: disk"})

    assert (outcome.transitions, quietly(outcome)) == ((), [(Transition.OPENED, "maintenance: disk")])
    ((_, deviation),) = outcome.quietly
    assert deviation.announced_at is None

    outcome = settled([difference(actual="c")], [deviation], quiet={WEB: "maintenance: disk"})
    assert (told(outcome), quietly(outcome)) == ([], [(Transition.CHANGED, "maintenance: disk")])

    assert quietly(settled([], [deviation])) == [(Transition.RESOLVED, "maintenance: disk")]


def test_what_stops_being_quiet_and_is_still_there_is_told_as_opened():
    ((_, deviation),) = settled([difference()], quiet={WEB: "maintenance"}).quietly

    ((transition, loud),) = settled([difference()], [deviation], now=after(60)).transitions

    assert (transition, loud.id, loud.quiet, loud.announced_at) == (Transition.OPENED, deviation.id, "", after(60))


def test_what_was_told_is_also_told_when_it_ends_quietly():
    (deviation,) = opened(difference())

    outcome = settled([difference()], [deviation], quiet={WEB: "maintenance"})
    assert [one.quiet for one in outcome.recorded] == ["maintenance"]
    assert told(settled([], outcome.recorded, quiet={WEB: "maintenance"})) == [
        (Transition.RESOLVED, DeviationType.CHANGED, "spec.image")
    ]


def test_a_mute_ends_at_its_time():
    (deviation,) = opened(difference())
    muted = deviation.model_copy(update={"muted_until": after(60), "note": "vendor"})

    (silent,) = settled([difference()], [muted], now=after(59)).recorded
    assert silent.quiet == "muted until 2026-11-20 12:01 UTC: vendor"
    assert [what for what, _ in settled([difference()], [silent], now=after(60)).transitions] == [Transition.OPENED]


def test_of_what_cannot_be_judged_nothing_is_told_when_its_quiet_ends():
    ((_, deviation),) = settled([difference()], quiet={WEB: "maintenance"}).quietly

    outcome = settled([], [deviation], judged={DB})

    assert (outcome.transitions, outcome.quietly, outcome.recorded, outcome.seen_again) == ((), (), (), ())


def test_back_within_ten_minutes_is_the_same_problem():
    (deviation,) = opened(difference())
    known = deviation.model_copy(update={"acknowledged_by": "jo"})

    ((transition, again),) = settled([difference()], recent=[resolved(known)], now=after(600)).transitions

    assert (transition, again.id, again.reopened, again.acknowledged_by) == (
        Transition.REOPENED, deviation.id, 1, "jo",
    )  # fmt: skip
    assert (again.resolved_at, again.resolved_by, again.detected_at) == (None, None, NOON)


def test_later_or_after_another_word_it_is_another_problem():
    (deviation,) = opened(difference())

    def transition(recent, now=600, **given):
        ((what, _),) = settled([difference(**given)], recent=[recent], now=after(now)).transitions
        return what

    assert transition(resolved(deviation), now=661) is Transition.OPENED
    assert transition(resolved(deviation, by="expected_changed")) is Transition.OPENED
    assert transition(resolved(deviation, by="operator")) is Transition.OPENED
    assert transition(resolved(deviation), expected="other") is Transition.OPENED


def test_consequences_are_listed_under_their_cause_and_not_told():
    cause = STOPPED.model_copy(update={"key": SHOP})

    outcome = settled([cause, STOPPED], judged={SHOP, WEB}, parents={WEB: SHOP})

    ((_, root),) = outcome.transitions
    ((_, consequence),) = outcome.quietly
    assert (root.key, root.evidence["dependants"]) == (SHOP, [WEB])
    assert (consequence.root_cause, consequence.quiet) == (root.id, "consequence of stopped shop")

    outcome = settled([STOPPED], [root, consequence], judged={SHOP, WEB}, parents={WEB: SHOP}, now=after(60))
    assert [(what, one.key, one.root_cause) for what, one in outcome.transitions] == [
        (Transition.RESOLVED, SHOP, None), (Transition.OPENED, WEB, None),
    ]  # fmt: skip


def test_dependants_without_news_stay_listed():
    (root,) = opened(STOPPED.model_copy(update={"key": SHOP}))
    root = root.model_copy(update={"evidence": {"dependants": [DB, "docker/nas/container/old"]}})

    outcome = settled([STOPPED], [root], judged={WEB}, parents={WEB: SHOP}, looked_at={WEB, "docker/nas/container/old"})

    assert [one.evidence["dependants"] for one in outcome.recorded] == [[DB, WEB]]


def test_what_an_operator_said_resolves():
    (deviation,) = opened(difference())

    assert settled([], [deviation], by_operator={WEB}).transitions[0][1].resolved_by == "operator"
