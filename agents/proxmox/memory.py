"""What the scopes of one cluster know from each other, and what was published before."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from agents.contract import Deps, Hint
from agents.errors import AgentError
from agents.proxmox import networks, wire
from agents.proxmox.client import Api
from agents.proxmox.config import ProxmoxConfig
from agents.proxmox.configs import Configs
from agents.proxmox.facts import Facts
from agents.proxmox.guest_list import KINDS as GUESTS
from agents.proxmox.permissions import Permissions
from agents.proxmox.pushed import Pushed
from daemon.runtime.clock import Clock
from schemas.events import Gap
from schemas.resources import Key, Kind, Resource, SourceRef

LISTED = GUESTS | {Kind.NODE, Kind.STORAGE, Kind.POOL}
"""Kinds that ``cluster/resources`` tells of."""
_RECENT = timedelta(minutes=1)


class Listing(NamedTuple):
    """All that a scope has, and what of it could not be seen."""

    resources: Sequence[Resource]
    gaps: Sequence[Gap] = ()
    failed: Sequence[AgentError] = ()
    """Why parts of it could not be read that may be readable soon."""


@dataclass(slots=True)
class Memory:
    source: SourceRef
    config: ProxmoxConfig
    api: Api
    clock: Clock
    permissions: Permissions
    facts: Facts
    known: Mapping[str, str]
    """Key -> incarnation, of all that was published before this began."""
    published: Mapping[str, Resource]
    """Key -> resource of the kinds ``LISTED``, as they were last listed."""
    last_backups: Mapping[str, Resource]
    """The newest backups, by key, as they were published before this began."""
    schedules: set[str]
    """Keys that may be held of the scope ``schedules``."""
    sdn: Mapping[str, str]
    """Zones and nets that may be held: key -> the path of their rights."""
    sampled_at: datetime | None = None
    """When what was published before this began was last measured."""
    hidden: frozenset[int] = frozenset()
    """Guests that were listed, are not, and are not known to be gone."""
    hidden_storages: frozenset[str] = frozenset()
    """The same of storages, by key."""
    silent: frozenset[str] = frozenset()
    """Nodes that are members of the cluster and did not answer when they were last asked."""
    configs: Configs = field(default_factory=Configs)
    hints: asyncio.Queue[Hint] = field(default_factory=asyncio.Queue)
    saw: list[Callable[[wire.ResourceRows, datetime], None]] = field(default_factory=list)
    """Who is to be told of each reading of ``cluster/resources`` and of when it was made."""
    pushed: Callable[[int], Pushed | None] | None = None
    """What was pushed of a guest, while that is newer than its row; None: nobody pushes."""
    ha_wishes: Mapping[int, str] | None = None
    """Guest -> the state it is to be kept in; None: not read yet."""
    backups: Mapping[int, datetime | None] | None = None
    """Guest -> its newest backup, None: it has none, absent: nobody knows; None: not read yet."""
    snapshotted: set[int] = field(default_factory=set)
    """Guests whose snapshots history named since those were read."""
    destroyed: set[int] = field(default_factory=set)
    """Guests of which a task said so, since snapshots were read."""
    _lacking: set[str] = field(default_factory=set)
    """Scopes that are hinted at for what their last reading lacked..."""
    _outdated: set[str] = field(default_factory=set)
    """...and for what may have changed of the rest."""
    _rows: wire.ResourceRows | None = None
    _read_at: datetime | None = None

    @classmethod
    def of(cls, config: ProxmoxConfig, api: Api, deps: Deps) -> "Memory":
        published = {key: one for key, one in deps.last.items() if one.kind in LISTED}
        api.is_of(one.native_id for one in published.values() if one.kind is Kind.NODE)
        return cls(
            deps.source, config, api, deps.clock, Permissions(api, deps.clock),
            Facts(api, deps.clock, published.values(), _vnets(deps.known)), deps.known, published,
            {key: one for key, one in deps.last.items() if one.kind is Kind.BACKUP},
            _of_kind(deps.known, Kind.SCHEDULE), _sdn(deps.last), sampled_at=deps.sampled_at,
        )  # fmt: skip

    def known_of(self, kind: Kind) -> set[str]:
        return _of_kind(self.known, kind)

    def guests(self) -> dict[int, str]:
        """Return number -> key, as last listed."""
        return {int(one.native_id): key for key, one in self.published.items() if one.kind in GUESTS}

    def hint(
        self, scope: str, *, removed: Iterable[Resource | Key] = (), allowed: bool = False, lacking: bool = False
    ) -> None:
        """``lacking``: nothing is news but that what it could not read may be readable now."""
        (self._lacking if lacking else self._outdated).add(scope)
        told = tuple((Kind(one.kind), one.native_id) for one in removed)
        self.hints.put_nowait(Hint(scope, told, allowed=allowed))

    def mends(self, scope: str) -> bool:
        """Say whether the reading of ``scope`` that begins now may ask for what it lacks alone."""
        mends = scope in self._lacking - self._outdated
        self._lacking.discard(scope)
        self._outdated.discard(scope)
        return mends

    @property
    def rows(self) -> wire.ResourceRows | None:
        """What the cluster listed last."""
        return self._rows

    async def latest(self) -> wire.ResourceRows:
        """Return what the cluster lists: as it was read a moment ago, or now."""
        age = self.clock.now() - self._read_at if self._read_at else None
        if self._rows is None or age is None or not timedelta(0) <= age <= _RECENT:
            return await self.listed()
        return self._rows

    async def listed(self) -> wire.ResourceRows:
        at = self.clock.now()
        rows = wire.resources(await self.api.raw("cluster/resources"))
        self._rows, self._read_at = rows, at
        for tell in self.saw:
            tell(rows, at)
        return rows


def _of_kind(known: Iterable[str], kind: Kind) -> set[str]:
    return {key for key in known if Key.parse(key).kind == kind}


def _vnets(known: Iterable[str]) -> frozenset[str]:
    ids = (Key.parse(key).native_id for key in _of_kind(known, Kind.NETWORK))
    return frozenset(one.removeprefix(networks.VNET) for one in ids if one.startswith(networks.VNET))


def _sdn(last: Mapping[str, Resource]) -> dict[str, str]:
    return {key: networks.path(one) for key, one in last.items() if one.native_kind in ("sdn-zone", "sdn-vnet")}
