"""What the nodes push by themselves every ten seconds: the state of each guest.  Pure.

PVE's metric server sends what it also broadcasts.  A push comes at once, a row of ``cluster/resources`` up to twelve
seconds later: so a push is believed until a row has changed after it.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from agents.proxmox import wire
from agents.proxmox.line_protocol import Line

FRESH = timedelta(seconds=25)
"""Two pushes and a half."""
_FIGURES = wire.GuestRow._fields.index("uptime")
_TAGS = re.compile(r"[;,\s]+")


class Pushed(NamedTuple):
    """A guest as its node pushed it; ``at`` is when that came."""

    at: datetime
    node: str
    status: str
    """The word that ``cluster/resources`` would say."""
    name: str | None
    tags: str
    lock: str | None

    @property
    def said(self) -> tuple[object, ...]:
        """What is news when it differs."""
        return self.node, self.status, self.name, frozenset(_TAGS.split(self.tags)), self.lock


class _Read(NamedTuple):
    row: wire.GuestRow
    after: datetime | None
    """When it last said something else: it was broadcast later."""


class Overlay:
    def __init__(self) -> None:
        self._pushed: dict[int, Pushed] = {}
        self._read: dict[int, _Read] = {}
        self._read_at: datetime | None = None

    def take(self, lines: Iterable[Line], at: datetime) -> bool:
        """Take note of what was pushed; return whether a guest is told of in other words than it was last seen."""
        news = False
        for line in lines:
            if line.measurement == "system" and (guest := _guest(line, at)):
                vmid, pushed = guest
                before, self._pushed[vmid] = self._pushed.get(vmid), pushed
                news |= (before is None or before.said != pushed.said) and self._differs(vmid, pushed)
        return news

    def saw(self, rows: wire.ResourceRows, at: datetime) -> None:
        """Take note of a reading that began at ``at``."""
        before, last = self._read, self._read_at
        self._read = {row.vmid: _Read(row, _after(before.get(row.vmid), row, last)) for row in rows.guests}
        self._read_at = at
        self._pushed = {vmid: pushed for vmid, pushed in self._pushed.items() if at - pushed.at <= FRESH}

    def status(self, vmid: int, now: datetime) -> Pushed | None:
        """Return what was pushed of a guest, while that is newer than its row."""
        pushed, read = self._pushed.get(vmid), self._read.get(vmid)
        if pushed is None or now - pushed.at > FRESH:
            return None
        overtaken = read is not None and read.after is not None and read.after >= pushed.at
        return None if overtaken else pushed

    def _differs(self, vmid: int, pushed: Pushed) -> bool:
        if self._read_at is None:
            return False  # everything will be read anyway
        if vmid not in self._read:
            return True
        row = self._read[vmid].row
        seen = Pushed(pushed.at, row.node, row.status, pushed.name and row.name, row.tags, row.lock)
        return seen.said != pushed.said


def _after(before: _Read | None, row: wire.GuestRow, last: datetime | None) -> datetime | None:
    if before is None:
        return None
    same = before.row.status == row.status and before.row[_FIGURES:] == row[_FIGURES:]
    return before.after if same else last


def _guest(line: Line, at: datetime) -> tuple[int, Pushed] | None:
    vmid, status = line.tags.get("vmid", ""), line.fields.get("qmpstatus") or line.fields.get("status")
    if line.tags.get("object") not in ("qemu", "lxc") or not vmid.isdecimal():
        return None
    if not status or not isinstance(status, str):
        return None
    name, tags, lock = (line.fields.get(field) for field in ("name", "tags", "lock"))
    return int(vmid), Pushed(
        at=at,
        node=line.tags.get("nodename", ""),
        status=status,
        name=str(name) if name is not None else None,
        tags=str(tags or ""),
        lock=str(lock) if lock else None,
    )
