"""The scope ``resources``: guests, nodes, storages and pools, of one listing and as few questions more as can be.

A steady reading asks three things: the listing, what happened, and one configuration.  What cannot be read stays as
it was last known, and is named; what is not listed any more is looked into before it is left out.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from agents.errors import AgentError, Throttled, Unauthorized
from agents.proxmox import carriers, gaps, rights, storages, wire
from agents.proxmox.guest_list import KINDS as GUESTS
from agents.proxmox.guest_list import Surroundings, row_id
from agents.proxmox.guests_scan import Found, GuestsScan
from agents.proxmox.liveness import Live, Liveness
from agents.proxmox.memory import LISTED, Listing, Memory
from agents.proxmox.past import Past
from agents.proxmox.rights import Rights
from agents.proxmox.vanished import Vanished
from schemas.events import Gap, Trouble
from schemas.resources import Kind, Resource

SCOPE: Final = "resources"


class ResourcesScan:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._past = Past(memory.api, memory.clock, memory.sampled_at)
        self._liveness = Liveness(memory.api, memory.clock)
        self._guests = GuestsScan(memory)
        self._vanished = Vanished(memory.api, memory.config.token_id)
        self._shared: frozenset[str] = frozenset()

    async def read(self) -> Listing:
        memory = self._memory
        looked_up, in_doubt = memory.permissions.due, memory.permissions.doubted
        allowed = await memory.permissions.current()
        rows = await memory.listed()
        if not looked_up and _is_reduced(rows, memory, allowed):
            allowed, looked_up, in_doubt = await memory.permissions.anew(), True, True
        news = partial(self._past.news, allowed)
        self._guests.note(await news(), rows)
        live = await self._liveness.look(rows, memory.published.values())
        readable = frozenset(row.node for row in rows.nodes if row.status != "offline") - live.mute
        more = self._past.asked_more or (looked_up and not in_doubt)
        sweep = 0 if more else memory.config.sweep
        found = await self._guests.read(rows, readable, news, sweep=sweep)
        rows = found.rows
        memory.silent = live.mute | self._guests.silent.intersection(row.node for row in rows.guests)
        memory.facts.doubt(rows)
        guests = await self._guests.make(rows, self._surroundings(rows, live, readable, allowed))
        rest = await self._carriers(rows, live, allowed)
        listed = {one.key: one for one in (*guests.values(), *rest)}
        online = {row.node for row in rows.nodes if row.status == "online"} - live.mute
        allowed = await self._settle(listed, guests, online, allowed, looked_up=looked_up)
        covered = rights.gaps(allowed, LISTED, memory.config)
        hidden = [*covered, *self._vanished.gaps(covered)]
        untold = [*self._past.gaps, *_of_nodes(live), *_of_configs(found)]
        return Listing(list(memory.published.values()), gaps.fitting([*hidden, *untold]))

    def _surroundings(
        self, rows: wire.ResourceRows, live: Live, readable: frozenset[str], allowed: Rights
    ) -> Surroundings:
        memory, shared = self._memory, storages.shared(rows.storages)
        self._shared = self._shared if shared == self._shared else shared
        return Surroundings(
            readable=readable,
            states=_states(rows, live, memory),
            ha_wishes=memory.ha_wishes,
            backups=memory.backups,
            shared=self._shared,
            vnets=memory.facts.vnets,
            tells_pools=allowed.everywhere("/pool", "Pool.Audit"),
        )

    async def _carriers(self, rows: wire.ResourceRows, live: Live, allowed: Rights) -> list[Resource]:
        """A storage that is not listed any more may have been disabled, which only its definition tells."""
        memory = self._memory
        found = carriers.of(memory, rows, live, allowed)
        before = {key for key, one in memory.published.items() if one.kind is Kind.STORAGE}
        if before <= {one.key for one in found}:
            return found
        try:
            await memory.facts.read_definitions()
        except (Throttled, Unauthorized):
            raise
        except AgentError:
            return found
        return carriers.of(memory, rows, live, allowed)

    async def _settle(
        self,
        listed: dict[str, Resource],
        guests: Mapping[str, Resource],
        online: set[str],
        allowed: Rights,
        *,
        looked_up: bool,
    ) -> Rights:
        """Find out about what is not listed any more, take note of what is left, and return the rights of now."""
        memory, vanished = self._memory, self._vanished
        before = {**memory.published, **vanished.missing}
        unlisted = {key: one for key, one in before.items() if key not in listed and one.kind is not Kind.NODE}
        converted = [one for one in unlisted.values() if one.kind in GUESTS and row_id(one) in guests]
        destroyed = self._guests.destroyed(unlisted.values())
        memory.destroyed.update(int(one.native_id) for one in destroyed)
        told = {one.key: one for one in (*converted, *destroyed)}
        if told:  # before the next question, so that it is known when this reading ends
            memory.hint(SCOPE, removed=told.values())
        names = {one.name for one in listed.values() if one.kind is Kind.STORAGE}
        missing = {
            key: one
            for key, one in unlisted.items()
            if key not in told and not (one.kind is Kind.STORAGE and one.name in names)  # rights are by its name
        }
        if not looked_up and (missing.keys() - vanished.missing.keys() or vanished.missing.keys() & listed.keys()):
            allowed, looked_up = await memory.permissions.anew(), True
        await vanished.look(missing, allowed, online=online, anew=looked_up)
        gone = [one for key, one in unlisted.items() if key not in vanished.missing and one.kind in GUESTS]
        hidden = [one for one in vanished.missing.values() if one.kind in GUESTS]
        self._guests.settle(guests, gone, hidden)
        memory.hidden = frozenset(int(one.native_id) for one in hidden)
        memory.hidden_storages = frozenset(key for key, one in vanished.missing.items() if one.kind is Kind.STORAGE)
        there = {one.key: one for one in vanished.there}
        memory.published = {**listed, **there}
        return allowed


def _is_reduced(rows: wire.ResourceRows, memory: Memory, allowed: Rights) -> bool:
    """Say whether rows lack what they had and what the rights, as last looked up, let us see."""
    pools = {one.native_id for one in memory.published.values() if one.kind is Kind.POOL}
    return not pools <= {row.pool for row in rows.pools} or any(
        row.status == "online" and row.maxcpu is None and allowed.has(f"/nodes/{row.node}", "Sys.Audit")
        for row in rows.nodes
    )


def _states(rows: wire.ResourceRows, live: Live, memory: Memory) -> dict[str, str]:
    """Return what is known better than from the rows, where it differs from them."""
    found = dict(live.states)
    if memory.pushed is not None:
        for row in rows.guests:
            pushed = memory.pushed(row.vmid)
            if pushed is not None and pushed.node == row.node:
                found[row.id] = pushed.status
    return {row.id: found[row.id] for row in rows.guests if found.get(row.id, row.status) != row.status}


def _of_nodes(live: Live) -> Iterator[Gap]:
    for node in sorted(live.hung):
        yield Gap(
            trouble=Trouble.UNREACHABLE,
            detail=f"pvestatd of {node} hangs (often for a storage that does not answer): its figures stand still, and"
            " the status of its guests is what the node itself says; see systemctl status pvestatd there",
        )
    for node in sorted(live.mute):
        yield Gap(
            trouble=Trouble.UNREACHABLE,
            detail=f"{node} is a member of the cluster and does not answer: its guests are shown as last known",
        )


def _of_configs(found: Found) -> Iterator[Gap]:
    nodes = {row.id: row.node for row in found.rows.guests} if found.failed else {}
    return gaps.of_guests("the configuration of {} is shown as last known", found.failed, nodes)
