"""What differs between what is expected and what was seen.  Pure, and silent about what is not known."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from daemon.reconcile.severity import severity
from schemas import paths
from schemas.deviations import DeviationType, Difference
from schemas.expectations import Criticality, Expectation
from schemas.resources import Presence, Status

STATUS = "status"
_UNSETTLED = frozenset({Status.PENDING, Status.UNKNOWN})
_DOWN = frozenset({Status.STOPPED, Status.FAILED, Status.PAUSED})


@dataclass(frozen=True, slots=True)
class Actual:
    """What the store knows of one resource now."""

    key: str
    presence: Presence
    fields: Mapping[str, JsonValue] = field(default_factory=dict)
    """``name``, ``status``, ``labels``, ``spec``."""
    observed_at: datetime | None = None
    scan: str | None = None


def diff(expected: Expectation | None, actual: Actual | None, *, unmanaged: bool) -> list[Difference] | None:
    """Return what differs for one key, or None when it cannot be judged now: whatever is open then stays open."""
    if actual is None or actual.presence is Presence.GONE:
        return [_missing(expected)] if expected else []
    if actual.presence is not Presence.PRESENT:
        return None
    if expected is None:
        return [_unmanaged(actual)] if unmanaged else []
    return [_difference(expected, *found) for found in _differing(expected, actual)]


def _missing(expected: Expectation) -> Difference:
    return Difference(
        key=expected.key, type=DeviationType.MISSING, expected="present", actual="gone",
        severity=severity(DeviationType.MISSING, expected.criticality),
    )  # fmt: skip


def _unmanaged(actual: Actual) -> Difference:
    return Difference(
        key=actual.key, type=DeviationType.UNMANAGED, expected=None, actual="present",
        severity=severity(DeviationType.UNMANAGED, Criticality.MEDIUM),
    )  # fmt: skip


def is_unsettled(actual: Actual) -> bool:
    """Whether its status says nothing yet: on its way to another, or not known."""
    return actual.fields.get(STATUS) in _UNSETTLED


def _differing(expected: Expectation, actual: Actual) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    for name, wanted in expected.fields.items():
        if name == STATUS and is_unsettled(actual):
            continue
        for path, want, have in paths.differences(wanted.value, actual.fields.get(name), name):
            if not any(path == ignored or path.startswith(f"{ignored}.") for ignored in expected.ignore):
                yield path, want, have


def _difference(expected: Expectation, path: str, want: JsonValue, have: JsonValue) -> Difference:
    stopped = path == STATUS and want == Status.RUNNING and have in _DOWN
    kind = DeviationType.STOPPED if stopped else DeviationType.CHANGED
    return Difference(
        key=expected.key, type=kind, path=path, expected=want, actual=have,
        severity=severity(kind, expected.criticality),
    )  # fmt: skip
