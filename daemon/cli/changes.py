"""What an event changes in the picture a watcher has, in words.  Pure: old picture and event in, lines out.

An event that says what is known already is no change; one older than what is known is none either.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from pydantic import JsonValue

from daemon.cli import words
from schemas.deviations import DeviationEvent
from schemas.events import Observed, Removed, ScanClosed, ScanFailed
from schemas.resources import Key

FIELDS = (
    *("key", "name", "status", "native_status", "health", "presence", "parent", "labels", "addresses"),
    *("cpu_cores", "memory_bytes", "disk_bytes", "gpus", "incarnation", "hash", "observed_at", "spec"),
)
_SIZES = ("cpu_cores", "memory_bytes", "disk_bytes", "gpus")


@dataclass(frozen=True, slots=True)
class Known:
    """What the watcher knows of one resource.  ``spec`` None: it was not asked for."""

    key: str
    name: str
    status: str
    native_status: str
    health: str
    parent: str | None
    labels: JsonValue
    addresses: JsonValue
    size: JsonValue
    incarnation: str
    hash: str
    observed_at: datetime
    spec: JsonValue = None
    is_gone: bool = False

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Self:
        """From a row of the view ``resources`` with ``FIELDS`` (``spec`` may be left out)."""
        return cls(
            **{name: row.get(name) or "" for name in ("key", "name", "status", "native_status", "health")},
            **{name: row.get(name) or "" for name in ("incarnation", "hash")},
            parent=row.get("parent"),
            labels=row.get("labels") or {},
            addresses=list(row.get("addresses") or ()),
            size={name: row.get(name) for name in _SIZES},
            observed_at=datetime.fromisoformat(row["observed_at"]),
            spec=row.get("spec"),
            is_gone=row.get("presence") == "gone",
        )

    @classmethod
    def of_event(cls, event: Observed) -> Self:
        content = event.resource.model_dump(mode="json")
        return cls(
            **{name: content[name] for name in ("key", "name", "status", "native_status", "health", "parent")},
            **{name: content[name] for name in ("labels", "addresses", "size", "incarnation", "spec")},
            hash=event.hash,
            observed_at=event.observed_at,
        )


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
                return _deviation(event)
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
    told, paths = _differences(before, now)
    if before.incarnation and now.incarnation and before.incarnation != now.incarnation:
        return _change("replaced", now, ", ".join(("made anew", *told)), ("incarnation", *paths))
    return _change("changed", now, ", ".join(told) or "changed in detail", paths)


def _change(what: str, now: Known, text: str = "", paths: tuple[str, ...] = ()) -> Change:
    return Change(now.observed_at, what, now.key, now.name, text, paths, now.status)


def _differences(before: Known, now: Known) -> tuple[list[str], tuple[str, ...]]:
    told: list[str] = []
    paths: list[str] = []
    if before.name != now.name:
        told.append(f"renamed {before.name} -> {now.name}")
        paths.append("name")
    if before.status != now.status:
        told.append(f"status {before.status} -> {now.status}")
        paths.append("status")
    elif before.native_status != now.native_status:
        told.append(f"status {before.native_status or '?'} -> {now.native_status or '?'}")
        paths.append("native_status")
    if before.health != now.health:
        told.append(f"health {before.health} -> {now.health}")
        paths.append("health")
    if before.parent != now.parent:
        told.append(f"moved {before.parent or 'nowhere'} -> {now.parent or 'nowhere'}")
        paths.append("parent")
    other = [*_paths("labels", before.labels, now.labels), *_paths("size", before.size, now.size)]
    if before.addresses != now.addresses:
        other.append("addresses")
    if before.spec is not None:
        other += _paths("spec", before.spec, now.spec)
    if other:
        told.append(f"changed {words.some(other)}")
    return told, (*paths, *other)


def _paths(prefix: str, before: JsonValue, now: JsonValue) -> Iterator[str]:
    """Yield the paths of the leaves that differ."""
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now}):
            dotted = f'"{name}"' if "." in name else name
            yield from _paths(f"{prefix}.{dotted}", before.get(name), now.get(name))
    else:
        yield prefix


def _state(now: Known) -> str:
    return now.native_status if now.status == "unknown" else now.status


def _scope(scope: str) -> str:
    return "" if scope == "all" else scope


def _deviation(event: DeviationEvent) -> Change:
    found = event.deviation
    text = f"{found.severity} {found.type}"
    if found.path:
        text += f" {found.path}: expected {words.value(found.expected)}, is {words.value(found.actual)}"
    if event.transition == "resolved" and found.resolved_by:
        text += f" (by {found.resolved_by})"
    name = Key.parse(found.key).native_id if found.key.count("/") > 1 else ""
    paths = (found.path,) if found.path else ()
    return Change(event.time, f"deviation {event.transition}", found.key, name, text, paths, severity=found.severity)
