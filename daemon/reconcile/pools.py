"""Pools as values: who is in them, what a change makes of them, and what may not be.  Pure.

``store.memberships`` says in SQL who is in which pool, for many at once; both mean the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from daemon.reconcile import matching
from daemon.reconcile.actual import Actual
from schemas.expected_queries import PoolChangeQuery
from schemas.manifests import PoolManifest
from schemas.pools import Pool, is_in
from schemas.resources import Presence
from schemas.selectors import Selector, parse


def own_paths(actual: Actual, defined: Mapping[str, Pool]) -> frozenset[str]:
    """Return the pools that have ``actual`` as their own member; those above have it through them.

    What is gone stays where it was: only a selector that asks for presence tells it apart.
    """
    standing = replace(actual, presence=Presence.PRESENT) if actual.presence is Presence.GONE else actual
    return frozenset(path for path, pool in defined.items() if _has(pool, actual, standing, defined, ()))


def moved(actuals: Iterable[Actual], defined: Mapping[str, Pool]) -> dict[str, frozenset[str]]:
    """Return key -> pools for those that are in other pools than ``actual.pools`` says."""
    found = {actual.key: (actual.pools, own_paths(actual, defined)) for actual in actuals}
    return {key: after for key, (before, after) in found.items() if before != after}


def _has(pool: Pool, actual: Actual, standing: Actual, defined: Mapping[str, Pool], within: tuple[str, ...]) -> bool:
    return actual.key in pool.keys or any(
        _means(selector, actual, standing, defined, (*within, pool.path)) for selector in pool.selectors
    )


def _means(
    selector: Selector, actual: Actual, standing: Actual, defined: Mapping[str, Pool], within: tuple[str, ...]
) -> bool:
    plain = selector.model_copy(update={"pool": None})
    return matching.matches(plain, standing if selector.presence is None else actual) and (
        selector.pool is None
        or any(
            _has(defined[path], actual, standing, defined, within)
            for path in defined
            if is_in(path, selector.pool) and path not in within
        )
    )


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
