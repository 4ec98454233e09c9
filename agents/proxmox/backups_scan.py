"""The scope ``backups``: the newest backup of each guest, over all storages that may hold some.

A storage that cannot be read hides the backups on it, and an older one elsewhere is not the newest: what was known of
that storage stands until it can be read again.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from agents.errors import AgentError
from agents.proxmox import backups, gaps, rights, storages, wire, wire_slow
from agents.proxmox.abreast import each
from agents.proxmox.backups import Backup
from agents.proxmox.by_node import attempt
from agents.proxmox.guest_list import newest_backup
from agents.proxmox.memory import Listing, Memory
from schemas.events import Gap, Trouble
from schemas.resources import Key, Kind, Resource, Status

_AT_ONCE = 2
"""A storage's content is found by going through its directories."""


class BackupsScan:
    def __init__(self, memory: Memory, fresh: timedelta) -> None:
        """``fresh``: so old may be what a storage had when only what is lacking is to be asked for."""
        self._memory = memory
        self._fresh = fresh
        self._known = memory.known_of(Kind.BACKUP)
        """Keys that may be held of this scope."""
        self._read: dict[str, list[Backup]] = {}
        """Storage (its key) -> what was on it when it was last read."""
        self._read_at: dict[str, datetime] = {}
        """Those that were read when that was last tried."""
        self._last: Mapping[str, Resource] = memory.last_backups

    async def read(self) -> Listing:
        memory = self._memory
        rows = await memory.latest()
        places = _places(memory, rows) | dict.fromkeys(self._unlisted(rows))
        failed = await self._ask_all(places)
        unread = {key for key, row in places.items() if row is None or key in failed}
        if failed and unread == places.keys():
            raise next(iter(failed.values()))
        self._read = {key: found for key, found in self._read.items() if key in places}
        listed = self._newest(unread - self._read.keys())
        allowed = rights.gaps(await memory.permissions.anew(), [Kind.BACKUP], memory.config)
        missing = [key for key in sorted(self._known) if key not in listed and _vmid(key) in memory.hidden]
        hidden = gaps.with_guests(missing, "backups")
        self._known = {*listed, *missing}
        self._last = listed
        memory.backups = {} if allowed else self._told(listed, unread - self._read.keys())
        told = [self._gap(key, failed.get(key)) for key in sorted(unread)]
        soon = [error for key, error in failed.items() if (row := places[key]) and row.node not in memory.silent]
        return Listing([*listed.values()], gaps.fitting([*allowed, *hidden, *told]), soon)

    def _unlisted(self, rows: wire.ResourceRows) -> set[str]:
        """Return the storages that held some and are not listed, but not known to be gone: disabled, or hidden."""
        memory, shared = self._memory, storages.shared(rows.storages)
        held = {one.parent for one in self._last.values() if one.parent} | self._read.keys()
        listed = {storages.key(memory.source, row.node, row.storage, shared) for row in rows.storages}
        return (held - listed) & (memory.published.keys() | memory.hidden_storages)

    async def _ask_all(self, places: Mapping[str, wire.StorageRow | None]) -> dict[str, AgentError]:
        """Read what can be read, and return why the rest could not; that stays what it was."""
        now = self._memory.clock.now()
        kept = {
            key: at
            for key, at in self._read_at.items()
            if places.get(key) is not None and timedelta(0) <= now - at < self._fresh
        }
        if not self._memory.mends(backups.SCOPE):
            kept = {}
        asked = [(key, row) for key, row in places.items() if row is not None and key not in kept]
        failed: dict[str, AgentError] = {}
        for (key, _), outcome in zip(asked, await each(asked, self._ask, at_once=_AT_ONCE), strict=True):
            if isinstance(outcome, AgentError):
                failed[key] = outcome
            else:
                self._read[key] = backups.backups(key, outcome)
        self._read_at = kept | {key: now for key, _ in asked if key not in failed}
        return failed

    async def _ask(self, place: tuple[str, wire.StorageRow]) -> list[wire_slow.Volume] | AgentError:
        _, row = place
        path = f"nodes/{row.node}/storage/{row.storage}/content"
        return await attempt(self._memory.api.rows(path, wire_slow.Volume, content="backup"))

    def _gap(self, key: str, error: AgentError | None) -> Gap:
        """A storage that somebody disabled is left unread on purpose."""
        what = f"the backups on {Key.parse(key).native_id} cannot be read"
        if error is not None:
            return gaps.because(error, what, kinds=(Kind.BACKUP,), parent=key)
        place = self._memory.published.get(key)
        hidden, disabled = key in self._memory.hidden_storages, place is not None and place.status is Status.STOPPED
        why = "no node that is online shows it as available"
        if hidden or disabled:
            why = "the storage is hidden" if hidden else "it is disabled"
        return Gap(
            trouble=Trouble.UNAUTHORIZED if hidden else Trouble.UNREACHABLE,
            detail=f"{what}: {why}",
            kinds=(Kind.BACKUP,),
            parent=key,
            optional=disabled,
        )

    def _newest(self, never_read: Collection[str]) -> dict[str, Resource]:
        guests = self._memory.guests()
        newest = backups.newest(one for found in self._read.values() for one in found)
        made = [backups.backup(self._memory.source, one, guests) for one in newest.values()]
        listed = {one.key: one for one in made}
        for key, last in self._last.items():
            now = listed.get(key)
            if last.parent in never_read and (now is None or _is_older(now, last)):
                listed[key] = last
        return listed

    def _told(self, listed: Mapping[str, Resource], never_read: Collection[str]) -> dict[int, datetime | None]:
        """Return what the guests are told.  While a storage was never read, only those that knew still know."""
        made_at = {_vmid(key): one.created_at for key, one in listed.items()}
        return {
            vmid: made_at.get(vmid)
            for vmid, key in self._memory.guests().items()
            if not never_read or newest_backup(self._memory.published[key])[0]
        }


def _places(memory: Memory, rows: wire.ResourceRows) -> dict[str, wire.StorageRow | None]:
    """Return the storages (their keys) that may hold backups, and by which node each can be read now, if by any."""
    online = {row.node for row in rows.nodes if row.status == "online"}
    shared = storages.shared(rows.storages)
    places: dict[str, wire.StorageRow | None] = {}
    for row in rows.storages:
        if "backup" in row.content.split(","):
            key = storages.key(memory.source, row.node, row.storage, shared)
            usable = row.node in online and row.status == "available"
            places[key] = places.get(key) or (row if usable else None)
    return places


def _is_older(one: Resource, other: Resource) -> bool:
    return one.created_at is not None and other.created_at is not None and one.created_at < other.created_at


def _vmid(key: str) -> int:
    return int(Key.parse(key).native_id)
