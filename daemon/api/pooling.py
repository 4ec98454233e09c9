"""Answers about pools, and their changes by hand.  What a manifest declares is changed in the manifest."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from functools import partial

from daemon.api.answers import Refused
from daemon.api.resolving import Resolver
from daemon.reconcile import pools as deciding
from daemon.runtime.clock import Clock
from daemon.store import memberships, pools
from daemon.store.database import Connection, Database, StoreUnavailable
from daemon.store.views import pools as views
from daemon.store.views import sources
from schemas import expected_queries as e
from schemas.pools import Pool, checked

_SHOWN = 5
_Act = Callable[[Connection, e.PoolChangeQuery, dict[str, Pool]], tuple[str, ...]]


def _nobody(keys: Iterable[str]) -> None:
    """Nobody judges."""


@dataclass(frozen=True, slots=True)
class Pooling:
    """``moved`` hears of the keys that are in other pools now: they are to be judged again."""

    database: Database
    clock: Clock
    moved: Callable[[Iterable[str]], None] = _nobody
    resolver: Resolver = field(default_factory=Resolver)

    async def pools(self, query: e.PoolsQuery) -> e.PoolsAnswer:
        return await self.database.read(partial(_pools, query=query, now=self.clock.now()))

    async def pool_change(self, query: e.PoolChangeQuery) -> e.PoolChangeAnswer:
        try:
            work = partial(_change, query=query, now=self.clock.now(), resolver=self.resolver)
            answer, keys = await self.database.write(work)
        except StoreUnavailable as error:
            raise Refused("unavailable", f"nothing was changed: {error}") from error
        self.moved(keys)
        return answer


def _pools(con: Connection, query: e.PoolsQuery, now: datetime) -> e.PoolsAnswer:
    found = views.paths(con, query.path)
    if query.path is not None and query.path not in found:
        raise _no_pool(con, query.path)
    drawn_on = sources.provenance(con, None, None, now=now)
    if query.members:
        return _members(con, query, e.PoolsAnswer(as_of=now, sources=drawn_on, total=0, items=()))
    left = [path for path in found if path > (query.cursor or "")]
    shown = left[: query.limit]
    more = len(left) > len(shown)
    return e.PoolsAnswer(
        as_of=now, sources=drawn_on, total=len(found), items=tuple(views.fetch(con, shown, now=now)),
        next_cursor=shown[-1] if more else None,
        hint=f"{len(shown)} of {len(found)}: pass next_cursor as cursor for the next page" if more else "",
    )  # fmt: skip


def _members(con: Connection, query: e.PoolsQuery, empty: e.PoolsAnswer) -> e.PoolsAnswer:
    if query.path is None:
        raise Refused("bad_query", "members: say of which pool, in `path`")
    keys, total = views.members(con, query.path, after=query.cursor, limit=query.limit + 1)
    shown = keys[: query.limit]
    more = len(keys) > len(shown)
    pool = pools.definitions(con).get(query.path)
    hints = [f"{len(shown)} of {total} members: pass next_cursor as cursor for the next page"] if more else []
    if pool and (absent := views.absent(con, pool.keys)):
        hints.append(f"members by hand that are not there: {', '.join(absent[:_SHOWN])}")
    return empty.model_copy(
        update={
            "total": total,
            "items": tuple(views.fetch(con, [query.path], now=empty.as_of)),
            "members": tuple(shown),
            "next_cursor": shown[-1] if more else None,
            "hint": "; ".join(hints),
        }
    )


def _change(
    con: Connection, query: e.PoolChangeQuery, now: datetime, resolver: Resolver
) -> tuple[e.PoolChangeAnswer, set[str]]:
    acts: dict[str, _Act] = {
        "put": _put, "delete": _delete, "add": partial(_add, resolver=resolver),
        "remove": partial(_remove, resolver=resolver),
    }  # fmt: skip
    act = acts[query.act]
    defined = pools.definitions(con)
    pool = defined.get(query.path)
    if pool is not None and pool.manifest is not None:
        raise _declared(pool)
    changed = act(con, query, defined)
    moved = memberships.refresh(con, None) if changed else set()
    return e.PoolChangeAnswer(as_of=now, changed=changed, hint="" if changed else "it was so already"), moved


def _put(con: Connection, query: e.PoolChangeQuery, defined: dict[str, Pool]) -> tuple[str, ...]:
    if query.keys:
        raise Refused("bad_query", "keys: members by hand come and go with the acts add and remove")
    before = defined.get(query.path)
    try:
        checked(query.path)
        after = deciding.changed(before, query)
    except ValueError as error:  # BadSelector is one
        raise Refused("bad_query", f"{query.path}: {error}") from error
    if after == before:
        return ()
    if any(selector.is_empty for selector in after.selectors):
        raise Refused("bad_query", f"{query.path}: an empty selector would mean everything")
    if round_ := deciding.circle(defined | {query.path: after}):
        raise Refused("refused", f"the members would depend on themselves: {' -> '.join(round_)}")
    pools.put(con, after)
    return (query.path,)


def _delete(con: Connection, query: e.PoolChangeQuery, defined: dict[str, Pool]) -> tuple[str, ...]:
    _made_by_hand(con, query.path, defined)
    below = deciding.below(query.path, defined)
    if declared := next((path for path in below if defined[path].manifest), None):
        raise _declared(defined[declared])
    if full := views.full(con, below):
        raise Refused("refused", f"{query.path} has pools below it that are not empty", candidates=tuple(full[:_SHOWN]))
    gone = (query.path, *below)
    pools.delete(con, gone)
    return gone


def _add(con: Connection, query: e.PoolChangeQuery, defined: dict[str, Pool], resolver: Resolver) -> tuple[str, ...]:
    pool = defined.get(query.path)
    if pool is None:
        if query.path not in views.paths(con):
            raise _no_pool(con, query.path)
        pools.put(con, Pool(path=query.path))  # it stood above others, and now somebody says something of it
    keys = sorted({resolver.key(con, text, intent="write") for text in _some(query)} - set(pool.keys if pool else ()))
    pools.add(con, query.path, keys)
    return tuple(keys)


def _remove(con: Connection, query: e.PoolChangeQuery, defined: dict[str, Pool], resolver: Resolver) -> tuple[str, ...]:
    pool = _made_by_hand(con, query.path, defined)
    wanted = {text if text in pool.keys else resolver.key(con, text, intent="write") for text in _some(query)}
    keys = sorted(wanted & set(pool.keys))
    if others := wanted - set(keys):
        known = memberships.paths_of(con, others)
        by_rule = sorted(key for key in others if pool.path in known.get(key, ()))
        if by_rule:
            text = f"members of {pool.path} by its selectors: change those with put"
            raise Refused("refused", text, candidates=tuple(by_rule[:_SHOWN]))
    pools.remove(con, pool.path, keys)
    return tuple(keys)


def _some(query: e.PoolChangeQuery) -> tuple[str, ...]:
    if not query.keys:
        raise Refused("bad_query", f"{query.act}: say which resources, in `keys`")
    return query.keys


def _made_by_hand(con: Connection, path: str, defined: dict[str, Pool]) -> Pool:
    if path in defined:
        return defined[path]
    if path in (known := views.paths(con)):
        below = deciding.below(path, known)
        text = f"nobody made {path}: it is there because of the pools below it"
        raise Refused("refused", text, candidates=tuple(below[:_SHOWN]))
    raise _no_pool(con, path)


def _no_pool(con: Connection, path: str) -> Refused:
    known = views.paths(con)
    close = tuple(get_close_matches(path, known, n=_SHOWN, cutoff=0.4)) or tuple(known[:_SHOWN])
    return Refused("not_found", f"there is no pool {path}", candidates=close)


def _declared(pool: Pool) -> Refused:
    return Refused("refused", f"{pool.path} is declared in {pool.place}: change it there")
