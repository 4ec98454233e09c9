"""What differs between what is expected and what was seen.  Pure, and silent about what is not known."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache

from pydantic import JsonValue

from daemon.reconcile import left_out, normal
from daemon.reconcile.actual import INCARNATION, PARENT, STATUS, Actual
from daemon.reconcile.severity import severity
from schemas import paths
from schemas.deviations import DeviationType, Difference, Severity
from schemas.expectations import Criticality, Expectation, ExpectedPresence, Owner
from schemas.manifests import SeverityRule
from schemas.resources import Health, Kind, Presence, Status

PRESENCE = "presence"
"""The path of being there at all: to be ignored, or contradicted."""
HEALTH = "health"
NEWEST_BACKUP = "newest_backup_at"
BACKUP = f"native.{NEWEST_BACKUP}"
"""When the newest backup was made: null where there is none, not there at all where it is not known."""
IDENTIFIED = frozenset({Kind.VM, Kind.CONTAINER, Kind.POD, Kind.NODE, Kind.HOST, Kind.CLUSTER, Kind.DATABASE})
"""Kinds whose incarnation is one of its kind in the world; a volume's may be a date."""
_UNSETTLED = frozenset({Status.PENDING, Status.UNKNOWN})
_DOWN = frozenset({Status.STOPPED, Status.FAILED, Status.PAUSED})
_TYPES = {PARENT: DeviationType.MOVED, INCARNATION: DeviationType.REPLACED}


def diff(
    expected: Expectation | None,
    actual: Actual,
    *,
    now: datetime,
    unmanaged: bool = False,
    offline: bool = False,
    rules: Sequence[SeverityRule] = (),
) -> list[Difference] | None:
    """Return what differs for one key, or None when it cannot be judged now: whatever is open then stays open.

    ``unmanaged``: being there unexpectedly is a deviation.  ``offline``: not running and not there are right.
    """
    found = _found(expected, actual, now=now, unmanaged=unmanaged, offline=offline)
    return [_ruled(one, rules) for one in found] if found is not None and rules else found


def is_unsettled(actual: Actual) -> bool:
    """Whether its status says nothing yet: on its way to another, or not known."""
    return actual.fields.get(STATUS) in _UNSETTLED


def unsettled(expected: Expectation | None, actual: Actual, now: datetime) -> Iterator[str]:
    """Yield the paths of which nothing can be said now, although the rest can be judged."""
    if is_unsettled(actual):
        yield STATUS
    if expected is None:
        return
    if HEALTH in expected.fields and _is_unknown(HEALTH, actual):
        yield HEALTH
    if _is_stale(expected, actual, now) is None:
        yield BACKUP


def value_at(fields: Mapping[str, JsonValue], path: str) -> JsonValue:
    value: JsonValue = dict(fields)
    for name in split(path):
        value = value.get(name) if isinstance(value, dict) else None
    return value


@lru_cache(maxsize=16384)
def split(path: str) -> tuple[str, ...]:
    """The names of a path; what is no path is one name, and nothing stands there."""
    try:
        return paths.split(path)
    except paths.BadPath:
        return (path,)


def is_within(path: str, above: str) -> bool:
    """Whether ``path`` is ``above`` or lies in it."""
    return path == above or path.startswith(f"{above}.")


def is_ignored(path: str, ignore: Sequence[str]) -> bool:
    return any(is_within(path, one) or ("*" in one and fnmatchcase(path, one)) for one in ignore)


def _found(
    expected: Expectation | None, actual: Actual, *, now: datetime, unmanaged: bool, offline: bool
) -> list[Difference] | None:
    there = actual.presence is Presence.PRESENT
    if not there and actual.presence is not Presence.GONE:
        return None
    if expected is None:
        return [_unmanaged(actual, Criticality.MEDIUM)] if there and unmanaged else []
    watched = not is_ignored(PRESENCE, expected.ignore)
    if expected.presence is ExpectedPresence.ABSENT:
        return [_unwanted(expected)] if there and watched else []
    if not there:
        return [_missing(expected)] if watched and not offline else []
    differences = [
        _difference(expected, *one) for one in _differing(expected, actual) if not (offline and one[0] == STATUS)
    ]
    return differences + list(_circumstances(expected, actual, now))


def _missing(expected: Expectation) -> Difference:
    return Difference(
        key=expected.key, type=DeviationType.MISSING, expected="present", actual="gone",
        severity=severity(DeviationType.MISSING, expected.criticality),
    )  # fmt: skip


def _unmanaged(actual: Actual, criticality: Criticality) -> Difference:
    return Difference(
        key=actual.key, type=DeviationType.UNMANAGED, expected=None, actual="present",
        severity=severity(DeviationType.UNMANAGED, criticality),
    )  # fmt: skip


def _unwanted(expected: Expectation) -> Difference:
    """Somebody said that it must not be there: worse by one than what nobody said anything about."""
    shifted = severity(DeviationType.CHANGED, expected.criticality)
    return Difference(
        key=expected.key, type=DeviationType.UNMANAGED, expected="absent", actual="present", severity=shifted
    )


def _differing(expected: Expectation, actual: Actual) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    """Yield (path, expected, actual); a mapping that only one side has is one difference, if all of it counts."""
    for name, wanted in expected.fields.items():
        if (name == STATUS and is_unsettled(actual)) or _is_unknown(name, actual):
            continue
        if name == PARENT and wanted.owner is Owner.ADOPTED and _may_move(actual):
            continue
        have = value_at(actual.fields, name)
        if wanted.value == have:
            continue
        for path, want, has in paths.differences(wanted.value, have, name, whole=True):
            leaves = [*paths.differences(want, has, path)]
            counting = [leaf for leaf in leaves if _counts(expected, actual, name, leaf)]
            yield from [(path, want, has)] if len(leaves) > 1 and counting == leaves else counting


def _counts(expected: Expectation, actual: Actual, name: str, leaf: tuple[str, JsonValue, JsonValue]) -> bool:
    """Whether a difference within the field ``name`` is one that somebody is to be told."""
    path, want, has = leaf
    part = actual.part
    if want is None and path != name and left_out.is_left_out(part.provider, part.kind, path):
        return False
    if is_ignored(path, expected.ignore):
        return False
    if any(is_within(path, other) and is_within(other, name) for other in expected.fields if other != name):
        return False
    return not normal.are_same(part.provider, path, want, has)


def _may_move(actual: Actual) -> bool:
    return left_out.may_move(actual.part.provider, actual.part.kind, actual.fields.get("spec"))


def _is_unknown(path: str, actual: Actual) -> bool:
    return path == HEALTH and actual.fields.get(HEALTH) == Health.UNKNOWN


def _is_stale(expected: Expectation, actual: Actual, now: datetime) -> bool | None:
    """Whether the newest backup is too old, or there is none (null); None where nobody could look everywhere."""
    if expected.max_backup_age_seconds is None:
        return False
    native = actual.fields.get("native")
    told = native.get(NEWEST_BACKUP, "") if isinstance(native, dict) else ""
    known = [at for at in (_moment(told), actual.backed_up_at) if at is not None]
    if known and now - max(known) <= timedelta(seconds=expected.max_backup_age_seconds):
        return False
    is_told = told is None or _moment(told) is not None
    return True if is_told and not actual.has_unread_backups else None


def _difference(expected: Expectation, path: str, want: JsonValue, have: JsonValue) -> Difference:
    stopped = path == STATUS and want == Status.RUNNING and have in _DOWN
    kind = DeviationType.STOPPED if stopped else _TYPES.get(path, DeviationType.CHANGED)
    return Difference(
        key=expected.key, type=kind, path=path, expected=want, actual=have,
        severity=severity(kind, expected.criticality),
    )  # fmt: skip


def _circumstances(expected: Expectation, actual: Actual, now: datetime) -> Iterator[Difference]:
    """What is wrong although no field differs."""
    if actual.twins:
        yield _of(expected, DeviationType.DUPLICATE, INCARNATION, None, list(actual.twins))
    if actual.is_orphan:
        yield _of(expected, DeviationType.ORPHANED, PARENT, actual.parent, "gone")
    if _is_stale(expected, actual, now):
        newest = value_at(actual.fields, BACKUP)
        yield _of(expected, DeviationType.STALE_BACKUP, BACKUP, expected.max_backup_age_seconds, newest)


def _of(expected: Expectation, kind: DeviationType, path: str, want: JsonValue, have: JsonValue) -> Difference:
    return Difference(
        key=expected.key, type=kind, path=path, expected=want, actual=have,
        severity=severity(kind, expected.criticality),
    )  # fmt: skip


def _moment(told: JsonValue) -> datetime | None:
    """Return the moment; None where there is none, or it says no zone."""
    try:
        at = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return None if at is None or at.tzinfo is None else at


def _ruled(found: Difference, rules: Sequence[SeverityRule]) -> Difference:
    """The first rule that fits says how bad it is."""
    for rule in rules:
        if rule.type in (None, found.type) and (rule.path is None or fnmatchcase(found.path, rule.path)):
            told: Severity = rule.severity
            return found.model_copy(update={"severity": told})
    return found
