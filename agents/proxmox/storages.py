"""Storages as resources: a shared one once, a local one per node.  Pure.

Each node tells of each storage; a definition, where it can be read, says how it is set up.  Sizes of some file systems
wander with what is in them: one is only news when it moved by more than 2 %.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from agents.proxmox import cluster, parse, redaction
from agents.proxmox.wire import StorageRow
from agents.proxmox.wire_slow import StorageDefinition
from schemas.resources import Health, Kind, Resource, Size, SourceRef, Status

SCOPE: Final = "resources"
_WANDERS = 0.02
_SHARED_TYPES: Final = frozenset(
    {"nfs", "cifs", "pbs", "rbd", "cephfs", "glusterfs", "iscsi", "iscsidirect", "zfs", "esxi"}
)
"""Types that are shared whatever is said of them."""
_SETS: Final = frozenset({"prune-backups", "content-dirs"})
_AVAILABLE, _DISABLED = "available", "disabled"


def key(source: SourceRef, node: str, storage: str, shared: Collection[str]) -> str:
    return source.key(Kind.STORAGE, storage if storage in shared else f"{node}/{storage}")


def shared(rows: Iterable[StorageRow]) -> frozenset[str]:
    """Return the names of those that are one storage, however many nodes have them."""
    return frozenset(row.storage for row in rows if row.shared)


def settled(now: float | None, last: int | None) -> int | None:
    """Return ``last`` while the new size is no news, or not known."""
    if now is None or now <= 0:
        return last
    return last if last is not None and abs(now - last) <= _WANDERS * last else int(now)


def storages(
    source: SourceRef,
    rows: Iterable[StorageRow],
    definitions: Mapping[str, StorageDefinition],
    *,
    online: Collection[str],
    nodes: Collection[str],
    last: Mapping[str, Resource],
) -> list[Resource]:
    """``online`` are the nodes whose figures are fresh, ``nodes`` all; ``last`` has what was published, by key.

    Nodes do not tell of what is disabled: that comes from the definitions.
    """
    rows = list(rows)
    shared_names = shared(rows)
    grouped: dict[str, list[StorageRow]] = {}
    for row in rows:
        grouped.setdefault(key(source, row.node, row.storage, shared_names), []).append(row)
    for row in _disabled(definitions.values(), nodes, {row.storage for row in rows}):
        name = row.storage if row.shared else f"{row.node}/{row.storage}"
        grouped.setdefault(source.key(Kind.STORAGE, name), []).append(row)
    return [
        _storage(source, group, definitions.get(group[0].storage), online, last.get(one))
        for one, group in grouped.items()
    ]


def _disabled(
    definitions: Iterable[StorageDefinition], nodes: Collection[str], seen: Collection[str]
) -> Iterator[StorageRow]:
    for one in definitions:
        if one.disable and one.storage not in seen:
            for node in parse.names(one.nodes) or nodes:
                is_shared = one.shared or one.type in _SHARED_TYPES
                yield StorageRow(one.storage, node, _DISABLED, one.type, is_shared, one.content)


def _storage(
    source: SourceRef,
    rows: Sequence[StorageRow],
    definition: StorageDefinition | None,
    online: Collection[str],
    last: Resource | None,
) -> Resource:
    first = rows[0]
    heard = [row for row in rows if row.node in online and row.status != _DISABLED]
    available = [row for row in heard if row.status == _AVAILABLE]
    size = max((row.maxdisk for row in available if row.maxdisk), default=None)
    status, word = _status(rows, available)
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.STORAGE,
        native_id=first.storage if first.shared else f"{first.node}/{first.storage}",
        name=first.storage,
        native_kind=first.plugintype,
        scope=SCOPE,
        status=status,
        native_status=word,
        health=_health(len(heard), len(available)),
        parent=cluster.key(source) if first.shared else source.key(Kind.NODE, first.node),
        size=Size(disk_bytes=settled(size, last.size.disk_bytes if last else None)),
        spec=_spec(first, definition, last),
        native=_where(rows, heard) if first.shared else {},
    )


def _status(rows: Sequence[StorageRow], available: Sequence[StorageRow]) -> tuple[Status, str]:
    if available:
        return Status.RUNNING, _AVAILABLE
    if all(row.status == _DISABLED for row in rows):
        return Status.STOPPED, _DISABLED
    return Status.UNKNOWN, "unknown"


def _health(heard: int, available: int) -> Health:
    if not heard:
        return Health.UNKNOWN
    if available == heard:
        return Health.OK
    return Health.DEGRADED if available else Health.FAILING


def _spec(row: StorageRow, definition: StorageDefinition | None, last: Resource | None) -> dict[str, JsonValue]:
    """What is set up; where the definition cannot be read it is what it was."""
    told: dict[str, JsonValue] = {
        "type": row.plugintype,
        "content": [*parse.names(row.content)],
        "shared": row.shared,
        "disabled": row.status == _DISABLED,
    }
    if definition is None:
        unread: dict[str, JsonValue] = {"nodes": [], "settings": {}}
        return {**unread, **(last.spec if last else {}), **told}
    settings = {name: _setting(name, value) for name, value in definition.settings.items()}
    return {**told, "nodes": [*parse.names(definition.nodes)], "settings": settings}


def _setting(name: str, value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return ",".join(f"{key}={one}" for key, one in sorted(value.items()))
    return redaction.text(parse.canonical(str(value)) if name in _SETS else str(value))


def _where(rows: Sequence[StorageRow], heard: Sequence[StorageRow]) -> dict[str, JsonValue]:
    return {
        "nodes": [*sorted(row.node for row in rows)],
        "unavailable_on": [*sorted(row.node for row in heard if row.status != _AVAILABLE)],
    }
