"""One cluster's agent: its scopes, what they could not see, what hurries them, what is used.

A scope fails alone.  Nothing is shared with another cluster's agent.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from agents.contract import Deps, Finding, Hint, Scope
from agents.proxmox import backups, checks, cluster, cluster_scan, disks, networks, schedules, slow_scans, snapshots
from agents.proxmox.backups_scan import BackupsScan
from agents.proxmox.client import Api
from agents.proxmox.config import ProxmoxConfig
from agents.proxmox.memory import LISTED, Listing, Memory
from agents.proxmox.push import Push
from agents.proxmox.recovery import Recovery
from agents.proxmox.resources_scan import SCOPE as RESOURCES
from agents.proxmox.resources_scan import ResourcesScan
from agents.proxmox.rrd import Backfill
from agents.proxmox.slow_scans import DisksScan, NetworksScan
from agents.proxmox.snapshots_scan import SnapshotsScan
from agents.proxmox.usage import Usage
from schemas.events import Gap, Sample
from schemas.resources import Kind, Resource

SCOPES = (
    Scope(cluster.SCOPE, frozenset({Kind.CLUSTER, Kind.RULE}), timedelta(seconds=30)),
    Scope(RESOURCES, LISTED),
    Scope(snapshots.SCOPE, frozenset({Kind.SNAPSHOT}), timedelta(minutes=5), apart=True),
    Scope(networks.SCOPE, frozenset({Kind.NETWORK}), timedelta(minutes=5), apart=True),
    Scope(schedules.SCOPE, frozenset({Kind.SCHEDULE}), timedelta(minutes=5), apart=True),
    Scope(disks.SCOPE, frozenset({Kind.DISK}), timedelta(minutes=15), apart=True),
    Scope(backups.SCOPE, frozenset({Kind.BACKUP}), timedelta(hours=1), apart=True),
)


class ProxmoxAgent:
    def __init__(self, config: ProxmoxConfig, api: Api, deps: Deps) -> None:
        self._check = partial(checks.check, config, partial(deps.secret, config.token_secret), deps.clock)
        self._memory = memory = Memory.of(config, api, deps)
        self._usage = Usage(deps.source)
        self._backfill = Backfill(api, deps.source, deps.sampled_at)
        memory.saw += [self._usage.saw, self._backfill.saw]
        self._push = _push(config, deps, memory)
        self._gaps: dict[str, Sequence[Gap]] = {}
        self._recovery = Recovery(memory, RESOURCES, SCOPES)
        self._scans: Mapping[str, Callable[[], Awaitable[Listing]]] = {
            cluster.SCOPE: partial(cluster_scan.read, memory),
            RESOURCES: ResourcesScan(memory).read,
            snapshots.SCOPE: SnapshotsScan(memory).read,
            networks.SCOPE: NetworksScan(memory, _fresh(networks.SCOPE)).read,
            schedules.SCOPE: partial(slow_scans.of_schedules, memory),
            disks.SCOPE: DisksScan(memory, _fresh(disks.SCOPE)).read,
            backups.SCOPE: BackupsScan(memory, _fresh(backups.SCOPE)).read,
        }

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Take what the nodes push while the block runs, if that is configured."""
        if self._push is None:
            yield
            return
        async with self._push.serve():
            yield

    def scopes(self) -> Sequence[Scope]:
        return SCOPES

    async def collect(self, scope: Scope) -> Sequence[Resource]:
        found = await self._recovery.read(scope, self._scans[scope.name])
        self._gaps[scope.name] = found.gaps
        return found.resources

    def gaps(self, scope: Scope) -> Sequence[Gap]:
        return self._gaps.get(scope.name, ())

    async def hints(self) -> AsyncIterator[Hint]:
        """There is no watch that could break: what is read tells of what else has changed."""
        while True:
            yield await self._memory.hints.get()

    async def check(self) -> Sequence[Finding]:
        return await self._check()

    async def samples(self) -> Sequence[Sample]:
        """Return what was measured since the last call, and a part of what nobody measured before."""
        measured = self._usage.samples()
        return measured if self._recovery.lost else [*measured, *await self._backfill.samples()]


def _push(config: ProxmoxConfig, deps: Deps, memory: Memory) -> Push | None:
    if config.push is None:
        return None
    token, news = partial(deps.secret, config.push.token), partial(memory.hint, RESOURCES)
    push = Push(config.push, token, deps.source, deps.clock, news)
    memory.saw.append(push.saw)
    memory.pushed = push.status
    return push


def _fresh(name: str) -> timedelta:
    """Return how old may be what is not asked for when only what a reading lacks is."""
    return next(scope.interval for scope in SCOPES if scope.name == name and scope.interval) / 2
