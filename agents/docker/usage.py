"""What containers use now: readings of counters, and what two of them say about the time in between.

Pure.  A counter that went back (a restart) gives no rate.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from agents.docker import wire_stats as wire
from agents.docker.moments import moment

_NANO = 10**9


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters as they stood at ``at``; None where the container has none (the host's network)."""

    at: datetime
    cpu_seconds: float
    memory_used_bytes: int | None
    network_receive_bytes: int | None
    network_transmit_bytes: int | None
    disk_read_bytes: int
    disk_write_bytes: int


def reading(stats: wire.Stats) -> Reading | None:
    """Return None for a container that does not run: its reading has no time."""
    at = moment(stats.read)
    if at is None:
        return None
    networks = stats.networks if stats.networks is not None else stats.network
    blocks = stats.blkio_stats.io_service_bytes_recursive
    return Reading(
        at=at,
        cpu_seconds=stats.cpu_stats.cpu_usage.total_usage / _NANO,
        memory_used_bytes=_memory(stats.memory_stats),
        network_receive_bytes=None if networks is None else sum(one.rx_bytes for one in networks.values()),
        network_transmit_bytes=None if networks is None else sum(one.tx_bytes for one in networks.values()),
        disk_read_bytes=sum(one.value for one in blocks if one.op.lower() == "read"),
        disk_write_bytes=sum(one.value for one in blocks if one.op.lower() == "write"),
    )


def metrics(now: Reading, before: Reading | None) -> dict[str, float]:
    """Return metric -> value; rates only where an earlier reading of the same container is given."""
    found: dict[str, float] = {}
    if now.memory_used_bytes is not None:
        found["memory_used_bytes"] = float(now.memory_used_bytes)
    if before is not None and now.at > before.at:
        found.update(_rates(now, before, (now.at - before.at).total_seconds()))
    return found


def _rates(now: Reading, before: Reading, seconds: float) -> Iterator[tuple[str, float]]:
    pairs: tuple[tuple[str, float | None, float | None], ...] = (
        ("cpu_ratio", now.cpu_seconds, before.cpu_seconds),
        ("network_receive_bytes_per_second", now.network_receive_bytes, before.network_receive_bytes),
        ("network_transmit_bytes_per_second", now.network_transmit_bytes, before.network_transmit_bytes),
        ("disk_read_bytes_per_second", now.disk_read_bytes, before.disk_read_bytes),
        ("disk_write_bytes_per_second", now.disk_write_bytes, before.disk_write_bytes),
    )
    for name, later, earlier in pairs:
        if later is not None and earlier is not None and later >= earlier:
            yield name, (later - earlier) / seconds


def _memory(stats: wire.MemoryStats) -> int | None:
    """What ``docker stats`` shows: without the page cache that can be dropped (cgroup v1, then v2)."""
    if not stats.usage:
        return None
    inactive = stats.stats.get("total_inactive_file", stats.stats.get("inactive_file", 0))
    cache = inactive if isinstance(inactive, int) else 0
    return stats.usage - cache if cache < stats.usage else stats.usage
