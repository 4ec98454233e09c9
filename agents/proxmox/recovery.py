"""How soon what could not be read is read again: any scope, also one that is read once an hour.

While nothing at all can be asked, ``resources`` asks for all: the other scopes fail for its reason without a question.
When it has read, it hurries what was lost meanwhile, what was read in part, and what is not true any more since a node
went or came back, a storage can be read again, or the rights are other ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple

from agents.contract import Scope
from agents.errors import AgentError, Unauthorized, Unreachable
from agents.proxmox import backups, cluster, disks, networks, rights, snapshots, wire
from agents.proxmox.memory import Listing, Memory
from agents.proxmox.troubles import Denied, concerns_all, plain

_PATIENCE = 5.0
"""What took long to fail is left alone for so many times as long."""
_OF_NODES = frozenset({cluster.SCOPE, snapshots.SCOPE, networks.SCOPE, disks.SCOPE, backups.SCOPE})
"""Scopes that tell of what is on nodes."""


class _Failed(NamedTuple):
    scope: Scope
    errors: Sequence[AgentError]
    again_at: float
    """On the loop's clock."""
    wholly: bool


class _Seen(NamedTuple):
    """What other scopes depend on."""

    rights: int
    off: frozenset[str]
    nodes: frozenset[str]
    silent: frozenset[str]
    available: frozenset[tuple[str, str]]
    """Node and storage."""


class Recovery:
    def __init__(self, memory: Memory, asks: str, scopes: Sequence[Scope]) -> None:
        """``asks`` is the scope that asks for all while nothing can be asked."""
        self.lost: AgentError | None = None
        """Why nothing can be asked, until ``asks`` has been read."""
        self._memory = memory
        self._asks = asks
        self._others = [scope.name for scope in scopes if scope.name != asks]
        self._failed: dict[str, _Failed] = {}
        self._seen: _Seen | None = None

    async def read(self, scope: Scope, scan: Callable[[], Awaitable[Listing]]) -> Listing:
        """Return what ``scan`` finds; raises in the contract's own terms."""
        began = _time()
        self._failed.pop(scope.name, None)  # one that is being read needs no hurry
        try:
            if self.lost is not None and scope.name != self._asks:
                raise plain(self.lost)
            found = await scan()
        except AgentError as error:
            self._note(scope, [error], began, wholly=True)
            if concerns_all(error) and (scope.name == self._asks or isinstance(error, Unauthorized)):
                self.lost = plain(error)
            raise plain(error) from error
        except asyncio.CancelledError:
            self._note(scope, [Unreachable("it was given up")], began, wholly=True)
            raise
        self._note(scope, found.failed, began, wholly=False)
        if scope.name == self._asks:
            self._hurry()
        return found

    def _note(self, scope: Scope, errors: Sequence[AgentError], began: float, *, wholly: bool) -> None:
        now = _time()
        if any(isinstance(error, Denied) for error in errors):
            self._memory.permissions.expire()
        if errors and scope.name != self._asks:
            self._failed[scope.name] = _Failed(scope, errors, now + _PATIENCE * (now - began), wholly)

    def _hurry(self) -> None:
        memory = self._memory
        was_lost, self.lost = self.lost is not None, None
        before, self._seen = self._seen, _seen(memory)
        if before is not None and before.rights != self._seen.rights:
            memory.facts.expire()
            for scope in self._others:
                memory.hint(scope, allowed=True)
            return
        changed = set(_outdated(before, self._seen)) if before is not None else set()
        due = {scope for scope, failed in self._failed.items() if was_lost or self._is_due(failed)}
        for scope in [scope for scope in self._others if scope in changed | due]:
            wholly = scope in self._failed and self._failed[scope].wholly
            memory.hint(scope, allowed=scope in due, lacking=not wholly)

    def _is_due(self, failed: _Failed) -> bool:
        """What the rights do not allow is not asked for until they are other ones."""
        allowed = self._memory.permissions.rights
        if allowed is not None and all(isinstance(error, Denied) for error in failed.errors):
            missing = rights.gaps(allowed, failed.scope.kinds, self._memory.config)
            if any(not gap.optional for gap in missing):
                return False
        return _time() >= failed.again_at


def _seen(memory: Memory) -> _Seen:
    rows = memory.rows or wire.ResourceRows([], [], [], [])
    off = frozenset(row.node for row in rows.nodes if row.status == "offline")
    available = frozenset(
        (row.node, row.storage) for row in rows.storages if row.status == "available" and row.node not in off
    )
    nodes = frozenset(row.node for row in rows.nodes)
    return _Seen(memory.permissions.changes, off, nodes, memory.silent, available)


def _outdated(before: _Seen, now: _Seen) -> Iterator[str]:
    """Yield the scopes of which something is not true any more, or can be read again."""
    if (before.off, before.nodes) != (now.off, now.nodes) or before.silent - now.silent:
        yield from _OF_NODES
    if before.available != now.available:
        yield backups.SCOPE


def _time() -> float:
    return asyncio.get_running_loop().time()
