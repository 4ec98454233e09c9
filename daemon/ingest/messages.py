"""A message as it came from the stream, and the event in it, checked against its subject and the clock."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from schemas import events, subjects
from schemas.events import InventoryEvent, Observed, Removed, ScanClosed, ScanMessage, ScanPart
from schemas.resources import BadKey, Key

AHEAD = timedelta(minutes=10)
"""How far an agent's clock may be ahead of ours: what is dated later would make all that follows look late."""
_SHOWN_FAULTS = 3


@dataclass(frozen=True, slots=True)
class Message:
    subject: str
    data: bytes
    sequence: int


class Unreadable(Exception):
    """What the message says cannot be used; the text says why."""


def read(message: Message, *, now: datetime) -> InventoryEvent:
    """Return the event; raises ``Unreadable``."""
    try:
        event = events.parse_inventory(message.data)
    except ValidationError as error:
        raise Unreadable(_faults(error)) from error
    try:
        _agrees(event, message.subject)
    except (BadKey, subjects.BadSubject) as error:
        raise Unreadable(str(error)) from error
    observed_at = getattr(event, "observed_at", event.time)
    if observed_at > now + AHEAD:
        raise Unreadable(f"observed_at {observed_at:%Y-%m-%dT%H:%M:%SZ} is in the future: is the agent's clock right?")
    return event


def _agrees(event: InventoryEvent, subject: str) -> None:
    """An agent may publish only under its own source: NATS sees the subject, so the content has to say the same."""
    match event:
        case Observed() | Removed():
            key = event.resource.key if isinstance(event, Observed) else event.key
            if subjects.parse_inventory(subject) != key:
                raise Unreadable(f"speaks of {key!r} under another key's subject")
        case ScanMessage():
            if subjects.parse_scan(subject) != (event.provider, event.source, event.scope):
                raise Unreadable(f"speaks of {event.ref}:{event.scope} under another scope's subject")
            if isinstance(event, ScanPart):
                prefix = f"{event.provider}/{event.source}/"
                if stray := next((key for key in event.manifest if not key.startswith(prefix)), None):
                    raise Unreadable(f"the manifest of {event.ref} lists {stray!r}")
            if isinstance(event, ScanClosed):
                _are_keys(event)


def _are_keys(event: ScanClosed) -> None:
    """Raise unless the keys that gaps name are keys of the source."""
    for key in (key for gap in event.gaps for key in gap.keys):
        if Key.parse(key)[:2] != (event.provider, event.source):
            raise Unreadable(f"a gap of {event.ref} hides {key!r}")


def _faults(error: ValidationError) -> str:
    found = [f"{'.'.join(map(str, fault['loc'])) or 'message'}: {fault['msg']}" for fault in error.errors(
        include_url=False, include_context=False, include_input=False)]  # fmt: skip
    rest = f" and {len(found) - _SHOWN_FAULTS} more" if len(found) > _SHOWN_FAULTS else ""
    return "; ".join(found[:_SHOWN_FAULTS]) + rest
