"""Utilisation: readings of the kernel's counters, and what two of them say.  Nothing here is inventory.

A rate needs two readings, so the first answer after start has none; a counter that went backwards (a device made anew)
gives none either.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agents.errors import Malformed
from agents.host import client, disks, filesystems, interfaces
from agents.host.files import Root

_SECTOR = 512
_READ, _WRITTEN = 2, 6  # sectors, in /sys/block/<disk>/stat
_IDLE, _IOWAIT, _COUNTED = 3, 4, 8  # in /proc/stat: guest times are part of user times
_SENSIBLE = range(-40_000, 150_000)  # thousandths of a degree; a sensor that is not there says 255 or -273

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """All counters at one moment (``seconds`` of a monotonic clock), and the values that need no second reading."""

    seconds: float
    cpu_busy: int
    cpu_all: int
    machine: Metrics
    storages: Mapping[str, Metrics] = field(default_factory=dict)
    """by mount point"""
    disk_bytes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """by disk id: read, written"""
    network_bytes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """by interface: received, transmitted"""


def read(root: Root, seconds: float, ignore_mounts: Sequence[str], ignore_interfaces: Sequence[str]) -> Reading:
    """Blocking: called in a thread."""
    busy, total = cpu_times(root)
    return Reading(
        seconds=seconds,
        cpu_busy=busy,
        cpu_all=total,
        machine=dict(_machine(root)),
        storages={
            mount.point: dict(_storage(root, mount.point))
            for mount in filesystems.mounts(root, ignore_mounts)
            if mount.is_local
        },
        disk_bytes=dict(_disks(root)),
        network_bytes={
            row.name: (received, sent)
            for row in interfaces.interfaces(root, {}, ignore_interfaces)
            if (received := root.number(f"sys/class/net/{row.name}/statistics/rx_bytes")) is not None
            and (sent := root.number(f"sys/class/net/{row.name}/statistics/tx_bytes")) is not None
        },
    )


def rate(before: int, after: int, seconds: float) -> float | None:
    """Return units per second, None where the counter began anew or no time went by."""
    return (after - before) / seconds if after >= before and seconds > 0 else None


def cpu_ratio(before: Reading, after: Reading) -> float | None:
    """Return the share of all cores together that was busy, 0 to 1."""
    total = after.cpu_all - before.cpu_all
    return min(max((after.cpu_busy - before.cpu_busy) / total, 0.0), 1.0) if total > 0 else None


def cpu_times(root: Root) -> tuple[int, int]:
    """Return the ticks that all cores were busy, and all ticks; waiting for a disk is not busy."""
    try:
        name, *rest = root.required("proc/stat").splitlines()[0].split()
        times = [int(value) for value in rest[:_COUNTED]]
        return sum(times) - times[_IDLE] - times[_IOWAIT], sum(times) if name == "cpu" else 0
    except (ValueError, IndexError) as error:
        raise Malformed("/proc/stat does not begin with the processor's times") from error


def _machine(root: Root) -> Iterator[tuple[str, float]]:
    memory = client.memory(root)
    available = memory.get("MemAvailable", memory.get("MemFree", 0))
    yield "memory_available_bytes", available
    yield "memory_used_bytes", memory["MemTotal"] - available
    yield "swap_used_bytes", memory.get("SwapTotal", 0) - memory.get("SwapFree", 0)
    try:
        yield from zip(
            ("load_1m", "load_5m", "load_15m"), map(float, root.required("proc/loadavg").split()[:3]), strict=True
        )
        yield "uptime_seconds", float(root.required("proc/uptime").split()[0])
    except (ValueError, IndexError) as error:
        raise Malformed("/proc/loadavg or /proc/uptime holds something else than numbers") from error
    if (hottest := temperature(root)) is not None:
        yield "temperature_celsius", hottest


def temperature(root: Root) -> float | None:
    """Return what the hottest sensor of the machine says."""
    chips = [f"sys/class/hwmon/{name}" for name in root.names("sys/class/hwmon")]
    files = [f"{chip}/{name}" for chip in chips for name in root.names(chip) if name.endswith("_input")]
    files = [name for name in files if name.rpartition("/")[2].startswith("temp")]
    files = files or [f"sys/class/thermal/{name}/temp" for name in root.names("sys/class/thermal")]
    found = [value for name in files if (value := root.number(name)) is not None and value in _SENSIBLE]
    return max(found) / 1000 if found else None


def _storage(root: Root, point: str) -> Iterator[tuple[str, float]]:
    size, used = filesystems.usage(root, point)
    if size and used is not None:
        yield "used_bytes", used
        yield "used_ratio", used / size


def _disks(root: Root) -> Iterator[tuple[str, tuple[int, int]]]:
    for disk in disks.disks(root):
        fields = root.text(f"sys/block/{disk.name}/stat").split()
        if len(fields) > _WRITTEN:
            yield disk.id, (int(fields[_READ]) * _SECTOR, int(fields[_WRITTEN]) * _SECTOR)
