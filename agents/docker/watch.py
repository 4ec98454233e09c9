"""The engine's event stream as hints, a burst of events as one hint per scope.

A watch that has just been set up hints at every scope: anything may have happened before.  It ends with an error,
never by itself.  Whoever removed what is told once, with the scope that had it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from agents.contract import Hint
from agents.docker.changes import Change, change
from agents.docker.client import Engine, Events
from schemas.resources import Kind

SETTLE_SECONDS = 0.01
"""How long a burst is gathered: from its first event, whatever follows."""


class Burst:
    """The changes since the last hint."""

    def __init__(self) -> None:
        self._scopes: dict[str, list[tuple[Kind, str]]] = {}

    def __bool__(self) -> bool:
        return bool(self._scopes)

    def add(self, found: Change, removed: tuple[Kind, str] | None) -> None:
        for scope in sorted(found.scopes):
            self._scopes.setdefault(scope, [])
        if removed is not None and len(found.scopes) > 0:
            self._scopes[_home(removed[0], found)].append(removed)

    def hints(self) -> Sequence[Hint]:
        found, self._scopes = self._scopes, {}
        return [Hint(scope, tuple(dict.fromkeys(removed))) for scope, removed in found.items()]


def _home(kind: Kind, found: Change) -> str:
    return f"{kind}s" if f"{kind}s" in found.scopes else min(found.scopes)


class Watch:
    """``since`` outlives a broken stream, so that a removal in between is told."""

    def __init__(
        self, engine: Engine, scopes: Sequence[str], heard: Callable[[Change], tuple[Kind, str] | None]
    ) -> None:
        self._engine = engine
        self._scopes = scopes
        self._heard = heard
        self._since: int | None = None

    async def hints(self, stands: Callable[[], None]) -> AsyncGenerator[Hint, None]:
        """``stands`` is called when the stream is open, before the first hint."""
        async with self._engine.events(self._since) as events:
            stands()
            for scope in self._scopes:
                yield Hint(scope)
            while True:
                for hint in await self._next(events):
                    yield hint

    async def _next(self, events: Events) -> Sequence[Hint]:
        burst = Burst()
        await self._take(events, burst)
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while burst and asyncio.get_running_loop().time() < deadline:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._take(events, burst)
            except TimeoutError:
                break
        return burst.hints()

    async def _take(self, events: Events, burst: Burst) -> None:
        event = await events.next()
        self._since = max(self._since or 0, event.time_nano + 1) if event.time_nano else self._since
        found = change(event)
        if found.scopes:
            burst.add(found, self._heard(found))
