"""The truth: one cluster with all that is in it, and methods that change it. Safe to use from several threads."""

from random import Random
from typing import Any

from tests.support.proxmox import configs, storm
from tests.support.proxmox.estate import Estate
from tests.support.proxmox.jobs import Jobs
from tests.support.proxmox.model import Change, Guest, Row


class World(Jobs, Estate):
    def truth(self) -> dict[int, Row]:
        """What a right agent must show of each guest, by vmid; a restart's changes count as made."""
        with self.lock:
            return {vmid: self._truth(guest) for vmid, guest in sorted(self.guests.items())}

    def storm(self, random: Random, count: int) -> list[Change]:
        """So many changes of the usual kinds, the same for the same seed and world."""
        return storm.storm(self, random, count)

    def _truth(self, guest: Guest) -> Row:
        options = configs.merged(guest)
        planned = Guest(guest.vmid, guest.type, guest.node, options)
        ha = self.ha.get(guest.sid)
        return {
            "vmid": guest.vmid,
            "type": guest.type,
            "node": guest.node,
            "status": guest.state,
            "name": planned.name,
            "tags": configs.tags(options),
            "uuid": configs.uuid(guest),
            "template": guest.template,
            "lock": guest.lock,
            "cores": configs.cores(planned, self.nodes[guest.node].cpus),
            "memory": configs.memory(planned),
            "disks": {
                slot: {"volume": configs.volid(value), "size": configs.size(value)}
                for slot, value in configs.attached(options).items()
            },
            "networks": {slot: value for slot, value in options.items() if slot.startswith("net")},
            "description": options.get("description", ""),
            "snapshots": sorted(guest.snapshots),
            "pool": self.pool_of(guest.vmid),
            "ha": ha.state if ha else None,
            "digest": configs.digest(guest),
            "backup": max((backup.volid for backup in self.backups if backup.vmid == guest.vmid), default=None),
        }


def standard(guests: int = 6, nodes: int = 3, **named: Any) -> World:
    """A usual cluster: every third guest a container, some stopped, the first a template; all told by pvestatd."""
    world = World(**named)
    for number in range(1, nodes + 1):
        world.add_node(f"pve{number}")
    furnish(world)
    names = list(world.nodes)
    for index in range(guests):
        vmid = 100 + index
        is_template = index == 0
        world.create(
            "lxc" if index % 3 == 2 else "qemu",
            node=names[index % nodes],
            vmid=vmid,
            name=f"guest-{vmid}",
            storage=("local-zfs", "local-lvm", "nfs")[index % 3],
            tags=("web",) if index % 4 == 1 else (),
            running=not is_template and index % 5 != 4,
            pool="lab" if index % 6 == 3 else None,
            quiet=True,
        )
        if is_template:
            world.template(vmid)
    world.pvestatd()
    return world


def furnish(world: World) -> None:
    """Storages, a pool, a token that may read everything and the log."""
    world.add_storage("local", "dir", content="iso,vztmpl,backup", options={"path": "/var/lib/vz"})
    world.add_storage("local-lvm", "lvmthin", options={"vgname": "pve", "thinpool": "data"})
    world.add_storage("local-zfs", "zfspool", options={"pool": "rpool/data"})
    world.add_storage("nfs", "nfs", shared=True, content="images,rootdir,iso", options={"server": "192.0.2.250"})
    world.add_storage("pbs", "pbs", shared=True, content="backup", options={"datastore": "main"})
    world.add_pool("lab", "all of the lab")
    world.add_token(TOKEN, SECRET)
    world.add_role("Syslog", "Sys.Syslog")
    world.add_role("BackupReader", "Datastore.AllocateSpace", "VM.Backup")
    for who in (TOKEN.partition("!")[0], TOKEN):
        for role in ("PVEAuditor", "Syslog", "BackupReader"):
            world.allow(who, "/", role)


TOKEN = "monitor@pve!homelabd"
SECRET = "11111111-2222-3333-4444-555555555555"
