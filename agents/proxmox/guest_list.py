"""Guests as resources, of their rows and configurations: one that nothing changed of is the identical object again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from agents.proxmox import guests, wire
from agents.proxmox.guests import GuestExtras
from schemas.resources import Kind, Resource, SourceRef

KINDS = frozenset({Kind.VM, Kind.CONTAINER, Kind.TEMPLATE})
_LISTED = wire.GuestRow._fields.index("uptime")
"""What stands before it in a row is no figure."""
_BACKUP = "newest_backup_at"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the rest of the cluster is in a guest."""

    readable: frozenset[str]
    """Nodes that are online and answer: a guest on another one stays as it was."""
    states: Mapping[str, str] = field(default_factory=dict)
    """Guest (the id of its row) -> its status, where that is known better than from its row."""
    ha_wishes: Mapping[int, str] | None = None
    backups: Mapping[int, datetime | None] | None = None
    shared: frozenset[str] = frozenset()
    vnets: frozenset[str] = frozenset()
    tells_pools: bool = True
    """False: our rights do not let us see which pool a guest is in."""


class _Made(NamedTuple):
    inputs: tuple[object, ...]
    resource: Resource


def row_id(guest: Resource) -> str:
    """Return the id of the row that a guest was made of: it stays when a VM becomes a template."""
    return f"{guest.native_kind}/{guest.native_id}"


class GuestList:
    def __init__(self, source: SourceRef, last: Iterable[Resource]) -> None:
        self._source = source
        self._last = {row_id(one): one for one in last if one.kind in KINDS}
        self._made: dict[str, _Made] = {}

    def last(self, guest: str) -> Resource | None:
        """Return a guest as it was last made."""
        return self._last.get(guest)

    def make(
        self,
        row: wire.GuestRow,
        config: wire.GuestConfig | None,
        around: Surroundings,
        *,
        recreated: bool | None = None,
    ) -> Resource:
        last = self._last.get(row.id)
        if row.node not in around.readable:
            return last or self._bare(row)
        if not around.tells_pools and row.pool is None and last is not None:
            row = row._replace(pool=_pool(last))
        wish = _wish(last) if around.ha_wishes is None else around.ha_wishes.get(row.vmid)
        known, backup = newest_backup(last) if around.backups is None else _of(around.backups, row.vmid)
        state = around.states.get(row.id)
        inputs = (row[:_LISTED], config, state, wish, known, backup, around.shared, around.vnets)
        made = self._made.get(row.id)
        if made is not None and made.inputs == inputs and made.resource is last:
            return last
        extras = GuestExtras(
            last=last, recreated=recreated, live_status=state, ha_wish=wish, newest_backup_at=backup,
            backups_known=known, shared_storages=around.shared, vnets=around.vnets,
        )  # fmt: skip
        found = guests.guest(self._source, row, config, extras)
        if last is not None and found == last:
            found = last
        self._made[row.id] = _Made(inputs, found)
        return found

    def keep(self, listed: Mapping[str, Resource]) -> None:
        """Take note of what was listed, by the id of its row; all else is forgotten."""
        self._last = dict(listed)
        self._made = {one: made for one, made in self._made.items() if one in listed}

    def _bare(self, row: wire.GuestRow) -> Resource:
        return guests.guest(self._source, row, None, GuestExtras(node_online=False))


def _pool(last: Resource) -> str | None:
    pool = last.spec.get("pool")
    return pool if isinstance(pool, str) else None


def _wish(last: Resource | None) -> str | None:
    wish = last.spec.get("ha") if last is not None else None
    return wish if isinstance(wish, str) else None


def newest_backup(last: Resource | None) -> tuple[bool, datetime | None]:
    """Return whether a guest's newest backup was known, and when that was made."""
    if last is None or _BACKUP not in last.native:
        return False, None
    at = last.native[_BACKUP]
    return True, datetime.fromisoformat(at) if isinstance(at, str) else None


def _of(backups: Mapping[int, datetime | None], vmid: int) -> tuple[bool, datetime | None]:
    return vmid in backups, backups.get(vmid)
