"""What a watcher knows of one resource, and in words what tells it from what it was.  Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from pydantic import JsonValue

from daemon.cli import words
from schemas import paths
from schemas.events import Observed
from schemas.resources import Key

FIELDS = (
    *("key", "name", "status", "native_status", "health", "presence", "parent", "labels", "addresses"),
    *("cpu_cores", "memory_bytes", "disk_bytes", "gpus", "incarnation", "hash", "observed_at", "spec", "native"),
)
_TOLD = 4
"""So many fields that changed are told in a line."""
_LONGEST = 80
"""Characters of both values of a field together."""
_SIZES = ("cpu_cores", "memory_bytes", "disk_bytes", "gpus")


@dataclass(frozen=True, slots=True)
class Known:
    """What the watcher knows of one resource.  ``spec`` and ``native`` None: they were not asked for."""

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
    native: JsonValue = None
    is_gone: bool = False

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Self:
        """From a row of the view ``resources`` with ``FIELDS`` (the last two may be left out)."""
        return cls(
            **{name: row.get(name) or "" for name in ("key", "name", "status", "native_status", "health")},
            **{name: row.get(name) or "" for name in ("incarnation", "hash")},
            parent=row.get("parent"),
            labels=row.get("labels") or {},
            addresses=list(row.get("addresses") or ()),
            size={name: row.get(name) for name in _SIZES},
            observed_at=datetime.fromisoformat(row["observed_at"]),
            spec=row.get("spec"),
            native=row.get("native"),
            is_gone=row.get("presence") == "gone",
        )

    @classmethod
    def of_event(cls, event: Observed) -> Self:
        content = event.resource.model_dump(mode="json")
        return cls(
            **{name: content[name] for name in ("key", "name", "status", "native_status", "health", "parent")},
            **{name: content[name] for name in ("labels", "addresses", "size", "incarnation", "spec", "native")},
            hash=event.hash,
            observed_at=event.observed_at,
        )


def differences(before: Known, now: Known) -> tuple[list[str], tuple[str, ...]]:
    told: list[str] = []
    changed: list[str] = []
    if before.name != now.name:
        told.append(f"renamed {before.name} -> {now.name}")
        changed.append("name")
    if before.status != now.status:
        told.append(f"status {before.status} -> {now.status}")
        changed.append("status")
    elif before.native_status != now.native_status:
        told.append(f"status {before.native_status or '?'} -> {now.native_status or '?'}")
        changed.append("native_status")
    if before.health != now.health:
        told.append(f"health {before.health} -> {now.health}")
        changed.append("health")
    if before.parent != now.parent:
        told.append(f"moved {_short(before.parent, now)} -> {_short(now.parent, now)}")
        changed.append("parent")
    other = [*_leaves("labels", before.labels, now.labels), *_leaves("size", before.size, now.size)]
    if before.addresses != now.addresses:
        other.append(("addresses", before.addresses, now.addresses))
    if before.spec is not None:
        other += _leaves("spec", before.spec, now.spec)
    if before.native is not None:
        other += _leaves("native", before.native, now.native)
    news = [one for one in other if one[1:] != (before.name, now.name)]
    told += [_changed(*one) for one in news[:_TOLD]]
    if len(news) > _TOLD:
        told.append(f"and {len(news) - _TOLD} more")
    return told, (*changed, *(path for path, _, _ in other))


def _short(parent: str | None, now: Known) -> str:
    """A parent in the same source by its own name."""
    if parent is None:
        return "nowhere"
    source = "/".join(now.key.split("/")[:2])
    return Key.parse(parent).native_id if parent.startswith(f"{source}/") else parent


def _changed(path: str, before: JsonValue, now: JsonValue) -> str:
    """A value that has no text, or one too long for a line, is not shown."""
    one, other = words.both(path, before, now)
    if one == other or len(one) + len(other) > _LONGEST:
        return f"{path} {'added' if before is None else 'removed' if now is None else 'changed'}"
    return f"{path} {one or 'nothing'} -> {other or 'nothing'}"


def _leaves(prefix: str, before: JsonValue, now: JsonValue) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    """Yield the path of each leaf that differs, with both values."""
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now}):
            yield from _leaves(paths.join(prefix, name), before.get(name), now.get(name))
    else:
        yield prefix, before, now
