"""What a node's pvestatd sends to an external metric server of kind InfluxDB each 10 s (fact 55)."""

from collections.abc import Iterator

from tests.support.proxmox import live
from tests.support.proxmox.model import Row
from tests.support.proxmox.world import World

FIGURES = ("cpu", "disk", "diskread", "diskwrite", "maxdisk", "maxmem", "mem", "netin", "netout", "uptime")
CHUNK = 25_000
"""Bytes after which pvestatd begins another request."""


def batches(world: World, node: str) -> list[str]:
    """The bodies of the requests that one cycle of this node makes; none if its pvestatd hangs."""
    with world.lock:
        if not world.nodes[node].pvestatd or not world.nodes[node].online:
            return []
        lines = list(_lines(world, node))
    found = [""]
    for line in lines:
        if len(found[-1]) + len(line) > CHUNK:
            found.append("")
        found[-1] += f"{line}\n"
    return found


def _lines(world: World, name: str) -> Iterator[str]:
    node = world.nodes[name]
    now = world.now()
    at = int(now + node.skew) * 1_000_000_000
    of_node = live.node(node, now)
    yield f"system,object=nodes,host={name} uptime={of_node['uptime']} {at}"
    yield f"cpustat,object=nodes,host={name} cpu={of_node['cpu']},cpus={node.cpus} {at}"
    yield f"memory,object=nodes,host={name} memtotal={node.memory},memused={of_node['mem']} {at}"
    for vmid, guest in sorted(world.guests.items()):
        if guest.node == name:
            told = live.told(guest, node, now, memhost=False)
            tags = f"object={guest.type},vmid={vmid},nodename={name},host={_tag(guest.name)}"
            yield f"system,{tags} {_fields(told, guest.config)} {at}"
    for storage in world.storages.values():
        if storage.enabled and storage.on(name):
            active = int(name not in storage.inactive)
            tags = f"object=storages,nodename={name},host={_tag(storage.name)},type={storage.type}"
            yield f"system,{tags} active={active},total={storage.size},used={storage.used} {at}"


def _fields(told: Row, options: dict[str, str]) -> str:
    status = told["status"]
    words = {"name": told["name"], "status": "stopped" if status == "stopped" else "running", "qmpstatus": status}
    words |= {option: options[option] for option in ("tags", "lock") if option in options}
    numbers = [f"{key}={told[key]}" for key in FIGURES]
    return ",".join([*numbers, f"cpus={told['maxcpu']}", *(f'{key}="{_text(value)}"' for key, value in words.items())])


def _tag(value: str) -> str:
    return value.replace(" ", "\\ ").replace(",", "\\,").replace("=", "\\=")


def _text(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
