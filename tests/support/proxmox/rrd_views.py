"""GET rrddata: of guests also while their node is down (fact 46)."""

from collections.abc import Callable

from tests.support.proxmox import configs, live
from tests.support.proxmox.calls import Call, invalid
from tests.support.proxmox.model import Row
from tests.support.proxmox.routes import perm, route

FRAMES = {
    8: {"hour": (60, 70), "day": (1800, 70), "week": (10_800, 70), "month": (43_200, 70), "year": (604_800, 70)},
    9: {
        "hour": (60, 60),
        "day": (60, 1440),
        "week": (1800, 336),
        "month": (1800, 1440),
        "year": (21_600, 1440),
        "decade": (604_800, 570),
    },
}
"""Release -> time frame -> seconds of a step, how many."""


@route("GET", "nodes/{node}/rrddata", check=perm("/nodes/{node}", "Sys.Audit"), params="cf", required="timeframe")
def of_node(call: Call) -> list[Row]:
    def figures(moment: int) -> Row:
        at = live.node(call.node, moment)
        names = {"mem": "memused", "maxmem": "memtotal", "disk": "rootused", "maxdisk": "roottotal"}
        return {names.get(key, key): at[key] for key in ("cpu", "maxcpu", *names)} | {"loadavg": 0.5, "iowait": 0.001}

    return _rows(call, figures, call.node.booted_at)


@route(
    "GET",
    "nodes/{node}/{type}/{vmid}/rrddata",
    check=perm("/vms/{vmid}", "VM.Audit"),
    params="cf",
    required="timeframe",
)
def of_guest(call: Call) -> list[Row]:
    guest = call.guest
    host = call.world.nodes[guest.node]

    def figures(moment: int) -> Row:
        now, then = live.usage(guest, moment), live.usage(guest, moment - 60)
        rates = {key: max(now[key] - then[key], 0) / 60 for key in ("netin", "netout", "diskread", "diskwrite")}
        sizes = {"maxmem": configs.memory(guest), "maxdisk": configs.boot_disk(guest)}
        return {"cpu": now["cpu"], "maxcpu": live.cpus(guest, host), "mem": now["mem"], **sizes, **rates}

    return _rows(call, figures, guest.started_at if guest.started_at is not None else call.now)


@route(
    "GET",
    "nodes/{node}/storage/{storage}/rrddata",
    check=perm("/storage/{storage}", "Datastore.Audit", "Datastore.AllocateSpace"),
    params="cf",
    required="timeframe",
    proxied=True,
)
def of_storage(call: Call) -> list[Row]:
    storage = call.storage
    return _rows(call, lambda _: {"total": storage.size, "used": storage.used}, 0)


def _rows(call: Call, figures: Callable[[int], Row], since: float) -> list[Row]:
    """Nothing but the time is known of what was before ``since``."""
    frames = FRAMES[call.world.release]
    frame = call.query["timeframe"]
    if frame not in frames:
        raise invalid(timeframe=f"value '{frame}' does not have a value in the enumeration '{', '.join(frames)}'")
    step, count = frames[frame]
    last = int(call.now) // step * step
    moments = range(last - (count - 1) * step, last + 1, step)
    return [{"time": moment} | (figures(moment) if moment >= since else {}) for moment in moments]
