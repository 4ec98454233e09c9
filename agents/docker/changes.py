"""What an event of the engine means for us: which scopes to read anew, what is gone, whose inspection is old.

Pure.  Much of what an engine says changes nothing (a health check's exec, an attach); it is dropped here.
"""

from dataclasses import dataclass
from typing import Final

from agents.docker import hosts, identity, mapping, stores, swarm, wire
from schemas.resources import Kind

_SILENT: Final = frozenset(
    {"attach", "detach", "resize", "top", "export", "archive-path", "extract-to-dir", "copy", "kill", "logs", "sync"}
    | {"exec_create", "exec_start", "exec_die", "exec_died", "exec_detach", "exec", "checkpoint", "mount", "unmount"}
    | {"push", "save", "import-container", "refresh"}
)
_REMOVALS: Final = frozenset({("container", "destroy"), ("container", "remove"), ("volume", "destroy")}) | {
    ("volume", "remove"),
    ("network", "destroy"),
    ("network", "remove"),
    ("image", "delete"),
    ("image", "remove"),
}
_KINDS: Final = {
    "container": Kind.CONTAINER,
    "volume": Kind.VOLUME,
    "network": Kind.NETWORK,
    "image": Kind.IMAGE,
}
_SCOPES: Final = {
    "container": mapping.SCOPE,
    "pod": mapping.SCOPE,
    "image": stores.IMAGES,
    "volume": stores.VOLUMES,
    "network": stores.NETWORKS,
    "service": swarm.SCOPE,
    "node": swarm.SCOPE,
    "daemon": hosts.SCOPE,
}
_SWARM_TASK = "com.docker.swarm.task.id"


@dataclass(frozen=True, slots=True)
class Change:
    """``removed`` has the provider's own id, ``container`` the id of the container whose inspection is now old."""

    scopes: frozenset[str] = frozenset()
    removed: tuple[Kind, str] | None = None
    container: str = ""


def change(event: wire.Event) -> Change:
    """Return the empty change for what means nothing to us."""
    action = event.action.partition(":")[0].strip()
    if event.type not in _SCOPES or action in _SILENT:
        return Change()
    if event.type == "network" and action in ("connect", "disconnect"):
        return Change(frozenset({mapping.SCOPE}), container=event.actor.attributes.get("container", ""))
    return Change(_scopes(event), _removed(event, action), event.actor.id if event.type == "container" else "")


def _scopes(event: wire.Event) -> frozenset[str]:
    """Tasks have no events of their own, but their containers do; a node that comes or goes changes the engine too."""
    scopes = {_SCOPES[event.type]}
    if event.type == "container" and _SWARM_TASK in event.actor.attributes:
        scopes.add(swarm.SCOPE)
    if event.type == "node":
        scopes.add(hosts.SCOPE)
    return frozenset(scopes)


def _removed(event: wire.Event, action: str) -> tuple[Kind, str] | None:
    if (event.type, action) not in _REMOVALS or not event.actor.id:
        return None
    kind = _KINDS[event.type]
    return kind, identity.image(event.actor.id) if kind is Kind.IMAGE else event.actor.id
