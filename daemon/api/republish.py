"""Asks agents to say everything again: the bus lost something, or a manifest lists what the store does not have."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

import structlog

from daemon.api.intents import Intents
from daemon.runtime.clock import Clock
from daemon.store.database import Database
from daemon.store.views import sources
from schemas.commands import Control, Verb
from schemas.resources import SourceRef

PATIENCE = timedelta(seconds=60)
"""A source is not asked again before: what it says needs time to arrive."""
LONGEST = timedelta(hours=1)
"""What asking does not mend is asked for less and less often."""
SETTLE = timedelta(seconds=2)
"""A first disagreement may be about messages that are still on their way."""
TRIES = 5
"""An agent may have to come back to the bus first; one that starts says everything unasked."""


@dataclass(slots=True)
class Asked:
    at: datetime
    patience: timedelta = PATIENCE


@dataclass(slots=True)
class Republish:
    database: Database
    intents: Intents
    clock: Clock
    _wanted: dict[SourceRef, str] = field(default_factory=dict)
    _asked: dict[SourceRef, Asked] = field(default_factory=dict)
    _tries: Counter[SourceRef] = field(default_factory=Counter)
    _all: str = ""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def want(self, refs: Iterable[SourceRef]) -> None:
        for ref in refs:
            self._wanted.setdefault(ref, "its manifest and the store disagree")
            self._wake.set()

    def want_all(self, reason: str) -> None:
        self._all = reason
        self._wake.set()

    async def run(self) -> NoReturn:
        while True:
            await self._wake.wait()
            await asyncio.sleep(SETTLE.total_seconds())
            self._wake.clear()
            reason, self._all = self._all, ""
            if reason:
                every = await self.database.read(sources.all_names)
                for provider, name in every:
                    self._wanted[SourceRef(provider=provider, name=name)] = reason
            wanted, self._wanted = self._wanted, {}
            for ref, why in wanted.items():
                await self._ask(ref, why)

    async def _ask(self, ref: SourceRef, why: str) -> None:
        now, before = self.clock.now(), self._asked.get(ref)
        if before is not None and now - before.at < before.patience:
            return
        trouble = await self.intents.ask(ref.provider, ref.name, Verb.REPUBLISH, Control(reason=why))
        log.info("republish_asked", source=str(ref), reason=why, trouble=trouble or None)
        if trouble and self._tries[ref] < TRIES:
            self._tries[ref] += 1
            self._wanted.setdefault(ref, why)
            self._wake.set()
            return
        del self._tries[ref]
        patience = PATIENCE
        if before is not None and now - before.at <= 2 * before.patience:
            patience = min(2 * before.patience, LONGEST)
        self._asked[ref] = Asked(now, patience)


log = structlog.get_logger(__name__)
