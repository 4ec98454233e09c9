"""The guests of a reading: what happened to them, which configurations that makes us read, and what they are now."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agents.errors import AgentError, Throttled, Unauthorized
from agents.proxmox import backups, snapshots, wire
from agents.proxmox.abreast import each
from agents.proxmox.config_reader import ConfigReader
from agents.proxmox.guest_list import KINDS as GUESTS
from agents.proxmox.guest_list import GuestList, Surroundings, row_id
from agents.proxmox.history import What
from agents.proxmox.memory import Memory
from agents.proxmox.past import Happened
from agents.proxmox.rebirth import Evidence, Reborn
from agents.proxmox.troubles import Denied
from schemas.resources import Resource

_BROADCAST_FOR = timedelta(minutes=6)
"""So long what was broadcast of a guest that is gone may be taken for another's."""
_AT_A_STRETCH = 100
_OTHER = {"qemu": "lxc", "lxc": "qemu"}


@dataclass(frozen=True, slots=True)
class Found:
    rows: wire.ResourceRows
    """The listing: a later one, where guests had moved since the first."""
    failed: Mapping[str, AgentError]
    """Guest (the id of its row) -> why its configuration stays what was last known."""


class GuestsScan:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._configs = memory.configs
        self._reader = ConfigReader(memory.api, memory.configs)
        self._list = GuestList(memory.source, memory.published.values())
        self._evidence = Evidence()
        self._reborn = Reborn()
        self._gone: dict[int, datetime] = {}
        """Guests that went lately."""
        self._destroyed: set[int] = set()
        """Guests of which a task said so, since the last reading that was finished."""

    @property
    def silent(self) -> frozenset[str]:
        """Nodes that did not answer when they were last asked."""
        return frozenset(self._reader.silent)

    def note(self, happened: Happened, rows: wire.ResourceRows) -> None:
        """Take what happened for reasons to look."""
        self._configs.begin()
        if not happened.unbroken:
            self._evidence.broken(self._configs.scan)
        if happened.before is not None:
            self._evidence.before(happened.before)
        if happened.lost:
            self._configs.mark_all()
        self._evidence.note(happened.events)
        listed = {row.vmid: row.id for row in rows.guests}
        self._configs.mark(listed[event.vmid] for event in happened.events if event.vmid in listed)
        self._destroyed |= {event.vmid for event in happened.events if event.what is What.DESTROYED and event.well}
        snapshotted = {event.vmid for event in happened.events if event.what is What.SNAPSHOT and event.over}
        self._memory.snapshotted |= snapshotted
        if snapshotted:
            self._memory.hint(snapshots.SCOPE)
        if any(event.what is What.BACKED_UP and event.over for event in happened.events):
            self._memory.hint(backups.SCOPE)

    async def read(
        self, rows: wire.ResourceRows, readable: Collection[str], news: Callable[[], Awaitable[Happened]], *, sweep: int
    ) -> Found:
        """Read the configurations that are due; what was not where it was listed is looked for once more.

        Then the later listing counts, and what happened until then, too.
        """
        outcome = await self._reader.read(self._due(rows, readable, sweep=sweep))
        failed = dict(outcome.failed)
        if outcome.lost:
            rows = await self._memory.listed()
            self.note(await news(), rows)
            self._configs.mark(row.id for row in outcome.lost)
            again = [row for row in self._due(rows, readable, sweep=0) if row.id not in failed]
            second = await self._reader.read(again)
            failed |= second.failed
            self._configs.mark(row.id for row in second.lost)
            gone = {row.id for row in second.lost if row.vmid in self._destroyed or self._list.last(row.id) is None}
            rows = rows._replace(guests=[row for row in rows.guests if row.id not in gone])
        self._configs.mark(failed)
        if any(isinstance(error, Denied) for error in failed.values()):
            self._memory.permissions.expire()
        return Found(rows, failed)

    def _due(self, rows: wire.ResourceRows, readable: Collection[str], *, sweep: int) -> list[wire.GuestRow]:
        there = [row for row in rows.guests if row.node in readable]
        self._configs.notice(there)
        return self._configs.due(there, sweep=sweep)

    async def make(self, rows: wire.ResourceRows, around: Surroundings) -> dict[str, Resource]:
        """Return the guests by the id of their row."""
        self._reborn.saw(rows.guests)
        around = replace(around, states={**around.states, **self._reborn.states})
        found: dict[str, Resource] = {}
        for number, row in enumerate(rows.guests, start=1):
            found[row.id] = self._make(row, around)
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)  # at first there is much to make, and others wait
        doubtful = [row for row in rows.guests if self._is_of_another(row, found[row.id], around)]
        if doubtful:
            for row, state in zip(doubtful, await each(doubtful, self._state), strict=True):
                self._reborn.learn(row, state)
            around = replace(around, states={**around.states, **self._reborn.states})
            found |= {row.id: self._make(row, around) for row in doubtful}
        return found

    def _make(self, row: wire.GuestRow, around: Surroundings) -> Resource:
        recreated = None
        if row.id in self._configs.fresh:
            recreated = self._evidence.recreated(row.vmid, self._configs.fresh[row.id])
        return self._list.make(row, self._configs.get(row.id), around, recreated=recreated)

    def _is_of_another(self, row: wire.GuestRow, found: Resource, around: Surroundings) -> bool:
        """Does the row tell of the guest that had this number before?"""
        if row.status == "unknown" or row.id in around.states or row.node not in around.readable:
            return False
        last = self._list.last(row.id)
        if last is not None:
            return last.incarnation not in ("", found.incarnation)
        return row.vmid in self._gone or self._list.last(f"{_OTHER[row.type]}/{row.vmid}") is not None

    async def _state(self, row: wire.GuestRow) -> str:
        path = f"nodes/{row.node}/{row.type}/{row.vmid}/status/current"
        try:
            return (await self._memory.api.one(path, wire.GuestState)).state
        except (Throttled, Unauthorized):
            raise
        except AgentError:
            return "unknown"

    def destroyed(self, missing: Iterable[Resource]) -> list[Resource]:
        """Return which of what is missing is known to be gone: its own task said so."""
        return [one for one in missing if one.kind in GUESTS and int(one.native_id) in self._destroyed]

    def settle(self, listed: Mapping[str, Resource], gone: Iterable[Resource], hidden: Iterable[Resource]) -> None:
        """The reading is over: take note of what was listed (by the id of its row), what went, and what is hidden."""
        self._list.keep({**{row_id(one): one for one in hidden}, **listed})
        self._evidence.settled(int(guest.rpartition("/")[2]) for guest in self._configs.fresh)
        self._configs.seen()
        self._configs.keep(listed)
        now = self._memory.clock.now()
        self._gone |= {int(one.native_id): now for one in gone}
        self._gone = {vmid: at for vmid, at in self._gone.items() if abs(now - at) < _BROADCAST_FOR}
        self._destroyed.clear()
