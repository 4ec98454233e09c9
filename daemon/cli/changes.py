"""What an event changes in the picture a watcher has, in words.  Pure: old picture and event in, lines out.

An event that says what is known already is no change; one older than what is known is none either.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from daemon.cli import words
from daemon.cli.known import Known, differences
from schemas.deviations import DeviationEvent
from schemas.events import Observed, Removed, ScanClosed, ScanFailed
from schemas.resources import Key


@dataclass(frozen=True, slots=True)
class Change:
    """One line.  ``what`` is new, changed, replaced, returned, removed, lost, found, opened or resolved."""

    at: datetime
    what: str
    key: str
    name: str
    text: str = ""
    changed: tuple[str, ...] = ()
    status: str = ""
    severity: str = ""

    def as_json(self) -> dict[str, object]:
        provider, source, kind = (*self.key.split("/"), "", "")[:3]
        return {
            "at": self.at.isoformat(),
            "change": self.what,
            "key": self.key,
            "name": self.name,
            "provider": provider,
            "source": source,
            "kind": kind,
            "status": self.status,
            "changed": list(self.changed),
            "text": self.text,
            **({"severity": self.severity} if self.severity else {}),
        }


@dataclass(slots=True)
class Picture:
    """What the watcher knows; ``failing`` has the source and scope that cannot be read, and why."""

    known: dict[str, Known] = field(default_factory=dict)
    failing: dict[tuple[str, str], str] = field(default_factory=dict)
    _back: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Source and why -> the scopes that can be read again while others cannot."""

    def apply(self, event: object) -> Change | None:
        """Take an event in and return what it changed, if anything."""
        match event:
            case Observed():
                return self.saw(Known.of_event(event))
            case Removed():
                return self._removed(event)
            case ScanFailed():
                return self._failed(event)
            case ScanClosed():
                return self._closed(event)
            case DeviationEvent():
                return _deviation(event, self.known.get(event.deviation.key))
        return None

    def saw(self, now: Known) -> Change | None:
        before = self.known.get(now.key)
        if before is not None and now.observed_at < before.observed_at:
            return None
        self.known[now.key] = now
        return between(before, now)

    def replace_all(self, rows: list[Known]) -> list[Change]:
        """Take a new listing in; return what must have happened since."""
        listed = {row.key for row in rows}
        found = [self.saw(row) for row in rows]
        for key, before in tuple(self.known.items()):
            if key not in listed and not before.is_gone:
                self.known[key] = replace(before, is_gone=True)
                found.append(Change(before.observed_at, "removed", key, before.name, "while nobody watched"))
        return [change for change in found if change]

    def _removed(self, event: Removed) -> Change | None:
        before = self.known.get(event.key)
        if before is None or before.is_gone or event.observed_at < before.observed_at:
            return None
        self.known[event.key] = replace(before, is_gone=True, observed_at=event.observed_at)
        text = "" if event.reason == "reported" else "complete readings no longer have it"
        return Change(event.observed_at, "removed", event.key, event.name or before.name, text, status=before.status)

    def _failed(self, event: ScanFailed) -> Change | None:
        """What strikes several scopes is told of the first."""
        source, why = str(event.ref), f"{event.trouble}: {event.detail}"
        if (source, event.scope) in self.failing:
            return None
        told = self._is_failing(source, why)
        self.failing[source, event.scope] = why
        text = f"{why}; what it has is unknown until it can be read again"
        return None if told else Change(event.observed_at, "lost", source, _scope(event.scope), text)

    def _closed(self, event: ScanClosed) -> Change | None:
        source = str(event.ref)
        why = self.failing.pop((source, event.scope), None)
        if why is None:
            return None
        back = self._back.setdefault((source, why), set())
        back.add(event.scope)
        if self._is_failing(source, why):
            return None
        del self._back[source, why]
        if len(back) > 1:
            return Change(event.observed_at, "found", source, "", f"read again: {', '.join(sorted(back))}")
        text = f"read again: {words.count(event.count, 'resource')}"
        return Change(event.observed_at, "found", source, _scope(event.scope), text)

    def _is_failing(self, source: str, why: str) -> bool:
        return any(of == source and reason == why for (of, _), reason in self.failing.items())


def between(before: Known | None, now: Known) -> Change | None:
    """Return what tells ``now`` from ``before``; None where nothing does."""
    if before is None:
        return None if now.is_gone else _change("new", now, _state(now))
    if now.is_gone:
        return None if before.is_gone else _change("removed", now)
    if before.is_gone:
        return _change("returned", now, _state(now))
    if before.hash == now.hash:
        return None
    told, paths = differences(before, now)
    if before.incarnation and now.incarnation and before.incarnation != now.incarnation:
        return _change("replaced", now, ", ".join(("made anew", *told)), ("incarnation", *paths))
    return _change("changed", now, ", ".join(told) or "changed in detail", paths)


def _change(what: str, now: Known, text: str = "", paths: tuple[str, ...] = ()) -> Change:
    return Change(now.observed_at, what, now.key, now.name, text, paths, now.status)


def _state(now: Known) -> str:
    return now.native_status if now.status == "unknown" else now.status


def _scope(scope: str) -> str:
    return "" if scope == "all" else scope


def _deviation(event: DeviationEvent, known: Known | None) -> Change:
    found = event.deviation
    text = f"{found.severity} {found.type}"
    if found.path:
        expected, actual = words.both(found.path, found.expected, found.actual)
        text += f" {found.path}: expected {expected or 'nothing'}, is {actual or 'nothing'}"
    if event.transition == "resolved" and found.resolved_by:
        text += f" (by {found.resolved_by})"
    unknown = Key.parse(found.key).native_id if found.key.count("/") > 1 else ""
    name = known.name if known else unknown
    paths = (found.path,) if found.path else ()
    return Change(event.time, f"deviation {event.transition}", found.key, name, text, paths, severity=found.severity)
