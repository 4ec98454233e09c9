"""GET of a node's storages and what is in them (fact 45)."""

from collections.abc import Iterator

from tests.support.proxmox import configs
from tests.support.proxmox.calls import Call, failed
from tests.support.proxmox.model import Backup, Guest, Row, Storage
from tests.support.proxmox.routes import perm, route

READ = ("Datastore.Audit", "Datastore.AllocateSpace")
AUDIT = perm("/storage/{storage}", *READ)


@route("GET", "nodes/{node}/storage", params="content enabled format storage target", proxied=True)
def storages(call: Call) -> list[Row]:
    found: list[Row] = []
    for name, each in sorted(call.world.storages.items()):
        shown = each.on(call.node.name) and call.rights.any(f"/storage/{name}", *READ)
        wanted = call.query.get("content")
        fits = wanted is None or wanted in each.content.split(",")
        if shown and fits and (each.enabled or not call.flag("enabled")):
            row = _state(call, each)
            if row["total"]:
                row["used_fraction"] = round(each.used / each.size, 6)
            found.append({"storage": name, **row})
    return found


@route("GET", "nodes/{node}/storage/{storage}/status", check=AUDIT, proxied=True)
def status(call: Call) -> Row:
    return _state(call, call.storage)


@route("GET", "nodes/{node}/storage/{storage}/content", check=AUDIT, params="content vmid", proxied=True)
def content(call: Call) -> list[Row]:
    """Each volume only for who may read it: nothing says that some are left out (fact 18)."""
    where = call.storage
    if not where.enabled:
        raise failed(f"storage '{where.name}' is disabled")
    if call.node.name in where.inactive:
        raise failed(f"storage '{where.name}' is not online")
    wanted, vmid = call.query.get("content"), call.query.get("vmid")
    return [
        row
        for row in (*_backups(call, where), *_images(call, where))
        if wanted in {None, row["content"]} and vmid in {None, str(row["vmid"])} and _readable(call, where, row)
    ]


def _readable(call: Call, storage: Storage, row: Row) -> bool:
    rights, path, guest = call.rights, f"/storage/{storage.name}", f"/vms/{row['vmid']}"
    if rights.has(path, "Datastore.Allocate"):
        return True
    if row["content"] == "backup":
        return rights.has(path, "Datastore.AllocateSpace") and rights.has(guest, "VM.Backup")
    return rights.has(path, "Datastore.Audit") and rights.has(guest, "VM.Config.Disk")


def _backups(call: Call, storage: Storage) -> Iterator[Row]:
    for backup in call.world.backups:
        if backup.storage == storage.name and (storage.shared or backup.node == call.node.name):
            yield _backup(storage, backup)


def _backup(storage: Storage, backup: Backup) -> Row:
    row: Row = {
        "volid": backup.volid,
        "content": "backup",
        "format": backup.format,
        "subtype": backup.type,
        "vmid": backup.vmid,
        "size": backup.size,
        "ctime": int(backup.made_at),
        "notes": backup.notes,
    }
    if backup.protected:
        row["protected"] = 1
    if storage.type == "pbs":
        row["verification"] = {"state": "ok", "upid": f"UPID:pbs:{backup.vmid}"}
    return row


def _images(call: Call, storage: Storage) -> Iterator[Row]:
    for guest in call.world.guests.values():
        if storage.shared or guest.node == call.node.name:
            for volid, size in configs.volumes(guest).items():
                if volid.startswith(f"{storage.name}:"):
                    yield _image(guest, storage, volid, size)


def _image(guest: Guest, storage: Storage, volid: str, size: int) -> Row:
    row: Row = {
        "volid": volid,
        "content": "images" if guest.type == "qemu" else "rootdir",
        "format": "subvol" if "subvol" in volid else "qcow2" if volid.endswith("qcow2") else "raw",
        "vmid": guest.vmid,
        "size": size,
        "ctime": int(guest.started_at or 0),
    }
    path = volid.partition(":")[2].split("/")
    base = "/".join(path[:-2]) if storage.files else "/".join(path[:-1])
    if "base" in base:
        row["parent"] = base
    return row


def _state(call: Call, storage: Storage) -> Row:
    active = storage.enabled and call.node.name not in storage.inactive
    size, used = (storage.size, storage.used) if active else (0, 0)
    return {
        "type": storage.type,
        "content": storage.content,
        "shared": int(storage.shared),
        "active": int(active),
        "enabled": int(storage.enabled),
        "total": size,
        "used": used,
        "avail": size - used,
    }
