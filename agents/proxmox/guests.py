"""A VM, container or template as a resource: its row, its configuration, and what the agent knows besides.  Pure.

``cluster/resources`` says how a guest is, its configuration what it is.  Without a configuration it stays what it was
last known to be: what cannot be read has not changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import Final

from pydantic import JsonValue

from agents.proxmox import containers, devices, identity, networks, parse, storages, vms
from agents.proxmox.wire import GuestConfig, GuestRow
from schemas.resources import Health, Kind, Relation, Resource, SourceRef, Status

SCOPE: Final = "resources"
_STATUS: Final[Mapping[str, Status]] = {
    "running": Status.RUNNING,
    "stopped": Status.STOPPED,
    "shutdown": Status.STOPPED,
    "paused": Status.PAUSED,
    "suspended": Status.PAUSED,
    "prelaunch": Status.PENDING,
    "inmigrate": Status.PENDING,
    "io-error": Status.FAILED,
    "internal-error": Status.FAILED,
    "guest-panicked": Status.FAILED,
    "watchdog": Status.FAILED,
}
_LASTING: Final = frozenset({"uuid", "meta_ctime", "config"})
"""Facts of the configuration, not of the row."""


@dataclass(frozen=True, slots=True)
class GuestExtras:
    """What neither the row nor the configuration says."""

    last: Resource | None = None
    """The same key as it was last published or read."""
    recreated: bool | None = None
    """See ``identity.incarnation``."""
    live_status: str | None = None
    """What the node itself says, where the row is old."""
    node_online: bool = True
    ha_wish: str | None = None
    """The state that high availability is to keep it in."""
    newest_backup_at: datetime | None = None
    backups_known: bool = False
    """Everything that may hold backups was read: that there is no newest one means that there is none."""
    shared_storages: frozenset[str] = frozenset()
    vnets: frozenset[str] = frozenset()


def kind(row: GuestRow, config: GuestConfig | None) -> Kind:
    """The configuration knows at once what a new guest's row says only after a while."""
    if row.template or (config is not None and config.flag("template")):
        return Kind.TEMPLATE
    return Kind.VM if row.type == "qemu" else Kind.CONTAINER


def guest(source: SourceRef, row: GuestRow, config: GuestConfig | None, extras: GuestExtras) -> Resource:
    if config is None:
        return _unread(source, row, extras)
    spec = {**_part(row).spec(config), **_wanted(row, extras)}
    marks = identity.marks(row.type, config, spec)
    previous = identity.remembered(extras.last) if extras.last is not None else None
    status, word = _status(row, extras)
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=kind(row, config),
        native_id=str(row.vmid),
        name=config.text("name" if row.type == "qemu" else "hostname") or _name(row),
        native_kind=row.type,
        scope=SCOPE,
        status=status,
        native_status=word,
        health=_health(row, status),
        parent=source.key(Kind.NODE, row.node),
        relations=_relations(source, row, spec, extras),
        labels=dict.fromkeys(parse.tags(config.text("tags")), ""),
        size=_part(row).size(config, spec),
        addresses=_part(row).addresses(spec),
        incarnation=identity.incarnation(previous, marks, recreated=extras.recreated),
        spec=spec,
        native=_facts(row, extras) | marks.native,
    )


def _unread(source: SourceRef, row: GuestRow, extras: GuestExtras) -> Resource:
    """Return what the row says of a guest, and of the rest what was last known, if anything was."""
    last = extras.last
    status, word = _status(row, extras)
    if last is None:
        last = Resource(
            provider=source.provider,
            source=source.name,
            kind=kind(row, None),
            native_id=str(row.vmid),
            name=_name(row),
            native_kind=row.type,
            scope=SCOPE,
            labels=dict.fromkeys(parse.tags(row.tags), ""),
            native={"config": "unread"},
        )
    lasting = {name: fact for name, fact in last.native.items() if name in _LASTING}
    told = {
        "status": status,
        "native_status": word,
        "health": _health(row, status),
        "parent": source.key(Kind.NODE, row.node),
        "spec": last.spec | _wanted(row, extras) if last.spec else {},
        "native": _facts(row, extras) | lasting,
    }
    return last.model_copy(update=told)


def _part(row: GuestRow) -> ModuleType:
    return vms if row.type == "qemu" else containers


def _wanted(row: GuestRow, extras: GuestExtras) -> dict[str, JsonValue]:
    """What is configured of a guest outside its own configuration."""
    return {"pool": row.pool, "ha": extras.ha_wish}


def _facts(row: GuestRow, extras: GuestExtras) -> dict[str, JsonValue]:
    backup = extras.newest_backup_at
    found = {"lock": row.lock, "ha_state": row.hastate}
    told: dict[str, JsonValue] = {name: fact for name, fact in found.items() if fact is not None}
    if backup is not None or extras.backups_known:
        told["newest_backup_at"] = backup.isoformat() if backup else None
    return told


def _name(row: GuestRow) -> str:
    return row.name or (f"VM {row.vmid}" if row.type == "qemu" else f"CT{row.vmid}")


def _status(row: GuestRow, extras: GuestExtras) -> tuple[Status, str]:
    """Nobody knows of a guest whose node does not answer, whatever was last broadcast."""
    word = extras.live_status or row.status
    return (_STATUS.get(word, Status.UNKNOWN) if extras.node_online else Status.UNKNOWN), word


def _health(row: GuestRow, status: Status) -> Health:
    return Health.FAILING if status is Status.FAILED or row.hastate == "error" else Health.UNKNOWN


def _relations(
    source: SourceRef, row: GuestRow, spec: Mapping[str, JsonValue], extras: GuestExtras
) -> tuple[Relation, ...]:
    volumes = _volumes(spec)
    edges = {
        ("uses", storages.key(source, row.node, sid, extras.shared_storages)) for sid in {sid for sid, _ in volumes}
    }
    edges |= {("attached", networks.key(source, row.node, name, extras.vnets)) for name in _bridges(spec)}
    bases = {parse.base_of(volume) for _, volume in volumes} - {None, row.vmid}
    edges |= {("made_from", source.key(Kind.TEMPLATE, str(base))) for base in bases}
    if row.pool:
        edges.add(("member", source.key(Kind.POOL, row.pool)))
    return tuple(Relation(type=type_, key=key) for type_, key in sorted(edges))


def _volumes(spec: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
    """Return (storage, volume) of each that is on a storage."""
    found = [*devices.entries(spec.get("disks")), *devices.entries(spec.get("mounts"))]
    found += [one for name in ("rootfs", "efidisk", "tpm") if isinstance(one := spec.get(name), dict)]
    return [(str(storage), str(one["volume"])) for one in found if (storage := one["storage"])]


def _bridges(spec: Mapping[str, JsonValue]) -> set[str]:
    return {str(one["bridge"]) for one in devices.entries(spec["networks"]) if one["bridge"]}
