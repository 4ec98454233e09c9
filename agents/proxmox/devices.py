"""Disks, mount points and network cards of guests as entries of a spec.  Pure.

Each has always the same entries, whatever its property string leaves out.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import JsonValue

from agents.proxmox import parse
from agents.proxmox.figures import flag, number, whole

Device = dict[str, JsonValue]

BUSES: Final = ("ide", "sata", "scsi", "virtio")
_MODELS: Final = frozenset(
    {"virtio", "vmxnet3", "e1000", "e1000e", "e1000-82540em", "e1000-82544gc", "e1000-82545em", "rtl8139", "ne2k_pci"}
    | {"ne2k_isa", "pcnet", "i82551", "i82557b", "i82559er"}
)


def disk(text: str) -> Device:
    """``local-lvm:vm-100-disk-0,size=32G,...``; ``media`` is disk, cdrom, or cloudinit."""
    rest = parse.properties(text, "file")
    volid = rest.pop("file", "") or rest.pop("volume", "")
    storage, volume = parse.split_volume(volid)
    media = rest.pop("media", "disk")
    if media == "cdrom" and "cloudinit" in volume:
        media = "cloudinit"
    found: Device = {
        "storage": storage,
        "volume": volume,
        "size_bytes": parse.size(rest.pop("size", "")),
        "media": media,
    }
    found["options"] = {**rest}
    return found


def mount(text: str) -> Device:
    """``local-lvm:vm-101-disk-0,mp=/srv,size=8G``, or a directory of the node in place of the volume."""
    rest = parse.properties(text, "volume")
    storage, volume = parse.split_volume(rest.pop("volume", ""))
    found: Device = {
        "storage": storage,
        "volume": volume,
        "path": rest.pop("mp", "/"),
        "size_bytes": parse.size(rest.pop("size", "")),
    }
    found["options"] = {**rest}
    return found


def vm_network(text: str) -> Device:
    """``virtio=BC:24:11:AA:BB:CC,bridge=vmbr0,tag=20``"""
    rest = parse.properties(text, "model")
    model, mac = next(((name, rest[name]) for name in rest if name in _MODELS), ("", ""))
    return {
        "model": model or rest.get("model"),
        "mac": (mac or rest.get("macaddr", "")).upper() or None,
        **_cabling(rest),
        "queues": whole(rest.get("queues")),
    }


def ct_network(text: str) -> Device:
    """``name=eth0,bridge=vmbr0,hwaddr=BC:24:11:AA:BB:CC,ip=dhcp,type=veth``"""
    rest = parse.properties(text, "name")
    return {
        "name": rest.get("name"),
        "type": rest.get("type", "veth"),
        "mac": rest.get("hwaddr", "").upper() or None,
        **_cabling(rest),
        "ip": rest.get("ip"),
        "gateway": rest.get("gw"),
        "ip6": rest.get("ip6"),
        "gateway6": rest.get("gw6"),
        "host_managed": flag(rest.get("host-managed")) or False,
    }


def _cabling(rest: Mapping[str, str]) -> Device:
    return {
        "bridge": rest.get("bridge"),
        "vlan": whole(rest.get("tag")),
        "trunks": [*parse.names(rest.get("trunks", ""))],
        "firewall": flag(rest.get("firewall")) or False,
        "rate_mbytes": number(rest.get("rate")),
        "mtu": whole(rest.get("mtu")),
        "link_down": flag(rest.get("link_down")) or False,
    }


def passed_through(text: str) -> Device:
    """A PCI or USB device of the node: ``0000:01:00.0,pcie=1``, ``mapping=gpu``, ``host=046d:c52b``, ``spice``."""
    return {**parse.properties(text, "host")}


def entries(devices: JsonValue) -> list[dict[str, JsonValue]]:
    """Return the devices of an entry of a spec."""
    return [one for one in devices.values() if isinstance(one, dict)] if isinstance(devices, dict) else []


def addresses(cards: JsonValue) -> tuple[str, ...]:
    """Return the static addresses of network cards, or of what cloud-init sets them to."""
    given = (one.get(name) for one in entries(cards) for name in ("ip", "ip6"))
    return tuple(sorted({one for ip in given if isinstance(ip, str) and (one := parse.static_address(ip))}))


def volid(device: Mapping[str, JsonValue]) -> str:
    return f"{device.get('storage') or ''}:{device.get('volume')}"


def total(devices: Iterable[Mapping[str, JsonValue]]) -> int:
    """Return the bytes of these disks, as far as their sizes are known."""
    return sum(size for one in devices if isinstance(size := one["size_bytes"], int))
