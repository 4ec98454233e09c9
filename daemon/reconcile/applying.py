"""What applying documents would do to what is declared.  Pure: current declarations and documents in, a plan out.

With any fault nothing is to be done.  Two expectations that say different things about one field of one resource are
such a fault; what follows by selector is judged by what the selectors mean now.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import combinations, islice
from typing import Literal

from pydantic import JsonValue

from daemon.reconcile import manifests
from daemon.reconcile.pools import circle, of_manifest
from daemon.store.declarations import Declared
from schemas import paths
from schemas.base import content_hash
from schemas.expected_queries import Applied, Document, Fault, Place
from schemas.manifests import ExpectationManifest, PolicyManifest, PoolManifest
from schemas.selectors import Selector

FOLDER = "folder:"
"""What the origin of a watched folder begins with."""
MAX_WARNINGS = 100
Names = tuple[str, ...]
New = Sequence[tuple[Declared, Document]]
Change = Literal["created", "changed", "unchanged", "withdrawn"]
Matching = Mapping[str, Collection[str]]
"""The text of a selector -> the keys it means now."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A declaration says ``value`` at a path; ``at`` is where in the document."""

    path: Names
    value: JsonValue
    at: str


@dataclass(slots=True)
class Plan:
    """``put`` and ``withdrawn`` are for the store; ``applied`` tells of every document and what was withdrawn."""

    put: list[Declared] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        """Whether something else is expected afterwards."""
        return any(one.change != "unchanged" for one in self.applied)


def read(documents: Iterable[Document], origin: str, now: datetime) -> tuple[New, list[Fault]]:
    """Check documents again, wherever they come from, and return what they declare."""
    made: list[tuple[Declared, Document]] = []
    faults: list[Fault] = []
    for document in documents:
        _, complained = manifests.examined(document.manifest)
        for path, words in complained:
            line = document.lines.get(".".join(map(str, path)), document.place.line)
            place = document.place.model_copy(update={"line": line})
            faults.append(Fault(place=place, path=".".join(map(str, path)), text=words))
        if not complained:
            made.append((_declared(document, document.origin or origin, now), document))
    faults += manifests.doubles(document for _, document in made)
    return made, faults


def selectors(declared: Declared) -> tuple[Selector, ...]:
    """What a declaration means, where it does not name keys."""
    match declared.manifest:
        case ExpectationManifest(spec=spec):
            return (spec.selector,) if spec.selector is not None else ()
        case PoolManifest(spec=pool):
            return pool.members
        case PolicyManifest(spec=policy):
            return () if policy.selector.is_empty else (policy.selector,)


def plan(
    current: Mapping[str, Declared],
    new: New,
    *,
    origin: str,
    prune: bool,
    matching: Matching,
    known: Collection[str],
) -> Plan:
    """Decide what becomes of each document; ``known`` are the keys that are in the inventory."""
    made = Plan()
    after = dict(current)
    if prune:
        kept = {declared.name for declared, _ in new}
        made.withdrawn = sorted(name for name, one in current.items() if one.origin == origin and name not in kept)
        for name in made.withdrawn:
            del after[name]
    for declared, document in new:
        before = current.get(declared.name)
        change: Change = "created" if before is None else "unchanged" if before.hash == declared.hash else "changed"
        matches = len(_keys(declared, matching, known))
        made.applied.append(Applied(name=declared.name, change=change, matches=matches, place=document.place))
        _settle(made, after, before, declared)
    made.applied += [Applied(name=name, change="withdrawn", place=_place(current[name])) for name in made.withdrawn]
    changed = {one.name for one in made.applied if one.change in {"created", "changed"}}
    documents = {declared.name: document for declared, document in new}
    made.faults += _contradictions(after, changed, documents, matching)
    made.faults += _doubled_pools(after, changed, documents)
    made.faults += _circling_pools(after, changed, documents)
    made.warnings += islice(_idle(new, matching, known), MAX_WARNINGS)
    return made


def _settle(made: Plan, after: dict[str, Declared], before: Declared | None, declared: Declared) -> None:
    if before is None or before.hash != declared.hash:
        if before is not None and _belongs_elsewhere(before, declared):
            made.faults.append(_elsewhere(before, declared))
            return
        after[declared.name] = declared
        made.put.append(declared)
    elif not _belongs_elsewhere(before, declared):
        moved = replace(declared, applied_at=before.applied_at)
        if moved != before:
            after[moved.name] = moved
            made.put.append(moved)


# --- one declaration -------------------------------------------------------------------------------------------------


def _declared(document: Document, origin: str, now: datetime) -> Declared:
    manifest = manifests.declared(document.manifest)
    said = manifest.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return Declared(
        name=manifests.name_of(document), kind=manifest.kind, origin=origin, file=document.place.file,
        line=document.place.line, manifest=manifest, hash=content_hash(said), applied_at=now,
    )  # fmt: skip


def _belongs_elsewhere(before: Declared, declared: Declared) -> bool:
    """What a watched folder says is changed there."""
    return before.origin.startswith(FOLDER) and before.origin != declared.origin


def _elsewhere(before: Declared, declared: Declared) -> Fault:
    text = f"{declared.name} is declared in {before.place}, in a folder that is watched: change it there"
    return Fault(place=_place(declared), path="metadata.name", text=text)


def _place(declared: Declared) -> Place:
    return Place(file=declared.file, line=declared.line)


def _keys(declared: Declared, matching: Matching, known: Collection[str]) -> set[str]:
    """What of the inventory a declaration means."""
    found = {key for selector in selectors(declared) for key in matching.get(str(selector), ())}
    match declared.manifest:
        case ExpectationManifest(spec=spec) if spec.key is not None and spec.key in known:
            found.add(spec.key)
        case PoolManifest(spec=pool):
            found |= {key for key in pool.keys if key in known}
    return found


def _idle(new: New, matching: Matching, known: Collection[str]) -> Iterator[Fault]:
    """Yield a warning for what means nothing now; a pool that is new has no members yet."""
    pools = any(isinstance(declared.manifest, PoolManifest) for declared, _ in new)
    for declared, document in new:
        for selector in selectors(declared):
            if not matching.get(str(selector)) and not (pools and selector.pool):
                yield _warning(document, "spec.selector", "matches nothing now; it is kept")
        match declared.manifest:
            case ExpectationManifest(spec=spec) if spec.key is not None and spec.key not in known:
                if spec.presence == "present":
                    yield _warning(document, "spec.key", "no resource has had this key yet; it is kept")


def _warning(document: Document, path: str, text: str) -> Fault:
    line = document.lines.get(path, document.place.line)
    return Fault(place=document.place.model_copy(update={"line": line}), path=path, text=text)


# --- contradictions --------------------------------------------------------------------------------------------------


def _contradictions(
    after: Mapping[str, Declared], changed: Collection[str], documents: Mapping[str, Document], matching: Matching
) -> Iterator[Fault]:
    """Yield a fault for each two expectations that disagree, of which one is ``changed``."""
    meant: dict[str, set[str]] = {}
    for name, declared in after.items():
        if isinstance(declared.manifest, ExpectationManifest):
            spec = declared.manifest.spec
            for key in (spec.key,) if spec.key is not None else matching.get(str(spec.selector), ()):
                meant.setdefault(key, set()).add(name)
    example: dict[tuple[str, str], str] = {}
    seen: set[tuple[str, ...]] = set()
    for key in sorted(meant):
        names = tuple(sorted(meant[key]))
        if len(names) > 1 and names not in seen:
            seen.add(names)
            for pair in combinations(names, 2):
                if pair[0] in changed or pair[1] in changed:
                    example.setdefault(pair, key)
    for (one, other), key in example.items():
        if one not in changed or (other in changed and _is_before(documents[one], documents[other])):
            one, other = other, one  # noqa: PLW2901 - told at what is new, and of two at the later
        yield from _disagreeing(after[one], after[other], documents, key)


def _is_before(one: Document, other: Document) -> bool:
    return (one.place.file, one.place.line) < (other.place.file, other.place.line)


def _disagreeing(one: Declared, other: Declared, documents: Mapping[str, Document], key: str) -> Iterator[Fault]:
    theirs = list(_statements(other))
    for mine in _statements(one):
        for their in theirs:
            if not _agree(mine, their):
                here, there = _at(one, documents, mine.at), _at(other, documents, their.at)
                place = str(there) or other.origin
                text = f"{other.name} in {place} says otherwise of {key}: one of them must leave it open"
                yield Fault(place=here, path=mine.at, text=text)
                break


def _at(declared: Declared, documents: Mapping[str, Document], path: str) -> Place:
    document = documents.get(declared.name)
    line = document.lines.get(path, declared.line) if document is not None else declared.line
    return Place(file=declared.file, line=line)


def _statements(declared: Declared) -> Iterator[Statement]:
    """What an expectation says itself; what is left open is said by nobody."""
    if not isinstance(declared.manifest, ExpectationManifest):
        return
    spec = declared.manifest.spec
    if "presence" in spec.model_fields_set:
        yield Statement(("presence",), spec.presence, "spec.presence")
    if spec.status is not None:
        yield Statement(("status",), spec.status, "spec.status")
    for path, value in spec.fields.items():
        yield Statement(paths.split(path), value, f"spec.fields.{path}")


def _agree(one: Statement, other: Statement) -> bool:
    """Whether both can hold: one path may lie inside the other."""
    shorter, longer = sorted((one, other), key=lambda statement: len(statement.path))
    if longer.path[: len(shorter.path)] != shorter.path:
        return True
    value: JsonValue = shorter.value
    for name in longer.path[len(shorter.path) :]:
        value = value.get(name) if isinstance(value, dict) else None
    return next(paths.differing(value, longer.value), None) is None


def _doubled_pools(
    after: Mapping[str, Declared], changed: Collection[str], documents: Mapping[str, Document]
) -> Iterator[Fault]:
    first: dict[str, Declared] = {}
    for name in sorted(after, key=lambda name: name in changed):
        declared = after[name]
        if isinstance(declared.manifest, PoolManifest):
            path = declared.manifest.spec.path
            if path in first and name in changed:
                text = f"{first[path].name} in {_place(first[path]) or first[path].origin} is this pool already"
                yield Fault(place=_at(declared, documents, "spec.path"), path="spec.path", text=text)
            first.setdefault(path, declared)


def _circling_pools(
    after: Mapping[str, Declared], changed: Collection[str], documents: Mapping[str, Document]
) -> Iterator[Fault]:
    """Find pools whose members would depend on themselves."""
    pools = [
        of_manifest(one.manifest, name=one.name, place=one.place)
        for one in after.values()
        if isinstance(one.manifest, PoolManifest)
    ]
    defined = {pool.path: pool for pool in pools}
    round_ = circle(defined)
    told = next((name for path in round_ if (name := defined[path].manifest) in changed), None)
    if told is not None:
        text = f"the members depend on themselves: {' -> '.join(round_)}"
        yield Fault(place=_at(after[told], documents, "spec.members"), path="spec.members", text=text)
