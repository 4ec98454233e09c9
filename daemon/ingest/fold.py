"""What an observation does to what is known.  Pure: a row and an event in, a row and a log entry out."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from daemon.store.inventory import LogRow, Row
from schemas import paths
from schemas.events import Observed, RemovalReason, Removed
from schemas.resources import Presence

PRESENT, SUSPECT, GONE = str(Presence.PRESENT), str(Presence.SUSPECT), str(Presence.GONE)
_COMPARED = (
    "name", "native_kind", "status", "native_status", "health", "parent", "labels", "addresses", "cpu_cores",
    "memory_bytes", "disk_bytes", "gpus", "incarnation", "revision", "spec", "native",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Folded:
    """``row`` is None when nothing is to be written; ``late`` when the event was older than what is stored."""

    row: Row | None = None
    entry: LogRow | None = None
    late: bool = False


def observed(row: Row | None, event: Observed, *, scanned_at: datetime | None) -> Folded:
    """Fold an ``observed`` into ``row``; ``scanned_at`` is the last complete scan of its scope."""
    if _is_late(row, event.observed_at, scanned_at):
        return Folded(late=True)
    new = _row(event, first_seen_at=row.first_seen_at if row else event.observed_at)
    if row is None:
        return Folded(new, entry(new, "appeared", event))
    changed = changes(row, new) + (["presence"] if row.presence != PRESENT else [])
    if row.incarnation and new.incarnation and row.incarnation != new.incarnation:
        return Folded(new, entry(new, "replaced", event, changed=changed))
    if row.presence != PRESENT:
        return Folded(new, entry(new, "returned", event, changed=changed))
    if not changed:
        is_known = row.hash == new.hash and not row.hidden
        return Folded() if is_known else Folded(replace(new, changed_at=row.changed_at))
    return Folded(new, entry(new, "changed", event, changed=changed))


def removed(row: Row | None, event: Removed, *, scanned_at: datetime | None) -> Folded:
    """Fold a ``removed``: the provider's word makes suspect, and the next complete scan settles it.

    The daemon's own word (``absent``) comes back to it only when it rebuilds an empty store, and then it is final.
    """
    if row is None or row.presence == GONE:
        return Folded()
    if _is_late(row, event.observed_at, None if event.reason is RemovalReason.ABSENT else scanned_at):
        return Folded(late=event.reason is RemovalReason.REPORTED)
    if event.reason is RemovalReason.ABSENT:
        new = replace(row, presence=GONE, hidden="", changed_at=event.observed_at)
        return Folded(new, entry(new, "gone", event, changed=["presence"]))
    if row.reported:
        return Folded()
    new = replace(row, presence=SUSPECT, reported=True, hidden="", changed_at=event.observed_at)
    return Folded(new, entry(new, "removed", event, changed=["presence"]))


def changes(old: Row, new: Row) -> list[str]:
    """Return the paths in which two rows differ."""
    found: list[str] = []
    for name in _COMPARED:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            if isinstance(after, dict):
                found.extend(paths.differing(before, after, name))
            else:
                found.append(name)
    return found


def entry(row: Row, op: str, event: Observed | Removed, *, changed: list[str] | None = None) -> LogRow:
    seen = isinstance(event, Observed)
    spec: dict[str, Any] | None = row.spec if seen else None
    return LogRow(
        at=event.observed_at, side="actual", op=op, key=row.key, provider=row.provider, source=row.source,
        kind=row.kind, name=row.name, incarnation=row.incarnation, status=row.status, presence=row.presence,
        cause=f"event {event.id}", spec=spec, changed=changed or [],
        labels=row.labels if seen else None, parent=row.parent if seen else None,
    )  # fmt: skip


def _is_late(row: Row | None, at: datetime, scanned_at: datetime | None) -> bool:
    """Whether something newer is known: of the resource, of its absence, or of its whole scope."""
    if scanned_at is not None and at < scanned_at:
        return True
    return row is not None and (at < row.observed_at or (row.presence != PRESENT and at < row.changed_at))


def _row(event: Observed, *, first_seen_at: datetime) -> Row:
    resource, size = event.resource, event.resource.size
    return Row(
        key=resource.key, provider=resource.provider, source=resource.source, kind=str(resource.kind),
        native_id=resource.native_id, name=resource.name, native_kind=resource.native_kind, scope=resource.scope,
        status=str(resource.status), native_status=resource.native_status, health=str(resource.health),
        presence=PRESENT, reported=False, hidden="", parent=resource.parent,
        relations=[{"type": edge.type, "key": edge.key} for edge in resource.relations], labels=resource.labels,
        addresses=list(resource.addresses), cpu_cores=size.cpu_cores, memory_bytes=size.memory_bytes,
        disk_bytes=size.disk_bytes, gpus=size.gpus, created_at=resource.created_at, incarnation=resource.incarnation,
        revision=resource.revision, spec=resource.spec, native=resource.native, hash=event.hash,
        first_seen_at=first_seen_at, observed_at=event.observed_at, changed_at=event.observed_at,
        search=" ".join((resource.key, resource.name, *resource.addresses)).lower(),
    )  # fmt: skip
