"""Block devices from /sys/block, as wire models.  Blocking: called in a thread.

A disk is known by what it carries with it (RAID or world-wide id, serial), else by its place, never by the order in
which it was found at boot, unless nothing else is said.
"""

import re
from collections import Counter
from collections.abc import Sequence

from agents.host.files import Root
from schemas.base import Message

_NOT_DISKS = re.compile(r"(loop|ram|zram|dm-|sr|fd|nbd|mtdblock|drbd|rbd|zd)\d")


class Disk(Message):
    id: str
    name: str
    size_bytes: int
    model: str
    vendor: str
    serial: str
    is_rotational: bool | None
    is_removable: bool
    is_physical: bool
    state: str
    raid_level: str
    raid_missing: int
    devices: tuple[str, ...]
    """``major:minor`` of the disk and of its partitions."""


def disks(root: Root) -> Sequence[Disk]:
    """Return whole disks and software RAIDs that hold something; never a loop, a RAM disk or an empty drive."""
    names = [name for name in root.required_names("sys/block") if not _NOT_DISKS.match(name)]
    found = [disk for name in names if (disk := _disk(root, name)) is not None]
    times = Counter(disk.id for disk in found)
    return [disk if times[disk.id] == 1 else disk.model_copy(update={"id": f"{disk.id}@{disk.name}"}) for disk in found]


def _disk(root: Root, name: str) -> Disk | None:
    folder = f"sys/block/{name}"
    sectors = root.number(f"{folder}/size")
    if not sectors:
        return None
    udev = _udev(root, root.text(f"{folder}/dev"))
    serial = root.text(f"{folder}/serial") or root.text(f"{folder}/device/serial") or udev.get("ID_SERIAL_SHORT", "")
    wwid = root.text(f"{folder}/wwid") or root.text(f"{folder}/device/wwid") or udev.get("ID_WWN", "")
    raid = root.text(f"{folder}/md/uuid") or udev.get("MD_UUID", "")
    native_id = raid or wwid or serial or udev.get("ID_PATH", "") or name
    rotational = root.number(f"{folder}/queue/rotational")
    partitions = [part for part in root.names(folder) if root.exists(f"{folder}/{part}/partition")]
    return Disk(
        id=re.sub(r"\s+", "_", native_id)[:200],
        name=name,
        size_bytes=sectors * 512,
        model=" ".join((root.text(f"{folder}/device/model") or udev.get("ID_MODEL", "")).split()),
        vendor=root.text(f"{folder}/device/vendor") if not name.startswith("vd") else "",
        serial=serial,
        is_rotational=None if rotational is None else bool(rotational),
        is_removable=root.text(f"{folder}/removable") == "1",
        is_physical=not name.startswith("md"),
        state=root.text(f"{folder}/device/state"),
        raid_level=root.text(f"{folder}/md/level"),
        raid_missing=root.number(f"{folder}/md/degraded") or 0,
        devices=tuple(
            filter(None, (root.text(f"{folder}/{part}dev") for part in ("", *(f"{p}/" for p in partitions))))
        ),
    )


def _udev(root: Root, device: str) -> dict[str, str]:
    """Return the properties udev keeps of a block device ``major:minor``; none where udev does not run."""
    rows = (line[2:].partition("=") for line in root.text(f"run/udev/data/b{device}").splitlines() if line[:2] == "E:")
    return {name: value for name, _, value in rows}
