"""Images, volumes and networks as resources.

Pure.  An image is known by its id, a volume and a network by their name.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from agents.docker import identity, redaction, wire
from agents.docker.moments import epoch, moment
from schemas.resources import Kind, Resource, Size, SourceRef, Status

IMAGES, VOLUMES, NETWORKS = "images", "volumes", "networks"
_UNTAGGED = "<none>"
_ANONYMOUS_LENGTH = 64
_PREDEFINED: Final = frozenset({"bridge", "host", "none"})
"""Made anew with other ids when the engine starts; it is no re-creation that anybody did."""


def images(source: SourceRef, rows: Iterable[wire.Image]) -> list[Resource]:
    """The same image may be listed once per platform or name; it is one."""
    return [_image(source, row) for row in {identity.image(row.id): row for row in rows}.values()]


def _image(source: SourceRef, row: wire.Image) -> Resource:
    tags = sorted(tag for tag in row.repo_tags if not tag.startswith(_UNTAGGED))
    digests = sorted(digest for digest in row.repo_digests if not digest.startswith(_UNTAGGED))
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.IMAGE,
        native_id=identity.image(row.id),
        name=tags[0] if tags else _UNTAGGED,
        native_kind="image",
        scope=IMAGES,
        labels=redaction.mapping(row.labels),
        size=Size(disk_bytes=row.size),
        created_at=epoch(row.created),
        spec={"tags": [*tags]},
        native={"digests": [*digests]},
    )


def volumes(source: SourceRef, rows: Iterable[wire.Volume], *, dated: bool) -> list[Resource]:
    """``dated``: the engine's ``CreatedAt`` is one.  Before API 1.44 it changes when a file is put into the volume."""
    return [_volume(source, row, dated=dated) for row in rows]


def _volume(source: SourceRef, row: wire.Volume, *, dated: bool) -> Resource:
    anonymous = len(row.name) == _ANONYMOUS_LENGTH and row.name.isalnum()
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.VOLUME,
        native_id=row.name,
        name=row.name,
        native_kind="volume",
        scope=VOLUMES,
        labels=redaction.mapping(row.labels),
        created_at=moment(row.created_at) if dated else None,
        incarnation=row.created_at if dated else "",
        spec={"driver": row.driver, "options": {**redaction.mapping(row.options)}, "scope": row.scope or None},
        native={"mountpoint": row.mountpoint, "anonymous": anonymous},
    )


def network_ids(rows: Iterable[wire.Network]) -> dict[str, str]:
    """Return network id -> native id."""
    return identity.unique_names((row.id, row.name, row.created) for row in rows)


def networks(source: SourceRef, rows: Sequence[wire.Network], native_ids: Mapping[str, str]) -> list[Resource]:
    return [_network(source, row, native_ids[row.id]) for row in rows]


def _network(source: SourceRef, row: wire.Network, native_id: str) -> Resource:
    lasting = row.name not in _PREDEFINED
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.NETWORK,
        native_id=native_id,
        name=row.name,
        native_kind=row.driver,
        scope=NETWORKS,
        status=Status.UNKNOWN,
        labels=redaction.mapping(row.labels),
        created_at=moment(row.created) if lasting else None,
        incarnation=row.id if lasting else "",
        spec=_network_spec(row),
        native={"id": row.id} if lasting else {},
    )


def _network_spec(row: wire.Network) -> dict[str, JsonValue]:
    return {
        "driver": row.driver,
        "scope": row.scope or None,
        "internal": row.internal,
        "attachable": row.attachable,
        "ingress": row.ingress,
        "ipv6": row.ipv6,
        "ipam_driver": row.ipam.driver or None,
        "subnets": [*(_subnet(pool, chosen=row.name in _PREDEFINED) for pool in _pools(row))],
        "options": {**redaction.mapping(row.options)},
    }


def _pools(row: wire.Network) -> list[wire.IpamPool]:
    return sorted(row.ipam.config, key=lambda pool: (pool.subnet, pool.gateway, pool.ip_range))


def _subnet(pool: wire.IpamPool, *, chosen: bool) -> dict[str, JsonValue]:
    """``chosen`` by the engine: it names the gateway of its own bridge at one start and not at the next."""
    gateway = None if chosen else pool.gateway or None
    return {"subnet": pool.subnet or None, "gateway": gateway, "range": pool.ip_range or None}
