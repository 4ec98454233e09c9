"""What the cluster log and the task list say happened to which guest.

Both are ring buffers that are read again and again: ``News`` tells which rows were not there before and whether some
may have fallen out unread.  A row proves nothing: it names guests whose configuration is worth a look.  Only a
destruction that ended well is believed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from agents.proxmox import wire

_MEMORY = 4096
"""Row ids that are remembered: more than either buffer holds."""
_UPID = re.compile(
    r"UPID:(?P<node>[^:\s]+):[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:(?P<start>[0-9A-Fa-f]{8}):"
    r"(?P<type>[^:\s]+):(?P<id>[^:\s]*):[^:\s]+:"
)
_TASK = re.compile(rf"^(?P<edge>starting|end) task (?P<upid>{_UPID.pattern})\s*(?P<outcome>.*)$", re.DOTALL)
_GUEST = re.compile(r"\b(?:VM/LXC|VM|CT|LXC|container)\s+(?P<vmid>[1-9][0-9]{2,8})\b")
_TALK = re.compile(r"vncproxy|spiceproxy|termproxy|vncshell|spiceshell|vzconsole|qmmonitor")
"""Tasks that only look at a guest."""


class What(StrEnum):
    EDITED = "edited"
    """its configuration, or anything that does not have its own word here"""
    CREATED = "created"
    RESTORED = "restored"
    CLONED = "cloned"
    """a copy was made of it; the copy has no word of its own"""
    DESTROYED = "destroyed"
    MIGRATED = "migrated"
    POWERED = "powered"
    """started, stopped, suspended, resumed..."""
    SNAPSHOT = "snapshot"
    """one was taken, removed, or rolled back to"""
    BACKED_UP = "backed up"
    """``vmid`` is 0 where a job had several guests"""


class Event(NamedTuple):
    what: What
    vmid: int
    over: bool
    """False at the start of a task."""
    well: bool = True
    started: int = 0
    """Epoch seconds of a task's start; 0 for a line that is no task's."""


_WORDS = (
    (What.DESTROYED, re.compile(r"(qm|vz)destroy")),
    (What.BACKED_UP, re.compile(r"vzdump")),
    (What.MIGRATED, re.compile(r"(q|vz|ha)migrate|(qm|vz)remote-migrate")),
    (What.CREATED, re.compile(r"(qm|vz)create")),
    (What.RESTORED, re.compile(r"(qm|vz)restore")),
    (What.CLONED, re.compile(r"(qm|vz)clone")),
    (What.SNAPSHOT, re.compile(r"(qm|vz)(snapshot|delsnapshot|rollback)")),
    (What.POWERED, re.compile(r"(qm|vz)(start|stop|shutdown|reboot|reset|suspend|pause|resume)|ha(start|stop)")),
)


def of_log(rows: Iterable[wire.LogRow]) -> Iterator[Event]:
    for row in rows:
        task = _TASK.match(row.msg)
        if task is not None:
            yield from _of_task(task["type"], task["id"], task["start"], task["edge"] == "end", task["outcome"])
        elif guest := _GUEST.search(row.msg):
            what = What.SNAPSHOT if "snapshot" in row.msg.lower() else What.EDITED
            yield Event(what, int(guest["vmid"]), over=True)


def of_tasks(rows: Iterable[wire.TaskRow]) -> Iterator[Event]:
    for row in rows:
        upid = _UPID.match(row.upid)
        if upid is not None:
            yield from _of_task(upid["type"], upid["id"], upid["start"], row.endtime is not None, row.status or "")


def _of_task(kind: str, native: str, start: str, over: bool, outcome: str) -> Iterator[Event]:
    if _TALK.fullmatch(kind):
        return
    what = next((word for word, pattern in _WORDS if pattern.fullmatch(kind)), What.EDITED)
    vmid = int(native) if native.isdecimal() else 0
    if vmid or what is What.BACKED_UP:
        well = over and outcome.strip().startswith(("OK", "WARNINGS"))
        yield Event(what, vmid, over=over, well=well, started=int(start, 16))


Row = TypeVar("Row")


@dataclass(slots=True)
class News(Generic[Row]):
    """Which rows of a ring buffer are new.  The first answer is where it begins: nothing of it is news."""

    begun: bool = False
    _seen: dict[object, None] = field(default_factory=dict)

    def overflowed(self, ids: Sequence[object]) -> bool:
        """Is there nothing in this answer that was in one before?  Then there may be more that was not read."""
        return self.begun and bool(ids) and not any(one in self._seen for one in ids)

    def unseen(self, rows: Sequence[Row], ids: Sequence[object]) -> list[Row]:
        """Return the rows not seen before, and remember them."""
        fresh = [row for row, one in zip(rows, ids, strict=True) if one not in self._seen]
        for one in ids:
            self._seen.pop(one, None)
            self._seen[one] = None
        for old in list(self._seen)[:-_MEMORY]:
            del self._seen[old]
        begun, self.begun = self.begun, True
        return fresh if begun else []
