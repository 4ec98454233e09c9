"""The configuration file of a guest: its raw text, its digest, and how the API shows it (facts 5, 39, 40, 41)."""

import hashlib
import re
from urllib.parse import quote

from tests.support.proxmox.model import GIB, MIB, Guest, Row

_WHOLE = {
    "qemu": [
        "acpi",
        "allow-ksm",
        "autostart",
        "balloon",
        "ciupgrade",
        "cores",
        "cpuunits",
        "freeze",
        "keephugepages",
        "kvm",
        "localtime",
        "migrate_speed",
        "numa",
        "onboot",
        "protection",
        "reboot",
        "shares",
        "smp",
        "snaptime",
        "sockets",
        "tablet",
        "tdf",
        "template",
        "vcpus",
    ],
    "lxc": [
        "console",
        "cores",
        "cpuunits",
        "debug",
        "memory",
        "onboot",
        "protection",
        "snaptime",
        "swap",
        "template",
        "tty",
        "unprivileged",
    ],
}
_DISK = re.compile(r"^(?:scsi|virtio|ide|sata|efidisk|tpmstate|mp|unused)\d+$|^rootfs$")
_UNITS = {"K": 2**10, "M": MIB, "G": GIB, "T": 2**40}
RESTART = frozenset({"memory", "cores", "sockets", "cpu", "vcpus", "machine", "bios", "balloon"})
"""Options of a running VM that wait for a restart."""


def text(guest: Guest) -> str:
    """The file as it stands in the cluster file system."""
    sections = [_section("", guest.config)]
    if guest.pending:
        gone = [option for option, value in guest.pending.items() if value is None]
        waiting = {option: value for option, value in guest.pending.items() if value is not None}
        sections.append(_section("PENDING", ({"delete": ",".join(gone)} if gone else {}) | waiting))
    sections += [_section(name, options) for name, options in guest.snapshots.items()]
    return "\n".join(sections)


def digest(guest: Guest) -> str:
    return hashlib.sha1(text(guest).encode()).hexdigest()


def merged(guest: Guest) -> dict[str, str]:
    """The options as they will be after a restart."""
    options = dict(guest.config)
    for option, value in guest.pending.items():
        if value is None:
            options.pop(option, None)
        else:
            options[option] = value
    return options


def shown(guest: Guest, options: dict[str, str]) -> Row:
    """What GET config answers for ``options``: whole numbers as such, all else as text, secrets masked.

    A container's description ends with a newline, and what LXC itself is told stands in a list of its own.
    """
    whole = _WHOLE[guest.type]
    row: Row = {option: int(value) if option in whole else value for option, value in options.items()}
    if "cipassword" in row:
        row["cipassword"] = "**********"
    if guest.type == "lxc":
        raw = [[option, row.pop(option)] for option in options if option.startswith("lxc.")]
        row |= {"lxc": raw} if raw else {}
        row |= {"description": f"{row['description']}\n"} if "description" in row else {}
    return row | {"digest": digest(guest)}


def disks(options: dict[str, str]) -> dict[str, str]:
    """Slot -> property string of every volume, CD drives left out."""
    return {
        slot: value
        for slot, value in options.items()
        if _DISK.match(slot) and "media=cdrom" not in value and not value.startswith("none")
    }


def attached(options: dict[str, str]) -> dict[str, str]:
    return {slot: value for slot, value in disks(options).items() if not slot.startswith("unused")}


def volumes(guest: Guest) -> dict[str, int]:
    """Volume id -> bytes of all that the file names, snapshots' too."""
    found: dict[str, int] = {}
    for options in (guest.config, *guest.snapshots.values()):
        for value in disks(options).values():
            found.setdefault(volid(value), size(value))
    return found


def volid(value: str) -> str:
    return value.split(",", 1)[0]


def size(value: str) -> int:
    """Bytes of the `size=32G` in a property string; 0 without."""
    found = re.search(r"(?:^|,)size=(\d+)([KMGT]?)", value)
    return int(found[1]) * _UNITS.get(found[2], 1) if found else 0


def resized(value: str, bytes_: int) -> str:
    gib, rest = divmod(bytes_, GIB)
    wanted = f"{bytes_ // MIB}M" if rest else f"{gib}G"
    return re.sub(r"(^|,)size=\d+[KMGT]?", rf"\g<1>size={wanted}", value)


def memory(guest: Guest) -> int:
    """Bytes that run or would run: the file's, without what is pending."""
    default = "512"
    found = re.search(r"\d+", guest.config.get("memory", default))
    return int(found[0] if found else default) * MIB


def cores(guest: Guest, node_cpus: int = 1) -> int:
    options = guest.config
    if guest.type == "lxc":
        return int(options.get("cores", node_cpus))
    return int(options.get("vcpus", 0)) or int(options.get("sockets", 1)) * int(options.get("cores", 1))


def boot_disk(guest: Guest) -> int:
    """Bytes of the disk that `maxdisk` tells of."""
    if guest.type == "lxc":
        return size(guest.config.get("rootfs", ""))
    order = re.search(r"order=([^,]*)", guest.config.get("boot", ""))
    slots = order[1].split(";") if order else list(disks(guest.config))
    return next((size(guest.config[slot]) for slot in slots if slot in disks(guest.config)), 0)


def uuid(guest: Guest) -> str | None:
    found = re.search(r"uuid=([0-9a-f-]+)", guest.config.get("smbios1", ""))
    return found[1] if found else None


def tags(options: dict[str, str]) -> list[str]:
    return [tag for tag in re.split(r"[;, ]+", options.get("tags", "")) if tag]


def _section(name: str, options: dict[str, str]) -> str:
    lines = [f"[{name}]"] if name else []
    if "description" in options:
        lines += [f"#{quote(line, safe=' /:;,.-_()')}" for line in options["description"].split("\n")]
    lines += [f"{option}: {value}" for option, value in sorted(options.items()) if option != "description"]
    return "\n".join(lines) + "\n"
