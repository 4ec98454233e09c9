"""Guest configurations: what was read, and which are to be read now.

Thousands are never read at once but for the first time: a configuration is read again when its guest's row says
something else that comes from it, when history names the guest, after a failure, and by the sweep, oldest first.  A
reason stands until a reading has succeeded.

An edit of a container leaves no trace.  It is mostly made in one go with others that do: so after any reason all
containers are read once more, a few at a time, while there is nothing else to read.
"""

import heapq
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from agents.proxmox import wire

_CONTAINER_WEIGHT = 3
"""An edit of a container leaves no line in the log: its age counts this many times."""
_ROUND = 8
"""So many containers are read at a time after somebody was at work."""
_ROUND_OF = 500
"""Where there are more containers, the sweep alone finds what was done to them."""
_SAME_SIZE = 0.02
"""The size of a container's file system wanders a little on its own."""


class Print(NamedTuple):
    """What of a row comes from the configuration.  All but the first four are missing while nothing is broadcast."""

    node: str
    tags: str
    lock: str | None
    pool: str | None
    template: bool | None
    name: str | None
    maxcpu: float | None
    maxmem: float | None
    maxdisk: float | None


def print_of(row: wire.GuestRow) -> Print:
    return Print(
        row.node, row.tags, row.lock, row.pool, row.template, row.name, row.maxcpu, row.maxmem, row.maxdisk
    )  # fmt: skip


def told(new: Print, before: Print) -> Print:
    """Return ``before`` with what ``new`` says differently; what it does not say, it does not change."""
    if new == before:
        return before
    wandered = new.maxdisk is None or (before.maxdisk is not None and _close(new.maxdisk, before.maxdisk))
    found = new._replace(
        template=before.template if new.template is None else new.template,
        name=before.name if new.name is None else new.name,
        maxcpu=before.maxcpu if new.maxcpu is None else new.maxcpu,
        maxmem=before.maxmem if new.maxmem is None else new.maxmem,
        maxdisk=before.maxdisk if wandered else new.maxdisk,
    )
    return before if found == before else found


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME_SIZE * max(one, other)


class Kept(NamedTuple):
    config: wire.GuestConfig
    scan: int
    """The number of the scan that read it: its age, whatever clocks do."""


class Configs:
    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}
        self._prints: dict[str, Print] = {}
        self._marked: set[str] = set()
        self._fresh: dict[str, int | None] = {}
        self.scan = 0
        """The number of the scan that is under way."""
        self._settled = False
        """A scan has come to its end: what is read from now on has a reason."""
        self._worked = 0
        """The last scan in which somebody had been at work."""

    @property
    def fresh(self) -> Mapping[str, int | None]:
        """Guests read since the last ``seen`` -> the scan that had read them before."""
        return self._fresh

    def seen(self) -> None:
        self._fresh = {}

    def get(self, guest: str) -> wire.GuestConfig | None:
        kept = self._kept.get(guest)
        return kept and kept.config

    def mark(self, guests: Iterable[str]) -> None:
        """These have a reason to be read; a guest is named by the id of its row."""
        self._marked.update(guests)

    def mark_all(self) -> None:
        self._marked.update(self._kept)

    def read(self, guest: str, config: wire.GuestConfig) -> None:
        before = self._kept.get(guest)
        same = before is not None and before.config == config
        self._fresh.setdefault(guest, before.scan if before else None)
        self._kept[guest] = Kept(before.config if before and same else config, self.scan)
        self._marked.discard(guest)

    def keep(self, guests: Container[str]) -> None:
        """Forget all others: a scan is over."""
        self._settled = True
        self._kept = {guest: kept for guest, kept in self._kept.items() if guest in guests}
        self._prints = {guest: found for guest, found in self._prints.items() if guest in guests}
        self._marked = {guest for guest in self._marked if guest in guests}

    def begin(self) -> None:
        self.scan += 1

    def notice(self, rows: Iterable[wire.GuestRow]) -> None:
        """Mark the guests whose row says something else than before."""
        for row in rows:
            now, before = print_of(row), self._prints.get(row.id)
            found = now if before is None else told(now, before)
            if found is not before:
                self._prints[row.id] = found
                self._marked.add(row.id)

    def due(self, rows: Iterable[wire.GuestRow], *, sweep: int) -> list[wire.GuestRow]:
        """Return which of ``rows`` are to be read now: all that have a reason, and the ``sweep`` oldest others.

        If none has, and somebody was at work, these are containers that were not read since.
        """
        reasoned: list[wire.GuestRow] = []
        others: list[wire.GuestRow] = []
        for row in rows:
            (reasoned if row.id in self._marked or row.id not in self._kept else others).append(row)
        if reasoned and self._settled:
            self._worked = self.scan
        unsure = self._unsure(others) if sweep and not reasoned else []
        if unsure:
            return heapq.nlargest(max(sweep, _ROUND), unsure, key=self._age)
        return reasoned + heapq.nlargest(sweep, others, key=self._age)

    def _unsure(self, rows: Iterable[wire.GuestRow]) -> list[wire.GuestRow]:
        """Return the containers that were not read since somebody was at work."""
        if not self._worked:
            return []
        containers = [row for row in rows if row.type == "lxc"]
        few = len(containers) <= _ROUND_OF
        return [row for row in containers if few and self._kept[row.id].scan <= self._worked]

    def _age(self, row: wire.GuestRow) -> int:
        weight = _CONTAINER_WEIGHT if row.type == "lxc" else 1
        return weight * (self.scan - self._kept[row.id].scan)
