"""The scope ``snapshots``: those of the guests whose configuration says that they have some, or that had some.

A guest's snapshots stand in its configuration file: while the file's digest is the same, they are, too.  One that its
guest does not list any more, or whose guest was destroyed, is reported: a rotation of snapshots is no faulty listing.
"""

import asyncio
from collections.abc import Collection, Iterable
from typing import NamedTuple

from agents.errors import AgentError
from agents.proxmox import gaps, rights, snapshots, wire_slow
from agents.proxmox.abreast import each
from agents.proxmox.by_node import attempt
from agents.proxmox.guest_list import KINDS as GUESTS
from agents.proxmox.guest_list import row_id
from agents.proxmox.memory import Listing, Memory
from agents.proxmox.wire import GuestConfig
from schemas.events import Gap, Trouble
from schemas.resources import Key, Kind, Resource


class _Read(NamedTuple):
    digest: str
    guest: str
    """The key and incarnation whose they are."""
    found: list[Resource]


class SnapshotsScan:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._known = memory.known_of(Kind.SNAPSHOT)
        """Keys that may be held of this scope."""
        self._read: dict[str, _Read] = {}

    async def read(self) -> Listing:
        memory, destroyed = self._memory, frozenset(self._memory.destroyed)
        nodes = (await memory.latest()).nodes
        online = {memory.source.key(Kind.NODE, row.node) for row in nodes if row.status != "offline"}
        guests = {row_id(one): one for one in memory.published.values() if one.kind in GUESTS}
        had = {_vmid(key) for key in self._known}
        self._read = {guest: read for guest, read in self._read.items() if guest in guests}
        asked = [one for one in guests.values() if one.parent in online and self._is_due(one, had)]
        failed = await self._ask_all(asked)
        if failed and len(failed) == len(asked) and not self._read:
            raise next(iter(failed.values()))
        found = [one for read in self._read.values() for one in read.found]
        answered = {int(one.native_id) for one in asked if row_id(one) not in failed}
        await self._report({one.key for one in found}, answered | destroyed)
        memory.destroyed -= destroyed
        unread = {int(one.native_id) for guest, one in guests.items() if guest not in self._read}
        hidden = self._hidden(memory.hidden, unread, {one.key for one in found})
        self._known = {one.key for one in found} | {key for gap in hidden for key in gap.keys}
        allowed = rights.gaps(await memory.permissions.current(), [Kind.SNAPSHOT], memory.config)
        on = {guest: Key.parse(guests[guest].parent or "").native_id for guest in failed}
        told = gaps.of_guests("the snapshots of {} are as last known", failed, on)
        soon = [error for guest, error in failed.items() if on[guest] not in memory.silent]
        return Listing(found, gaps.fitting([*allowed, *hidden, *told]), soon)

    async def _report(self, listed: Collection[str], certain: Collection[int]) -> None:
        """``certain``: guests that have listed theirs, and those that were destroyed."""
        gone = [Key.parse(key) for key in sorted(self._known) if key not in listed and _vmid(key) in certain]
        if gone:
            self._memory.hint(snapshots.SCOPE, removed=gone)
            await asyncio.sleep(0)  # so that it is known when this reading ends

    def _is_due(self, guest: Resource, had: Collection[int]) -> bool:
        read, vmid = self._read.get(row_id(guest)), int(guest.native_id)
        if vmid in self._memory.snapshotted:
            return True
        config = self._memory.configs.get(row_id(guest))
        if read is not None and (read.digest, read.guest) == (_digest(config), _identity(guest)):
            return False
        has = config is not None and config.text("parent") != ""
        return has or (bool(read.found) if read is not None else vmid in had)

    async def _ask_all(self, asked: Iterable[Resource]) -> dict[str, AgentError]:
        """Read what is due, and return why some could not be; those stay what they were."""
        asked = list(asked)
        failed: dict[str, AgentError] = {}
        for one, outcome in zip(asked, await each(asked, self._ask), strict=True):
            if isinstance(outcome, AgentError):
                failed[row_id(one)] = outcome
            else:
                self._memory.snapshotted.discard(int(one.native_id))
                self._read[row_id(one)] = outcome
        return failed

    async def _ask(self, guest: Resource) -> _Read | AgentError:
        digest = _digest(self._memory.configs.get(row_id(guest)))
        node = Key.parse(guest.parent or "").native_id
        path = f"nodes/{node}/{guest.native_kind}/{guest.native_id}/snapshot"
        rows = await attempt(self._memory.api.rows(path, wire_slow.SnapshotRow))
        if isinstance(rows, AgentError):
            return rows
        return _Read(digest, _identity(guest), snapshots.snapshots(self._memory.source, guest, rows))

    def _hidden(self, hidden: Collection[int], unread: Collection[int], listed: Collection[str]) -> list[Gap]:
        """Return what hides the snapshots of guests that are hidden themselves, or could not be asked."""
        missing = [key for key in sorted(self._known) if key not in listed]
        found = gaps.with_guests([key for key in missing if _vmid(key) in hidden], "snapshots")
        return found + gaps.of_keys(
            [key for key in missing if _vmid(key) in unread and _vmid(key) not in hidden],
            "the snapshots of guests that cannot be asked now are not listed",
            Trouble.UNREACHABLE,
        )


def _digest(config: GuestConfig | None) -> str:
    return config.digest if config is not None else ""


def _identity(guest: Resource) -> str:
    return f"{guest.key} {guest.incarnation}"


def _vmid(key: str) -> int:
    return int(Key.parse(key).native_id.partition("/")[0])
