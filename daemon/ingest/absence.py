"""What a complete scan says about what it does not have.  Pure.

Missing once is suspect, missing in the next complete scan too is gone.  What the provider itself reported as removed is
gone with the first complete scan that lacks it.  When much vanishes at once, nothing moves: rather a listing is wrong.
What a gap of the scan hides is not judged at all: neither missing now nor, if it was missing before, missing twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from daemon.store.inventory import Known
from schemas.events import Gap, Trouble
from schemas.resources import Key, Presence

FREE_LOSS = 3
FREE_LOSS_RATIO = 0.1
HELD_SCANS = 3
"""The third scan in a row that lacks them is believed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    suspect: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    returned: frozenset[str] = frozenset()
    disagreeing: frozenset[str] = frozenset()
    """Keys whose content the store does not have: the source is asked to say it again."""
    hidden: Mapping[str, str] = field(default_factory=dict)
    """Key -> the presence that a gap gives it."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """The same of those that it gave another or none before; empty: none hides it any more."""
    missing: int = 0
    held: bool = False


def judge(
    known: Mapping[str, Known],
    manifest: Mapping[str, str],
    *,
    held_scans: int,
    released: bool,
    gaps: Sequence[Gap] = (),
) -> Verdict:
    """Compare what the store knows of a scope (tombstones left out) with the manifest of a complete scan of it."""
    unlisted = known.keys() - manifest.keys()
    reported = {key for key in unlisted if known[key].reported}
    hidden = _hidden(known, unlisted - reported, gaps)
    absent = unlisted - hidden.keys()
    fresh = {key for key in absent if known[key].presence == "present"}
    visible = known.keys() - hidden.keys() if hidden else known.keys()
    had = sum(not known[key].reported for key in visible) if fresh else 0
    held = not released and held_scans + 1 < HELD_SCANS and _too_much(len(fresh), had, is_empty=not manifest)
    missed_before = absent - fresh
    return Verdict(
        suspect=frozenset() if held else frozenset(fresh),
        gone=frozenset(reported if held else missed_before),
        returned=frozenset(key for key, row in known.items() if key in manifest and row.presence == "suspect"),
        disagreeing=frozenset(key for key, hashed in manifest.items() if key not in known or known[key].hash != hashed),
        hidden=hidden,
        moved=_moved(known, hidden, waiting=fresh if held else frozenset()),
        missing=len(absent),
        held=held,
    )


def _too_much(lost: int, had: int, *, is_empty: bool) -> bool:
    return lost > 0 and (is_empty or lost > max(FREE_LOSS, FREE_LOSS_RATIO * had))


def _hidden(known: Mapping[str, Known], absent: Iterable[str], gaps: Sequence[Gap]) -> dict[str, str]:
    """Key -> the presence of what a gap, the first that does, hides."""
    hiding = [(gap, frozenset(gap.keys), _presence(gap)) for gap in gaps if gap.hides]
    found: dict[str, str] = {}
    for key in absent if hiding else ():
        kind, parent = Key.parse(key).kind, known[key].parent
        for gap, keys, presence in hiding:
            if (kind in gap.kinds or key in keys) and gap.parent in (None, parent):
                found[key] = presence
                break
    return found


def _presence(gap: Gap) -> str:
    return str(Presence.INELIGIBLE if gap.trouble is Trouble.UNAUTHORIZED else Presence.UNKNOWN)


def _moved(known: Mapping[str, Known], hidden: Mapping[str, str], *, waiting: AbstractSet[str]) -> dict[str, str]:
    """What is hidden otherwise than before; what a held scan lacks stays as it is."""
    before = {key: row.hidden for key, row in known.items() if row.hidden}
    over = dict.fromkeys(before.keys() - hidden.keys() - waiting, "")
    return over | {key: presence for key, presence in hidden.items() if before.get(key) != presence}
