"""Inspections of containers that are known to be still true.

An inspection is kept only while the event watch stands, until an event names its container, its line in the listing
differs, or it is ten minutes old.  Without a standing watch everything is asked anew: unknown is not unchanged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.docker import wire
from agents.docker.abreast import each
from agents.docker.client import Engine
from agents.docker.troubles import Vanished
from daemon.runtime.clock import Clock

LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class _Kept:
    row: wire.ContainerRow
    found: wire.Container


class Inspections:
    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._standing = False
        self._kept: dict[str, _Kept] = {}
        self._asking: set[str] = set()
        self._fresh_since: datetime = clock.now()

    def watch_stands(self) -> None:
        self.forget_all()
        self._standing = True

    def watch_broke(self) -> None:
        self.forget_all()
        self._standing = False

    def forget_all(self) -> None:
        self._kept.clear()
        self._asking.clear()
        self._fresh_since = self._clock.now()

    def forget(self, container_id: str) -> None:
        """An event named it: what is kept is old, and so is an answer that is still under way."""
        self._kept.pop(container_id, None)
        self._asking.discard(container_id)

    async def of(self, rows: Iterable[wire.ContainerRow]) -> Mapping[str, wire.Container]:
        """Return container id -> inspection; one that vanished since the listing is left out."""
        listed = {row.id: row for row in rows}
        age = self._clock.now() - self._fresh_since
        if age >= LIFETIME or age < timedelta(0):
            self.forget_all()
        self._kept = {one: kept for one, kept in self._kept.items() if listed.get(one) == kept.row}
        held = {one: kept.found for one, kept in self._kept.items()}
        asked = [row for one, row in listed.items() if one not in held]
        answers = await each(asked, self._ask)
        return held | {row.id: found for row, found in zip(asked, answers, strict=True) if found is not None}

    async def _ask(self, row: wire.ContainerRow) -> wire.Container | None:
        self._asking.add(row.id)
        try:
            found = await self._engine.container(row.id)
        except Vanished:
            return None
        if self._standing and row.id in self._asking:
            self._kept[row.id] = _Kept(row, found)
        self._asking.discard(row.id)
        return found
