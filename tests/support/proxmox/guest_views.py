"""GET below nodes/N/qemu and nodes/N/lxc."""

from tests.support.proxmox import configs, live
from tests.support.proxmox.calls import Call, failed
from tests.support.proxmox.model import Guest, Row
from tests.support.proxmox.routes import perm, route

AUDIT = perm("/vms/{vmid}", "VM.Audit")


@route("GET", "nodes/{node}/qemu", params="full", proxied=True)
def machines(call: Call) -> list[Row]:
    return [_machine(call, guest, full=call.flag("full")) for guest in _of(call, "qemu")]


@route("GET", "nodes/{node}/lxc", proxied=True)
def containers(call: Call) -> list[Row]:
    return [live.lxc(guest, call.node, call.now) for guest in _of(call, "lxc")]


@route("GET", "nodes/{node}/{type}/{vmid}/config", check=AUDIT, params="current snapshot", proxied=True)
def config(call: Call) -> Row:
    guest = call.guest
    if name := call.query.get("snapshot"):
        if name not in guest.snapshots:
            raise failed(f"snapshot '{name}' does not exist")
        return configs.shown(guest, guest.snapshots[name])
    row = configs.shown(guest, guest.config if call.flag("current") else configs.merged(guest))
    leaked = call.world.release >= 9 and guest.type == "qemu"
    return row | {"special-sections": {"cloudinit": {}, "fleecing": {}}} if leaked else row


@route("GET", "nodes/{node}/{type}/{vmid}/pending", check=AUDIT, proxied=True)
def pending(call: Call) -> list[Row]:
    guest = call.guest
    now, later = configs.shown(guest, guest.config), configs.shown(guest, configs.merged(guest))
    found: list[Row] = []
    for option in sorted((now.keys() | later.keys()) - {"lxc"}):
        row: Row = {"key": option}
        if option in now:
            row["value"] = now[option]
        if option in guest.pending:
            row |= {"delete": 1} if guest.pending[option] is None else {"pending": later[option]}
        found.append(row)
    return found


@route("GET", "nodes/{node}/{type}/{vmid}/status/current", check=AUDIT, proxied=True)
def current(call: Call) -> Row:
    guest = call.guest
    ha = call.world.ha.get(guest.sid)
    managed: Row = {"managed": 1, "state": ha.state} if ha else {"managed": 0}
    if guest.type == "lxc":
        return live.lxc(guest, call.node, call.now) | {"ha": managed}
    row = _machine(call, guest, full=True) | {"ha": managed}
    if guest.config.get("agent", "0").startswith("1"):
        row["agent"] = 1
    return row


@route("GET", "nodes/{node}/{type}/{vmid}/snapshot", check=AUDIT, proxied=True)
def snapshots(call: Call) -> list[Row]:
    guest = call.guest
    found = [_snapshot(guest, name, options) for name, options in guest.snapshots.items()]
    here: Row = {"name": "current", "description": "You are here!", "digest": configs.digest(guest)}
    here["running"] = int(guest.alive)
    if "parent" in guest.config:
        here["parent"] = guest.config["parent"]
    return [*found, here]


def _snapshot(guest: Guest, name: str, options: dict[str, str]) -> Row:
    row: Row = {"name": name, "snaptime": int(options["snaptime"]), "description": options.get("description", "")}
    if guest.type == "qemu":
        row["vmstate"] = int("vmstate" in options)
    return row | {key: options[key] for key in ("parent", "snapstate") if key in options}


def _machine(call: Call, guest: Guest, *, full: bool) -> Row:
    return live.qemu(guest, call.node, call.now, full=full, memhost=call.world.release >= 9)


def _of(call: Call, type_: str) -> list[Guest]:
    return [
        guest
        for vmid, guest in sorted(call.world.guests.items())
        if (guest.node, guest.type) == (call.node.name, type_) and call.rights.has(f"/vms/{vmid}", "VM.Audit")
    ]
