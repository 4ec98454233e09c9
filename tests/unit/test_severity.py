import pytest

from daemon.reconcile.severity import at_least, severity
from schemas.deviations import DeviationType, Severity
from schemas.expectations import Criticality


@pytest.mark.parametrize(
    ("kind", "criticality", "expected"),
    [
        (DeviationType.MISSING, Criticality.MEDIUM, Severity.HIGH),
        (DeviationType.MISSING, Criticality.HIGH, Severity.CRITICAL),
        (DeviationType.MISSING, Criticality.CRITICAL, Severity.CRITICAL),
        (DeviationType.MISSING, Criticality.LOW, Severity.MEDIUM),
        (DeviationType.CHANGED, Criticality.MEDIUM, Severity.MEDIUM),
        (DeviationType.CHANGED, Criticality.CRITICAL, Severity.CRITICAL),
        (DeviationType.UNMANAGED, Criticality.MEDIUM, Severity.LOW),
        (DeviationType.UNMANAGED, Criticality.LOW, Severity.LOW),
    ],
)
def test_severity_grows_with_type_and_criticality(kind, criticality, expected):
    assert severity(kind, criticality) is expected


@pytest.mark.parametrize("kind", list(DeviationType))
def test_every_type_has_one_and_more_critical_is_never_milder(kind):
    found = [list(Severity).index(severity(kind, criticality)) for criticality in Criticality]

    assert found == sorted(found)


def test_this_one_and_above():
    assert at_least(Severity.HIGH) == (Severity.HIGH, Severity.CRITICAL)
    assert at_least(Severity.LOW) == tuple(Severity)
