"""Pools as values: what a manifest or a change makes of them, and what may not be.  Pure."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from schemas.expected_queries import PoolChangeQuery
from schemas.manifests import PoolManifest
from schemas.pools import Pool, is_in
from schemas.selectors import parse


def of_manifest(manifest: PoolManifest, *, name: str, place: str) -> Pool:
    """The pool that a manifest declares; ``name`` is the declaration's."""
    spec = manifest.spec
    return Pool(
        path=spec.path, type=spec.type, description=manifest.metadata.description, properties=spec.properties,
        selectors=spec.members, keys=spec.keys, unmanaged=spec.unmanaged, manifest=name, place=place,
    )  # fmt: skip


def circle(defined: Mapping[str, Pool]) -> tuple[str, ...]:
    """Return the paths of pools whose selectors lead back to themselves, the first also last; empty: there are none."""
    named = {
        path: {
            other
            for selector in pool.selectors
            if selector.pool is not None
            for other in defined
            if is_in(other, selector.pool)
        }
        for path, pool in defined.items()
    }
    own = next((path for path in sorted(named) if path in named[path]), None)
    if own is not None:
        return own, own
    try:
        TopologicalSorter(named).prepare()
    except CycleError as error:
        round_ = [*reversed(error.args[1])][1:]
        first = round_.index(min(round_))
        return (*round_[first:], *round_[: first + 1])
    return ()


def changed(pool: Pool | None, query: PoolChangeQuery) -> Pool:
    """Return the pool as ``put`` wants it; what was not said stays.  Raises ``BadSelector``."""
    before = pool or Pool(path=query.path)
    properties = before.properties | (query.properties or {})
    said: dict[str, object] = {
        "properties": {name: value for name, value in properties.items() if value is not None},
    }
    if query.selectors is not None:
        said["selectors"] = tuple(parse(text) for text in query.selectors)
    for name in ("type", "description", "unmanaged"):
        if (value := getattr(query, name)) is not None:
            said[name] = value
    return before.model_copy(update=said)


def below(path: str, paths: Iterable[str]) -> list[str]:
    return sorted(other for other in paths if other != path and is_in(other, path))
