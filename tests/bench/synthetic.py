"""A provider of as many resources as are wanted, about 1 KB of JSON each, run as ``homelab up`` runs the real ones."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from agents.contract import Deps, Provider, Scope
from schemas.config import SourceConfig
from schemas.resources import Health, Kind, Relation, Resource, Size, SourceRef, Status

KINDS = (Kind.CONTAINER, Kind.CONTAINER, Kind.CONTAINER, Kind.VM, Kind.VOLUME)
STATUSES = (Status.RUNNING,) * 8 + (Status.STOPPED, Status.PAUSED)
SITES = ("attic", "cellar", "garage", "rack", "cloud", "office", "shed")
SCOPE_SIZE = 10_000
_BREATH = 500
_CREATED = datetime(2026, 1, 1, tzinfo=UTC)


class SyntheticConfig(SourceConfig):
    resources: int


def resource(ref: SourceRef, number: int, *, generation: int = 0) -> Resource:
    """The same for the same number and generation; another generation is a changed resource."""
    kind = KINDS[number % len(KINDS)]
    status = STATUSES[(number // 3 + generation) % len(STATUSES)]
    app = f"app{number % 997}"
    return Resource(
        provider=ref.provider, source=ref.name, kind=kind, native_id=f"{number:012x}", name=f"{app}-{number:06d}",
        native_kind=f"synthetic {kind}", scope=scope_name(number), status=status, native_status=f"is {status}",
        health=Health.OK, relations=(Relation(type="uses", key=f"{ref}/volume/{number % 101:012x}"),),
        labels={
            "app": app, "site": SITES[number % len(SITES)], "tier": "frontend" if number % 2 else "backend",
            "com.example.project": f"project-{number % 53}", "com.example.revision": str(generation),
        },
        size=Size(cpu_cores=number % 8 + 0.5, memory_bytes=(number % 64 + 1) * 2**26),
        addresses=(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",),
        created_at=_CREATED + timedelta(seconds=number), incarnation=f"{number:064x}",
        revision=str(generation),
        spec={
            "image": f"registry.example/{app}:{generation}.{number % 20}", "restart": "unless-stopped",
            "command": ["/usr/bin/serve", "--port", str(8000 + number % 1000), "--name", app],
            "ports": [{"host": 8000 + number % 1000, "container": 80, "protocol": "tcp"}],
            "mounts": [{"type": "volume", "source": f"data-{number}", "target": "/data", "read_only": False}],
            "environment": {"TZ": "UTC", "MODE": "production", "WORKERS": str(number % 16)},
        },
        native={"engine": "synthetic", "index": number},
    )  # fmt: skip


def scope_name(number: int) -> str:
    return f"part{number // SCOPE_SIZE}"


class SyntheticAgent:
    def __init__(self, ref: SourceRef, count: int) -> None:
        self._ref = ref
        self._count = count

    def scopes(self) -> Sequence[Scope]:
        return [Scope(scope_name(first), frozenset(KINDS)) for first in range(0, self._count, SCOPE_SIZE)]

    async def collect(self, scope: Scope) -> Sequence[Resource]:
        first = int(scope.name.removeprefix("part")) * SCOPE_SIZE
        found = []
        for number in range(first, min(first + SCOPE_SIZE, self._count)):
            found.append(resource(self._ref, number))
            if number % _BREATH == 0:
                await asyncio.sleep(0)
        return found


@asynccontextmanager
async def connect(config: SyntheticConfig, deps: Deps) -> AsyncIterator[SyntheticAgent]:
    yield SyntheticAgent(deps.source, config.resources)


PROVIDER = Provider(name="synthetic", config=SyntheticConfig, kinds=frozenset(KINDS), connect=connect)
