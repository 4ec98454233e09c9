"""The rows of cluster/resources: what the cluster file system knows, and what pvestatd told (facts 23 to 26)."""

from collections.abc import Iterator

from tests.support.proxmox.broadcasts import OLD, Broadcasts
from tests.support.proxmox.calls import Call
from tests.support.proxmox.model import Guest, Node, Row, Storage

_LASTING = ("maxcpu", "maxmem", "maxdisk", "level", "cgroup-mode")


def rows(call: Call, only: str | None = None) -> list[Row]:
    """All that may be seen; ``only``: vm, storage, node or sdn."""
    found: list[Row] = []
    guests = list(_guests(call))
    if only is None:
        found += _pools(call, guests)
    if only in {None, "vm"}:
        found += guests
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
    told = _fresh(call, call.world.told(call.entry).nodes.get(node.name))
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


def guest(call: Call, guest: Guest, told: Row | None, hastate: str | None, pool: str | None) -> Row:
    row: Row = {
        "id": f"{guest.type}/{guest.vmid}",
        "type": guest.type,
        "vmid": guest.vmid,
        "node": guest.node,
        "status": "unknown",
    }
    if told:
        row.update(told)
    if hastate:
        row["hastate"] = hastate
    if pool:
        row["pool"] = pool
    for option in ("tags", "lock"):
        if option in guest.config:
            row[option] = guest.config[option]
    return row


def _guests(call: Call) -> Iterator[Row]:
    world, rights = call.world, call.rights
    told = world.told(call.entry).guests
    pools = {vmid: pool.name for pool in world.pools.values() for vmid in pool.guests}
    visible = {pool for pool in world.pools if rights.has(f"/pool/{pool}", "Pool.Audit")}
    for vmid, each in sorted(world.guests.items(), key=lambda pair: str(pair[0])):
        if rights.has(f"/vms/{vmid}", "VM.Audit"):
            ha = world.ha.get(each.sid) if world.ha else None
            pool = pools.get(vmid)
            state = (ha.crm_state or ha.state) if ha else None
            yield guest(call, each, _fresh(call, told.get(vmid)), state, pool if pool in visible else None)


def _pools(call: Call, guests: list[Row]) -> Iterator[Row]:
    for name, pool in sorted(call.world.pools.items()):
        if call.rights.has(f"/pool/{name}", "Pool.Audit"):
            row: Row = {"id": f"/pool/{name}", "pool": name, "type": "pool"}
            running = [row for row in guests if row["vmid"] in pool.guests and row.get("uptime")]
            for figure in ("cpu", "maxcpu", "mem", "maxmem"):
                if running:
                    row[figure] = sum(member[figure] for member in running)
            yield row


def _storages(call: Call) -> Iterator[Row]:
    for each in call.world.nodes:
        for storage in call.world.storages.values():
            if storage.on(each) and storage.enabled and call.rights.has(f"/storage/{storage.name}", "Datastore.Audit"):
                yield _storage(call, storage, each, call.world.told(call.entry))


def _storage(call: Call, storage: Storage, node: str, told: Broadcasts) -> Row:
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
    figures = _fresh(call, told.storages.get((node, storage.name)))
    return row | {"status": "available"} | figures if figures else row


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


def _fresh(call: Call, told: tuple[float, Row] | None) -> Row | None:
    return told[1] if told and call.now - told[0] <= OLD else None
