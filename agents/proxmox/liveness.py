"""Asks the nodes whose broadcasts stand still, and for the status of their guests while they do."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import NamedTuple

from agents.errors import Malformed, Unreachable
from agents.proxmox import freshness, wire, wire_slow
from agents.proxmox.abreast import each
from agents.proxmox.client import Api
from agents.proxmox.freshness import Pulse, Verdict
from agents.proxmox.troubles import Denied
from daemon.runtime.clock import Clock


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

    async def look(self, rows: wire.ResourceRows) -> Live:
        now = self._clock.now()
        pulses = freshness.felt(self._pulses, rows.nodes, now)
        doubtful = freshness.doubtful(pulses, now)
        for node, uptime in zip(doubtful, await each(doubtful, self._uptime), strict=True):
            pulses[node] = freshness.judged(pulses[node], uptime, now)
        hung = sorted(node for node, pulse in pulses.items() if pulse.verdict is Verdict.HUNG)
        live: dict[str, str] = {}
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
        return Live(verdicts[Verdict.MUTE], verdicts[Verdict.HUNG], _kept(rows.guests, live) if live else {})

    async def _uptime(self, node: str) -> float | None:
        """Return how long it has been up; infinite where it answers and does not say: its guests' list decides."""
        try:
            uptime = (await self._api.one(f"nodes/{node}/status", wire_slow.NodeStatus)).uptime
        except Denied:
            return inf
        except (Unreachable, Malformed):
            return None
        return inf if uptime is None else uptime

    async def _states(self, node: str) -> dict[str, str] | None:
        found = {}
        try:
            for kind in ("qemu", "lxc"):
                for row in await self._api.rows(f"nodes/{node}/{kind}", wire.GuestState):
                    found[f"{kind}/{row.vmid}"] = row.state
        except (Unreachable, Malformed):
            return None
        return found


def _kept(rows: Iterable[wire.GuestRow], live: Mapping[str, str]) -> dict[str, str]:
    """A list of VMs calls running what is paused, too: there the broadcast knew more."""
    broadcast = {row.id: row.status for row in rows if row.id in live}
    return {
        guest: broadcast.get(guest, state)
        if state == "running" and broadcast.get(guest) not in ("stopped", "unknown")
        else state
        for guest, state in live.items()
    }
