"""Wire models to resources.  Pure: no file, no clock, no configuration.  What may be a secret ends here."""

import re
from collections.abc import Mapping, Sequence

from agents.host.client import Machine
from agents.host.disks import Disk
from agents.host.filesystems import Mount
from agents.host.interfaces import Interface
from agents.host.systemd import Unit
from schemas.resources import Health, Kind, Relation, Resource, Size, SourceRef, Status

_SECRET_OPTION = re.compile(r"pass|secret|token|key|cred", re.IGNORECASE)
_USER_INFO = re.compile(r"(^|//)[^/\s:\[]*:(?!/)\S*@")  # ``user:password@``
_PARTITION = re.compile(r"^/dev/(?P<disk>(?:nvme\d+n\d+|mmcblk\d+|md\d+)(?=p\d+$|$)|[a-z]+(?=\d*$))")
_UNIT_STATUS = {
    "active": (Status.RUNNING, Health.OK),
    "reloading": (Status.RUNNING, Health.OK),
    "refreshing": (Status.RUNNING, Health.OK),
    "activating": (Status.PENDING, Health.UNKNOWN),
    "deactivating": (Status.PENDING, Health.UNKNOWN),
    "inactive": (Status.STOPPED, Health.UNKNOWN),
    "failed": (Status.FAILED, Health.FAILING),
    "maintenance": (Status.STOPPED, Health.UNKNOWN),
}
_DISK_STATUS = {"running": Status.RUNNING, "live": Status.RUNNING, "": Status.RUNNING, "created": Status.PENDING}


def node(source: SourceRef, machine: Machine) -> Resource:
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.NODE,
        native_id=machine.id,
        name=machine.hostname,
        native_kind="machine",
        scope="machine",
        status=Status.RUNNING,
        native_status="up",
        size=Size(
            cpu_cores=machine.threads,
            memory_bytes=machine.memory_bytes,
            disk_bytes=machine.disk_bytes,
            gpus=len(machine.gpus),
        ),
        spec={
            "hostname": machine.hostname,
            "cpu_model": machine.cpu_model,
            "cores": machine.cores,
            "threads": machine.threads,
            "gpus": list(machine.gpus),
            "os": machine.os_name,
            "os_id": machine.os_id,
            "os_version": machine.os_version,
            "kernel": machine.kernel,
            "architecture": machine.architecture,
            "virtualisation": machine.virtualisation,
            "container": machine.container,
            "firmware": machine.firmware,
            "timezone": machine.timezone,
            "vendor": machine.vendor,
            "product": machine.product,
        },
        native={"boot_id": machine.boot_id},
    )


def disk(source: SourceRef, node_key: str, row: Disk) -> Resource:
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.DISK,
        native_id=row.id,
        name=row.name,
        native_kind=row.raid_level or "disk",
        scope="disks",
        status=_DISK_STATUS.get(row.state, Status.FAILED),
        native_status=row.state,
        health=_disk_health(row),
        parent=node_key,
        size=Size(disk_bytes=row.size_bytes),
        spec={
            "model": row.model,
            "vendor": row.vendor,
            "serial": row.serial,
            "rotational": row.is_rotational,
            "removable": row.is_removable,
            "raid_level": row.raid_level,
        },
        native={"device": f"/dev/{row.name}", "raid_missing": row.raid_missing},
    )


def _disk_health(row: Disk) -> Health:
    if row.raid_level:
        return Health.DEGRADED if row.raid_missing else Health.OK
    return Health.UNKNOWN


def storage(source: SourceRef, node_key: str, row: Mount, disks: Sequence[Disk]) -> Resource:
    below = next((disk.id for disk in disks if row.device in disk.devices or disk_name(row.source) == disk.name), None)
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.STORAGE,
        native_id=row.point,
        name=row.point,
        native_kind=row.fstype,
        scope="disks",
        status=Status.RUNNING,
        native_status="mounted",
        parent=node_key,
        relations=(Relation(type="on", key=source.key(Kind.DISK, below)),) if below else (),
        size=Size(disk_bytes=row.size_bytes),
        spec={
            "device": _USER_INFO.sub(r"\1***@", row.source),
            "fstype": row.fstype,
            "options": [_option(option) for option in row.options],
        },
    )


def disk_name(device: str) -> str:
    """Return the disk of a partition's device: ``/dev/sda1`` is on ``sda``, ``/dev/nvme0n1p2`` on ``nvme0n1``."""
    found = _PARTITION.match(device)
    return found["disk"] if found else ""


def _option(option: str) -> str:
    name, equals, _ = option.partition("=")
    return f"{name}=***" if equals and _SECRET_OPTION.search(name) else option


_OWN_MAC = frozenset({"ethernet", "wlan", "loopback", "bond"})
"""A bridge takes the address of whoever joins it, and a speed with it: no configuration, and no news."""


def interface(source: SourceRef, node_key: str, row: Interface) -> Resource:
    is_running = row.state == "up" or (row.state == "unknown" and row.is_up)
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.INTERFACE,
        native_id=row.name,
        name=row.name,
        native_kind=row.type,
        scope="interfaces",
        status=Status.RUNNING if is_running else Status.STOPPED,
        native_status=row.state,
        parent=node_key,
        relations=(Relation(type="in", key=source.key(Kind.INTERFACE, row.master)),) if row.master else (),
        addresses=row.addresses,
        spec={
            "type": row.type,
            "mac": row.mac if row.type in _OWN_MAC else "",
            "mtu": row.mtu,
            "enabled": row.is_up,
            "master": row.master,
        },
        native={"speed_mbps": row.speed_mbps} if row.type in _OWN_MAC else {},
    )


def unit(source: SourceRef, node_key: str, row: Unit) -> Resource:
    status, health = _UNIT_STATUS.get(row.active, (Status.UNKNOWN, Health.UNKNOWN))
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.UNIT,
        native_id=row.name,
        name=row.name,
        native_kind=row.type,
        scope="units",
        status=status,
        native_status=f"{row.active} ({row.sub})",
        health=health,
        parent=node_key,
        spec={"enabled": row.enabled},
        native={"description": row.description} if row.description else {},
    )


def addresses(found: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Leave out what says nothing or comes and goes by itself: link-local addresses, and scopes (``%eth0``)."""
    kept = {name: [text.partition("%")[0] for text in texts] for name, texts in found.items()}
    return {name: [text for text in texts if not text.lower().startswith("fe80:")] for name, texts in kept.items()}
