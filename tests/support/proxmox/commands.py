"""POST, PUT and DELETE on guests (facts 13, 31, 42, 47)."""

import re

from tests.support.proxmox import configs
from tests.support.proxmox.calls import Call, failed, invalid
from tests.support.proxmox.jobs import Failed
from tests.support.proxmox.lifecycle import WORDS
from tests.support.proxmox.model import Guest
from tests.support.proxmox.routes import perm, route
from tests.support.proxmox.world import World

GUEST = "nodes/{node}/{type}/{vmid}"
POWER = perm("/vms/{vmid}", "VM.PowerMgmt")
SNAPSHOT = perm("/vms/{vmid}", "VM.Snapshot")
PARTS = ("Disk", "CDROM", "CPU", "Memory", "Network", "HWType", "Options", "Cloudinit")
CONFIGURE = perm("/vms/{vmid}", *(f"VM.Config.{part}" for part in PARTS))
_OPTION = re.compile(
    r"(?:net|scsi|virtio|ide|sata|mp|unused|usb|hostpci|serial|ipconfig|efidisk|tpmstate)\d+|rootfs|[a-z][a-z0-9-]*"
)
_NOT_OPTIONS = {"digest", "delete", "revert", "skiplock", "force", "background_delay"}


@route("POST", f"{GUEST}/status/start", check=POWER, params="timeout skiplock", proxied=True)
def start(call: Call) -> str:
    world, guest = _ready(call)
    if guest.sid in world.ha:
        return world.request(guest, "hastart", who=call.rights.who)
    if guest.type == "lxc" and guest.alive:
        raise failed(f"CT {guest.vmid} already running")

    def work() -> None:
        if guest.alive:
            raise Failed(f"VM {guest.vmid} already running")
        world.switch_on(guest)

    return world.submit(guest, f"{WORDS[guest.type]}start", work, who=call.rights.who)


@route("POST", f"{GUEST}/status/stop", check=POWER, params="timeout skiplock overrule-shutdown", proxied=True)
def stop(call: Call) -> str:
    return _off(call, "stop")


@route("POST", f"{GUEST}/status/shutdown", check=POWER, params="timeout forceStop skiplock keepActive", proxied=True)
def shutdown(call: Call) -> str:
    return _off(call, "shutdown")


@route("POST", f"{GUEST}/status/reboot", check=POWER, params="timeout", proxied=True)
def reboot(call: Call) -> str:
    world, guest = _ready(call)
    if not guest.alive:
        raise failed(f"{'VM' if guest.type == 'qemu' else 'CT'} {guest.vmid} not running")

    def work() -> None:
        world.turn_off(guest)
        world.switch_on(guest)

    return world.submit(guest, f"{WORDS[guest.type]}reboot", work, who=call.rights.who)


@route("POST", f"{GUEST}/snapshot", check=SNAPSHOT, params="description vmstate", required="snapname", proxied=True)
def snapshot(call: Call) -> str:
    world, guest = _ready(call)
    name = call.query["snapname"]
    description, vmstate = call.query.get("description", ""), call.flag("vmstate")

    def work() -> None:
        if name in guest.snapshots:
            raise Failed(f"snapshot name '{name}' already used")
        world.take_snapshot(guest, name, description, vmstate=vmstate)

    return world.submit(guest, f"{WORDS[guest.type]}snapshot", work, who=call.rights.who, lock="snapshot")


@route("POST", f"{GUEST}/migrate", check=perm("/vms/{vmid}", "VM.Migrate"), params="*", required="target", proxied=True)
def migrate(call: Call) -> str:
    world, guest = _ready(call)
    target = call.query.get("target", "")
    if target == guest.node:
        raise invalid(target="target is local node.")
    if target not in world.nodes:
        raise invalid(target=f"no such cluster node '{target}'")
    if guest.sid in world.ha:
        return world.request(guest, "hamigrate", who=call.rights.who, target=target)

    def work() -> None:
        if not world.nodes[target].online:
            raise Failed(f"target node '{target}' is not online")
        guest.node = target

    kind = "qmigrate" if guest.type == "qemu" else "vzmigrate"
    return world.submit(guest, kind, work, who=call.rights.who, lock="migrate")


@route("POST", f"{GUEST}/clone", check=perm("/vms/{vmid}", "VM.Clone"), params="*", required="newid", proxied=True)
def clone(call: Call) -> str:
    world, guest = _ready(call)
    newid = call.whole("newid", 0)
    if newid in world.guests:
        raise failed(f"unable to create VM {newid}: config file already exists")
    _unlocked(guest)
    name = call.query.get("name") or call.query.get("hostname")
    target, pool, full = call.query.get("target"), call.query.get("pool"), call.flag("full") or not guest.template

    def work() -> None:
        world.copy(guest, newid, name=name, full=full, target=target, pool=pool)

    return world.submit(guest, f"{WORDS[guest.type]}clone", work, who=call.rights.who)


@route("DELETE", GUEST, check=perm("/vms/{vmid}", "VM.Allocate"), params="*", proxied=True)
def destroy(call: Call) -> str:
    world, guest = _ready(call)
    purge = call.flag("purge")
    of = "VM" if guest.type == "qemu" else "CT"
    if guest.sid in world.ha and not purge:
        raise failed(f"unable to remove {of} {guest.vmid} - used in HA resources and purge parameter not set.")
    if guest.config.get("protection") == "1":
        raise failed(f"can't remove {of} {guest.vmid} - protection mode enabled")
    if guest.alive:
        raise failed(f"{of} {guest.vmid} is running - destroy failed")
    _unlocked(guest)

    def work() -> None:
        world.forget(guest, purge=purge)

    return world.submit(guest, f"{WORDS[guest.type]}destroy", work, who=call.rights.who)


@route("PUT", f"{GUEST}/config", check=CONFIGURE, params="*", proxied=True)
def configure(call: Call) -> None:
    """At once, also what then waits for a restart."""
    world, guest = _ready(call)
    _change(call, guest)
    world.edit(guest.vmid, delete=_deleted(call), who=call.rights.who, **_options(call))


@route("POST", "nodes/{node}/qemu/{vmid}/config", check=CONFIGURE, params="*", proxied=True)
def configure_later(call: Call) -> str:
    call.path["type"] = "qemu"
    world, guest = _ready(call)
    _change(call, guest)
    options, delete, who = _options(call), _deleted(call), call.rights.who

    def work() -> None:
        world.edit(guest.vmid, delete=delete, who=who, **options)

    return world.submit(guest, "qmconfig", work, who=who)


def _ready(call: Call) -> tuple[World, Guest]:
    if not call.world.quorate(call.entry):
        raise failed("cluster not ready - no quorum?")
    return call.world, call.guest


def _off(call: Call, kind: str) -> str:
    world, guest = _ready(call)
    if guest.sid in world.ha:
        return world.request(guest, "hastop", who=call.rights.who)
    if guest.type == "lxc" and not guest.alive:
        raise failed(f"CT {guest.vmid} not running")
    return world.submit(guest, f"{WORDS[guest.type]}{kind}", lambda: world.turn_off(guest), who=call.rights.who)


def _change(call: Call, guest: Guest) -> None:
    unknown = [option for option in _options(call) if not _OPTION.fullmatch(option)]
    if unknown:
        text = "property is not defined in schema and the schema does not allow additional properties"
        raise invalid(**dict.fromkeys(unknown, text))
    if not _options(call) and not _deleted(call):
        raise failed("no options specified")
    if call.query.get("digest") not in {None, configs.digest(guest)}:
        vm, ct = "checksum mismatch (file change by other user?)", "detected modified configuration - file changed by"
        raise failed(vm if guest.type == "qemu" else f"{ct} other user? Try again.")
    _unlocked(guest)


def _options(call: Call) -> dict[str, str]:
    options = {option: value for option, value in call.query.items() if option not in _NOT_OPTIONS}
    if "tags" in options:
        options["tags"] = ";".join(sorted({tag.lower() for tag in configs.tags(options)}))
    return options


def _deleted(call: Call) -> list[str]:
    return [option for option in re.split(r"[,; ]+", call.query.get("delete", "")) if option]


def _unlocked(guest: Guest) -> None:
    if guest.lock:
        raise failed(f"{'VM' if guest.type == 'qemu' else 'CT'} is locked ({guest.lock})")
