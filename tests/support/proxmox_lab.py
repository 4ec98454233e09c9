"""A simulated cluster with its agent, and a clock of their own: what integration tests of the agent talk about."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from pydantic import SecretStr

from agents.contract import Deps, Hint, Scope
from agents.proxmox import PROVIDER
from agents.proxmox.agent import ProxmoxAgent
from schemas.events import Gap
from schemas.resources import Resource, SourceRef
from tests.support.proxmox import Simulator, World, simulated, standard
from tests.support.proxmox.api import Api
from tests.support.waiting import until

SOURCE = SourceRef(provider="proxmox", name="lab")


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()


@dataclass
class Lab:
    world: World
    sim: Simulator
    agent: ProxmoxAgent
    clock: Clock
    published: dict[str, dict[str, Resource]] = field(default_factory=dict)
    """Scope -> key -> resource, as last collected."""
    _told: int = 0

    async def scan(self, scope: str = "resources") -> dict[str, Resource]:
        found = await self.agent.collect(self.scope(scope))
        assert len({one.key for one in found}) == len(found)
        self.published[scope] = {one.key: one for one in found}
        return {one.key.removeprefix("proxmox/lab/"): one for one in found}

    async def all(self) -> dict[str, Resource]:
        found: dict[str, Resource] = {}
        for scope in self.agent.scopes():
            found |= await self.scan(scope.name)
        return found

    def scope(self, name: str) -> Scope:
        return next(scope for scope in self.agent.scopes() if scope.name == name)

    def gaps(self, scope: str = "resources") -> list[Gap]:
        return list(self.agent.gaps(self.scope(scope)))

    def hints(self) -> list[Hint]:
        """What was hinted since the last call."""
        queue = self.agent._memory.hints
        return [queue.get_nowait() for _ in range(queue.qsize())]

    def cycle(self, seconds: float = 10) -> None:
        """Time goes on, and every pvestatd that works says what it sees."""
        self.clock.at += timedelta(seconds=seconds)
        self.world.pvestatd()

    async def asked(self) -> list[str]:
        """What was asked since the last call.  The simulator notes a request a moment after it was answered."""
        total = self.agent._memory.api.requests
        await until(lambda: len(self.sim.requests) >= total)
        paths = [request.path for request in self.sim.requests[self._told : total]]
        self._told = total
        return paths

    def stale_listing(self, times: int = 1) -> None:
        """The next listing is the one of now, whatever happens until then."""
        node = next(iter(self.world.nodes))
        said = Api(self.world).answer(
            "GET", "cluster/resources", {}, f"PVEAPIToken={self.sim.token_id}={self.sim.secret}", node
        )
        self.sim.faults.answer(orjson.loads(said.body), "cluster/resources", times=times)

    def last(self) -> dict[str, Resource]:
        """What the bus would hold of this source."""
        return {key: one for found in self.published.values() for key, one in found.items()}


@asynccontextmanager
async def lab(
    world: World | None = None, clock: Clock | None = None, *, nodes: Iterable[str] | None = None, **config: Any
) -> AsyncIterator[Lab]:
    """``nodes``: those that can be asked."""
    clock = clock or Clock()
    world = world or standard(guests=9, nodes=3, now=clock.seconds)
    async with simulated(world, nodes) as sim, agent_of(sim, clock, **config) as agent:
        yield Lab(world, sim, agent, clock)


@asynccontextmanager
async def agent_of(
    sim: Simulator,
    clock: Clock,
    *,
    last: Mapping[str, Resource] | None = None,
    sampled_at: datetime | None = None,
    **config: Any,
) -> AsyncIterator[ProxmoxAgent]:
    written = {
        "name": "lab", "url": list(sim.urls), "ca": str(sim.ca), "token_id": sim.token_id, "token_secret": "env:LAB",
        "timeout": "2s",
    }  # fmt: skip
    held = dict(last or {})
    deps = Deps(
        SOURCE,
        clock=clock,
        secret=lambda _: SecretStr(sim.secret),
        known={key: one.incarnation for key, one in held.items()},
        last={key: one for key, one in held.items() if one.kind in PROVIDER.remembers},
        sampled_at=sampled_at,
    )
    async with PROVIDER.connect(PROVIDER.config.model_validate(written | config), deps) as agent:
        yield agent
