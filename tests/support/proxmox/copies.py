"""Guests out of guests: clones, templates, backups, restores."""

from datetime import UTC, datetime

from tests.support.proxmox import configs
from tests.support.proxmox.base import change
from tests.support.proxmox.editing import Editing
from tests.support.proxmox.lifecycle import WORDS
from tests.support.proxmox.model import Backup, Guest


class Copies(Editing):
    @change
    def clone(
        self,
        vmid: int,
        newid: int | None = None,
        *,
        name: str | None = None,
        full: bool = True,
        target: str | None = None,
        pool: str | None = None,
    ) -> Guest:
        """New uuid, vmgenid and MAC; the ctime in `meta`, tags and description are the original's (fact 52)."""
        origin = self.guests[vmid]
        task = self.begin(origin.node, f"{WORDS[origin.type]}clone", vmid)
        copy = self.copy(origin, newid or self.free_vmid(), name=name, full=full, target=target, pool=pool)
        self.end(task)
        return copy

    @change
    def template(self, vmid: int) -> None:
        """It becomes a template for good; its volumes are renamed."""
        guest = self.guests[vmid]
        task = self.begin(guest.node, f"{WORDS[guest.type]}template", vmid)
        guest.config["template"] = "1"
        for slot, value in configs.disks(guest.config).items():
            renamed = value.replace(f"subvol-{vmid}-", f"basevol-{vmid}-").replace(f"vm-{vmid}-", f"base-{vmid}-")
            guest.config[slot] = renamed
        self.end(task)

    @change
    def back_up(self, vmid: int, storage: str = "pbs", *, protected: bool = False) -> Backup:
        guest = self.guests[vmid]
        task = self.begin(guest.node, "vzdump", vmid)
        backup = self._backup(guest, storage)
        backup.protected = protected
        self.backups.append(backup)
        self.end(task)
        return backup

    @change
    def remove_backup(self, volid: str) -> None:
        backup = next(backup for backup in self.backups if backup.volid == volid)
        self.did(backup.node, "imgdel", f"{backup.vmid}@{backup.storage}")
        self.backups.remove(backup)

    @change
    def restore(self, volid: str, vmid: int | None = None, *, unique: bool = False, node: str | None = None) -> Guest:
        """In place of the guest of that number if there is one; the uuid is the backup's unless ``unique``."""
        backup = next(backup for backup in self.backups if backup.volid == volid)
        vmid = vmid or backup.vmid
        pools = [pool for pool in self.pools.values() if vmid in pool.guests]
        old = self.guests.pop(vmid, None)
        guest = Guest(vmid, backup.type, node or (old.node if old else backup.node), {})
        task = self.begin(guest.node, f"{WORDS[guest.type]}restore", vmid)
        self.guests[vmid] = guest
        for option, value in backup.config.items():
            is_disk = option in configs.disks(backup.config)
            guest.config[option] = self._moved(guest, value) if is_disk else value
        if guest.type == "qemu":
            guest.config["vmgenid"] = self.uuid()
        if unique:
            self._make_unique(guest)
        for pool in pools:
            pool.guests.add(vmid)
        self.end(task)
        return guest

    def copy(
        self, origin: Guest, newid: int, *, name: str | None, full: bool, target: str | None, pool: str | None
    ) -> Guest:
        assert newid not in self.guests, f"{newid} is taken"
        left_out = {"template", "lock", "parent"}
        options = {option: value for option, value in configs.merged(origin).items() if option not in left_out}
        copy = Guest(newid, origin.type, target or origin.node, {})
        self.guests[newid] = copy
        for option, value in options.items():
            is_disk = option in configs.disks(options)
            copy.config[option] = self._moved(copy, value, linked=not full) if is_disk else value
        self._make_unique(copy)
        if copy.type == "qemu":
            copy.config["name"] = name or f"Copy-of-VM-{origin.name}"
        else:
            copy.config["hostname"] = name or f"Copy-of-CT-{origin.name}"
        if pool:
            self.pools[pool].guests.add(newid)
        return copy

    def _moved(self, guest: Guest, value: str, *, linked: bool = False) -> str:
        """The same disk as a new volume of this guest."""
        volid, _, rest = value.partition(",")
        storage, _, base = volid.partition(":")
        volume = self.new_volume(guest.vmid, guest.type, storage, base=base if linked else "")
        return f"{volume},{rest}" if rest else volume

    def _make_unique(self, guest: Guest) -> None:
        options = guest.config
        if guest.type == "qemu":
            options["smbios1"] = f"uuid={self.uuid()}"
            options["vmgenid"] = self.uuid()
        for slot in (slot for slot in options if slot.startswith("net")):
            options[slot] = ",".join(self._new_mac(part) for part in options[slot].split(","))

    def _new_mac(self, part: str) -> str:
        key, _, value = part.partition("=")
        return f"{key}={self.mac()}" if value.count(":") == 5 else part

    def _backup(self, guest: Guest, storage: str) -> Backup:
        made = datetime.fromtimestamp(int(self.now()), UTC)
        if self.storages[storage].type == "pbs":
            kind, format_ = ("vm", "pbs-vm") if guest.type == "qemu" else ("ct", "pbs-ct")
            volid = f"{storage}:backup/{kind}/{guest.vmid}/{made:%Y-%m-%dT%H:%M:%SZ}"
        else:
            format_ = "vma.zst" if guest.type == "qemu" else "tar.zst"
            volid = f"{storage}:backup/vzdump-{guest.type}-{guest.vmid}-{made:%Y_%m_%d-%H_%M_%S}.{format_}"
        left_out = {"lock", "parent"}
        return Backup(
            volid=volid,
            storage=storage,
            node=guest.node,
            vmid=guest.vmid,
            type=guest.type,
            format=format_,
            size=sum(configs.volumes(guest).values()) // 3,
            made_at=made.timestamp(),
            config={option: value for option, value in guest.config.items() if option not in left_out},
            notes=guest.name,
        )
