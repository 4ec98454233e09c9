"""Is what a node broadcasts still true?

Its pvestatd sends all figures every ten seconds.  When it hangs (a dead NFS share is enough) the node stays online and
its last words stand: an uptime that does not run on is the sign, and only the node itself can say whether it is one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from agents.proxmox import wire

PATIENCE = timedelta(seconds=45)
_SLACK_SECONDS = 20.0
"""A live uptime this much ahead of the broadcast one is still the same word: it is sent every ten seconds."""

_STARTS_IN_SECONDS = 60.0


class Verdict(StrEnum):
    FRESH = "fresh"
    HUNG = "hung"
    """the node answers, its pvestatd says nothing: ask the node for the status of its guests"""
    MUTE = "mute"
    """nor does the node itself answer: nothing is known"""


@dataclass(frozen=True, slots=True)
class Pulse:
    uptime: float | None
    """As broadcast; None while nothing is, though the cluster has the node among its members."""
    since: datetime
    """When it was first seen so, or last looked into."""
    verdict: Verdict = Verdict.FRESH


def felt(before: Mapping[str, Pulse], rows: Iterable[wire.NodeRow], now: datetime) -> dict[str, Pulse]:
    """Return the pulse of each node that is online; one whose figures we may not see has none."""
    found = {}
    for row in rows:
        if row.status not in ("online", "unknown") or (row.status == "online" and row.uptime is None):
            continue
        uptime, old = (row.uptime if row.status == "online" else None), before.get(row.node)
        if old is None or (old.uptime != uptime and not (uptime is None and old.verdict is not Verdict.FRESH)):
            old = Pulse(uptime, now)  # its last word is forgotten after five minutes: that is none
        found[row.node] = replace(old, since=min(old.since, now))
    return found


def doubtful(pulses: Mapping[str, Pulse], now: datetime) -> list[str]:
    """Return the nodes to be asked for their live uptime now."""
    return sorted(node for node, pulse in pulses.items() if _is_doubtful(pulse, now))


def _is_doubtful(pulse: Pulse, now: datetime) -> bool:
    """One that hangs answers for itself; one that is mute is not waited for each time."""
    if pulse.verdict is Verdict.HUNG:
        return False
    at_once = pulse.uptime is None and pulse.verdict is Verdict.FRESH
    return at_once or now - pulse.since > PATIENCE


def judged(pulse: Pulse, live: float | None, now: datetime) -> Pulse:
    """Return the pulse of a doubtful node that says it has been up for ``live`` seconds (None: it did not answer).

    One that has just started is only about to speak.
    """
    if live is None:
        return replace(pulse, verdict=Verdict.MUTE, since=now)
    lives = live <= _STARTS_IN_SECONDS if pulse.uptime is None else abs(live - pulse.uptime) <= _SLACK_SECONDS
    return replace(pulse, verdict=Verdict.FRESH if lives else Verdict.HUNG, since=now)
