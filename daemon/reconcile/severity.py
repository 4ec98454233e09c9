"""How bad a deviation is: a pure function of its type and of how much depends on the resource."""

from schemas.deviations import DeviationType, Severity
from schemas.expectations import Criticality

_ORDER = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)
_BASE = {
    DeviationType.MISSING: Severity.HIGH,
    DeviationType.STOPPED: Severity.HIGH,
    DeviationType.MASS_ABSENCE: Severity.HIGH,
    DeviationType.UNREACHABLE: Severity.HIGH,
    DeviationType.UNMANAGED: Severity.LOW,
    DeviationType.ORPHANED: Severity.LOW,
}
_SHIFT = {Criticality.LOW: -1, Criticality.MEDIUM: 0, Criticality.HIGH: 1, Criticality.CRITICAL: 2}


def severity(kind: DeviationType, criticality: Criticality) -> Severity:
    place = _ORDER.index(_BASE.get(kind, Severity.MEDIUM)) + _SHIFT[criticality]
    return _ORDER[max(0, min(place, len(_ORDER) - 1))]


def at_least(least: Severity) -> tuple[Severity, ...]:
    """``least`` and all that is worse."""
    return _ORDER[_ORDER.index(least) :]
