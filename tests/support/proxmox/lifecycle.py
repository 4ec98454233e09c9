"""Guests come, run, move and go."""

from typing import Any
from uuid import UUID

from tests.support.proxmox import configs
from tests.support.proxmox.base import State, change
from tests.support.proxmox.model import Guest, GuestType, Task

WORDS = {"qemu": "qm", "lxc": "vz"}


class Lifecycle(State):
    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self._migrations: dict[int, Task] = {}

    @change
    def create(
        self,
        type: GuestType = "qemu",  # noqa: A002
        *,
        node: str | None = None,
        vmid: int | None = None,
        name: str | None = None,
        cores: int = 2,
        memory: int = 2048,
        disk: int = 32,
        storage: str = "local-lvm",
        bridge: str = "vmbr0",
        tags: tuple[str, ...] = (),
        running: bool = True,
        pool: str | None = None,
        quiet: bool = False,
        **options: str,
    ) -> Guest:
        """``memory`` in MiB, ``disk`` in GiB; ``quiet``: it was there before, no task tells of it."""
        vmid = vmid or self.free_vmid()
        assert vmid not in self.guests, f"{vmid} is taken"
        guest = Guest(vmid, type, node or next(iter(self.nodes)), {})
        self.guests[vmid] = guest
        volume = self.new_volume(vmid, type, storage)
        if type == "qemu":
            guest.config = self._machine(vmid, f"{volume},iothread=1,size={disk}G", bridge, cores, memory)
        else:
            guest.config = self._container(vmid, f"{volume},size={disk}G", bridge, cores, memory)
        if name:
            guest.config["name" if type == "qemu" else "hostname"] = name
        if tags:
            guest.config["tags"] = ";".join(sorted(set(tags)))
        guest.config |= options
        if pool:
            self.pools[pool].guests.add(vmid)
        if not quiet:
            self.did(guest.node, f"{WORDS[type]}create", vmid)
        if running and quiet:
            self.switch_on(guest, seconds_ago=3600)
        elif running:
            self.turn_on(guest)
        return guest

    @change
    def destroy(self, vmid: int, *, purge: bool = False) -> None:
        guest = self.guests[vmid]
        task = self.begin(guest.node, f"{WORDS[guest.type]}destroy", vmid)
        self.forget(guest, purge=purge)
        self.end(task)

    @change
    def recreate(self, vmid: int, type: GuestType | None = None, **named: object) -> Guest:  # noqa: A002
        """Destroyed and made again with the same number: another guest in the place of the old."""
        old = self.guests[vmid]
        self.destroy(vmid)
        return self.create(type or old.type, vmid=vmid, node=old.node, **named)  # type: ignore[arg-type]

    @change
    def start(self, vmid: int) -> None:
        self.turn_on(self.guests[vmid])

    @change
    def stop(self, vmid: int, *, kind: str = "stop") -> None:
        guest = self.guests[vmid]
        self.did(guest.node, f"{WORDS[guest.type]}{kind}", vmid)
        self.turn_off(guest)

    @change
    def power_off(self, vmid: int) -> None:
        """Shut down from within: no task, no line in any log."""
        self.turn_off(self.guests[vmid])

    @change
    def pause(self, vmid: int) -> None:
        guest = self.guests[vmid]
        self.did(guest.node, "qmpause", vmid)
        guest.state = "paused"

    @change
    def resume(self, vmid: int) -> None:
        guest = self.guests[vmid]
        self.did(guest.node, "qmresume", vmid)
        guest.state = "running"

    @change
    def fail(self, vmid: int, state: str = "io-error") -> None:
        """QEMU itself says so: no task, no line in any log."""
        self.guests[vmid].state = state

    @change
    def begin_migration(self, vmid: int) -> None:
        """Locked and still where it was."""
        guest = self.guests[vmid]
        guest.config["lock"] = "migrate"
        self._migrations[vmid] = self.begin(guest.node, self._migration(guest), vmid)

    @change
    def finish_migration(self, vmid: int, target: str) -> None:
        guest = self.guests[vmid]
        guest.config.pop("lock", None)
        guest.node = target
        if guest.type == "lxc" and guest.alive:
            guest.started_at = self.now()
        self.end(self._migrations.pop(vmid))

    @change
    def migrate(self, vmid: int, target: str) -> None:
        self.begin_migration(vmid)
        self.finish_migration(vmid, target)

    @change
    def recover(self, vmid: int, target: str) -> None:
        """HA takes it from a dead node to another and starts it there."""
        guest = self.guests[vmid]
        guest.node = target
        guest.state = "stopped"
        self.turn_on(guest)

    def turn_on(self, guest: Guest) -> None:
        self.switch_on(guest)
        self.did(guest.node, f"{WORDS[guest.type]}start", guest.vmid)

    def switch_on(self, guest: Guest, *, seconds_ago: int = 0) -> None:
        guest.config, guest.pending = configs.merged(guest), {}
        guest.state = "running"
        guest.started_at = self.now() - seconds_ago

    def turn_off(self, guest: Guest) -> None:
        guest.state = "stopped"
        guest.started_at = None
        guest.config, guest.pending = configs.merged(guest), {}

    def forget(self, guest: Guest, *, purge: bool = False) -> None:
        """The config goes, and with it its place in pools and access lists; jobs and HA only with ``purge``."""
        del self.guests[guest.vmid]
        for pool in self.pools.values():
            pool.guests.discard(guest.vmid)
        self.acls = [acl for acl in self.acls if acl.path != f"/vms/{guest.vmid}"]
        if purge:
            self.ha.pop(guest.sid, None)
            for job in self.backup_jobs.values():
                if "vmid" in job:
                    job["vmid"] = ",".join(id_ for id_ in job["vmid"].split(",") if id_ != str(guest.vmid))

    def new_volume(self, vmid: int, type: GuestType, storage: str, *, base: str = "") -> str:  # noqa: A002
        """The id of a volume that is not in use; ``base``: the template's volume it stands on, if the id can say so."""
        pool = self.storages[storage]
        if pool.type == "lvmthin":
            base = ""
        stem = "subvol" if type == "lxc" and pool.type == "zfspool" else "vm"
        ending = (".raw" if type == "lxc" else ".qcow2") if pool.files else ""
        taken = configs.volumes(self.guests[vmid])
        number = 0
        while True:
            name = f"{stem}-{vmid}-disk-{number}{ending}"
            path = f"{base}/{vmid}/{name}" if base and pool.files else f"{base}/{name}" if base else name
            volid = f"{storage}:{vmid}/{name}" if pool.files and not base else f"{storage}:{path}"
            if volid not in taken:
                return volid
            number += 1

    def mac(self) -> str:
        return "BC:24:11:" + ":".join(f"{self.random.randrange(256):02X}" for _ in range(3))

    def uuid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def _machine(self, vmid: int, disk: str, bridge: str, cores: int, memory: int) -> dict[str, str]:
        return {
            "boot": "order=scsi0;net0",
            "cores": str(cores),
            "cpu": "x86-64-v2-AES",
            "memory": str(memory),
            "meta": f"creation-qemu=10.1.2,ctime={int(self.now())}",
            "net0": f"virtio={self.mac()},bridge={bridge},firewall=1",
            "numa": "0",
            "ostype": "l26",
            "scsi0": disk,
            "scsihw": "virtio-scsi-single",
            "smbios1": f"uuid={self.uuid()}",
            "sockets": "1",
            "vmgenid": self.uuid(),
        }

    def _container(self, vmid: int, disk: str, bridge: str, cores: int, memory: int) -> dict[str, str]:
        return {
            "arch": "amd64",
            "cores": str(cores),
            "hostname": f"CT{vmid}",
            "memory": str(memory),
            "net0": f"name=eth0,bridge={bridge},hwaddr={self.mac()},ip=dhcp,type=veth",
            "ostype": "debian",
            "rootfs": disk,
            "swap": "512",
            "unprivileged": "1",
        }

    def _migration(self, guest: Guest) -> str:
        return "qmigrate" if guest.type == "qemu" else "vzmigrate"
