"""Mounted file systems from mountinfo, as wire models.  Blocking: called in a thread.

Only what lies on a device or a server; how full it is moves by itself and is asked apart (``usage``).
"""

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from agents.errors import Malformed
from agents.host.files import Root
from schemas.base import Message

_NETWORK_FS = {"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "virtiofs", "glusterfs", "lustre", "ocfs2", "beegfs"}
_OTHER_FS = {"zfs", "fuseblk", "bcachefs"}  # on a device although the kernel lists them as ``nodev``
_IMAGES = {"squashfs", "erofs", "iso9660"}  # read-only images: packages, not storage
_ESCAPED = re.compile(r"\\([0-7]{3})")
_FIELDS_BEFORE, _FIELDS_AFTER = 6, 2


class Mount(Message):
    point: str
    source: str
    fstype: str
    options: tuple[str, ...]
    device: str
    size_bytes: int | None = None
    is_local: bool


def mounts(root: Root, ignore: Sequence[str] = ()) -> Sequence[Mount]:
    """Return file systems on devices or servers, once each: no pseudo file systems, images or bind mounts.

    ``ignore`` are globs of mount points.
    """
    text = root.required(str(root.mount_table.relative_to(root.path)))
    on_nothing = {line.split()[1] for line in root.text("proc/filesystems").splitlines() if line.startswith("nodev")}
    ignored = (on_nothing | _IMAGES) - _NETWORK_FS - _OTHER_FS
    rows = (mount for line in text.splitlines() if (mount := _mount(line, ignored)) is not None)
    seen = {mount.point: mount for mount in rows}  # of two on one point the later is the one seen
    kept = (mount for mount in seen.values() if not any(fnmatchcase(mount.point, glob) for glob in ignore))
    return [mount.model_copy(update={"size_bytes": _size(root, mount)}) for mount in kept]


def _mount(line: str, ignored: set[str]) -> Mount | None:
    head, dash, tail = line.partition(" - ")
    fields, rest = head.split(" "), tail.split(" ")
    if not dash or len(fields) < _FIELDS_BEFORE or len(rest) < _FIELDS_AFTER:
        raise Malformed("/proc/self/mountinfo has a line of another shape")
    fstype, source, point = rest[0], _unescape(rest[1]), _unescape(fields[4])
    options = {*fields[5].split(","), *rest[-1].split(",")}
    is_remote = fstype in _NETWORK_FS or (fstype.startswith("fuse.") and ":" in source)
    is_bind = fields[3] != "/" and fstype != "btrfs" and point != "/"
    if is_bind or not (is_remote or fstype not in ignored) or (fstype.startswith("fuse.") and not is_remote):
        return None  # (a fuse file system without a server is a view: portals, lxcfs)
    return Mount(
        point=point,
        source=source,
        fstype=fstype,
        options=tuple(sorted(options - {""})),
        device=fields[2],
        is_local=not is_remote,
    )


def _size(root: Root, mount: Mount) -> int | None:
    """Return what the file system can hold; not of ZFS, whose data sets share a pool and grow and shrink with it."""
    return usage(root, mount.point)[0] if mount.is_local and mount.fstype != "zfs" else None


def usage(root: Root, point: str) -> tuple[int | None, int | None]:
    """Return bytes in all and used.  Only for local file systems: asking a dead file server never returns."""
    try:
        answer = os.statvfs(root.path / point.lstrip("/"))
    except OSError:
        return None, None
    return answer.f_blocks * answer.f_frsize, (answer.f_blocks - answer.f_bfree) * answer.f_frsize


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)
