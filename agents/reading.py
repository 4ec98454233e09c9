"""One reading of a scope: each resource with its content hash, and what the agent could not see.

An agent that gives the identical object again says that nothing of it changed: then what was made of it the last time
holds.  Objects are remembered by identity and weakly, so what is built anew each time is not kept alive here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from weakref import ref

from agents.contract import Agent, Covers, Scope
from agents.errors import Unreachable
from schemas.events import Gap
from schemas.resources import Resource, SourceRef, hash_of

_AT_A_STRETCH = 100


@dataclass(frozen=True, slots=True)
class Reading:
    """``found`` is all the scope has: key -> resource and content hash."""

    found: dict[str, tuple[Resource, str]]
    gaps: tuple[Gap, ...] = ()

    @property
    def manifest(self) -> dict[str, str]:
        return {key: hashed for key, (_, hashed) in self.found.items()}


class _Given(ref[Resource]):
    """An object that an agent gave, and what was made of it."""

    __slots__ = ("cut", "hash", "key", "place")
    key: str
    hash: str
    cut: Resource | None
    """What of it fits into a message, where not all does."""
    place: int


class Reader:
    """Reads one agent's scopes; ``fit`` makes a resource fit into a message."""

    def __init__(self, source: SourceRef, agent: Agent, fit: Callable[[Resource], Resource]) -> None:
        self.source, self.agent, self.fit = source, agent, fit
        self._given: dict[int, _Given] = {}

    async def read(self, scope: Scope, deadline: timedelta) -> Reading:
        """Return all the scope has; raises what the agent raises, and ``Unreachable`` when it takes too long."""
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                resources = await self.agent.collect(scope)
                gaps = tuple(self.agent.gaps(scope)) if isinstance(self.agent, Covers) else ()
        except TimeoutError as error:
            raise Unreachable(f"it gave no answer in {deadline.total_seconds():g} s: is it hung?") from error
        found: dict[str, tuple[Resource, str]] = {}
        for number, resource in enumerate(resources, start=1):
            given = self._remembered(resource)
            found[given.key] = (resource if given.cut is None else given.cut), given.hash
            if len(found) != number:
                raise ValueError(f"{scope.name}: two resources have the key {given.key}")
            if resource.scope != scope.name or not given.key.startswith(f"{self.source}/"):
                raise ValueError(f"{given.key} of scope {resource.scope} came from {self.source}:{scope.name}")
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)  # a large scope must not keep the other tasks waiting
        return Reading(found, gaps)

    def _remembered(self, resource: Resource) -> _Given:
        given = self._given.get(id(resource))
        if given is not None and given() is resource:
            return given
        fitting = self.fit(resource)
        given = _Given(resource, self._forget)
        given.key, given.hash, given.place = resource.key, hash_of(fitting), id(resource)
        given.cut = None if fitting is resource else fitting
        self._given[given.place] = given
        return given

    def _forget(self, gone: ref[Resource]) -> None:
        if isinstance(gone, _Given):
            self._given.pop(gone.place, None)
