"""Snapshots of a guest as resources.  Pure."""

from collections.abc import Iterable
from typing import Final

from agents.proxmox import parse, redaction
from agents.proxmox.wire_slow import SnapshotRow
from schemas.resources import Kind, Resource, SourceRef, Status

SCOPE: Final = "snapshots"
_NOW = "current"
"""The row that stands for the guest as it is; it is no snapshot."""


def snapshots(source: SourceRef, guest: Resource, rows: Iterable[SnapshotRow]) -> list[Resource]:
    return [_snapshot(source, guest, row) for row in rows if row.name != _NOW]


def _snapshot(source: SourceRef, guest: Resource, row: SnapshotRow) -> Resource:
    """``snapstate`` is ``prepare`` or ``delete`` while that lasts, or for good where it failed."""
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.SNAPSHOT,
        native_id=f"{guest.native_id}/{row.name}",
        name=row.name,
        native_kind=f"{guest.native_kind}-snapshot",
        scope=SCOPE,
        status=Status.PENDING if row.snapstate else Status.UNKNOWN,
        native_status=row.snapstate,
        parent=guest.key,
        created_at=parse.moment(row.snaptime),
        incarnation=str(row.snaptime or ""),
        spec={
            "description": redaction.text(row.description).rstrip() or None,
            "with_memory": row.vmstate,
        },
        native={"after": row.parent} if row.parent else {},
    )
