"""The scopes ``networks``, ``disks`` and ``schedules``: read whole, each time, every few minutes."""

from agents.proxmox import by_node, disks, gaps, networks, rights, schedules, wire_slow
from agents.proxmox.memory import Listing, Memory
from agents.proxmox.troubles import Denied, Unsupported
from schemas.resources import Key, Kind, Resource


async def of_networks(memory: Memory) -> Listing:
    """SDN is read where it is whole: its zones and nets, not what each node makes of them."""
    rows = await memory.latest()

    async def ask(node: str) -> list[wire_slow.NetworkRow]:
        return await memory.api.rows(f"nodes/{node}/network", wire_slow.NetworkRow)

    answers = await by_node.ask(memory, rows.nodes, Kind.NETWORK, ask)
    zones, vnets = await _sdn(memory)
    allowed = await memory.permissions.current()
    memory.facts.saw_vnets(vnets, allowed)
    found: list[Resource] = [networks.zone(memory.source, row) for row in zones]
    found += [networks.vnet(memory.source, row) for row in vnets]
    for node, told in answers.found.items():
        found += networks.networks(memory.source, node, told)
    return Listing(found, [*rights.gaps(allowed, [Kind.NETWORK], memory.config), *answers.gaps])


async def _sdn(memory: Memory) -> tuple[list[wire_slow.ZoneRow], list[wire_slow.VnetRow]]:
    try:
        zones = await memory.api.rows("cluster/sdn/zones", wire_slow.ZoneRow)
        return zones, await memory.api.rows("cluster/sdn/vnets", wire_slow.VnetRow)
    except (Denied, Unsupported):  # a refusal has its gap; before PVE 8 it was no part of the product
        return [], []


async def of_disks(memory: Memory) -> Listing:
    rows = await memory.latest()

    async def ask(node: str) -> list[wire_slow.DiskRow]:
        return await memory.api.rows(f"nodes/{node}/disks/list", wire_slow.DiskRow)

    answers = await by_node.ask(memory, rows.nodes, Kind.DISK, ask)
    found = [one for node, told in answers.found.items() for one in disks.disks(memory.source, node, told)]
    return Listing(found, answers.gaps)


async def of_schedules(memory: Memory) -> Listing:
    jobs = await memory.api.rows("cluster/backup", wire_slow.BackupJob)
    replications = await memory.api.rows("cluster/replication", wire_slow.ReplicationJob)
    guests = memory.guests()
    found = [schedules.backup_job(memory.source, job, guests, _places(memory)) for job in jobs]
    found += [schedules.replication_job(memory.source, job, guests) for job in replications]
    listed = {one.key for one in found}
    missing = [key for key in sorted(memory.schedules - listed) if _replicated(key) in memory.hidden]
    memory.schedules = listed.union(missing)
    allowed = rights.gaps(await memory.permissions.current(), [Kind.SCHEDULE], memory.config)
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
