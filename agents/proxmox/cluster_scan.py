"""The scope ``cluster``: membership and quorum, what high availability is told to do; and the facts that are due."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from agents.errors import Unreachable
from agents.proxmox import cluster, parse, wire, wire_slow
from agents.proxmox.memory import Listing, Memory
from agents.proxmox.troubles import Denied, Unsupported
from schemas.resources import Kind, Resource

_RULES: Final = 9
"""The release since which there are rules in place of groups."""
_KINDS: Final = {"vm": Kind.VM, "ct": Kind.CONTAINER}


async def read(memory: Memory) -> Listing:
    try:
        rows = await _status(memory)
    except Denied:
        await _refresh(memory, {row.node: "" for row in (await memory.latest()).nodes if row.status == "online"})
        raise
    await _refresh(memory, {row.name: row.ip for row in rows if row.type == "node" and row.online})
    source, facts = memory.source, memory.facts
    names = {row.name for row in rows if row.type == "node"}
    versions = {name: one.pve_version for name, one in facts.nodes.items() if name in names and one.pve_version}
    labels = {name: text for name in ("region", "tier") if (text := getattr(memory.config, name))}
    found = [cluster.cluster(source, rows, versions, labels), *await _high_availability(memory)]
    soon = [error for part, error in facts.failed.items() if part.removeprefix("nodes/") not in memory.silent]
    return Listing(found, facts.gaps, soon)


async def _status(memory: Memory) -> list[wire.ClusterRow]:
    """A node that is cut off sees all others as off: another that can be asked may be among the majority."""
    rows = await memory.api.rows("cluster/status", wire.ClusterRow)
    for _ in memory.config.urls[1:]:
        if all(row.quorate for row in rows if row.type == "cluster"):
            break
        memory.api.pass_over()
        rows = await memory.api.rows("cluster/status", wire.ClusterRow)
    return rows


async def _refresh(memory: Memory, online: dict[str, str]) -> None:
    await memory.facts.refresh(online, await memory.permissions.current(), mend=memory.mends(cluster.SCOPE))


async def _high_availability(memory: Memory) -> list[Resource]:
    source = memory.source
    rows = await memory.api.rows("cluster/ha/resources", wire_slow.HaResource)
    guests = _guests(memory, [row.sid for row in rows])
    memory.ha_wishes = {int(vmid): cluster.wish(row) for row in rows if (vmid := row.sid.partition(":")[2]).isdecimal()}
    states = await memory.api.rows("cluster/ha/status/current", wire_slow.HaState)
    crm = {row.sid: row.crm_state for row in states if row.type == "service"}
    found = [cluster.ha_resource(source, row, crm.get(row.sid), guests) for row in rows]
    return found + await _rules(memory)


async def _rules(memory: Memory) -> list[Resource]:
    """Each release has one of the two and refuses the other; ours may have been updated since it was looked up."""
    if memory.facts.release >= _RULES:
        with suppress(Unsupported):
            return await _new_rules(memory)
    try:
        groups = await memory.api.rows("cluster/ha/groups", wire_slow.HaGroup)
    except Unreachable:
        if memory.facts.release >= _RULES:
            raise
        return await _new_rules(memory)
    return [cluster.ha_group(memory.source, row) for row in groups]


async def _new_rules(memory: Memory) -> list[Resource]:
    rows = await memory.api.rows("cluster/ha/rules", wire_slow.HaRule)
    guests = _guests(memory, [sid for row in rows for sid in parse.names(row.resources)])
    return [cluster.ha_rule(memory.source, row, guests) for row in rows]


def _guests(memory: Memory, sids: Iterable[str]) -> dict[int, str]:
    """Return number -> key of guests named ``vm:100``: also before any was listed."""
    pairs = (sid.partition(":") for sid in sids)
    named = {
        int(vmid): memory.source.key(_KINDS[kind], vmid)
        for kind, _, vmid in pairs
        if kind in _KINDS and vmid.isdecimal()
    }
    return named | memory.guests()
