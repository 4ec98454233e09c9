"""When two values are the same although they are written differently.  Pure, by provider and path.

Providers sort the lists whose order means nothing, but a person who declares one should not have to.
"""

from collections import Counter
from collections.abc import Mapping
from fnmatch import fnmatchcase

from pydantic import JsonValue

from daemon.reconcile import units
from schemas.base import canonical

_SETS: Mapping[str, tuple[str, ...]] = {
    "": ("addresses",),
    "docker": (
        "spec.ports", "spec.mounts", "spec.cap_add", "spec.cap_drop", "spec.security_opt", "spec.devices",
        "spec.device_requests", "spec.extra_hosts",
    ),
    "host": ("spec.options", "spec.gpus"),
    "proxmox": ("spec.tags",),
}  # fmt: skip
"""Lists whose order means nothing."""
_FOLDED: Mapping[str, tuple[str, ...]] = {"proxmox": ("spec.tags",)}
"""Words whose case means nothing."""
_DEVICES: Mapping[str, tuple[str, ...]] = {
    "proxmox": ("spec.net*", "spec.scsi*", "spec.virtio*", "spec.sata*", "spec.ide*", "spec.mp*", "spec.rootfs")
}
"""Texts like ``model=virtio,bridge=vmbr0``: the order of the parts means nothing."""


def are_same(provider: str, path: str, want: JsonValue, have: JsonValue) -> bool:
    """Whether ``want`` and ``have`` at ``path`` mean the same."""
    return want == have or _normal(provider, path, want) == _normal(provider, path, have)


def _normal(provider: str, path: str, value: JsonValue) -> object:
    if path.endswith("_bytes"):
        return units.in_bytes(value)
    if isinstance(value, str) and _is_among(_DEVICES, provider, path):
        return Counter(value.split(","))
    if isinstance(value, list) and (_is_among(_SETS, provider, path) or _is_among(_SETS, "", path)):
        folded = _is_among(_FOLDED, provider, path)
        return Counter(canonical(one.lower() if folded and isinstance(one, str) else one) for one in value)
    return value


def _is_among(table: Mapping[str, tuple[str, ...]], provider: str, path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in table.get(provider, ()))
