"""GET of nodes and what is in them (fact 35)."""

from tests.support.proxmox import live, resources
from tests.support.proxmox.calls import Call
from tests.support.proxmox.model import GIB, Node, Row
from tests.support.proxmox.routes import either, perm, route

AUDIT = perm("/nodes/{node}", "Sys.Audit")


@route("GET", "nodes")
def nodes(call: Call) -> list[Row]:
    fingerprint = ":".join(["AA"] * 32)
    each = sorted(call.world.nodes.items())
    return [resources.node(call, node) | {"ssl_fingerprint": fingerprint} for _, node in each]


@route("GET", "nodes/{node}/status", check=AUDIT, proxied=True)
def status(call: Call) -> Row:
    node = call.node
    now = live.node(node, call.now)
    free = node.memory - now["mem"]
    return {
        "cpu": now["cpu"],
        "wait": 0.001,
        "uptime": now["uptime"],
        "idle": 0,
        "loadavg": ["0.52", "0.48", "0.44"],
        "memory": {"total": node.memory, "used": now["mem"], "free": free, "available": free},
        "swap": {"total": 8 * GIB, "used": 0, "free": 8 * GIB},
        "rootfs": {
            "total": node.rootfs,
            "used": now["disk"],
            "free": node.rootfs - now["disk"],
            "avail": node.rootfs - now["disk"],
        },
        "ksm": {"shared": 0},
        "cpuinfo": _cpuinfo(node),
        "kversion": f"Linux {node.kernel} #1 SMP PREEMPT_DYNAMIC PMX (2026-10-01T09:00Z)",
        "current-kernel": {
            "sysname": "Linux",
            "release": node.kernel,
            "version": "#1 SMP PREEMPT_DYNAMIC PMX (2026-10-01T09:00Z)",
            "machine": "x86_64",
        },
        "boot-info": {"mode": "efi", "secureboot": 0},
        "pveversion": f"pve-manager/{node.version}/0123456789abcdef",
    }


@route("GET", "nodes/{node}/time", check=AUDIT, proxied=True)
def time(call: Call) -> Row:
    at = int(call.now + call.node.skew)
    return {"time": at, "localtime": at, "timezone": "UTC"}


@route("GET", "nodes/{node}/network", params="type", proxied=True)
def network(call: Call) -> list[Row]:
    """Bridges only for who may audit or use them in the zone of the local network."""
    wanted = call.query.get("type")
    return [
        row
        for row in call.node.networks
        if (wanted is None or row["type"] == wanted or (wanted == "any_bridge" and "ridge" in row["type"]))
        and (row["type"] != "bridge" or _shown(call, row["iface"]))
    ]


@route(
    "GET",
    "nodes/{node}/disks/list",
    check=either("/", "/nodes/{node}", privilege="Sys.Audit"),
    params="include-partitions skipsmart type",
    proxied=True,
)
def disks(call: Call) -> list[Row]:
    return call.node.disks


@route("GET", "nodes/{node}/subscription", proxied=True)
def subscription(call: Call) -> Row:
    """Without Sys.Audit only whether there is one."""
    whole = call.node.subscription
    if call.rights.has(f"/nodes/{call.node.name}", "Sys.Audit"):
        return whole
    return {key: whole[key] for key in ("status", "level", "message", "url") if key in whole}


@route("GET", "nodes/{node}/apt/update", check=perm("/nodes/{node}", "Sys.Modify"), proxied=True)
def updates(call: Call) -> list[Row]:
    return call.node.updates


def _shown(call: Call, bridge: str) -> bool:
    """Sys.Audit on the node, or any right to the bridge."""
    path = f"/sdn/zones/localnetwork/{bridge}"
    return call.rights.any(path, "SDN.Audit", "SDN.Use") or call.rights.has(f"/nodes/{call.node.name}", "Sys.Audit")


def _cpuinfo(node: Node) -> Row:
    return {
        "cpus": node.cpus,
        "cores": node.cpus // 2,
        "sockets": 1,
        "model": "AMD Ryzen 7 5700G with Radeon Graphics",
        "mhz": "3800.000",
        "user_hz": 100,
        "hvm": "1",
        "flags": "fpu vme de pse svm",
    }
