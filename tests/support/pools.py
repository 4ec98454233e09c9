"""Who is in which pool, said a second time in plain Python: what the SQL of ``daemon.store.memberships`` must mean."""

from collections.abc import Mapping
from dataclasses import replace

from daemon.reconcile import matching
from daemon.reconcile.actual import Actual
from schemas.pools import Pool, is_in
from schemas.resources import Presence
from schemas.selectors import Selector


def own_paths(actual: Actual, defined: Mapping[str, Pool]) -> frozenset[str]:
    """Return the pools that have ``actual`` as their own member; those above have it through them.

    What is gone stays where it was: only a selector that asks for presence tells it apart.
    """
    standing = replace(actual, presence=Presence.PRESENT) if actual.presence is Presence.GONE else actual
    return frozenset(path for path, pool in defined.items() if _has(pool, actual, standing, defined, ()))


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
