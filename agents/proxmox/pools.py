"""Proxmox's own resource pools as resources.  Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from agents.proxmox import cluster, redaction
from agents.proxmox.wire import PoolRow
from schemas.resources import Kind, Resource, SourceRef

SCOPE: Final = "resources"


def pools(
    source: SourceRef, rows: Iterable[PoolRow], comments: Mapping[str, str], last: Mapping[str, Resource]
) -> list[Resource]:
    """``comments`` are of the pools whose definition could be read; one that could not keeps what it had.

    A pool may be in another: ``lab/web`` is in ``lab``.
    """
    return [_pool(source, row.pool, comments.get(row.pool), last) for row in rows]


def _pool(source: SourceRef, name: str, comment: str | None, last: Mapping[str, Resource]) -> Resource:
    above = name.rpartition("/")[0]
    before = last.get(source.key(Kind.POOL, name))
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.POOL,
        native_id=name,
        name=name,
        native_kind="pool",
        scope=SCOPE,
        parent=source.key(Kind.POOL, above) if above else cluster.key(source),
        spec={"comment": redaction.text(comment or "") or None}
        if comment is not None or before is None
        else dict(before.spec),
    )
