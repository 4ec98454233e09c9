"""Network interfaces from /sys/class/net, as wire models.  Blocking: called in a thread."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from agents.errors import Malformed
from agents.host.files import Root
from schemas.base import Message

_IFF_UP = 1


class Interface(Message):
    name: str
    mac: str
    mtu: int | None
    speed_mbps: int | None
    type: str
    state: str
    is_up: bool
    master: str
    addresses: tuple[str, ...]


def interfaces(root: Root, addresses: Mapping[str, Sequence[str]], ignore: Sequence[str] = ()) -> Sequence[Interface]:
    """Return the interfaces whose name is none of the globs in ``ignore``.

    ``addresses`` (by interface) come from the caller: no file of the kernel lists them.
    """
    names = [
        name for name in root.required_names("sys/class/net") if not any(fnmatchcase(name, glob) for glob in ignore)
    ]
    return [found for name in names if (found := _interface(root, name, addresses.get(name, ()))) is not None]


def _interface(root: Root, name: str, addresses: Sequence[str]) -> Interface | None:
    folder = f"sys/class/net/{name}"
    if not (flags := root.text(f"{folder}/flags")):
        return None  # gone since it was listed, or a file such as bonding_masters
    try:
        is_up = bool(int(flags, 16) & _IFF_UP)
    except ValueError as error:
        raise Malformed(f"/{folder}/flags is not a number") from error
    speed = root.number(f"{folder}/speed")
    return Interface(
        name=name,
        mac=root.text(f"{folder}/address"),
        mtu=root.number(f"{folder}/mtu"),
        speed_mbps=speed if speed and speed > 0 else None,
        type=_interface_type(root, folder),
        state=root.text(f"{folder}/operstate"),
        is_up=is_up,
        master=root.link(f"{folder}/master").rpartition("/")[2],
        addresses=tuple(sorted(set(addresses))),
    )


def _interface_type(root: Root, folder: str) -> str:
    found = re.search(r"^DEVTYPE=(\w+)$", root.text(f"{folder}/uevent"), re.MULTILINE)
    if found:
        return found[1]
    if root.text(f"{folder}/type") == "772":
        return "loopback"
    for mark, word in (("bridge", "bridge"), ("bonding", "bond"), ("tun_flags", "tun"), ("device", "ethernet")):
        if root.exists(f"{folder}/{mark}"):
            return word
    return "virtual"
