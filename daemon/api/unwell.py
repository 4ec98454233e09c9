"""What is not well in a source, in sentences, worst first; nothing at all where all is well.  Pure."""

from collections.abc import Iterable, Iterator

from schemas.health import FULL, MOST_NAMED, STALE_DAYS, Machine, Named, SourceHealth
from schemas.resources import Health, Key, Kind, Presence, Status

MOST = 10
"""Sentences of a source."""
_NAMES = 3
_GUESTS = (Kind.VM, Kind.CONTAINER)


def sentences(health: SourceHealth) -> tuple[str, ...]:
    """Return ten at most; the figures in ``health`` tell of all."""
    said = [*_machines(health), *_guests(health), *_resources(health), *_storages(health), *_backups(health)]
    if len(health.versions) > 1:
        said.append(f"nodes run different versions: {', '.join(f'{v} ({n})' for v, n in health.versions.items())}")
    return tuple(said if len(said) <= MOST else [*said[: MOST - 1], f"and {len(said) - MOST + 1} more like these"])


def _machines(health: SourceHealth) -> Iterator[str]:
    ill = [one for one in health.machines if one.presence is Presence.PRESENT and _how(one)]
    for one in sorted(ill, key=lambda one: (one.status is Status.RUNNING, one.health is not Health.FAILING)):
        how = _how(one)
        word = f" ({one.native_status})" if one.native_status not in ("", how) and how != Health.DEGRADED else ""
        yield f"{one.kind} {one.name} is {how}{word}"


def _how(one: Machine) -> str:
    if one.status is not Status.RUNNING:
        return str(one.status)
    return str(one.health) if one.health in (Health.FAILING, Health.DEGRADED) else ""


def _guests(health: SourceHealth) -> Iterator[str]:
    """Of guests nobody knows whether they run; of other things their own source says that it cannot be read."""
    for one in health.kinds:
        if one.kind in _GUESTS and one.unknown:
            yield f"{one.unknown} of {one.total} {one.kind}s: unknown"


def _resources(health: SourceHealth) -> Iterator[str]:
    groups: dict[tuple[str, str], list[Named]] = {}
    for one in health.unwell:
        how = str(one.health) if one.health in (Health.FAILING, Health.DEGRADED) else str(one.status)
        groups.setdefault((how, one.kind), []).append(one)
    for (how, kind), those in groups.items():
        yield f"{how} {kind}: {_named(those, len(those) if len(health.unwell) < MOST_NAMED else None)}"


def _storages(health: SourceHealth) -> Iterator[str]:
    for one in health.storages:
        if one.used_ratio > FULL:
            yield f"storage {one.name} is {one.used_ratio:.0%} full"


def _backups(health: SourceHealth) -> Iterator[str]:
    told = health.backups
    if told is None:
        return
    if told.without:
        yield f"without any backup: {_named(told.named_without, told.without)}"
    if told.stale:
        yield f"without a backup in the last {STALE_DAYS} days: {_named(told.named_stale, told.stale)}"


def _named(those: Iterable[Named], count: int | None) -> str:
    """Name a few; ``count`` is how many there are, None where that is not known."""
    names = [one.name or Key.parse(one.key).native_id for one in those]
    rest = " and others" if count is None else f" and {count - _NAMES} more" if count > _NAMES else ""
    return ", ".join(names[:_NAMES]) + rest
