"""What a cycle makes of what it sees: what is expected, what differs, and what becomes of open deviations.  Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import JsonValue

from daemon.reconcile import resolve, standing
from daemon.reconcile.actual import Actual
from daemon.reconcile.declared import Policy
from daemon.reconcile.diff import diff, unsettled
from daemon.reconcile.settle import Circumstances, Evidence, Settled, settle
from daemon.reconcile.severity import severity
from daemon.reconcile.sight import Sight
from daemon.reconcile.standing import Standing
from daemon.store.actuals import CARRIERS, Blind, Held
from daemon.store.declarations import Declared
from schemas.deviations import DeviationType, Difference
from schemas.expectations import Criticality, Expectation, ExpectedPresence
from schemas.resources import Presence


@dataclass(frozen=True, slots=True)
class Expecting:
    """A key's expectation that is new, other than before, or (``after`` is None) no more; ``cause`` says by whom."""

    key: str
    op: str
    after: Expectation | None
    before: Expectation | None
    cause: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What one cycle is to write."""

    judged: int
    unknown: int
    expecting: tuple[Expecting, ...]
    settled: Settled


@dataclass(slots=True)
class _Case:
    """One key with all that is said of it."""

    actual: Actual
    held: Standing
    expected: Expectation | None
    policies: list[Policy]
    declared: list[Declared]


def judge(sight: Sight, *, now: datetime) -> Judged:
    cases = {key: _case(sight, actual, now) for key, actual in sorted(sight.actuals.items())}
    found: list[Difference] = []
    judged: set[str] = set()
    for key, case in cases.items():
        differences = diff(
            case.expected, case.actual, now=now, offline=case.held.offline,
            unmanaged=key in sight.unmanaged and not case.held.retired,
            rules=[rule for policy in case.policies for rule in policy.spec.severities],
        )  # fmt: skip
        if differences is not None:
            judged.add(key)
            found += differences
    sources = dict(_sources(sight, now))
    found += [one for one, _ in sources.values()]
    expecting = tuple(one for case in cases.values() if (one := _expecting(sight, case)) is not None)
    around = replace(_around(sight, cases, now), changed={one.key for one in expecting})
    settled = settle(
        found, sight.still_open,
        judged=judged | {one.key for one in sight.still_open if one.key.count("/") == 1} | {key for key, _ in sources},
        expected={key: case.expected for key, case in cases.items() if case.expected is not None},
        evidence={key: _evidence(case.actual) for key, case in cases.items()}
        | {key: proof for (key, _), (_, proof) in sources.items()},
        now=now, around=around,
    )  # fmt: skip
    return Judged(len(judged), len(cases) - len(judged), expecting, settled)


def _case(sight: Sight, actual: Actual, now: datetime) -> _Case:
    places = None if sight.meant is None else sight.meant.get(actual.key, ())
    declared = sight.index.of(actual, places)
    policies = sight.index.policies_of(actual)
    said = standing.meaning(sight.states, actual.key, actual.pools)
    specs = [policy.spec for policy in policies]
    windows = [window for spec in specs for window in spec.maintenance]
    held = standing.standing(said, windows, now=now) if said or windows else standing.NOTHING
    expected = resolve.resolve(actual.key, declared, sight.adopted.get(actual.key), policies=specs, held=held, now=now)
    before = sight.before.get(actual.key)
    if expected is not None and before is not None and _is_same(expected, before):
        expected = before
    return _Case(actual, held, expected, policies, declared)


def _is_same(one: Expectation, other: Expectation) -> bool:
    return one.model_copy(update={"since": other.since}) == other


def _around(sight: Sight, cases: dict[str, _Case], now: datetime) -> Circumstances:
    quiet = {key: case.held.quiet for key, case in cases.items() if case.held.quiet}
    by_operator = {key for key, case in cases.items() if case.held.retired or case.held.offline}
    for key in {one.key for one in sight.still_open} | {one.source for one in sight.blind}:
        if key not in cases:
            held = standing.standing(standing.meaning(sight.states, key, ()), (), now=now)
            if held.quiet:
                quiet[key] = held.quiet
            if held.retired or held.offline:
                by_operator.add(key)
    dependants: dict[str, list[str]] = {one.source: list(one.keys) for one in sight.blind}
    for key, case in cases.items():
        if case.expected is not None and case.expected.presence is ExpectedPresence.PRESENT:
            parent = sight.parents.get(key)
            if parent in cases and cases[parent].actual.part.kind in CARRIERS:
                dependants.setdefault(parent, []).append(key)
    return Circumstances(
        recent=sight.recent,
        unsettled={(key, path) for key, case in cases.items() for path in unsettled(case.expected, case.actual, now)},
        quiet=quiet, parents=sight.parents, dependants=dependants, by_operator=by_operator, looked_at=cases.keys(),
        gone={key for key, case in cases.items() if case.actual.presence is Presence.GONE},
    )  # fmt: skip


def _evidence(actual: Actual) -> Evidence:
    observed_at = actual.observed_at.isoformat() if actual.observed_at else None
    return {"scan": actual.scan, "observed_at": observed_at, "presence": str(actual.presence)}


# --- sources ---------------------------------------------------------------------------------------------------------


def _sources(sight: Sight, now: datetime) -> Iterator[tuple[tuple[str, str], tuple[Difference, Evidence]]]:
    """Yield (source, type) -> what is wrong with a source itself, and the proof."""
    for scope in sight.held:
        one = _mass_absence(scope)
        yield (one.key, f"{one.type} {scope.scope}"), (one, {"scan": scope.scan, "scope": scope.scope})
    for blind in sight.blind:
        held = standing.standing(standing.meaning(sight.states, blind.source, ()), (), now=now)
        if not (held.offline or held.retired):
            yield (blind.source, DeviationType.UNREACHABLE), (_unreachable(blind), _proof(blind))


def _mass_absence(scope: Held) -> Difference:
    return Difference(
        key=f"{scope.provider}/{scope.source}", type=DeviationType.MASS_ABSENCE, path=scope.scope,
        expected=scope.resources, actual=max(0, scope.resources - scope.missing),
        severity=severity(DeviationType.MASS_ABSENCE, Criticality.MEDIUM),
    )  # fmt: skip


def _unreachable(blind: Blind) -> Difference:
    return Difference(
        key=blind.source, type=DeviationType.UNREACHABLE, expected="read", actual=blind.status,
        severity=severity(DeviationType.UNREACHABLE, Criticality.MEDIUM),
    )  # fmt: skip


def _proof(blind: Blind) -> dict[str, JsonValue]:
    return {"detail": blind.detail, "scopes": list(blind.scopes), "expected": blind.count}


# --- what is expected now, and by whom -------------------------------------------------------------------------------


def _expecting(sight: Sight, case: _Case) -> Expecting | None:
    key, after = case.actual.key, case.expected
    before = sight.before.get(key)
    if after is before:
        return None
    if after is None:
        assert before is not None  # noqa: S101 - they are not the same
        return Expecting(key, "withdrawn", None, before, case.held.retired or _withdrawn(before, case.actual))
    adopted = sight.adopted.get(key)
    is_adopted = adopted is not None and (before is None or adopted.adopted_at > before.since)
    op = "adopted" if is_adopted else "declared" if before is None else "changed"
    return Expecting(key, op, after, before, "adopt" if is_adopted else _cause(case, before, after))


def _withdrawn(before: Expectation, actual: Actual) -> str:
    if before.file is not None and actual.presence is Presence.GONE:
        return f"it is gone, and {before.file} means what is there"
    if before.file is not None:
        return f"no longer declared: {before.file}"
    return "adoption withdrawn"


def _cause(case: _Case, before: Expectation | None, after: Expectation) -> str:
    """Whose word changed what is expected."""
    if before is None or before.fields != after.fields or before.presence != after.presence:
        places = list(dict.fromkeys(one.place for one in case.declared))
        if places:
            return ", ".join(places[:3])
        return f"no longer declared: {before.file}" if before is not None and before.file else "adopt"
    if before.never_auto != after.never_auto:
        return "operator: never_auto" if after.never_auto else "operator: never_auto is over"
    said = [*(one.place for one in case.declared), *(one.place for one in case.policies)]
    return ", ".join(list(dict.fromkeys(said))[:3]) or "a policy is no longer declared"
