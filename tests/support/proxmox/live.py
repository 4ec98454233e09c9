"""What a node and a guest are like at a moment. All figures follow from the thing and the time, nothing is random."""

from math import sin

from tests.support.proxmox import configs
from tests.support.proxmox.model import GIB, Guest, Node, Row


def node(node: Node, now: float) -> Row:
    share = _wave(node.number, now)
    return {
        "uptime": max(int(now - node.booted_at), 0),
        "cpu": round(0.05 + 0.2 * share, 6),
        "maxcpu": node.cpus,
        "mem": int(node.memory * (0.3 + 0.1 * share)),
        "maxmem": node.memory,
        "disk": node.rootfs // 5 + int(share * GIB),
        "maxdisk": node.rootfs,
        "level": node.level,
        "cgroup-mode": 2,
    }


def told(guest: Guest, host: Node, now: float, *, memhost: bool) -> Row:
    """What pvestatd tells of a guest (fact 24)."""
    figures = usage(guest, now)
    row = {
        "name": guest.name,
        "status": guest.state,
        "template": int(guest.template),
        "uptime": uptime(guest, now),
        "maxcpu": cpus(guest, host),
        "maxmem": configs.memory(guest),
        "maxdisk": configs.boot_disk(guest),
        **figures,
    }
    if memhost:
        row["memhost"] = figures["mem"]
    return row


def usage(guest: Guest, now: float) -> Row:
    """cpu (0..1 of all its cores), memory, and what it moved since its start; all 0 when it does not run."""
    seconds = uptime(guest, now)
    lxc = guest.type == "lxc"
    disk = configs.boot_disk(guest) // 3 if lxc else 0
    if not seconds:
        return dict.fromkeys(("cpu", "mem", "netin", "netout", "diskread", "diskwrite"), 0) | {"disk": disk}
    share = _wave(guest.vmid, now)
    return {
        "cpu": round(0.02 + 0.3 * share, 6),
        "mem": int(configs.memory(guest) * (0.4 + 0.2 * share)),
        "disk": disk,
        "netin": seconds * (500 + guest.vmid),
        "netout": seconds * (300 + guest.vmid),
        "diskread": seconds * 1000,
        "diskwrite": seconds * (2000 + guest.vmid),
    }


def uptime(guest: Guest, now: float) -> int:
    return max(int(now - guest.started_at), 1) if guest.alive and guest.started_at is not None else 0


def cpus(guest: Guest, host: Node) -> float:
    if guest.type == "lxc" and "cpulimit" in guest.config:
        return float(guest.config["cpulimit"])
    return configs.cores(guest, host.cpus)


def qemu(guest: Guest, host: Node, now: float, *, full: bool = False, memhost: bool = True) -> Row:
    """A row of nodes/N/qemu: not delayed, and only running or stopped (facts 36, 37)."""
    figures = usage(guest, now)
    row = _common(guest, host, now) | {
        "status": "running" if guest.alive else "stopped",
        **{key: figures[key] for key in ("cpu", "mem", "netin", "netout")},
        "disk": 0,
    }
    if memhost:
        row["memhost"] = figures["mem"]
    if guest.alive:
        row["pid"] = 10_000 + guest.vmid
    if any(option.startswith("serial") for option in guest.config):
        row["serial"] = 1
    if full:
        row |= {key: figures[key] for key in ("diskread", "diskwrite")} | {"qmpstatus": guest.state}
        if guest.alive:
            row |= {"running-machine": "pc-i440fx-10.0+pve0", "running-qemu": "10.1.2"}
    return row


def lxc(guest: Guest, host: Node, now: float) -> Row:
    """A row of nodes/N/lxc (fact 38)."""
    swap = int(guest.config.get("swap", 512)) * 2**20
    row = _common(guest, host, now) | {"type": "lxc", "status": guest.state, "maxswap": swap, "swap": 0}
    if guest.alive:
        row["pid"] = 10_000 + guest.vmid
    return row | usage(guest, now)


def _common(guest: Guest, host: Node, now: float) -> Row:
    row: Row = {
        "vmid": guest.vmid,
        "name": guest.name,
        "cpus": cpus(guest, host),
        "maxmem": configs.memory(guest),
        "maxdisk": configs.boot_disk(guest),
        "uptime": uptime(guest, now),
    }
    if guest.template:
        row["template"] = 1
    return row | {option: guest.config[option] for option in ("tags", "lock") if option in guest.config}


def _wave(number: int, now: float) -> float:
    """Between 0 and 1, smooth, of another phase for each number."""
    return 0.5 + 0.5 * sin(now / 60 + number)
