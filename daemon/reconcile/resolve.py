"""What is expected of one resource, from everything that is said of it.  Pure.

All declarations that mean it count, whether they name its key or select it.  Where two of them say different things
nobody is believed: that path is not judged and the contradiction is told.  What is declared goes before what was
adopted, path by path: an adopted ``spec`` stays whole but for a declared ``spec.image`` in it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from pydantic import JsonValue

from daemon.reconcile.diff import PRESENCE, is_within, split
from daemon.reconcile.standing import Standing
from daemon.store.adopted import Adopted
from daemon.store.declarations import Declared
from schemas import paths
from schemas.expectations import (
    Criticality,
    Expectation,
    ExpectedField,
    ExpectedPresence,
    Owner,
    Remediation,
)
from schemas.manifests import ExpectationManifest, ExpectationSpec, Metadata, PolicySpec

T = TypeVar("T")
_CRITICALITY = tuple(Criticality)
_REMEDIATION = tuple(Remediation)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """``one`` and ``other`` are ``file:line``."""

    path: str
    one: str
    other: str
    values: tuple[JsonValue, JsonValue] = (None, None)

    def __str__(self) -> str:
        return f"{self.path}: {self.one} says {self.values[0]!r}, {self.other} says {self.values[1]!r}"


@dataclass(frozen=True, slots=True)
class _Said:
    value: JsonValue
    place: str


def resolve(
    key: str,
    declared: Sequence[Declared],
    adopted: Adopted | None,
    *,
    policies: Sequence[PolicySpec] = (),
    held: Standing,
    now: datetime,
) -> Expectation | None:
    """Return what is expected of ``key``, or None where nobody expects anything or it is retired."""
    if held.retired or not (declared or adopted):
        return None
    ordered = _ordered(declared)
    said, found = merged(ordered)
    specs = [spec for spec, _ in map(_parts, ordered)]
    metadata = [about for _, about in map(_parts, ordered)]
    presence = said.pop(PRESENCE, None)
    fields = _fields(said, adopted)
    ages = [spec.max_backup_age for spec in specs if spec.max_backup_age is not None]
    ignore = {path for spec in specs for path in spec.ignore} | {path for rule in policies for path in rule.ignore}
    return Expectation(
        key=key,
        presence=ExpectedPresence(str(presence.value)) if presence else ExpectedPresence.PRESENT,
        fields=fields,
        criticality=_highest(_CRITICALITY, (spec.criticality for spec in specs), Criticality.MEDIUM),
        remediation=_highest(_REMEDIATION, (spec.remediation for spec in specs), Remediation.OBSERVE),
        ignore=tuple(sorted(ignore | {one.path for one in found})),
        file=ordered[0].place if ordered else None,
        owner=next((about.owner for about in metadata if about.owner), ""),
        cost_center=next((about.cost_center for about in metadata if about.cost_center), ""),
        max_backup_age_seconds=min(ages).total_seconds() if ages else None,
        never_auto=held.never_auto,
        contradictions=tuple(map(str, found)),
        since=now,
    )


def merged(declared: Sequence[Declared]) -> tuple[dict[str, _Said], list[Contradiction]]:
    """Return what all of ``declared`` say together, without the paths on which they disagree."""
    said: dict[str, _Said] = {}
    found: dict[str, Contradiction] = {}
    for one in declared:
        for path, value in says(one):
            before = said.setdefault(path, _Said(value, one.place))
            if not _agree(before.value, value):
                found.setdefault(path, Contradiction(path, before.place, one.place, (before.value, value)))
    for path, mine in said.items():
        for above, wider in said.items():
            if path != above and is_within(path, above):
                value = _inside(wider.value, path, above)
                if not _agree(value, mine.value):
                    found.setdefault(path, Contradiction(path, wider.place, mine.place, (value, mine.value)))
    return {path: one for path, one in said.items() if path not in found}, list(found.values())


def says(declared: Declared) -> Iterator[tuple[str, JsonValue]]:
    """What an expectation says itself, path by path; what it leaves open is said by nobody."""
    if not isinstance(declared.manifest, ExpectationManifest):
        return
    spec = declared.manifest.spec
    if "presence" in spec.model_fields_set:
        yield PRESENCE, str(spec.presence)
    if spec.status is not None:
        yield "status", str(spec.status)
    for path, value in spec.fields.items():
        yield _plain(path), value


def who_says(declared: Iterable[Declared], path: str) -> list[str]:
    """Return the places of those that say something at, in or above ``path``."""
    return [
        one.place
        for one in _ordered(declared)
        if any(is_within(path, said) or is_within(said, path) for said, _ in says(one))
    ]


def _ordered(declared: Iterable[Declared]) -> list[Declared]:
    """Those that name a key first, then by name."""
    return sorted(declared, key=lambda one: (_parts(one)[0].key is None, one.name))


def _parts(declared: Declared) -> tuple[ExpectationSpec, Metadata]:
    assert isinstance(declared.manifest, ExpectationManifest)  # noqa: S101 - the caller's choice
    return declared.manifest.spec, declared.manifest.metadata


def _fields(said: dict[str, _Said], adopted: Adopted | None) -> dict[str, ExpectedField]:
    made = dict(adopted.fields) if adopted is not None else {}
    for path, one in said.items():
        for below in [other for other in made if is_within(other, path)]:
            del made[below]
        made[path] = ExpectedField(value=one.value, owner=Owner.DECLARED)
    return {path: made[path] for path in sorted(made)}


def _inside(value: JsonValue, path: str, above: str) -> JsonValue:
    for name in split(path)[len(split(above)) :]:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _agree(one: JsonValue, other: JsonValue) -> bool:
    return one == other or next(paths.differing(one, other), None) is None


@lru_cache(maxsize=16384)
def _plain(path: str) -> str:
    """The one way to write a path."""
    return paths.joined(split(path)) if _is_path(path) else path


def _is_path(path: str) -> bool:
    try:
        paths.split(path)
    except paths.BadPath:
        return False
    return True


def _highest(order: Sequence[T], said: Iterable[T | None], usual: T) -> T:
    return max((one for one in said if one is not None), key=order.index, default=usual)
