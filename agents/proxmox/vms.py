"""A VM's configuration as a spec: always the same entries, and one form for whatever says the same.  Pure.

A switch or number that is not set has the value that this means to Proxmox; a text that is not set is None.  What
Proxmox writes there by itself (locks, snapshots, what runs now) is not configuration, and no entry.
"""

from typing import Final

from pydantic import JsonValue

from agents.proxmox import devices, options, parse, redaction
from agents.proxmox.devices import Device
from agents.proxmox.figures import flag, whole
from agents.proxmox.wire import GuestConfig
from schemas.resources import Size

_MIB = 2**20
_DEFAULT_MEMORY = 512
_HOTPLUG: Final = ("disk", "network", "usb")
_NUMBERED: Final = frozenset({*devices.BUSES, "net", "hostpci", "usb", "serial", "ipconfig", "unused"})
_OWN: Final = frozenset(
    {"name", "description", "tags", "onboot", "protection", "startup", "boot", "ostype", "arch", "cpu", "sockets"}
    | {"cores", "cpulimit", "cpuunits", "vcpus", "numa", "affinity", "memory", "balloon", "machine", "bios", "scsihw"}
    | {"agent", "hotplug", "vga", "efidisk0", "tpmstate0", "ciuser", "cipassword", "sshkeys", "nameserver", "citype"}
    | {"searchdomain", "ciupgrade", "cicustom", "args", "hookscript", "template", "smbios1"}
)


def spec(config: GuestConfig) -> dict[str, JsonValue]:
    numbered, others = options.grouped(config, numbered=_NUMBERED, own=_OWN)
    if smbios := _smbios(config.text("smbios1")):
        others["smbios1"] = smbios
    return {
        "name": config.text("name") or None,
        "description": options.description(config),
        "tags": [*parse.tags(config.text("tags"))],
        "onboot": config.flag("onboot"),
        "protection": config.flag("protection"),
        "template": config.flag("template"),
        "startup": options.startup(config.text("startup")),
        "boot_order": [*_boot_order(config)],
        "ostype": config.text("ostype") or None,
        "arch": config.text("arch") or None,
        "cpu": _cpu(config),
        "memory_mib": _memory(config),
        "balloon_mib": config.whole("balloon"),
        "machine": parse.canonical(config.text("machine")) or None,
        "bios": config.text("bios") or None,
        "scsihw": config.text("scsihw") or None,
        "agent": _agent(config.text("agent")),
        "hotplug": [*_hotplug(config.text("hotplug"))],
        "vga": parse.canonical(config.text("vga")) or None,
        "disks": {name: devices.disk(text) for bus in devices.BUSES for name, text in numbered[bus].items()},
        "networks": {name: devices.vm_network(text) for name, text in numbered["net"].items()},
        "hostpci": {name: devices.passed_through(text) for name, text in numbered["hostpci"].items()},
        "usb": {name: devices.passed_through(text) for name, text in numbered["usb"].items()},
        "efidisk": _one_disk(config.text("efidisk0")),
        "tpm": _one_disk(config.text("tpmstate0")),
        "serial": {**numbered["serial"]},
        "unused": {**numbered["unused"]},
        "cloud_init": _cloud_init(config, numbered["ipconfig"]),
        "args": redaction.text(config.text("args")) or None,
        "hookscript": config.text("hookscript") or None,
        "other": others,
    }


def size(config: GuestConfig, spec: dict[str, JsonValue]) -> Size:
    """Return what a VM is given; ``spec`` is the one of its configuration."""
    cores = config.whole("vcpus") or (config.whole("sockets") or 1) * (config.whole("cores") or 1)
    disks = (one for one in devices.entries(spec["disks"]) if one["media"] == "disk")
    return Size(cpu_cores=cores, memory_bytes=_memory(config) * _MIB, disk_bytes=devices.total(disks))


def addresses(spec: dict[str, JsonValue]) -> tuple[str, ...]:
    """Return the static addresses that cloud-init sets."""
    cloud_init = spec["cloud_init"]
    return devices.addresses(cloud_init["ipconfig"]) if isinstance(cloud_init, dict) else ()


def _boot_order(config: GuestConfig) -> list[str]:
    """``order=scsi0;net0``, or letters as before PVE 6.3: ``cdn``."""
    text = config.text("boot")
    found = parse.properties(text, "legacy")
    return found["order"].split(";") if "order" in found else [*found.get("legacy", "")]


def _cpu(config: GuestConfig) -> Device:
    rest = parse.properties(config.text("cpu"), "cputype")
    found: Device = {
        "type": rest.pop("cputype", None),
        "sockets": config.whole("sockets") or 1,
        "cores": config.whole("cores") or 1,
        "vcpus": config.whole("vcpus") or None,
        "limit": config.number("cpulimit") or None,
        "units": config.whole("cpuunits"),
        "numa": config.flag("numa"),
        "affinity": config.text("affinity") or None,
    }
    found["options"] = {**rest}
    return found


def _memory(config: GuestConfig) -> int:
    """``4096``, or ``current=4096``."""
    return whole(parse.properties(config.text("memory"), "current").get("current")) or _DEFAULT_MEMORY


def _agent(text: str) -> Device:
    rest = parse.properties(text, "enabled")
    enabled = flag(rest.pop("enabled", None)) or False
    return {"enabled": enabled, **rest}


def _hotplug(text: str) -> tuple[str, ...]:
    if text in ("", "1"):
        return _HOTPLUG
    return () if text == "0" else parse.names(text)


def _one_disk(text: str) -> JsonValue:
    return devices.disk(text) if text else None


def _cloud_init(config: GuestConfig, networks: dict[str, str]) -> Device:
    """Never the password, not even masked, and of the keys only how many there are."""
    return {
        "user": config.text("ciuser") or None,
        "has_password": bool(config.text("cipassword")),
        "ssh_keys": parse.key_count(config.text("sshkeys")),
        "ipconfig": {name: {**parse.properties(text)} for name, text in networks.items()},
        "nameserver": config.text("nameserver") or None,
        "searchdomain": config.text("searchdomain") or None,
        "upgrade": config.flag("ciupgrade", default=True),
        "type": config.text("citype") or None,
        "custom": parse.canonical(config.text("cicustom")) or None,
    }


def _smbios(text: str) -> str:
    """The uuid is who the VM is, not how it is set up."""
    found = parse.properties(text)
    found.pop("uuid", None)
    if found.keys() == {"base64"}:
        return ""
    return ",".join(f"{name}={value}" for name, value in sorted(found.items()))
