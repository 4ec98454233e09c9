"""Many random changes to a world, of the kinds and in the mix a lab sees."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from tests.support.proxmox import configs
from tests.support.proxmox.model import Change, Guest

if TYPE_CHECKING:
    from tests.support.proxmox.world import World

Act = Callable[["World", Random, Guest], str | None]
"""Does it to the guest and says what; None: this guest does not allow it."""


def storm(world: "World", random: Random, count: int) -> list[Change]:
    changes: list[Change] = []
    kinds, weights = zip(*((kind, weight) for kind, (weight, _) in ACTS.items()), strict=True)
    with world.lock:
        while len(changes) < count:
            (kind,) = random.choices(kinds, weights)
            if kind == "create" or not world.guests:
                changes.append(_create(world, random))
                continue
            guest = world.guests[random.choice(sorted(world.guests))]
            if (guest.lock and kind != "unlock") or not world.nodes[guest.node].online:
                continue
            detail = ACTS[kind][1](world, random, guest)
            if detail is not None:
                changes.append(Change(kind, guest.vmid, detail))
    return changes


def _create(world: "World", random: Random) -> Change:
    guest = world.create(
        random.choice(("qemu", "qemu", "lxc")),
        node=random.choice(_online(world)),
        name=_name(random),
        cores=random.choice((1, 2, 4)),
        memory=random.choice((512, 1024, 4096)),
        storage=random.choice(("local-lvm", "local-zfs", "nfs")),
        running=random.random() < 0.7,
    )
    return Change("create", guest.vmid, guest.type)


def _online(world: "World") -> list[str]:
    return [node.name for node in world.nodes.values() if node.online]


def _name(random: Random) -> str:
    return f"{random.choice(('web', 'db', 'cache', 'build'))}-{random.randrange(10_000)}"


def _power(world: "World", random: Random, guest: Guest) -> str | None:
    if guest.template:
        return None
    act = random.choice((world.stop, world.power_off)) if guest.alive else world.start
    act(guest.vmid)
    return act.__name__


def _pause(world: "World", random: Random, guest: Guest) -> str | None:
    if guest.type == "lxc" or not guest.alive:
        return None
    act = world.pause if guest.state == "running" else world.resume
    act(guest.vmid)
    return act.__name__


def _fail(world: "World", random: Random, guest: Guest) -> str | None:
    if guest.type == "lxc" or guest.state != "running":
        return None
    world.fail(guest.vmid)
    return guest.state


def _migrate(world: "World", random: Random, guest: Guest) -> str | None:
    others = [node for node in _online(world) if node != guest.node]
    if not others:
        return None
    world.migrate(guest.vmid, random.choice(others))
    return guest.node


def _edit(world: "World", random: Random, guest: Guest) -> str | None:
    option, value = random.choice(
        (
            ("memory", random.choice((512, 1024, 2048, 4096, 8192))),
            ("cores", random.choice((1, 2, 4, 8))),
            ("description", f"note {random.randrange(1000)}"),
            ("onboot", random.choice((0, 1))),
        )
    )
    if guest.template:
        return None
    world.edit(guest.vmid, **{option: value})
    return f"{option}={value}"


def _rename(world: "World", random: Random, guest: Guest) -> str:
    world.rename(guest.vmid, name := _name(random))
    return name


def _tag(world: "World", random: Random, guest: Guest) -> str:
    tags = random.sample(("web", "prod", "db", "test"), random.randrange(4))
    world.tag(guest.vmid, *tags)
    return ";".join(tags)


def _snapshot(world: "World", random: Random, guest: Guest) -> str | None:
    name = f"s{random.randrange(1_000_000)}"
    if guest.template or name in guest.snapshots or len(guest.snapshots) > 4:
        return None
    world.snapshot(guest.vmid, name, vmstate=random.random() < 0.3)
    return name


def _delete_snapshot(world: "World", random: Random, guest: Guest) -> str | None:
    if not guest.snapshots:
        return None
    world.delete_snapshot(guest.vmid, name := random.choice(sorted(guest.snapshots)))
    return name


def _rollback(world: "World", random: Random, guest: Guest) -> str | None:
    if not guest.snapshots:
        return None
    world.rollback(guest.vmid, name := random.choice(sorted(guest.snapshots)))
    return name


def _clone(world: "World", random: Random, guest: Guest) -> str:
    copy = world.clone(guest.vmid, name=_name(random), full=not guest.template, target=guest.node)
    return str(copy.vmid)


def _destroy(world: "World", random: Random, guest: Guest) -> str | None:
    if guest.template or len(world.guests) < 3:
        return None
    world.destroy(guest.vmid, purge=True)
    return guest.type


def _recreate(world: "World", random: Random, guest: Guest) -> str | None:
    if guest.template:
        return None
    fresh = world.recreate(guest.vmid, random.choice(("qemu", "lxc")), name=_name(random))
    return fresh.type


def _restore(world: "World", random: Random, guest: Guest) -> str | None:
    backups = [backup for backup in world.backups if backup.vmid == guest.vmid and backup.type == guest.type]
    if not backups or guest.template:
        return None
    world.restore(backup := random.choice(backups).volid)
    return backup


def _back_up(world: "World", random: Random, guest: Guest) -> str:
    return world.back_up(guest.vmid).volid


def _add_disk(world: "World", random: Random, guest: Guest) -> str | None:
    if guest.template or len(configs.disks(guest.config)) > 4:
        return None
    return world.add_disk(guest.vmid, random.choice(("local-lvm", "nfs")))


def _remove_disk(world: "World", random: Random, guest: Guest) -> str | None:
    slots = sorted(configs.disks(guest.config).keys() - {"scsi0", "rootfs"})
    if guest.template or not slots:
        return None
    world.remove_disk(guest.vmid, slot := random.choice(slots))
    return slot


def _resize(world: "World", random: Random, guest: Guest) -> str | None:
    if guest.template:
        return None
    world.resize(guest.vmid, slot := random.choice(sorted(configs.attached(guest.config))))
    return slot


def _pool(world: "World", random: Random, guest: Guest) -> str | None:
    if not world.pools:
        return None
    if pool := world.pool_of(guest.vmid):
        world.leave(pool, guest.vmid)
        return f"-{pool}"
    world.join(pool := random.choice(sorted(world.pools)), guest.vmid)
    return f"+{pool}"


def _ha(world: "World", random: Random, guest: Guest) -> str | None:
    if guest.template:
        return None
    if guest.sid in world.ha and random.random() < 0.3:
        world.unmanage(guest.vmid)
        return "unmanaged"
    return world.manage(guest.vmid, random.choice(("started", "stopped", "disabled", "ignored"))).state


def _lock(world: "World", random: Random, guest: Guest) -> str:
    world.set_lock(guest.vmid, "backup")
    return "backup"


def _unlock(world: "World", random: Random, guest: Guest) -> str | None:
    if not guest.lock:
        return None
    world.set_lock(guest.vmid, None)
    return ""


def _template(world: "World", random: Random, guest: Guest) -> str | None:
    if guest.template or guest.alive or guest.snapshots:
        return None
    world.template(guest.vmid)
    return ""


def _nothing(world: "World", random: Random, guest: Guest) -> None:
    """`create` takes no guest."""


ACTS: dict[str, tuple[int, Act]] = {
    "power": (20, _power),
    "edit": (16, _edit),
    "migrate": (8, _migrate),
    "tag": (8, _tag),
    "snapshot": (6, _snapshot),
    "delete snapshot": (4, _delete_snapshot),
    "create": (5, _nothing),
    "destroy": (9, _destroy),
    "clone": (4, _clone),
    "recreate": (3, _recreate),
    "rename": (3, _rename),
    "pause": (3, _pause),
    "back up": (3, _back_up),
    "resize": (2, _resize),
    "add disk": (2, _add_disk),
    "remove disk": (2, _remove_disk),
    "pool": (2, _pool),
    "ha": (2, _ha),
    "lock": (2, _lock),
    "unlock": (2, _unlock),
    "rollback": (1, _rollback),
    "restore": (1, _restore),
    "fail": (1, _fail),
    "template": (1, _template),
}
"""Kind -> how often among all, and how."""
