"""What holds at a moment: operators' states that are in force, maintenance windows that are open.  Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from daemon.reconcile.matching import is_in
from schemas.manifests import MaintenanceWindow
from schemas.operator import OperatorState, State

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Standing:
    """``quiet`` says why deviations are not announced; empty: they are."""

    quiet: str = ""
    offline: bool = False
    retired: str = ""
    never_auto: bool = False


NOTHING = Standing()


def standing(states: Iterable[OperatorState], windows: Iterable[MaintenanceWindow], *, now: datetime) -> Standing:
    """Put together what holds for one resource or source at ``now``."""
    held = {one.state: one for one in states if is_in_force(one, now)}
    quiet = ""
    if (said := held.get(State.MAINTENANCE)) is not None:
        quiet = _told("maintenance", said.reason)
    else:
        for window in windows:
            if is_open(window, now):
                quiet = _told("maintenance window", window.reason)
                break
    retired = held.get(State.RETIRED)
    return Standing(
        quiet=quiet,
        offline=State.EXPECTED_OFFLINE in held,
        retired=_told("retired", retired.reason) if retired is not None else "",
        never_auto=State.NEVER_AUTO in held,
    )


def is_in_force(said: OperatorState, now: datetime) -> bool:
    return said.until_at is None or now < said.until_at


def meaning(states: Sequence[OperatorState], key: str, pools: Collection[str]) -> list[OperatorState]:
    """Return what is said of ``key``, of its source, or of a pool it is in; nearer words come later."""
    source = "/".join(key.split("/", 2)[:2])
    return [one for one in states if one.target in (key, source) or _is_of_pool(one.target, pools)]


def _is_of_pool(target: str, pools: Collection[str]) -> bool:
    return target.startswith("/") and any(is_in(path, target) for path in pools)


def is_open(window: MaintenanceWindow, now: datetime) -> bool:
    """Whether ``now`` is in the window.  It opens and closes once a day, also when clocks are set."""
    today = now.astimezone(ZoneInfo(window.timezone)).date()
    return any(_is_open_from(window, today - timedelta(days=ago), now) for ago in (0, 1))


def _is_open_from(window: MaintenanceWindow, day: date, now: datetime) -> bool:
    if window.days and _DAYS[day.weekday()] not in window.days:
        return False
    last = day if window.start < window.end else day + timedelta(days=1)
    zone = ZoneInfo(window.timezone)
    begins = _instant(day, window.start, zone, fold=0)
    ends = max(_instant(last, window.end, zone, fold=fold) for fold in (0, 1))
    return begins <= now < ends


def _instant(day: date, at: time, zone: ZoneInfo, *, fold: int) -> datetime:
    """A wall clock's time as a moment; what a clock shows twice is the first or, with ``fold``, the second of them."""
    return datetime.combine(day, at.replace(tzinfo=None), zone).replace(fold=fold).astimezone(UTC)


def _told(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what
