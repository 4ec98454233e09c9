"""What a complete scan says about what it does not have.  Pure.

Missing once is suspect, missing in the next complete scan too is gone.  What the provider itself reported as removed is
gone with the first complete scan that lacks it.  When much vanishes at once, nothing moves: rather a listing is wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from daemon.store.inventory import Known

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
    missing: int = 0
    held: bool = False


def judge(known: Mapping[str, Known], manifest: Mapping[str, str], *, held_scans: int, released: bool) -> Verdict:
    """Compare what the store knows of a scope (tombstones left out) with the manifest of a complete scan of it."""
    absent = known.keys() - manifest.keys()
    fresh = {key for key in absent if known[key].presence == "present"}
    reported = {key for key in absent if known[key].reported}
    held = not released and held_scans + 1 < HELD_SCANS and _too_much(known, manifest, fresh)
    missed_before = absent - fresh
    return Verdict(
        suspect=frozenset() if held else frozenset(fresh),
        gone=frozenset(reported if held else missed_before),
        returned=frozenset(key for key, row in known.items() if key in manifest and row.presence == "suspect"),
        disagreeing=frozenset(key for key, hashed in manifest.items() if key not in known or known[key].hash != hashed),
        missing=len(absent),
        held=held,
    )


def _too_much(known: Mapping[str, Known], manifest: Mapping[str, str], lost: set[str]) -> bool:
    if not lost:
        return False
    had = sum(not row.reported for row in known.values())
    return not manifest or len(lost) > max(FREE_LOSS, FREE_LOSS_RATIO * had)
