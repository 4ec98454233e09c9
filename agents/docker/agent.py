"""One engine's agent: what it has, what its event stream hints at, what its containers use.

It remembers what a listing cannot say: under which key each container was seen, so that a renamed one keeps it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta

from agents.contract import Deps, Hint, Scope
from agents.docker import hosts, identity, mapping, stacks, stores, swarm, usage, wire
from agents.docker.abreast import each
from agents.docker.changes import Change
from agents.docker.client import Engine
from agents.docker.inspections import Inspections
from agents.docker.troubles import Vanished
from agents.docker.watch import Watch
from agents.errors import AgentError, Unreachable
from schemas.events import Sample
from schemas.resources import Kind, Resource

SCOPES = (
    Scope(mapping.SCOPE, frozenset({Kind.CONTAINER, Kind.STACK})),
    Scope(stores.IMAGES, frozenset({Kind.IMAGE})),
    Scope(stores.VOLUMES, frozenset({Kind.VOLUME})),
    Scope(stores.NETWORKS, frozenset({Kind.NETWORK})),
    Scope(hosts.SCOPE, frozenset({Kind.HOST})),
    Scope(swarm.SCOPE, frozenset({Kind.CLUSTER, Kind.NODE, Kind.SERVICE, Kind.POD}), timedelta(seconds=30)),
)
_DATED_VOLUMES = (1, 44)


class DockerAgent:
    def __init__(self, engine: Engine, deps: Deps) -> None:
        self._engine = engine
        self._source = deps.source
        self._clock = deps.clock
        self._inspections = Inspections(engine, deps.clock)
        self._held: Mapping[str, Sequence[str]] = identity.known(deps.known, Kind.CONTAINER)
        self._networks: Mapping[str, str] = {}
        self._readings: dict[str, usage.Reading] = {}
        self._watch = Watch(engine, [scope.name for scope in SCOPES], self._heard)
        self._collectors: Mapping[str, Callable[[], Awaitable[Sequence[Resource]]]] = {
            mapping.SCOPE: self._containers,
            stores.IMAGES: self._images,
            stores.VOLUMES: self._volumes,
            stores.NETWORKS: self._list_networks,
            hosts.SCOPE: self._host,
            swarm.SCOPE: self._swarm,
        }

    def scopes(self) -> Sequence[Scope]:
        return SCOPES

    async def collect(self, scope: Scope) -> Sequence[Resource]:
        try:
            return sorted(await self._collectors[scope.name](), key=lambda resource: resource.key)
        except Vanished as error:
            raise Unreachable(str(error)) from error

    async def hints(self) -> AsyncIterator[Hint]:
        try:
            async with aclosing(self._watch.hints(self._inspections.watch_stands)) as hints:
                async for hint in hints:
                    yield hint
        finally:
            self._inspections.watch_broke()

    async def samples(self) -> Sequence[Sample]:
        running = await self._engine.containers(running=True)
        held = self._held  # a listing may replace it meanwhile
        rows = [row for row in running if row.id in held]
        found = dict(zip((row.id for row in rows), await each(rows, self._read), strict=True))
        before, self._readings = self._readings, {one: now for one, now in found.items() if now is not None}
        return [
            sample
            for one, now in self._readings.items()
            for sample in self._samples(held[one][0], now, before.get(one))
        ]

    async def _read(self, row: wire.ContainerRow) -> usage.Reading | None:
        try:
            return usage.reading(await self._engine.stats(row.id))
        except Vanished:
            return None

    def _samples(self, native_id: str, now: usage.Reading, before: usage.Reading | None) -> list[Sample]:
        key = self._source.key(Kind.CONTAINER, native_id)
        at = self._clock.now()
        return [Sample(key=key, metric=name, value=value, at=at) for name, value in usage.metrics(now, before).items()]

    async def _containers(self) -> Sequence[Resource]:
        try:
            found = await self._inspected()
        except AgentError:
            self._inspections.forget_all()
            raise
        native_ids = identity.assign((identity.bearer(one) for one in found), self._held)
        self._held = {one: (native_id,) for one, native_id in native_ids.items()}
        members = [(one, mapping.container(self._source, one, native_ids)) for one in found]
        return [*(resource for _, resource in members), *stacks.stacks(self._source, members)]

    async def _inspected(self) -> list[wire.Container]:
        """One that vanished in between may have been made anew, which only a second listing can tell."""
        rows = await self._engine.containers()
        found = await self._inspections.of(rows)
        if len(found) < len(rows):
            found = await self._inspections.of(await self._engine.containers())
        return sorted(found.values(), key=lambda one: one.id)

    async def _images(self) -> Sequence[Resource]:
        return stores.images(self._source, await self._engine.images())

    async def _volumes(self) -> Sequence[Resource]:
        version = await self._engine.spoken()
        dated = version.is_podman or version.api >= _DATED_VOLUMES
        return stores.volumes(self._source, await self._engine.volumes(), dated=dated)

    async def _list_networks(self) -> Sequence[Resource]:
        rows = await self._engine.networks()
        self._networks = stores.network_ids(rows)
        return stores.networks(self._source, rows, self._networks)

    async def _host(self) -> Sequence[Resource]:
        version = await self._engine.version()
        return [hosts.engine(self._source, await self._engine.info(), version)]

    async def _swarm(self) -> Sequence[Resource]:
        info = await self._engine.info()
        if not info.swarm.control_available:
            return []
        picture = swarm.Picture(
            cluster=await self._engine.cluster(),
            services=await self._engine.services(),
            tasks=await self._engine.tasks(),
            nodes=await self._engine.nodes(),
            network_names={row.id: row.name for row in await self._engine.networks()},
        )
        return swarm.resources(self._source, picture)

    def _heard(self, found: Change) -> tuple[Kind, str] | None:
        """Forget what an event made old, and return what it removed as we know it, if we do."""
        if found.container:
            self._inspections.forget(found.container)
        if found.removed is None:
            return None
        kind, provider_id = found.removed
        if kind is Kind.CONTAINER:
            held = self._held.get(provider_id)
            return (kind, held[0]) if held else None
        if kind is Kind.NETWORK:
            native_id = self._networks.get(provider_id)
            return (kind, native_id) if native_id else None
        return found.removed
