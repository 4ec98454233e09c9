"""Asks the nodes whose broadcasts stand still, and for the status of their guests while they do.

In full: without it a list of VMs says running of all that have a process, of one that is paused, too.  A round of QMP
is what pvestatd would make itself if it did not hang.
"""

from collections.abc import Iterable, Mapping
from math import inf
from typing import NamedTuple

from agents.errors import Malformed, Unreachable
from agents.proxmox import freshness, wire, wire_slow
from agents.proxmox.abreast import each
from agents.proxmox.client import Api
from agents.proxmox.freshness import Pulse, Verdict
from agents.proxmox.guest_list import KINDS as GUESTS
from agents.proxmox.guest_list import row_id
from agents.proxmox.troubles import Denied
from daemon.runtime.clock import Clock
from schemas.resources import Resource

_PLAIN = ("running", "stopped", "unknown", "")
"""Words that no list says less than."""


class Live(NamedTuple):
    """What of the rows is not to be believed."""

    mute: frozenset[str] = frozenset()
    """Nodes of which nothing is known, though they are members of the cluster."""
    hung: frozenset[str] = frozenset()
    """Nodes whose own word goes before their broadcasts."""
    states: Mapping[str, str] = {}
    """Guest (the id of its row) -> status, as a hung node itself says."""


class Liveness:
    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._pulses: dict[str, Pulse] = {}

    async def look(self, rows: wire.ResourceRows, published: Iterable[Resource]) -> Live:
        """``published``: as they were last seen to be."""
        now = self._clock.now()
        pulses = freshness.felt(self._pulses, rows.nodes, now)
        doubtful = freshness.doubtful(pulses, now)
        for node, uptime in zip(doubtful, await each(doubtful, self._uptime), strict=True):
            pulses[node] = freshness.judged(pulses[node], uptime, now)
        hung = sorted(node for node, pulse in pulses.items() if pulse.verdict is Verdict.HUNG)
        live: dict[str, wire.GuestState] = {}
        for node, states in zip(hung, await each(hung, self._states), strict=True):
            if states is None:
                pulses[node] = freshness.judged(pulses[node], None, now)
            else:
                live |= states
        self._pulses = pulses
        verdicts = {
            verdict: frozenset(node for node, pulse in pulses.items() if pulse.verdict is verdict)
            for verdict in Verdict
        }
        return Live(verdicts[Verdict.MUTE], verdicts[Verdict.HUNG], _words(live, published) if live else {})

    async def _uptime(self, node: str) -> float | None:
        """Return how long it has been up; infinite where it answers and does not say: its guests' list decides."""
        try:
            uptime = (await self._api.one(f"nodes/{node}/status", wire_slow.NodeStatus)).uptime
        except Denied:
            return inf
        except (Unreachable, Malformed):
            return None
        return inf if uptime is None else uptime

    async def _states(self, node: str) -> dict[str, wire.GuestState] | None:
        try:
            containers = await self._api.rows(f"nodes/{node}/lxc", wire.GuestState)
            machines = await self._machines(f"nodes/{node}/qemu")
        except (Unreachable, Malformed):
            return None
        found = {f"qemu/{row.vmid}": row for row in machines}
        return found | {f"lxc/{row.vmid}": row for row in containers}

    async def _machines(self, path: str) -> list[wire.GuestState]:
        try:
            return await self._api.rows(path, wire.GuestState, full=1)
        except (Unreachable, Malformed):
            return await self._api.rows(path, wire.GuestState)


def _words(live: Mapping[str, wire.GuestState], published: Iterable[Resource]) -> dict[str, str]:
    """Where a list only says that a guest runs, what was known of that before is not contradicted."""
    brief = {guest for guest, row in live.items() if row.status == "running" and not row.qmpstatus}
    known = {row_id(one): one.native_status for one in published if one.kind in GUESTS} if brief else {}
    return {
        guest: known[guest] if guest in brief and known.get(guest, "") not in _PLAIN else row.state
        for guest, row in live.items()
    }
