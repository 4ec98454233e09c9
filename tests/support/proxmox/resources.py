"""The rows of cluster/resources: what the cluster file system knows, and what pvestatd told (facts 23 to 26)."""

from collections.abc import Iterator

from tests.support.proxmox.broadcasts import OLD
from tests.support.proxmox.calls import Call
from tests.support.proxmox.model import Guest, Node, Row, Storage

_LASTING = ("maxcpu", "maxmem", "maxdisk", "level", "cgroup-mode")


def rows(call: Call, only: str | None = None) -> list[Row]:
    """All that may be seen; ``only``: vm, storage, node or sdn."""
    found: list[Row] = []
    if only is None:
        found += _pools(call)
    if only in {None, "vm"}:
        found += _guests(call)
    if only in {None, "node"}:
        found += [node(call, each) for _, each in sorted(call.world.nodes.items())]
    if only in {None, "storage"}:
        found += _storages(call)
    if only is None or (only == "sdn" and call.world.release == 8):
        found += _networks(call)
    return found


def expires(call: Call) -> float:
    """The moment at which the rows change though nothing happens: something told becomes too old."""
    told = call.world.told(call.entry)
    moments = [at for part in (told.guests, told.nodes, told.storages) for at, _ in part.values()]
    return min((at + OLD for at in moments if at + OLD >= call.now), default=float("inf"))


def node(call: Call, node: Node) -> Row:
    """Also a row of GET nodes."""
    row: Row = {"id": f"node/{node.name}", "node": node.name, "type": "node", "status": "unknown"}
    told = fresh(call.world.told(call.entry).nodes.get(node.name), call.now)
    shown = call.rights.has(f"/nodes/{node.name}", "Sys.Audit")
    online = call.world.sees(call.entry, node.name)
    if told:
        row["level"] = told["level"]
        if online:
            row["status"] = "online"
        if shown:
            row |= told if online else {key: told[key] for key in _LASTING}
    if not online:
        row["status"] = "offline"
    return row


def guest(guest: Guest, told: Row | None) -> Row:
    """What is told of it wins over nothing: its number alone says whose values these are."""
    row: Row = {
        "id": f"{guest.type}/{guest.vmid}",
        "type": guest.type,
        "vmid": guest.vmid,
        "node": guest.node,
        "status": "unknown",
    }
    if told:
        row.update(told)
    return row


def storage(call: Call, storage: Storage, node: str) -> Row:
    row: Row = {
        "id": f"storage/{node}/{storage.name}",
        "storage": storage.name,
        "node": node,
        "type": "storage",
        "plugintype": storage.type,
        "shared": int(storage.shared),
        "content": storage.content,
        "status": "unknown",
    }
    figures = fresh(call.world.told(call.entry).storages.get((node, storage.name)), call.now)
    return row | {"status": "available"} | figures if figures else row


def fresh(told: tuple[float, Row] | None, now: float) -> Row | None:
    return told[1] if told and now - told[0] <= OLD else None


def _guests(call: Call) -> Iterator[Row]:
    world, rights, now = call.world, call.rights, call.now
    told = world.told(call.entry).guests
    shown = [pool for pool in world.pools.values() if rights.has(f"/pool/{pool.name}", "Pool.Audit")]
    pools = {vmid: pool.name for pool in shown for vmid in pool.guests}
    for vmid in sorted(world.guests, key=str):
        if not rights.has(f"/vms/{vmid}", "VM.Audit"):
            continue
        each = world.guests[vmid]
        row = guest(each, fresh(told.get(vmid), now))
        for option in ("tags", "lock"):
            if option in each.config:
                row[option] = each.config[option]
        if vmid in pools:
            row["pool"] = pools[vmid]
        if world.ha and (ha := world.ha.get(each.sid)):
            row["hastate"] = ha.crm_state or ha.state
        yield row


def _pools(call: Call) -> Iterator[Row]:
    """With the sums of all its running members, whoever may see these."""
    told = call.world.told(call.entry).guests
    for name, pool in sorted(call.world.pools.items()):
        if call.rights.has(f"/pool/{name}", "Pool.Audit"):
            row: Row = {"id": f"/pool/{name}", "pool": name, "type": "pool"}
            members = [fresh(told.get(vmid), call.now) for vmid in pool.guests & call.world.guests.keys()]
            running = [member for member in members if member and member["uptime"]]
            if running:
                cores = sum(member["maxcpu"] for member in running)
                row["uptime"] = max(member["uptime"] for member in running)
                row |= {figure: sum(member[figure] for member in running) for figure in ("mem", "maxmem")}
                row |= {"maxcpu": cores, "cpu": sum(each["cpu"] * each["maxcpu"] for each in running) / cores}
            yield row


def _storages(call: Call) -> Iterator[Row]:
    for name in call.world.nodes:
        for each in call.world.storages.values():
            if each.on(name) and each.enabled and call.rights.has(f"/storage/{each.name}", "Datastore.Audit"):
                yield storage(call, each, name)


def _networks(call: Call) -> Iterator[Row]:
    types = {"localnetwork": "simple"} | {name: zone["type"] for name, zone in call.world.zones.items()}
    for each in sorted(call.world.nodes):
        for zone, type_ in types.items():
            if not call.rights.has(f"/sdn/zones/{zone}", "SDN.Audit"):
                continue
            common = {"node": each, "status": "available" if call.world.sees(call.entry, each) else "unknown"}
            if call.world.release == 8:
                yield {"type": "sdn", "id": f"sdn/{each}/{zone}", "sdn": zone, **common}
            else:
                id_ = f"network/{each}/zone/{zone}"
                more = {"network": zone, "network-type": "zone", "zone-type": type_}
                yield {"type": "network", "id": id_, **more, **common}
