"""GET below /cluster that is one list or record, /version and /access (facts 20 to 29)."""

from tests.support.proxmox import resources
from tests.support.proxmox.calls import Call, invalid
from tests.support.proxmox.model import Row
from tests.support.proxmox.routes import perm, route

AUDIT = perm("/", "Sys.Audit")


@route("GET", "version")
def version(call: Call) -> Row:
    return versions(call, call.entry)


@route("GET", "nodes/{node}/version", proxied=True)
def node_version(call: Call) -> Row:
    return versions(call, call.node.name)


@route("GET", "cluster/status", check=AUDIT)
def status(call: Call) -> list[Row]:
    """A node that stands alone has no row of a cluster."""
    world = call.world
    found: list[Row] = []
    if world.name is not None:
        cluster = {"type": "cluster", "id": "cluster", "name": world.name, "version": world.config_version}
        found.append(cluster | {"nodes": len(world.nodes), "quorate": int(world.quorate(call.entry))})
    for node in world.nodes.values():
        row = {"type": "node", "id": f"node/{node.name}", "name": node.name, "ip": node.ip, "level": node.level}
        row["nodeid"] = node.number if world.name is not None else 0
        row |= {"local": int(node.name == call.entry), "online": int(world.sees(call.entry, node.name))}
        found.append(row)
    return found


@route("GET", "cluster/resources", params="type")
def cluster_resources(call: Call) -> list[Row]:
    only = call.query.get("type")
    if only not in {None, "vm", "storage", "node", "sdn"}:
        raise invalid(type=f"value '{only}' does not have a value in the enumeration 'vm, storage, node, sdn'")
    return resources.rows(call, only)


@route("GET", "cluster/log", params="max")
def log(call: Call) -> list[Row]:
    """Without Sys.Syslog one's own lines only, and no word about it."""
    everything = call.rights.has("/", "Sys.Syslog")
    most = call.whole("max", 50)
    mine = (entry for entry in call.world.log_entries if everything or entry["user"] == call.rights.who)
    return [entry for entry, _ in zip(mine, range(most), strict=False)]


@route("GET", "cluster/tasks")
def tasks(call: Call) -> list[Row]:
    """Without Sys.Audit a token sees none, not even its own: its full id is compared with the bare user (fact 19)."""
    everything = call.rights.has("/", "Sys.Audit")
    told = call.world.told(call.entry).tasks
    return [row for rows in told.values() for row in rows if everything or row["user"] == call.rights.who]


@route("GET", "cluster/nextid", params="vmid")
def nextid(call: Call) -> str:
    if (wanted := call.query.get("vmid")) is None:
        return str(call.world.free_vmid())
    if int(wanted) in call.world.guests:
        raise invalid(vmid=f"VM {wanted} already exists")
    return wanted


@route("GET", "cluster/options")
def options(call: Call) -> Row:
    """Without Sys.Audit no more than how to draw a page."""
    everything = call.rights.has("/", "Sys.Audit")
    return {key: value for key, value in call.world.options.items() if everything or key in {"console", "tag-style"}}


@route("GET", "access/permissions", params="path userid")
def permissions(call: Call) -> dict[str, dict[str, int]]:
    if path := call.query.get("path"):
        return {path: {privilege: int(below) for privilege, below in call.rights.privileges(path).items()}}
    return call.rights.listing()


def versions(call: Call, node: str) -> Row:
    number = call.world.nodes[node].version
    return {"version": number, "release": number.rsplit(".", 1)[0], "repoid": "0123456789abcdef"}
