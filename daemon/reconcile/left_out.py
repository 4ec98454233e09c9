"""What a provider or its tools compute by themselves: never adopted, and no drift where nobody said it.  Pure.

Whoever wants to be told of one of these declares its path.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

from pydantic import JsonValue

from schemas import paths
from schemas.resources import Kind

_COMPOSE = (
    "config-hash", "container-number", "depends_on", "image", "oneoff", "project.config_files",
    "project.environment_file", "project.working_dir", "replace", "version", "slug",
)  # fmt: skip
_GUEST = ("labels", "spec.name", "spec.hostname")
"""What is said twice: by spec.tags and the name."""
_PATHS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("docker", ""): (
        'labels."org.opencontainers.image.*"',  # come with the image
        *(f'labels."com.docker.compose.{name}"' for name in _COMPOSE),  # Compose's own notes
        'labels."desktop.docker.io/*"',
    ),
    ("host", Kind.NODE): ("spec.kernel",),  # each update brings one
    ("host", Kind.DISK): ("name",),  # sda today is sdb tomorrow
    ("host", Kind.STORAGE): ("spec.device",),
    ("proxmox", Kind.NODE): ("spec.pve_version", "spec.kernel", "spec.subscription"),
    ("proxmox", Kind.VM): _GUEST,
    ("proxmox", Kind.CONTAINER): _GUEST,
    ("proxmox", Kind.TEMPLATE): _GUEST,
    ("proxmox", Kind.DISK): ("name",),
    ("proxmox", Kind.SCHEDULE): ("name",),  # spec.comment, where there is one
    ("proxmox", Kind.BACKUP): ("name", "parent", "spec.protected"),  # the newest one is another each night
}
_STAYS = (None, "ignored", "disabled")
"""What high availability wants of a guest that it does not bring elsewhere."""


@lru_cache(maxsize=65536)
def is_left_out(provider: str, kind: str, path: str) -> bool:
    patterns = (*_PATHS.get((provider, ""), ()), *_PATHS.get((provider, kind), ()))
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def may_move(provider: str, kind: str, spec: JsonValue) -> bool:
    """Whether the provider by itself may bring this elsewhere, so that where it is now is nobody's wish."""
    is_guest = provider == "proxmox" and kind in (Kind.VM, Kind.CONTAINER)
    return is_guest and isinstance(spec, dict) and spec.get("ha") not in _STAYS


def without(provider: str, kind: str, path: str, value: JsonValue) -> JsonValue:
    """Return ``value``, which stands at ``path``, without what is left out of it."""
    if not isinstance(value, dict):
        return value
    inside = {name: (paths.join(path, name), inner) for name, inner in value.items()}
    return {
        name: without(provider, kind, below, inner)
        for name, (below, inner) in inside.items()
        if not is_left_out(provider, kind, below)
    }
