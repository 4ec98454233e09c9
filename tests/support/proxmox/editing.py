"""Guests change: options, tags, disks, snapshots, locks. VM edits stand in the cluster log, CT edits do not."""

from collections.abc import Iterable

from tests.support.proxmox import configs
from tests.support.proxmox.base import change
from tests.support.proxmox.lifecycle import WORDS, Lifecycle
from tests.support.proxmox.model import GIB, Guest

_KEPT = ("snaptime", "parent", "vmstate", "lock", "snapstate")


class Editing(Lifecycle):
    @change
    def edit(self, vmid: int, *, delete: Iterable[str] = (), who: str = "root@pam", **options: object) -> None:
        """Set and delete options; those of a running VM that need a restart become pending."""
        guest = self.guests[vmid]
        values = {option: str(value) for option, value in options.items()}
        for option in delete:
            self._set(guest, option, None)
        for option, value in values.items():
            self._set(guest, option, value)
        if guest.type == "qemu":
            told = [f"--delete {','.join(delete)}"] if delete else []
            told += [f"-{option} {value}" for option, value in values.items()]
            self.log(guest.node, f"update VM {vmid}: {' '.join(told)}", user=who)

    @change
    def rename(self, vmid: int, name: str) -> None:
        self.edit(vmid, **{"name" if self.guests[vmid].type == "qemu" else "hostname": name})

    @change
    def tag(self, vmid: int, *tags: str) -> None:
        """It has these tags now; none: the option goes."""
        if tags:
            self.edit(vmid, tags=";".join(sorted({tag.lower() for tag in tags})))
        else:
            self.edit(vmid, delete=("tags",))

    @change
    def add_disk(self, vmid: int, storage: str = "local-lvm", size: int = 8) -> str:
        """The slot of the new disk of ``size`` GiB."""
        guest = self.guests[vmid]
        stem = "scsi" if guest.type == "qemu" else "mp"
        slot = next(f"{stem}{number}" for number in range(30) if f"{stem}{number}" not in guest.config)
        volume = self.new_volume(vmid, guest.type, storage)
        value = f"{volume},iothread=1,size={size}G" if guest.type == "qemu" else f"{volume},mp=/mnt/{slot},size={size}G"
        self.edit(vmid, **{slot: value})
        return slot

    @change
    def remove_disk(self, vmid: int, slot: str) -> None:
        """An attached disk becomes unused; one that is unused is gone."""
        self.edit(vmid, delete=(slot,))

    @change
    def resize(self, vmid: int, slot: str, by: int = 4) -> None:
        """The disk grows by so many GiB."""
        guest = self.guests[vmid]
        task = self.begin(guest.node, "resize", vmid)
        value = guest.config[slot]
        guest.config[slot] = configs.resized(value, configs.size(value) + by * GIB)
        if guest.type == "qemu":
            self.log(guest.node, f"update VM {vmid}: resize --disk {slot} --size +{by}G")
        self.end(task)

    @change
    def snapshot(self, vmid: int, name: str, description: str = "", *, vmstate: bool = False) -> None:
        guest = self.guests[vmid]
        task = self.begin(guest.node, f"{WORDS[guest.type]}snapshot", vmid)
        self.take_snapshot(guest, name, description, vmstate=vmstate)
        self.end(task)

    @change
    def delete_snapshot(self, vmid: int, name: str) -> None:
        guest = self.guests[vmid]
        task = self.begin(guest.node, f"{WORDS[guest.type]}delsnapshot", vmid)
        self._note_snapshot(guest, "delete snapshot", name)
        gone = guest.snapshots.pop(name)
        for options in (guest.config, *guest.snapshots.values()):
            if options.get("parent") == name:
                if "parent" in gone:
                    options["parent"] = gone["parent"]
                else:
                    del options["parent"]
        self.end(task)

    @change
    def rollback(self, vmid: int, name: str) -> None:
        guest = self.guests[vmid]
        task = self.begin(guest.node, f"{WORDS[guest.type]}rollback", vmid)
        self._note_snapshot(guest, "rollback snapshot", name)
        saved = guest.snapshots[name]
        guest.config = {option: value for option, value in saved.items() if option not in _KEPT} | {"parent": name}
        guest.pending = {}
        if guest.type == "qemu":
            guest.config["vmgenid"] = self.uuid()
        guest.state = "running" if "vmstate" in saved else "stopped"
        guest.started_at = self.now() if guest.alive else None
        self.end(task)

    @change
    def set_lock(self, vmid: int, lock: str | None) -> None:
        """Stale locks survive the tasks that took them."""
        guest = self.guests[vmid]
        guest.config.pop("lock", None)
        if lock:
            guest.config["lock"] = lock

    def take_snapshot(self, guest: Guest, name: str, description: str = "", *, vmstate: bool = False) -> None:
        self._note_snapshot(guest, "snapshot", name)
        saved = {option: value for option, value in guest.config.items() if option != "lock"}
        saved |= {"snaptime": str(int(self.now()))}
        saved.pop("description", None)
        if description:
            saved["description"] = description
        if vmstate and guest.alive:
            saved["vmstate"] = f"local-lvm:vm-{guest.vmid}-state-{name}"
        guest.snapshots[name] = saved
        guest.config["parent"] = name

    def _note_snapshot(self, guest: Guest, what: str, name: str) -> None:
        of = "VM" if guest.type == "qemu" else "container"
        self.log(guest.node, f"{what} {of} {guest.vmid}: {name}")

    def _set(self, guest: Guest, option: str, value: str | None) -> None:
        if guest.type == "qemu" and guest.alive and option in configs.RESTART:
            guest.pending[option] = value
            if guest.config.get(option) == value:
                del guest.pending[option]
        elif value is None:
            if option in configs.attached(guest.config):
                free = next(f"unused{number}" for number in range(30) if f"unused{number}" not in guest.config)
                guest.config[free] = configs.volid(guest.config[option])
            guest.config.pop(option, None)
            guest.pending.pop(option, None)
        else:
            guest.config[option] = value
