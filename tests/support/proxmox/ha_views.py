"""GET below /cluster/ha (facts 30, 31)."""

from hashlib import sha1
from time import ctime

from tests.support.proxmox.calls import Call, failed
from tests.support.proxmox.model import HaResource, Row
from tests.support.proxmox.routes import perm, route

AUDIT = perm("/", "Sys.Audit")
DEAD = 30
"""Seconds after which a time stamp is that of a dead one."""


@route("GET", "cluster/ha/resources", check=AUDIT, params="type")
def ha_resources(call: Call) -> list[Row]:
    wanted = call.query.get("type")
    return [
        _resource(call, resource)
        for sid, resource in sorted(call.world.ha.items())
        if wanted is None or sid.startswith(wanted)
    ]


@route("GET", "cluster/ha/groups", check=AUDIT)
def groups(call: Call) -> list[Row]:
    if call.world.release >= 9:
        raise failed("cannot index groups: ha groups have been migrated to rules")
    return [{**group, "digest": _digest(call)} for group in call.world.ha_groups.values()]


@route("GET", "cluster/ha/rules", check=AUDIT, params="resource type", releases=(9,))
def rules(call: Call) -> list[Row]:
    wanted = call.query.get("type")
    found = (rule for rule in call.world.ha_rules.values() if wanted in {None, rule["type"]})
    return [{**rule, "digest": _digest(call)} for rule in found]


@route("GET", "cluster/ha/status/current", check=AUDIT)
def current(call: Call) -> list[Row]:
    world, entry = call.world, call.entry
    quorate = world.quorate(entry)
    text = "OK" if quorate else f"No quorum on node '{entry}'!"
    found: list[Row] = [{"id": "quorum", "type": "quorum", "node": entry, "status": text, "quorate": int(quorate)}]
    if not world.ha:
        return found
    master = next((name for name in world.nodes if world.sees(entry, name)), entry)
    found.append({"id": "master", "type": "master", "node": master, **_beat(call, master, "active")})
    if world.release >= 9:
        found.append({"id": "fencing", "type": "fencing", "node": master, "status": "armed", "armed-state": "armed"})
    for name in sorted(world.nodes):
        busy = any(_home(call, sid) == name for sid in world.ha)
        found.append(
            {"id": f"lrm:{name}", "type": "lrm", "node": name, **_beat(call, name, "active" if busy else "idle")}
        )
    return found + [_service(call, resource) for _, resource in sorted(world.ha.items())]


def _resource(call: Call, resource: HaResource) -> Row:
    row: Row = {"sid": resource.sid, "type": resource.sid.split(":")[0], "digest": _digest(call)}
    if resource.state != "started":
        row["state"] = resource.state
    if resource.group and call.world.release == 8:
        row["group"] = resource.group
    if resource.comment:
        row["comment"] = resource.comment
    return row


def _service(call: Call, resource: HaResource) -> Row:
    node = _home(call, resource.sid)
    crm = resource.crm_state or resource.state
    return {
        "id": f"service:{resource.sid}",
        "type": "service",
        "sid": resource.sid,
        "node": node,
        "crm_state": crm,
        "request_state": resource.state,
        "state": crm,
        "status": f"{resource.sid} ({node}, {crm})",
        "max_restart": 1,
        "max_relocate": 1,
    }


def _home(call: Call, sid: str) -> str:
    guest = call.world.guests.get(int(sid.split(":")[1]))
    return guest.node if guest else call.entry


def _beat(call: Call, node: str, state: str) -> Row:
    """A node that is gone has an old time stamp."""
    alive = call.world.sees(call.entry, node)
    at = int(call.now if alive else call.now - 2 * DEAD)
    return {"status": f"{node} ({state if alive else 'old timestamp - dead?'}, {ctime(at)})", "timestamp": at}


def _digest(call: Call) -> str:
    return sha1(repr((call.world.ha, call.world.ha_groups, call.world.ha_rules)).encode()).hexdigest()
