"""Which fields of what was seen become expected.  Pure.

A name, labels, configuration and the parent are adopted whole, without what the provider computes (``left_out``); a
status only when it is one to stay in.
"""

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from daemon.reconcile import left_out
from daemon.reconcile.actual import PARENT, STATUS, Actual
from daemon.reconcile.diff import is_unsettled, value_at
from daemon.store.adopted import Adopted
from schemas import paths
from schemas.expectations import ExpectedField, Owner
from schemas.resources import Key, Kind, Presence, Status

_ADOPTED = ("name", STATUS, PARENT, "labels", "spec")
_LASTING = frozenset({Status.RUNNING, Status.STOPPED, Status.PAUSED})
_PASSING = frozenset({Kind.SNAPSHOT, Kind.BACKUP})
"""What comes and goes in the course of things: expected only where somebody means it."""


def fields(actual: Actual) -> dict[str, ExpectedField]:
    part = actual.part
    values: Mapping[str, JsonValue] = {
        name: left_out.without(part.provider, part.kind, name, actual.fields[name])
        for name in _ADOPTED
        if name in actual.fields
        and not left_out.is_left_out(part.provider, part.kind, name)
        and (name != STATUS or actual.fields[name] in _LASTING)
        and (name != PARENT or _stays(actual))
    }
    return {name: ExpectedField(value=value, owner=Owner.ADOPTED) for name, value in values.items()}


def _stays(actual: Actual) -> bool:
    part = actual.part
    return actual.parent is not None and not left_out.may_move(part.provider, part.kind, actual.fields.get("spec"))


def is_passing(key: str) -> bool:
    return Key.parse(key).kind in _PASSING


def adopted(actual: Actual, before: Adopted | None, *, now: datetime) -> Adopted:
    """Make ``actual`` expected; a status stays that it may still reach."""
    made = fields(actual)
    if before is not None and is_unsettled(actual) and STATUS in before.fields:
        made[STATUS] = before.fields[STATUS]
    return Adopted(actual.key, made, now)


def accepted(before: Adopted, path: str, actual: Actual, *, now: datetime) -> Adopted | None:
    """Make what is at ``path`` expected there; None where nothing was adopted at or above it."""
    names = paths.split(path)
    above = next((paths.joined(names[:count]) for count in range(len(names), 0, -1)
                  if paths.joined(names[:count]) in before.fields), None)  # fmt: skip
    if above is None:
        return None
    owned = before.fields[above]
    value = _set(owned.value, names[len(paths.split(above)) :], value_at(actual.fields, path))
    return Adopted(before.key, before.fields | {above: owned.model_copy(update={"value": value})}, now)


def _set(value: JsonValue, names: tuple[str, ...], new: JsonValue) -> JsonValue:
    if not names:
        return new
    inside = dict(value) if isinstance(value, dict) else {}
    inside[names[0]] = _set(inside.get(names[0]), names[1:], new)
    return inside


def refusal(actual: Actual) -> str:
    """Why this cannot be adopted now; empty if it can."""
    match actual.presence:
        case Presence.PRESENT:
            return ""
        case Presence.GONE:
            return "it is gone"
        case Presence.SUSPECT:
            return "it may be gone: wait for the next scan"
    return f"its presence is {actual.presence}: it cannot be read now"
