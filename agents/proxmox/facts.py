"""What changes seldom and belongs to what is read all the time: nodes' facts, storages' settings, pools' comments.

Each is read anew after 15 minutes, or when something turns up that is not known; what cannot be read stays what it was.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from agents.errors import AgentError, Throttled, Unauthorized
from agents.proxmox import gaps, nodes, wire, wire_slow
from agents.proxmox.abreast import each
from agents.proxmox.client import Api
from agents.proxmox.nodes import NodeFacts
from agents.proxmox.rights import Rights
from agents.proxmox.troubles import Denied, Unsupported
from daemon.runtime.clock import Clock
from schemas.events import Gap
from schemas.resources import Kind, Resource

VALID_FOR = timedelta(minutes=15)
AGAIN = timedelta(minutes=2)
"""So long what could not be read is left alone."""
_VERSION, _STORAGES, _POOLS, _VNETS = "version", "storage", "pools", "cluster/sdn/vnets"
_NEWEST_RELEASE = 9


class Facts:
    def __init__(self, api: Api, clock: Clock, last: Iterable[Resource], vnets: frozenset[str]) -> None:
        self._api = api
        self._clock = clock
        self.nodes: dict[str, NodeFacts] = {
            one.native_id: nodes.remembered(one) for one in last if one.kind is Kind.NODE
        }
        self.definitions: Mapping[str, wire_slow.StorageDefinition] = {}
        self.comments: Mapping[str, str] = {}
        self.vnets = vnets
        """Nets of SDN, which guests are attached to."""
        self.release = _NEWEST_RELEASE
        """Of the node that is asked: 8, 9..."""
        self._due_at: dict[str, datetime] = {}
        self.failed: Mapping[str, AgentError] = {}
        """What could not be read when it was due, and why: a path."""

    @property
    def gaps(self) -> list[Gap]:
        return [
            gaps.because(error, f"{part} cannot be read, it stays as it was last known")
            for part, error in self.failed.items()
        ]

    def expire(self) -> None:
        """All is due: the rights are other ones."""
        self._due_at = {}

    async def refresh(self, online: Mapping[str, str], rights: Rights, *, mend: bool = False) -> None:
        """Read what is due.  ``online``: node -> its address, empty where it is not known; ``mend``: what failed is."""
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            _VERSION: self._read_version,
            _STORAGES: self.read_definitions,
            _POOLS: self._read_pools,
            _VNETS: self._read_vnets,
        }
        parts |= {f"nodes/{name}": partial(self._read_node, name, ip, rights) for name, ip in online.items()}
        self._due_at = {part: at for part, at in self._due_at.items() if part in parts}  # one that returns is due
        failed = self.failed = {part: error for part, error in self.failed.items() if part in parts}
        if mend:
            self._due_at = {part: at for part, at in self._due_at.items() if part not in failed}
        now = self._clock.now()
        due = [part for part in parts if not timedelta(0) < self._due_at.get(part, now) - now <= VALID_FOR]

        async def read(part: str) -> None:
            try:
                await parts[part]()
            except AgentError as error:
                if isinstance(error, Throttled) or (isinstance(error, Unauthorized) and not isinstance(error, Denied)):
                    raise
                failed[part] = error
                self._due_at[part] = self._clock.now() + AGAIN
            else:
                failed.pop(part, None)
                self._due_at[part] = self._clock.now() + VALID_FOR

        await each(due, read)

    def doubt(self, rows: wire.ResourceRows) -> None:
        """Something that is listed has no definition yet: read them with the next refresh."""
        if _STORAGES not in self.failed and any(row.storage not in self.definitions for row in rows.storages):
            self._due_at.pop(_STORAGES, None)
        if _POOLS not in self.failed and any(row.pool not in self.comments for row in rows.pools):
            self._due_at.pop(_POOLS, None)

    async def read_definitions(self) -> None:
        rows = await self._api.rows("storage", wire_slow.StorageDefinition)
        self.definitions = {row.storage: row for row in rows}

    async def _read_pools(self) -> None:
        self.comments = {row.poolid: row.comment for row in await self._api.rows("pools", wire_slow.PoolDefinition)}

    async def _read_vnets(self) -> None:
        """What is not listed any more may be hidden: the scope ``networks`` finds out."""
        with suppress(Unsupported):  # before PVE 8 it was no part of the product
            rows = await self._api.rows("cluster/sdn/vnets", wire_slow.VnetRow)
            self.vnets |= {row.vnet for row in rows}

    async def _read_version(self) -> None:
        found = await self._api.one("version", wire.Version)
        major = found.version.partition(".")[0]
        self.release = int(major) if major.isdecimal() else _NEWEST_RELEASE

    async def _read_node(self, name: str, address: str, rights: Rights) -> None:
        facts = self.nodes.get(name, NodeFacts())
        if address:
            facts = self.nodes[name] = replace(facts, address=address)
        if rights.has(f"/nodes/{name}", "Sys.Audit"):
            status = await self._api.one(f"nodes/{name}/status", wire_slow.NodeStatus)
            facts = self.nodes[name] = nodes.with_status(facts, status)
        subscription = await self._api.one(f"nodes/{name}/subscription", wire_slow.Subscription)
        facts = self.nodes[name] = nodes.with_subscription(facts, subscription)
        if rights.has(f"/nodes/{name}", "Sys.Modify"):
            updates = await self._api.rows(f"nodes/{name}/apt/update", wire_slow.Update)
            self.nodes[name] = replace(facts, updates=len(updates))
