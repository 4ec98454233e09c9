"""What one cycle's findings do to the deviations that are open.  Pure.

A key that could not be judged keeps what it has: no news is no news.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from daemon.reconcile.diff import STATUS
from schemas.deviations import Deviation, DeviationType, Difference, Transition
from schemas.events import new_id
from schemas.expectations import Expectation

_ACTIONS = {DeviationType.MISSING: "create", DeviationType.STOPPED: "start", DeviationType.CHANGED: "update"}
Evidence = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Settled:
    transitions: tuple[tuple[Transition, Deviation], ...] = ()
    seen_again: tuple[Deviation, ...] = field(default=())
    """Nothing about them changed but when they were last seen."""

    def __str__(self) -> str:
        counts = {kind: sum(kind is one for one, _ in self.transitions) for kind in Transition}
        return ", ".join(f"{kind} {count}" for kind, count in counts.items())


def settle(
    found: Sequence[Difference],
    still_open: Iterable[Deviation],
    *,
    judged: AbstractSet[str],
    expected: Mapping[str, Expectation],
    evidence: Mapping[str, Evidence],
    now: datetime,
    unsettled: AbstractSet[str] = frozenset(),
) -> Settled:
    """Compare ``found`` with what is open of the keys in ``judged``; of those ``unsettled`` not the status."""
    now_found = {difference.identity: difference for difference in found}
    gone = {difference.key for difference in found if difference.type is DeviationType.MISSING}
    transitions: list[tuple[Transition, Deviation]] = []
    again: list[Deviation] = []
    for deviation in still_open:
        if deviation.key not in judged:
            continue
        difference = now_found.pop(deviation.identity, None)
        if difference is None and deviation.path == STATUS and deviation.key in unsettled:
            continue
        if difference is None:
            by = _resolver(deviation, gone, expected.get(deviation.key))
            update = {"resolved_at": now, "resolved_by": by}
            transitions.append((Transition.RESOLVED, deviation.model_copy(update=update)))
            continue
        seen = {"last_seen_at": now, "scans_seen": deviation.scans_seen + 1}
        news = {
            name: getattr(difference, name)
            for name in ("expected", "actual", "severity")
            if getattr(difference, name) != getattr(deviation, name)
        }
        if news:
            transitions.append((Transition.CHANGED, deviation.model_copy(update=seen | news)))
        else:
            again.append(deviation.model_copy(update=seen))
    transitions += [
        (Transition.OPENED, _opened(difference, evidence.get(difference.key, {}), now))
        for difference in now_found.values()
    ]
    return Settled(tuple(transitions), tuple(again))


def _resolver(deviation: Deviation, gone: AbstractSet[str], expected: Expectation | None) -> str:
    if deviation.key in gone:
        return "gone"
    if deviation.type is DeviationType.UNMANAGED:
        return "operator" if expected else "gone"
    if deviation.type is not DeviationType.MASS_ABSENCE and (
        expected is None or expected.since > deviation.detected_at
    ):
        return "expected_changed"
    return "self"


def _opened(difference: Difference, evidence: Evidence, now: datetime) -> Deviation:
    scan = evidence.get("scan")
    return Deviation(
        **difference.model_dump(), id=new_id(), corrective_action=_ACTIONS.get(difference.type), detected_at=now,
        first_scan=scan if isinstance(scan, str) else None, last_seen_at=now, evidence=dict(evidence),
    )  # fmt: skip
