"""The machine as a whole, from /proc, /sys and /etc, as one wire model.  Blocking: called in a thread.

The raw machine id is confidential (machine-id(5)) and a host name changes, so a machine is known by a hash of its id.
"""

import platform
import re
from hashlib import blake2b
from pathlib import PurePosixPath

from agents.errors import Malformed
from agents.host import disks
from agents.host.files import Root
from schemas.base import Message

_GPU_VENDORS = {"0x10de", "0x1002"}  # NVIDIA, AMD; every server and virtual machine has some VGA of another
_VENDORS = {  # what firmware says -> the word of systemd-detect-virt
    "QEMU": "qemu",
    "KVM": "kvm",
    "Amazon EC2": "amazon",
    "Google": "google",
    "VMware": "vmware",
    "innotek GmbH": "oracle",
    "VirtualBox": "oracle",
    "Xen": "xen",
    "Microsoft Corporation": "microsoft",
    "Parallels": "parallels",
    "BHYVE": "bhyve",
}


class Machine(Message):
    id: str
    hostname: str
    boot_id: str
    cpu_model: str
    cores: int
    threads: int
    memory_bytes: int
    disk_bytes: int
    os_name: str
    os_id: str
    os_version: str
    kernel: str
    architecture: str
    virtualisation: str
    container: str
    firmware: str
    timezone: str
    vendor: str
    product: str
    gpus: tuple[str, ...]


def machine(root: Root) -> Machine:
    cpu = root.required("proc/cpuinfo")
    threads = len(re.findall(r"^processor\b", cpu, re.MULTILINE))
    if not threads:
        raise Malformed("/proc/cpuinfo names no processor")
    release = _os_release(root)
    return Machine(
        id=identity(root),
        hostname=hostname(root),
        boot_id=root.text("proc/sys/kernel/random/boot_id"),
        cpu_model=_cpu_model(root, cpu),
        cores=_cores(cpu) or threads,
        threads=threads,
        memory_bytes=memory(root)["MemTotal"],
        disk_bytes=sum(disk.size_bytes for disk in disks.disks(root) if disk.is_physical),
        os_name=release.get("PRETTY_NAME") or release.get("NAME", ""),
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        kernel=root.text("proc/sys/kernel/osrelease"),
        architecture=root.text("proc/sys/kernel/arch") or platform.machine(),
        virtualisation=_virtualisation(root, cpu),
        container=_container(root),
        firmware="uefi" if root.exists("sys/firmware/efi") else "",
        timezone=_timezone(root),
        vendor=root.text("sys/class/dmi/id/sys_vendor"),
        product=root.text("sys/class/dmi/id/product_name") or root.text("proc/device-tree/model"),
        gpus=_gpus(root),
    )


def hostname(root: Root) -> str:
    return root.required("proc/sys/kernel/hostname").strip() or "localhost"


def identity(root: Root) -> str:
    """Return 12 hex digits of the machine id, hashed for this use alone, else the host name.

    An image that was cloned with its machine id names two machines the same; they differ by their sources.
    """
    raw = root.text("etc/machine-id") or root.text("var/lib/dbus/machine-id")
    if re.fullmatch(r"[0-9a-f]{32}", raw) and raw.strip("0"):
        return blake2b(raw.encode(), digest_size=6, person=b"homelabd.host").hexdigest()
    return hostname(root)


def memory(root: Root) -> dict[str, int]:
    """Return /proc/meminfo in bytes; ``MemTotal`` is always there."""
    rows = re.findall(r"^(\w+):\s+(\d+) kB$", root.required("proc/meminfo"), re.MULTILINE)
    found = {name: int(value) * 1024 for name, value in rows}
    if not found.get("MemTotal"):
        raise Malformed("/proc/meminfo has no MemTotal")
    return found


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _cpu_model(root: Root, cpu: str) -> str:
    named = (_field(cpu, name) for name in ("model name", "Hardware", "Model", "cpu model", "uarch"))
    return next(filter(None, named), "") or root.text("proc/device-tree/model")


def _cores(cpu: str) -> int:
    """Count (package, core) pairs; ARM's /proc/cpuinfo has none."""
    blocks = cpu.split("\n\n")
    return len({(_field(block, "physical id"), core) for block in blocks if (core := _field(block, "core id"))})


def _os_release(root: Root) -> dict[str, str]:
    text = root.text("etc/os-release") or root.text("usr/lib/os-release")
    rows = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip().strip("\"'") for name, _, value in rows}


def _virtualisation(root: Root, cpu: str) -> str:
    firmware = [root.text(f"sys/class/dmi/id/{name}") for name in ("product_name", "sys_vendor", "bios_vendor")]
    for text in firmware:
        for vendor, word in _VENDORS.items():
            # Microsoft and Google make real machines too
            if text.startswith(vendor) and (word not in {"microsoft", "google"} or _is_guest(cpu)):
                return word
    if kind := root.text("sys/hypervisor/type"):
        return kind
    return "vm-other" if _is_guest(cpu) else "none"


def _is_guest(cpu: str) -> bool:
    return "hypervisor" in _field(cpu, "flags").split()


def _container(root: Root) -> str:
    if word := root.text("run/systemd/container"):
        return word
    if root.exists(".dockerenv"):
        return "docker"
    return "podman" if root.exists("run/.containerenv") else ""


def _timezone(root: Root) -> str:
    _, found, zone = root.link("etc/localtime").partition("zoneinfo/")
    return zone if found else root.text("etc/timezone")


def _gpus(root: Root) -> tuple[str, ...]:
    """Return ``vendor:device`` of each PCI display controller of NVIDIA or AMD; else the NVIDIA device nodes."""
    folder = PurePosixPath("sys/bus/pci/devices")
    found = [
        f"{vendor[2:]}:{root.text(f'{folder / name}/device')[2:]}"
        for name in root.names(str(folder))
        if root.text(f"{folder / name}/class").startswith("0x03")
        and (vendor := root.text(f"{folder / name}/vendor")) in _GPU_VENDORS
    ]
    return tuple(sorted(found)) or tuple(name for name in root.names("dev") if re.fullmatch(r"nvidia\d+", name))
