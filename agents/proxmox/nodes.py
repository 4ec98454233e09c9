"""Nodes as resources: what is broadcast of them, and facts that are read now and then.  Pure.

A fact that was once read stays until it is read again: that a node does not answer changes nothing about its model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import JsonValue

from agents.proxmox import cluster
from agents.proxmox.storages import settled
from agents.proxmox.wire import NodeRow
from agents.proxmox.wire_slow import NodeStatus, Subscription
from schemas.resources import Health, Kind, Resource, Size, SourceRef, Status

SCOPE: Final = "resources"
_STATUS: Final[Mapping[str, Status]] = {"online": Status.RUNNING, "offline": Status.STOPPED}
_VERSION_AT = 1
"""``pve-manager/9.2.11/0123456789abcdef``"""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """None is what was never read."""

    pve_version: str | None = None
    kernel: str | None = None
    architecture: str | None = None
    cpu_model: str | None = None
    sockets: int | None = None
    cores: int | None = None
    threads: int | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    boot_mode: str | None = None
    secure_boot: bool | None = None
    subscription: str | None = None
    updates: int | None = None
    address: str | None = None


_SPEC: Final = (
    "pve_version", "kernel", "architecture", "cpu_model", "sockets", "cores", "threads", "boot_mode", "secure_boot",
    "subscription",
)  # fmt: skip


def with_status(facts: NodeFacts, status: NodeStatus) -> NodeFacts:
    """Return the facts with what ``nodes/N/status`` says."""
    told: dict[str, Any] = {
        "pve_version": _version(status.pveversion),
        "kernel": _kernel(status),
        "architecture": status.current_kernel.machine,
        "cpu_model": status.cpuinfo.model,
        "sockets": status.cpuinfo.sockets,
        "cores": status.cpuinfo.cores,
        "threads": status.cpuinfo.cpus,
        "memory_bytes": status.memory.total,
        "disk_bytes": status.rootfs.total,
        "boot_mode": status.boot_info.mode,
        "secure_boot": status.boot_info.secureboot,
    }
    return replace(facts, **{name: fact for name, fact in told.items() if fact not in (None, "")})


def with_subscription(facts: NodeFacts, subscription: Subscription) -> NodeFacts:
    """Return the facts with whether there is one; its key is nobody's business."""
    return replace(facts, subscription=subscription.status or None)


def remembered(last: Resource) -> NodeFacts:
    """Return the facts of a node as it was last published."""
    told: dict[str, Any] = {name: last.spec.get(name) for name in _SPEC}
    return NodeFacts(
        **told,
        memory_bytes=last.size.memory_bytes,
        disk_bytes=last.size.disk_bytes,
        updates=updates if isinstance(updates := last.native.get("updates"), int) else None,
        address=last.addresses[0] if last.addresses else None,
    )


def node(
    source: SourceRef,
    row: NodeRow,
    facts: NodeFacts,
    *,
    readable: bool = True,
    last: Resource | None = None,
) -> Resource:
    """``readable``: our rights let us see its figures."""
    disk = settled(row.maxdisk or facts.disk_bytes, last.size.disk_bytes if last else None)
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.NODE,
        native_id=row.node,
        name=row.node,
        native_kind="node",
        scope=SCOPE,
        status=_STATUS.get(row.status, Status.UNKNOWN),
        native_status=row.status,
        health=_health(row, readable=readable),
        parent=cluster.key(source),
        size=Size(
            cpu_cores=row.maxcpu or facts.threads,
            memory_bytes=int(row.maxmem) if row.maxmem else facts.memory_bytes,
            disk_bytes=disk,
        ),
        addresses=(facts.address,) if facts.address else (),
        spec={name: getattr(facts, name) for name in _SPEC},
        native=_native(row, facts),
    )


def _native(row: NodeRow, facts: NodeFacts) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {
        "version": facts.pve_version,
        "updates": facts.updates,
        "ha_state": row.hastate,
        "level": row.level or None,
    }
    return {name: fact for name, fact in found.items() if fact is not None}


def _health(row: NodeRow, *, readable: bool) -> Health:
    """A node that is there and tells nothing of itself has a daemon that hangs."""
    if row.status != "online" or not readable:
        return Health.UNKNOWN
    return Health.OK if row.maxcpu else Health.DEGRADED


def _version(text: str) -> str:
    parts = text.split("/")
    return parts[_VERSION_AT] if len(parts) > _VERSION_AT else text


def _kernel(status: NodeStatus) -> str:
    """``Linux 6.14.8-2-pve #1 SMP PREEMPT_DYNAMIC ...`` is how older versions say it."""
    words = status.kversion.split()
    return status.current_kernel.release or (words[1] if len(words) > 1 else "")
