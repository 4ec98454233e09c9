"""Which fields of what was seen become expected.  Pure.

A name, labels and configuration are adopted whole; a status only when it is one to stay in.
"""

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from daemon.reconcile.diff import STATUS, Actual, is_unsettled
from schemas.expectations import Expectation, ExpectedField, Owner
from schemas.resources import Presence, Status

_ADOPTED = ("name", STATUS, "labels", "spec")
_LASTING = frozenset({Status.RUNNING, Status.STOPPED, Status.PAUSED})


def fields(actual: Actual) -> dict[str, ExpectedField]:
    values: Mapping[str, JsonValue] = {
        name: actual.fields[name]
        for name in _ADOPTED
        if name in actual.fields and (name != STATUS or actual.fields[name] in _LASTING)
    }
    return {name: ExpectedField(value=value, owner=Owner.ADOPTED) for name, value in values.items()}


def expectation(actual: Actual, before: Expectation | None, *, now: datetime) -> Expectation:
    """Make ``actual`` expected; what was said of how to treat it stays, and a status that it may still reach."""
    made = fields(actual)
    if before is None:
        return Expectation(key=actual.key, fields=made, since=now)
    if is_unsettled(actual) and STATUS in before.fields:
        made[STATUS] = before.fields[STATUS]
    return before.model_copy(update={"fields": made, "since": now})


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
