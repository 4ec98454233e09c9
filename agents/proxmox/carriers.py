"""What guests are on and in, of a listing: nodes, storages, pools.  What tells nothing new is the identical object."""

from collections.abc import Mapping

from agents.proxmox import nodes, pools, storages, wire
from agents.proxmox.liveness import Live
from agents.proxmox.memory import Memory
from agents.proxmox.nodes import NodeFacts
from agents.proxmox.rights import Rights
from schemas.resources import Kind, Resource


def of(memory: Memory, rows: wire.ResourceRows, live: Live, rights: Rights) -> list[Resource]:
    last = memory.published
    found = [_node(memory, row, live, rights) for row in rows.nodes]
    online = {row.node for row in rows.nodes if row.status == "online"} - live.mute - live.hung
    found += storages.storages(
        memory.source, rows.storages, memory.facts.definitions, online=online,
        nodes={row.node for row in rows.nodes}, last=last,
    )  # fmt: skip
    found += pools.pools(memory.source, rows.pools, memory.facts.comments, last)
    return [_same(one, last) for one in found]


def _node(memory: Memory, row: wire.NodeRow, live: Live, rights: Rights) -> Resource:
    """A node whose daemon hangs is there, and tells nothing of itself; what a row does not say has not changed."""
    told = row
    if row.node in live.hung:
        told = row._replace(status="online", maxcpu=None)
    elif row.node in live.mute:
        told = row._replace(status="unknown")
    last = memory.published.get(memory.source.key(Kind.NODE, row.node))
    facts = memory.facts.nodes.get(row.node, NodeFacts())
    readable = rights.has(f"/nodes/{row.node}", "Sys.Audit")
    found = nodes.node(memory.source, told, facts, readable=readable, last=last)
    return found.model_copy(update={"size": last.size}) if last is not None and told.maxcpu is None else found


def _same(one: Resource, last: Mapping[str, Resource]) -> Resource:
    before = last.get(one.key)
    return before if before == one and before is not None else one
