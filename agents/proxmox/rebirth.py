"""Whether a guest is still the one it was, as far as history tells, and what to make of rows that tell of another.

What a node broadcast of a guest hangs on its number alone: of a number that was used again it shows the old guest's
state until the next broadcast.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from agents.proxmox import wire
from agents.proxmox.history import Event, What

_FIGURES = wire.GuestRow._fields.index("uptime")


class Evidence:
    """What history said of making guests, until their configurations were read again."""

    def __init__(self) -> None:
        self._said: defaultdict[int, set[str]] = defaultdict(set)
        self._creating: dict[int, int] = {}
        """Guest -> when the latest task began that creates it: its end tells of no other guest than its start."""
        self._whole_since = 0
        self._begins_before = False
        """History reaches back to what was published before the first scan."""

    def before(self, events: Iterable[Event]) -> None:
        """Take what may have happened before the first scan, or have been published already: what a guest has tells."""
        self._whole_since, self._begins_before = 0, True
        for event in events:
            if event.what in (What.CREATED, What.RESTORED, What.DESTROYED):
                self._said[event.vmid].add("perhaps")

    def note(self, events: Iterable[Event]) -> None:
        for event in events:
            match event.what:
                case What.CREATED if self._creating.get(event.vmid) != event.started:
                    self._creating[event.vmid] = event.started
                    self._said[event.vmid].add(event.what)
                case What.RESTORED:
                    self._said[event.vmid].add(event.what)
                case What.DESTROYED if event.well or not event.over:
                    self._said[event.vmid].add("destroyed" if event.well else "being destroyed")

    def broken(self, scan: int) -> None:
        """History does not tell what happened before this scan."""
        self._whole_since = scan

    def recreated(self, vmid: int, read: int | None) -> bool | None:
        """Was it made anew since the scan that read it before?  None: nobody knows."""
        said = self._said.get(vmid, set())
        if What.RESTORED in said:
            return None
        if said & {What.CREATED, "destroyed"}:
            return True
        if read is None and self._begins_before:
            read = 0
        return None if said or read is None or read < self._whole_since else False

    def settled(self, vmids: Iterable[int]) -> None:
        for vmid in vmids:
            self._said.pop(vmid, None)


class Reborn:
    """The states of guests whose rows still tell of the one that had their number before."""

    def __init__(self) -> None:
        self._stale: dict[str, tuple[object, ...]] = {}
        self._states: dict[str, str] = {}

    @property
    def states(self) -> Mapping[str, str]:
        return self._states

    def learn(self, row: wire.GuestRow, state: str) -> None:
        self._stale[row.id], self._states[row.id] = _broadcast(row), state

    def saw(self, rows: Iterable[wire.GuestRow]) -> None:
        """Forget those of whom something new was broadcast."""
        if self._stale:
            same = {row.id for row in rows if self._stale.get(row.id) == _broadcast(row)}
            self._stale = {guest: stale for guest, stale in self._stale.items() if guest in same}
            self._states = {guest: state for guest, state in self._states.items() if guest in same}


def _broadcast(row: wire.GuestRow) -> tuple[object, ...]:
    return (row.status, *row[_FIGURES:])
