"""Physical disks of a node as resources.  Pure.

A disk is known by what it carries with it, a serial number or world-wide name, else by its device.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from agents.proxmox.wire_slow import DiskRow
from schemas.resources import Health, Kind, Resource, Size, SourceRef, Status

SCOPE: Final = "disks"
_HEALTH: Final[Mapping[str, Health]] = {"PASSED": Health.OK, "OK": Health.OK, "FAILED": Health.FAILING}
_NOT_SAID = frozenset({"", "unknown", "UNKNOWN"})


def disks(source: SourceRef, node: str, rows: Iterable[DiskRow]) -> list[Resource]:
    ids = native_ids(rows := list(rows))
    return [_disk(source, node, row, ids[row.devpath]) for row in rows if row.devpath in ids]


def native_ids(rows: Iterable[DiskRow]) -> dict[str, str]:
    """Return device -> what its disk is known by on its node; partitions have none.

    The two ends of a multipath disk, and cheap ones, share a serial number.
    """
    found = {row.devpath: _text(row.serial) or _text(row.wwn) or row.devpath for row in rows if not row.parent}
    times = Counter(found.values())
    return {device: one if times[one] == 1 else f"{one}@{device}" for device, one in found.items()}


def _disk(source: SourceRef, node: str, row: DiskRow, native_id: str) -> Resource:
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.DISK,
        native_id=f"{node}/{native_id}",
        name=row.devpath,
        native_kind=row.type if row.type not in _NOT_SAID else "disk",
        scope=SCOPE,
        status=Status.RUNNING,
        native_status=row.health,
        health=_HEALTH.get(row.health.upper(), Health.UNKNOWN),
        parent=source.key(Kind.NODE, node),
        size=Size(disk_bytes=row.size),
        spec={
            "model": _text(row.model) or None,
            "vendor": _text(row.vendor) or None,
            "serial": _text(row.serial) or None,
            "wwn": _text(row.wwn) or None,
            "rpm": row.rpm if row.rpm and row.rpm > 0 else None,
        },
        native={"device": row.devpath, "used_as": row.used or None},
    )


def _text(said: str) -> str:
    text = re.sub(r"\s+", "_", said.strip())
    return "" if text in _NOT_SAID else text
