"""The newest backup of each guest, over all storages, as a resource.  Pure.

That it is a newer one than yesterday's is another incarnation, no change of configuration.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from agents.proxmox import parse, redaction
from agents.proxmox.wire_slow import Volume
from schemas.resources import Health, Kind, Relation, Resource, Size, SourceRef, Status

SCOPE: Final = "backups"
_VZDUMP: Final = re.compile(r"vzdump-(qemu|lxc|openvz)-(\d+)-(\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d)\.(.+)$")
_PBS: Final = re.compile(r"backup/(vm|ct)/(\d+)/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$")
_SUBTYPES: Final = {"vm": "qemu", "ct": "lxc", "openvz": "lxc"}
_HEALTH: Final[Mapping[str, Health]] = {"ok": Health.OK, "failed": Health.FAILING}


@dataclass(frozen=True, slots=True)
class Backup:
    """A volume that is one.  ``made_at`` of a vzdump's name is its node's local time: the volume's own goes first."""

    storage: str
    """The key of the storage it is on."""
    volume: Volume
    vmid: int
    subtype: str
    format: str
    made_at: datetime


def backups(storage: str, volumes: Iterable[Volume]) -> list[Backup]:
    """Return what is a guest's backup of a storage (its key); a host's own is none."""
    return [found for one in volumes if (found := _backup(storage, one)) is not None]


def _backup(storage: str, volume: Volume) -> Backup | None:
    if vzdump := _VZDUMP.search(volume.volid):
        subtype, number, stamp, ending = vzdump.groups()
        written = "%Y_%m_%d-%H_%M_%S"
    elif pbs := _PBS.search(volume.volid):
        subtype, number, stamp = pbs.groups()
        ending = f"pbs-{subtype}"
        written = "%Y-%m-%dT%H:%M:%SZ"
    else:
        return None
    made_at = parse.moment(volume.ctime) or _moment(stamp, written)
    if made_at is None:
        return None
    return Backup(
        storage,
        volume,
        volume.vmid or int(number),
        volume.subtype or _SUBTYPES.get(subtype, subtype),
        ending if volume.format in ("", ending) or not ending.startswith("pbs") else volume.format,
        made_at,
    )


def _moment(stamp: str, written: str) -> datetime | None:
    """Whoever copies a file may call it what he likes: the name may have no time in it."""
    try:
        return datetime.strptime(stamp, written).replace(tzinfo=UTC)
    except ValueError:
        return None


def newest(found: Iterable[Backup]) -> dict[int, Backup]:
    """Return guest -> its newest backup; of the same second, the one of the first storage by name."""
    ordered: Sequence[Backup] = sorted(found, key=lambda one: (one.made_at, one.volume.volid))
    return {one.vmid: one for one in ordered}


def backup(source: SourceRef, found: Backup, guests: Mapping[int, str]) -> Resource:
    """``guests``: number -> key; a backup may outlive its guest."""
    guest = guests.get(found.vmid)
    volume = found.volume
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.BACKUP,
        native_id=str(found.vmid),
        name=volume.volid,
        native_kind=found.format,
        scope=SCOPE,
        status=Status.UNKNOWN,
        health=_HEALTH.get(volume.verification.state, Health.UNKNOWN),
        parent=found.storage,
        relations=(Relation(type="of", key=guest),) if guest else (),
        size=Size(disk_bytes=volume.size),
        created_at=found.made_at,
        incarnation=volume.volid,
        spec={"guest_type": found.subtype, "protected": volume.protected, "encrypted": bool(volume.encrypted)},
        native={
            "volume": volume.volid,
            "verification": volume.verification.state or None,
            "notes": redaction.text(volume.notes) or None,
        },
    )
