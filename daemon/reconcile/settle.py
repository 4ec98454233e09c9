"""What one cycle's findings do to the deviations that are open.  Pure.

A key that could not be judged keeps what it has: no news is no news.  What is quiet (muted, under maintenance, a
consequence) is recorded and not told; when it stops being quiet and is still there, it is told as opened.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import JsonValue

from daemon.reconcile import roots
from schemas.deviations import Deviation, DeviationType, Difference, Transition
from schemas.events import new_id
from schemas.expectations import Expectation

FLAP = timedelta(minutes=10)
"""What comes back within this time is the same problem again."""
_ACTIONS = {DeviationType.MISSING: "create", DeviationType.STOPPED: "start", DeviationType.CHANGED: "update"}
_OF_SOURCES = frozenset({DeviationType.MASS_ABSENCE, DeviationType.UNREACHABLE})
_CAME_BACK = frozenset({"self", "gone"})
Evidence = Mapping[str, JsonValue]
Steps = tuple[tuple[Transition, Deviation], ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """``transitions`` are told; ``quietly`` happened and are not; ``recorded`` have news that nobody is told."""

    transitions: Steps = ()
    seen_again: tuple[Deviation, ...] = field(default=())
    """Nothing about them changed but when they were last seen."""
    quietly: Steps = ()
    recorded: tuple[Deviation, ...] = ()

    def __str__(self) -> str:
        counts = {kind: sum(kind is one for one, _ in self.transitions) for kind in Transition}
        told = ", ".join(f"{kind} {count}" for kind, count in counts.items())
        return f"{told}, quietly {len(self.quietly)}" if self.quietly else told

    @property
    def changed(self) -> list[Deviation]:
        """What is to be written."""
        return [*(one for _, one in (*self.transitions, *self.quietly)), *self.recorded]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What settling has to know of the keys besides what was found.

    ``recent``: resolved within ``FLAP``.  ``unsettled``: (key, path) of which nothing can be said now.
    ``quiet``: key -> why its deviations are not told.  ``parents``: key -> parent.  ``dependants``: key of a cause ->
    what depends on it and cannot be judged.  ``by_operator``: keys of which an operator said that nothing, or being
    off, is right.  ``looked_at``: of these keys there is news, others depend on what they depended on.
    ``changed``: other things are expected of them than before.  ``gone``: they are not there.
    """

    recent: Sequence[Deviation] = ()
    unsettled: AbstractSet[tuple[str, str]] = frozenset()
    quiet: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    dependants: Mapping[str, Sequence[str]] = field(default_factory=dict)
    by_operator: AbstractSet[str] = frozenset()
    looked_at: AbstractSet[str] = frozenset()
    changed: AbstractSet[str] = frozenset()
    gone: AbstractSet[str] = frozenset()


NONE = Circumstances()


@dataclass(slots=True)
class _Step:
    """One deviation before and after the cycle; ``what`` is None where nothing but the time is new."""

    before: Deviation | None
    after: Deviation
    what: Transition | None = None
    is_judged: bool = True


def settle(
    found: Sequence[Difference],
    still_open: Iterable[Deviation],
    *,
    judged: AbstractSet[str],
    expected: Mapping[str, Expectation],
    evidence: Mapping[str, Evidence],
    now: datetime,
    around: Circumstances = NONE,
) -> Settled:
    """Compare ``found`` with what is open of the keys in ``judged``; others only lose or gain their quiet."""
    steps = _steps(found, still_open, judged, expected, evidence, now, around)
    _explain(steps, around, now)
    return _sorted_out(steps, now)


def muted(deviation: Deviation, now: datetime) -> str:
    """Why a muted deviation is quiet; empty when it is not, or not any more."""
    if deviation.muted_until is None or deviation.muted_until <= now:
        return ""
    until = f"{deviation.muted_until:%Y-%m-%d %H:%M} UTC"
    return f"muted until {until}: {deviation.note}" if deviation.note else f"muted until {until}"


def _steps(  # noqa: PLR0917 - what `settle` was given
    found: Sequence[Difference],
    still_open: Iterable[Deviation],
    judged: AbstractSet[str],
    expected: Mapping[str, Expectation],
    evidence: Mapping[str, Evidence],
    now: datetime,
    around: Circumstances,
) -> list[_Step]:
    now_found = {difference.identity: difference for difference in found}
    steps: list[_Step] = []
    for deviation in still_open:
        difference = now_found.pop(deviation.identity, None) if deviation.key in judged else None
        between = (deviation.key, deviation.path) in around.unsettled
        if difference is not None:
            steps.append(_seen_again(deviation, difference, evidence.get(deviation.key, {}), now))
        elif deviation.key not in judged or between:
            steps.append(_Step(deviation, deviation, is_judged=False))
        else:
            by = _resolver(deviation, expected.get(deviation.key), around)
            update = {"resolved_at": now, "resolved_by": by}
            steps.append(_Step(deviation, deviation.model_copy(update=update), Transition.RESOLVED))
    recent = {one.identity: one for one in around.recent if _may_return(one, now)}
    for difference in now_found.values():
        before = recent.get(difference.identity)
        if before is not None and before.expected != difference.expected:
            before = None  # other things are expected: another problem
        proof = evidence.get(difference.key, {})
        after = _reopened(before, difference, proof, now) if before else _opened(difference, proof, now)
        steps.append(_Step(None, after, Transition.REOPENED if before else Transition.OPENED))
    return steps


def _seen_again(deviation: Deviation, difference: Difference, evidence: Evidence, now: datetime) -> _Step:
    seen: dict[str, object] = {"last_seen_at": now, "scans_seen": deviation.scans_seen + 1}
    news = {
        name: getattr(difference, name)
        for name in ("expected", "actual", "severity")
        if getattr(difference, name) != getattr(deviation, name)
    }
    if not news:
        return _Step(deviation, deviation.model_copy(update=seen))
    proof = {**deviation.evidence, **evidence}
    return _Step(deviation, deviation.model_copy(update=seen | news | {"evidence": proof}), Transition.CHANGED)


def _resolver(deviation: Deviation, expected: Expectation | None, around: Circumstances) -> str:
    key = deviation.key
    if deviation.type in _OF_SOURCES:
        return "operator" if key in around.by_operator else "self"
    if key in around.gone and deviation.type is not DeviationType.MISSING:
        return "gone"
    if key in around.by_operator or (deviation.type is DeviationType.UNMANAGED and expected):
        return "operator"
    return "self" if expected is not None and key not in around.changed else "expected_changed"


def _may_return(deviation: Deviation, now: datetime) -> bool:
    """Whether the same again now would be the same problem."""
    at = deviation.resolved_at
    return at is not None and now - at <= FLAP and deviation.resolved_by in _CAME_BACK


def _opened(difference: Difference, evidence: Evidence, now: datetime) -> Deviation:
    scan = evidence.get("scan")
    return Deviation(
        **difference.model_dump(), id=new_id(), corrective_action=_ACTIONS.get(difference.type), detected_at=now,
        first_scan=scan if isinstance(scan, str) else None, last_seen_at=now, evidence=dict(evidence),
    )  # fmt: skip


def _reopened(before: Deviation, difference: Difference, evidence: Evidence, now: datetime) -> Deviation:
    news = {
        "expected": difference.expected, "actual": difference.actual, "severity": difference.severity,
        "last_seen_at": now, "scans_seen": before.scans_seen + 1, "resolved_at": None, "resolved_by": None,
        "reopened": before.reopened + 1, "announced_at": None, "evidence": {**before.evidence, **evidence},
    }  # fmt: skip
    return before.model_copy(update=news)


def _explain(steps: Sequence[_Step], around: Circumstances, now: datetime) -> None:
    """Say of each that is still open whether it is quiet and why, and list consequences under their cause."""
    still_open = [step.after for step in steps if step.what is not Transition.RESOLVED]
    causes = roots.explained(still_open, around.parents)
    following: dict[str, set[str]] = {}
    for step in steps:
        one = step.after
        if step.what is Transition.RESOLVED:
            continue
        cause = causes.get(one.id) if step.is_judged else None
        root = (cause.root_cause or cause.id) if cause else None if step.is_judged else one.root_cause
        quiet = roots.consequence(cause) if cause else one.quiet if root else ""
        if root is not None:
            following.setdefault(root, set()).add(one.key)
        quiet = muted(one, now) or around.quiet.get(one.key, "") or quiet
        if not step.is_judged and one.quiet and not quiet:
            quiet = one.quiet  # there is no telling whether it is still so
        step.after = one.model_copy(update={"quiet": quiet, "root_cause": root})
    known = {step.after.key for step in steps} | around.looked_at
    for step in steps:
        one = step.after
        if step.what is not Transition.RESOLVED:
            given = around.dependants.get(one.key) if one.type in roots.CAUSES else None
            listed = _listed(one, following.get(one.id, set()), given, known)
            if listed != one.evidence.get("dependants", []):
                step.after = one.model_copy(update={"evidence": {**one.evidence, "dependants": listed}})


def _listed(
    cause: Deviation, following: AbstractSet[str], given: Sequence[str] | None, known: AbstractSet[str]
) -> list[JsonValue]:
    """Those that follow now, and those listed before of which there is no news."""
    before = cause.evidence.get("dependants")
    kept = {str(key) for key in before} - known if isinstance(before, list) else set()
    if cause.type is DeviationType.UNREACHABLE:
        kept = set()
    return [*sorted({*following, *kept, *(given or ())})[: roots.LISTED]]


def _sorted_out(steps: Sequence[_Step], now: datetime) -> Settled:
    told: list[tuple[Transition, Deviation]] = []
    quietly: list[tuple[Transition, Deviation]] = []
    recorded: list[Deviation] = []
    again: list[Deviation] = []
    for step in steps:
        before, after, what = step.before, step.after, step.what
        if what is Transition.RESOLVED:
            (told if after.announced_at is not None else quietly).append((what, after))
        elif before is not None and before.quiet and not after.quiet:
            told.append((Transition.OPENED, after.model_copy(update={"announced_at": now})))
        elif what in (Transition.OPENED, Transition.REOPENED) and not after.quiet:
            told.append((what, after.model_copy(update={"announced_at": now})))
        elif what is not None:
            (quietly if after.quiet else told).append((what, after))
        elif before is not None and _has_news(before, after):
            recorded.append(after)
        elif step.is_judged:
            again.append(after)
    return Settled(tuple(told), tuple(again), tuple(quietly), tuple(recorded))


def _has_news(before: Deviation, after: Deviation) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in ("quiet", "root_cause", "evidence"))
