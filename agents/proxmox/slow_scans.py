"""The scopes ``networks``, ``disks`` and ``schedules``: read whole, each time, every few minutes.

``fresh``: so old may be what a node told when only what is lacking is to be asked for.
"""

from datetime import timedelta

from agents.proxmox import disks, gaps, networks, rights, schedules, sdn, wire_slow
from agents.proxmox.by_node import ByNode
from agents.proxmox.memory import Listing, Memory
from schemas.resources import Key, Kind, Resource


class NetworksScan:
    """SDN is read where it is whole: its zones and nets, not what each node makes of them."""

    def __init__(self, memory: Memory, fresh: timedelta) -> None:
        self._memory = memory
        self._nodes = ByNode(memory, networks.SCOPE, Kind.NETWORK, self._ask, fresh)

    async def read(self) -> Listing:
        memory = self._memory
        answers = await self._nodes.ask((await memory.latest()).nodes)
        zones, vnets, refused = await sdn.read(memory)
        allowed = await memory.permissions.anew()  # rows are left out without a word
        found: list[Resource] = [networks.zone(memory.source, row) for row in zones]
        found += [networks.vnet(memory.source, row) for row in vnets]
        listed = {one.key: networks.path(one) for one in found}
        for node, told in answers.found.items():
            found += networks.networks(memory.source, node, told)
        hidden = rights.gaps(allowed, [Kind.NETWORK], memory.config)
        left = {key: where for key, where in memory.sdn.items() if key not in listed}
        if refused is None and not hidden:
            left, hidden = await sdn.hidden(memory, left)
        memory.sdn = left | listed
        memory.facts.vnets = sdn.vnets(memory.sdn)
        if refused is not None and not hidden:
            hidden = [gaps.because(refused, "zones and virtual networks cannot be seen", kinds=(Kind.NETWORK,))]
        return Listing(found, [*hidden, *answers.gaps], [*answers.failed, *([refused] if refused else [])])

    async def _ask(self, node: str) -> list[wire_slow.NetworkRow]:
        return await self._memory.api.rows(f"nodes/{node}/network", wire_slow.NetworkRow)


class DisksScan:
    def __init__(self, memory: Memory, fresh: timedelta) -> None:
        self._memory = memory
        self._nodes = ByNode(memory, disks.SCOPE, Kind.DISK, self._ask, fresh)

    async def read(self) -> Listing:
        source = self._memory.source
        answers = await self._nodes.ask((await self._memory.latest()).nodes)
        found = [one for node, told in answers.found.items() for one in disks.disks(source, node, told)]
        return Listing(found, answers.gaps, answers.failed)

    async def _ask(self, node: str) -> list[wire_slow.DiskRow]:
        return await self._memory.api.rows(f"nodes/{node}/disks/list", wire_slow.DiskRow)


async def of_schedules(memory: Memory) -> Listing:
    jobs = await memory.api.rows("cluster/backup", wire_slow.BackupJob)
    replications = await memory.api.rows("cluster/replication", wire_slow.ReplicationJob)
    guests = memory.guests()
    found = [schedules.backup_job(memory.source, job, guests, _places(memory)) for job in jobs]
    found += [schedules.replication_job(memory.source, job, guests) for job in replications]
    listed = {one.key for one in found}
    missing = [key for key in sorted(memory.schedules - listed) if _replicated(key) in memory.hidden]
    memory.schedules = listed.union(missing)
    allowed = rights.gaps(await memory.permissions.anew(), [Kind.SCHEDULE], memory.config)
    return Listing(found, gaps.fitting([*allowed, *gaps.with_guests(missing, "replication jobs")]))


def _replicated(key: str) -> int | None:
    """Return the guest of a replication job, which are numbered per guest: ``replication/101-0``."""
    kind, _, name = Key.parse(key).native_id.partition("/")
    vmid = name.partition("-")[0]
    return int(vmid) if kind == "replication" and vmid.isdecimal() else None


def _places(memory: Memory) -> dict[str, str]:
    """Return name -> key of the storages that are one: of a local one each node has its own."""
    return {
        one.name: key for key, one in memory.published.items() if one.kind is Kind.STORAGE and one.native_id == one.name
    }
