"""What guests, nodes and storages use, from the rows of ``cluster/resources``.  Pure.

A node broadcasts all its figures every ten seconds; a row that says what it said before is no measurement, so nothing
is made of it: not of a stopped guest, and not while a node's pvestatd hangs.  Counters count from a guest's start, and
the uptime in the same row tells exactly how long: rates are over that time, whenever the rows were read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from agents.proxmox import guests, storages, wire
from schemas.events import Sample
from schemas.resources import Kind, SourceRef

RATES = (
    ("network_receive_bytes_per_second", "netin"),
    ("network_transmit_bytes_per_second", "netout"),
    ("disk_read_bytes_per_second", "diskread"),
    ("disk_write_bytes_per_second", "diskwrite"),
)
_FIGURES = wire.GuestRow._fields.index("uptime")
_LATEST = timedelta(seconds=15)
"""A broadcast is read this long after it was made, or else the node's clock or ours was set."""
_SAMPLES = TypeAdapter(list[Sample])
Metric = tuple[str, float]


def guest(row: wire.GuestRow, before: wire.GuestRow | None) -> Iterator[Metric]:
    """Yield what a guest uses; rates only since a row of the same run on the same node."""
    if row.cpu is not None:
        if row.type == "qemu":
            yield "cpu_ratio", row.cpu
        elif row.maxcpu is not None:
            yield "cpu_ratio", row.cpu * row.maxcpu  # a container's is of one core, whatever the provider
    if row.mem is not None:
        yield "memory_used_bytes", row.mem
    if row.disk is not None and row.type == "lxc":  # nobody knows what is in a VM's file systems
        yield "disk_used_bytes", row.disk
    if before is not None and before.node == row.node and row.uptime is not None and before.uptime is not None:
        seconds = row.uptime - before.uptime
        for metric, counter in RATES if seconds > 0 else ():
            later, earlier = getattr(row, counter), getattr(before, counter)
            if later is not None and earlier is not None and later >= earlier:
                yield metric, (later - earlier) / seconds


def node(row: wire.NodeRow) -> Iterator[Metric]:
    for metric, value in (("cpu_ratio", row.cpu), ("memory_used_bytes", row.mem), ("disk_used_bytes", row.disk)):
        if value is not None:
            yield metric, value


def storage(used: float | None, total: float | None) -> Iterator[Metric]:
    """What a pool can hold is a measurement too: ZFS's wanders with what is in it."""
    if total and used is not None:
        yield "used_bytes", used
        yield "used_ratio", used / total
        yield "total_bytes", total


@dataclass(slots=True)
class _Seen:
    """A running guest: its latest row, when it was measured, and the row that samples were last made of."""

    row: wire.GuestRow
    at: datetime
    told: wire.GuestRow | None = None


class Usage:
    def __init__(self, source: SourceRef) -> None:
        self._source = source
        self._guests: dict[int, _Seen] = {}
        self._nodes: dict[str, wire.NodeRow] = {}
        self._storages: Sequence[wire.StorageRow] = ()
        self._booted: dict[str, datetime] = {}
        self._fresh: dict[str, datetime] = {}
        """Nodes that have broadcast since samples were last made, and when."""

    def saw(self, rows: wire.ResourceRows, at: datetime) -> None:
        """Take note of a reading made at ``at``."""
        before, self._nodes = self._nodes, {row.node: row for row in rows.nodes if row.status == "online"}
        measured = {name: self._measured(row, before.get(name), at) for name, row in self._nodes.items()}
        self._fresh = {
            name: measured[name] if row != before.get(name) else self._fresh[name]
            for name, row in self._nodes.items()
            if row.uptime is not None and (row != before.get(name) or name in self._fresh)
        }
        self._storages = rows.storages
        self._guests = {
            row.vmid: _followed(self._guests.get(row.vmid), row, measured[row.node])
            for row in rows.guests
            if row.uptime and row.node in self._nodes
        }

    def samples(self) -> list[Sample]:
        """Return what was measured since the last call."""
        found = [*self._of_nodes(), *self._of_storages(), *self._of_guests()]
        self._fresh = {}
        return _SAMPLES.validate_python(
            [
                {"key": key, "metric": metric, "value": value, "at": at}
                for key, at, metrics in found
                for metric, value in metrics
            ]
        )

    def _of_nodes(self) -> Iterator[tuple[str, datetime, Iterator[Metric]]]:
        for name, at in self._fresh.items():
            yield self._source.key(Kind.NODE, name), at, node(self._nodes[name])

    def _of_storages(self) -> Iterator[tuple[str, datetime, Iterator[Metric]]]:
        """A shared storage is told of by each node: the first that is fresh is believed."""
        shared, told = storages.shared(self._storages), set[str]()
        for row in self._storages:
            key = storages.key(self._source, row.node, row.storage, shared)
            if row.status == "available" and row.node in self._fresh and key not in told:
                told.add(key)
                yield key, self._fresh[row.node], storage(row.disk, row.maxdisk)

    def _of_guests(self) -> Iterator[tuple[str, datetime, Iterator[Metric]]]:
        for vmid, seen in self._guests.items():
            if seen.row is not seen.told:
                before, seen.told = seen.told, seen.row
                yield self._source.key(guests.kind(seen.row, None), str(vmid)), seen.at, guest(seen.row, before)

    def _measured(self, row: wire.NodeRow, before: wire.NodeRow | None, at: datetime) -> datetime:
        """Return when a node broadcast what was read at ``at``: some seconds before, as its uptime tells.

        The shortest delay there was is taken for none.
        """
        if row.uptime is None or (before is not None and before.uptime == row.uptime):
            return at
        up = timedelta(seconds=row.uptime)
        booted = self._booted.get(row.node)
        if booted is None or not timedelta(0) <= at - up - booted <= _LATEST:
            booted = self._booted[row.node] = at - up
        return booted + up


def _followed(seen: _Seen | None, row: wire.GuestRow, at: datetime) -> _Seen:
    if seen is None or seen.row.type != row.type or (row.uptime or 0) < (seen.row.uptime or 0):
        return _Seen(row, at)  # new, or started anew
    if seen.row.uptime != row.uptime or seen.row[_FIGURES:] != row[_FIGURES:]:
        seen.row, seen.at = row, at
    return seen
