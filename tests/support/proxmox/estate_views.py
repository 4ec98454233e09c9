"""GET of what is configured for the whole cluster: jobs, SDN, pools, storages (facts 32, 33), and the metrics (34)."""

from collections.abc import Iterator

from tests.support.proxmox import configs, live, resources
from tests.support.proxmox.calls import Call, failed
from tests.support.proxmox.model import Guest, Row
from tests.support.proxmox.routes import perm, route

AUDIT = perm("/", "Sys.Audit")
DAY = 86_400
KEPT = 1800
"""Seconds of metrics a node remembers."""


@route("GET", "cluster/backup", check=AUDIT)
def backup(call: Call) -> list[Row]:
    tomorrow = int(call.now) // DAY * DAY + DAY + 2 * 3600
    return [
        {**job, **({"next-run": tomorrow} if job.get("enabled") else {})} for job in call.world.backup_jobs.values()
    ]


@route("GET", "cluster/replication")
def replication(call: Call) -> list[Row]:
    """Jobs of guests one may see."""
    jobs = call.world.replications.values()
    return [job for job in jobs if call.rights.has(f"/vms/{job['guest']}", "VM.Audit")]


@route("GET", "cluster/sdn/zones", params="pending running type")
def zones(call: Call) -> list[Row]:
    return [zone for name, zone in call.world.zones.items() if call.rights.any(f"/sdn/zones/{name}", *SDN)]


@route("GET", "cluster/sdn/vnets", params="pending running")
def vnets(call: Call) -> list[Row]:
    found = call.world.vnets.items()
    return [vnet for name, vnet in found if call.rights.any(f"/sdn/zones/{vnet['zone']}/{name}", *SDN)]


@route("GET", "pools", params="poolid type")
def pools(call: Call) -> list[Row]:
    wanted = call.query.get("poolid")
    if wanted is not None and wanted not in call.world.pools:
        raise failed(f"pool '{wanted}' does not exist")
    found: list[Row] = []
    for name, pool in sorted(call.world.pools.items()):
        if call.rights.has(f"/pool/{name}", "Pool.Audit") and wanted in {None, name}:
            row: Row = {"poolid": name} | ({"comment": pool.comment} if pool.comment else {})
            found.append(row | {"members": _members(call, name)} if wanted else row)
    return found


@route("GET", "pools/{poolid}", check=perm("/pool/{poolid}", "Pool.Audit"), params="type")
def pool(call: Call) -> Row:
    name = call.path["poolid"]
    if name not in call.world.pools:
        raise failed(f"pool '{name}' does not exist")
    comment = call.world.pools[name].comment
    return {"members": _members(call, name)} | ({"comment": comment} if comment else {})


@route("GET", "storage", params="type")
def storages(call: Call) -> list[Row]:
    found: list[Row] = []
    for name, storage in sorted(call.world.storages.items()):
        if not call.rights.any(f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace"):
            continue
        row: Row = {"storage": name, "type": storage.type, "content": storage.content, **storage.options}
        row |= {"shared": 1} if storage.shared else {}
        row |= {"disable": 1} if not storage.enabled else {}
        row |= {"nodes": ",".join(storage.nodes)} if storage.nodes else {}
        found.append(row | {"digest": "0" * 40})
    return found


@route("GET", "cluster/metrics/export", check=AUDIT, params="history local-only node-list start-time")
def metrics(call: Call) -> Row:
    now = int(call.now)
    since = max(call.whole("start-time", 0), now - KEPT)
    moments = range(since, now + 1, 10) if call.flag("history") else (now,)
    return {"data": [row for moment in moments for row in _metrics(call, moment)]}


SDN = ("SDN.Audit", "SDN.Use", "SDN.Allocate")


def _members(call: Call, name: str) -> list[Row]:
    world = call.world
    told = world.told(call.entry).guests
    pool = world.pools[name]
    here = sorted(pool.guests & world.guests.keys())
    found = [resources.guest(world.guests[vmid], resources.fresh(told.get(vmid), call.now)) for vmid in here]
    stores = (world.storages[storage] for storage in sorted(pool.storages & world.storages.keys()))
    return found + [resources.storage(call, each, each.nodes[0] if each.nodes else call.entry) for each in stores]


def _metrics(call: Call, moment: int) -> Iterator[Row]:
    for name, node in call.world.nodes.items():
        if call.world.sees(call.entry, name):
            yield from _measured(f"node/{name}", live.node(node, moment), moment, {"cpu": "cpu_current"})
    for guest in call.world.guests.values():
        if call.world.sees(call.entry, guest.node):
            yield from _measured(f"{guest.type}/{guest.vmid}", _figures(guest, moment), moment, _GUEST)


def _figures(guest: Guest, moment: int) -> Row:
    figures = live.usage(guest, moment)
    return figures | {"maxmem": configs.memory(guest), "maxdisk": configs.boot_disk(guest)}


def _measured(id_: str, figures: Row, moment: int, names: dict[str, str]) -> Iterator[Row]:
    for key, metric in (_COMMON | names).items():
        if key in figures:
            kind = "derive" if key.startswith(("net", "diskr", "diskw")) else "gauge"
            yield {"id": id_, "metric": metric, "timestamp": moment, "type": kind, "value": figures[key]}


_COMMON = {"uptime": "uptime", "mem": "mem_used", "maxmem": "mem_total", "disk": "disk_used", "maxdisk": "disk_total"}
_GUEST = {
    "cpu": "cpu_current",
    "netin": "net_in",
    "netout": "net_out",
    "diskread": "disk_read",
    "diskwrite": "disk_write",
}
