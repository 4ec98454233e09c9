"""Asks agents to say everything again: the bus lost something, or a manifest lists what the store does not have."""

import asyncio
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
SETTLE = timedelta(seconds=2)
"""A first disagreement may be about messages that are still on their way."""


@dataclass(slots=True)
class Republish:
    database: Database
    intents: Intents
    clock: Clock
    _wanted: dict[SourceRef, str] = field(default_factory=dict)
    _asked_at: dict[SourceRef, datetime] = field(default_factory=dict)
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
        asked_at = self._asked_at.get(ref)
        if asked_at is not None and self.clock.now() - asked_at < PATIENCE:
            return
        trouble = await self.intents.ask(ref.provider, ref.name, Verb.REPUBLISH, Control(reason=why))
        log.info("republish_asked", source=str(ref), reason=why, trouble=trouble or None)
        if not trouble:
            self._asked_at[ref] = self.clock.now()


log = structlog.get_logger(__name__)
