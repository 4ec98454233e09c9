"""Answers about what should be, the care of deviations, and what operators say."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

from daemon.api.answers import Refused
from daemon.api.caring import act
from daemon.api.resolving import Resolver
from daemon.reconcile import declared, standing
from daemon.reconcile.loop import Reconciler
from daemon.runtime.clock import Clock
from daemon.store import declarations, expectations, memberships, operator_states
from daemon.store.database import Connection, Database, StoreUnavailable
from daemon.store.declarations import Declared
from daemon.store.views import resources, sources
from schemas import expected_queries as e
from schemas.manifests import ExpectationManifest, PolicyManifest, PoolManifest
from schemas.operator import OperatorState
from schemas.pools import checked
from schemas.resources import Key
from schemas.selectors import Selector

T = TypeVar("T")
_EVERY = 10_000_000


@dataclass(frozen=True, slots=True)
class Expecting:
    database: Database
    clock: Clock
    reconciler: Reconciler
    resolver: Resolver = field(default_factory=Resolver)

    async def expectations(self, query: e.ExpectationsQuery) -> e.ExpectationsAnswer:
        work = partial(_expectations, query=query, now=self.clock.now(), resolver=self.resolver)
        return await self.database.read(work)

    async def deviation_act(self, query: e.DeviationActQuery) -> e.DeviationActAnswer:
        now = self.clock.now()
        deviation = await self._write(partial(act, query=query, now=now))
        self.reconciler.mark(keys=[deviation.key])
        return e.DeviationActAnswer(as_of=now, deviation=deviation)

    async def operator_state(self, query: e.OperatorStateQuery) -> e.OperatorStateAnswer:
        now = self.clock.now()
        target, states = await self._write(partial(_say, query=query, now=now, resolver=self.resolver))
        self.reconciler.mark_target(target)
        return e.OperatorStateAnswer(as_of=now, states=tuple(states))

    async def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            return await self.database.write(work)
        except StoreUnavailable as error:
            raise Refused("unavailable", f"nothing was changed: {error}") from error


# --- expectations ----------------------------------------------------------------------------------------------------


def _expectations(
    con: Connection, query: e.ExpectationsQuery, now: datetime, resolver: Resolver
) -> e.ExpectationsAnswer:
    drawn_on = sources.provenance(con, None, None, now=now)
    states = tuple(operator_states.fetch(con, now=now))
    empty = e.ExpectationsAnswer(as_of=now, sources=drawn_on, total=0, operator_states=states)
    if query.of == "declarations":
        return _declarations(con, query, empty)
    return _of_keys(con, query, empty, _chosen(con, query.selector, resolver))


def _of_keys(
    con: Connection, query: e.ExpectationsQuery, empty: e.ExpectationsAnswer, keys: set[str]
) -> e.ExpectationsAnswer:
    if query.origin is not None:
        keys &= _of_origin(con, query.origin)
    left = sorted(key for key in keys if key > (query.cursor or ""))
    shown = left[: query.limit]
    found = expectations.fetch(con, shown)
    items = tuple(found[key] for key in shown)
    return empty.model_copy(update={"items": items, **_paged(len(keys), shown, more=len(left) > len(shown))})


def _chosen(con: Connection, selector: Selector, resolver: Resolver) -> set[str]:
    """The keys that something is expected of; what was never seen can be chosen by what its key says only."""
    expected = expectations.keys(con)
    if selector.is_empty:
        return expected
    selector = selector.model_copy(update={"keys": tuple(_named(con, text, resolver) for text in selector.keys)})
    chosen = resources.condition(selector, include_gone=True)
    keys = expected & set(resources.keys(con, chosen, limit=_EVERY))
    beyond = selector.model_dump(exclude_defaults=True).keys() - {"keys", "provider", "source", "kind"}
    if not beyond:
        keys |= {key for key in expected - keys if _says_so(selector, Key.parse(key))}
    return keys


def _named(con: Connection, text: str, resolver: Resolver) -> str:
    return text if expectations.fetch(con, [text]) else resolver.key(con, text)


def _says_so(selector: Selector, key: Key) -> bool:
    source = selector.source
    return (
        (not selector.keys or str(key) in selector.keys)
        and selector.provider in (None, key.provider)
        and selector.kind in (None, key.kind)
        and source in (None, key.source, f"{key.provider}/{key.source}")
    )


def _of_origin(con: Connection, origin: str) -> set[str]:
    """Return the keys that the declarations of one origin mean."""
    index = declared.index(declarations.fetch(con, origin=origin))
    return set(index.exact) | resources.meant(con, index.selectors).keys()


def _declarations(con: Connection, query: e.ExpectationsQuery, empty: e.ExpectationsAnswer) -> e.ExpectationsAnswer:
    every = declarations.fetch(con, origin=query.origin)
    if not query.selector.is_empty:
        wanted = set(resources.keys(con, resources.condition(query.selector, include_gone=True), limit=_EVERY))
        wanted |= set(query.selector.keys)
        every = [one for one in every if _meant(con, one) & wanted]
    left = [one for one in every if one.name > (query.cursor or "")]
    shown = left[: query.limit]
    page = _paged(len(every), [one.name for one in shown], more=len(left) > len(shown))
    return empty.model_copy(update={"declarations": tuple(_told(con, one) for one in shown), **page})


def _told(con: Connection, one: Declared) -> e.Declaration:
    spec = one.manifest.spec if isinstance(one.manifest, ExpectationManifest) else None
    return e.Declaration(
        name=one.name, origin=one.origin, place=e.Place(file=one.file, line=one.line), key=spec.key if spec else None,
        selector=str(spec.selector) if spec and spec.selector else None, matches=len(_meant(con, one)),
        manifest=one.manifest.model_dump(mode="json", by_alias=True, exclude_unset=True), applied_at=one.applied_at,
    )  # fmt: skip


def _meant(con: Connection, one: Declared) -> set[str]:
    """Return the keys that a declaration means now."""
    match one.manifest:
        case ExpectationManifest(spec=spec):
            if spec.key is not None:
                return {spec.key}
            return set(resources.meant(con, [spec.selector] if spec.selector else []))
        case PoolManifest(spec=pool):
            return memberships.keys_of(con, [pool.path])
        case PolicyManifest(spec=policy):
            return set(resources.meant(con, [policy.selector]))


def _paged(total: int, shown: list[str], *, more: bool) -> dict[str, object]:
    hint = f"{len(shown)} of {total}: pass next_cursor as cursor for the next page" if more else ""
    return {"total": total, "next_cursor": shown[-1] if more else None, "hint": hint}


# --- what operators say ----------------------------------------------------------------------------------------------


def _say(
    con: Connection, query: e.OperatorStateQuery, now: datetime, resolver: Resolver
) -> tuple[str, list[OperatorState]]:
    target = _target(con, query.target, query.cluster, resolver)
    if query.state is None:
        operator_states.clear(con, target)
    else:
        if query.until_at is not None and query.until_at <= now:
            raise Refused("bad_query", "until must be later than now")
        operator_states.put(
            con,
            OperatorState(
                target=target, state=query.state, until_at=query.until_at, reason=query.reason, set_by=query.by,
                set_at=now,
            ),
        )  # fmt: skip
    return target, [one for one in operator_states.fetch(con, now=now, target=target) if standing.is_in_force(one, now)]


def _target(con: Connection, text: str, cluster: str | None, resolver: Resolver) -> str:
    """Return the pool's path, source or key that ``text`` means; in a cluster only a resource.  Raises ``Refused``."""
    if cluster is not None:
        return resolver.key(con, text, cluster=cluster, intent="write")
    if text.startswith("/"):
        return _pool(text)
    names = [f"{provider}/{name}" for provider, name in sources.named(con, text)]
    if len(names) == 1:
        return names[0]
    if names:
        raise Refused("ambiguous", f"{len(names)} sources are called {text!r}", candidates=tuple(names))
    return text if expectations.fetch(con, [text]) else resolver.key(con, text, intent="write")


def _pool(path: str) -> str:
    try:
        return checked(path)
    except ValueError as error:
        raise Refused("bad_query", str(error)) from error
