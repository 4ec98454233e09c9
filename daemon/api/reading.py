"""The questions that read the store.  Each is one visit of a reader; nothing here writes or waits."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import orjson

from daemon.api import unwell
from daemon.api.answers import Refused
from daemon.api.resolving import Meant, Resolver
from daemon.reconcile.severity import at_least
from daemon.runtime.clock import Clock
from daemon.store import deviations, expectations, operator_states
from daemon.store.database import Connection, Database
from daemon.store.views import health, history, relations, resources, sources
from schemas import queries as q
from schemas.answers import Provenance
from schemas.base import Message
from schemas.health import SourceHealth
from schemas.resources import Key

BYTES_FOR_ITEMS = 200_000
"""Of an answer; what does not fit goes to the next page."""
_STATES = 20
_SENTENCES = 5
_RAW_SPAN = timedelta(hours=6)
_5M_SPAN = timedelta(days=7)
_CURSOR_DIGITS = 18
_RAW_STEP = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reading:
    database: Database
    clock: Clock
    resolver: Resolver = field(default_factory=Resolver)

    async def overview(self, query: q.OverviewQuery) -> q.OverviewAnswer:
        return await self.database.read(lambda con: _overview(con, query, self.clock.now()))

    async def sources(self, query: q.SourcesQuery) -> q.SourcesAnswer:
        return await self.database.read(lambda con: _sources(con, query, self.clock.now()))

    async def resources(self, query: q.ResourcesQuery) -> q.ResourcesAnswer:
        return await self.database.read(lambda con: _resources(con, query, self.clock.now()))

    async def resource(self, query: q.ResourceQuery) -> q.ResourceAnswer:
        return await self.database.read(lambda con: _resource(con, query, self.clock.now(), self.resolver))

    async def relations(self, query: q.RelationsQuery) -> q.RelationsAnswer:
        return await self.database.read(lambda con: _relations(con, query, self.clock.now(), self.resolver))

    async def events(self, query: q.EventsQuery) -> q.EventsAnswer:
        return await self.database.read(lambda con: _events(con, query, self.clock.now(), self.resolver))

    async def deviations(self, query: q.DeviationsQuery) -> q.DeviationsAnswer:
        return await self.database.read(lambda con: _deviations(con, query, self.clock.now(), self.resolver))

    async def metrics(self, query: q.MetricsQuery) -> q.MetricsAnswer:
        return await self.database.read(lambda con: _metrics(con, query, self.clock.now(), self.resolver))


def _overview(con: Connection, query: q.OverviewQuery, now: datetime) -> q.OverviewAnswer:
    drawn_on = sources.provenance(con, None, None, now=now)
    open_now, quiet = history.open_by_severity(con), history.quiet_by_reason(con)
    return q.OverviewAnswer(
        as_of=now, sources=drawn_on, summary=summary(drawn_on, open_now, quiet), counts=sources.counts(con),
        open_deviations=open_now, quiet=quiet, expected=len(expectations.keys(con)),
        operator_states=tuple(operator_states.fetch(con, now=now)[:_STATES]),
        worst=tuple(history.found_deviations(con, q.DeviationsQuery(quiet=False), (), limit=10)),
        recent=tuple(history.events(con, q.EventsQuery(), limit=query.changes)), unwell=_unwell(con, now),
    )  # fmt: skip


def _unwell(con: Connection, now: datetime) -> dict[str, tuple[str, ...]]:
    found = health.health(con, None, None, now=now).items()
    told = {f"{provider}/{source}": unwell.sentences(one)[:_SENTENCES] for (provider, source), one in found}
    return {source: said for source, said in told.items() if said}


def summary(drawn_on: tuple[Provenance, ...], open_now: dict[str, int], quiet: dict[str, int]) -> str:
    """Is everything as it should be?  Pure, one or two sentences."""
    if not drawn_on:
        return "Nothing is watched yet."
    unread = [one.source for one in drawn_on if not one.complete and one.status != "new"]
    count = sum(open_now.values())
    worst = next((severity for severity, number in open_now.items() if number), "")
    if count:
        first = f"{count} open deviation{'s' * (count > 1)}, the worst {worst}."
    else:
        first = "Nothing differs from what is expected."
    if quiet:
        why = ", ".join(f"{number} {reason}" for reason, number in quiet.items())
        first = f"{first} Quiet for a reason: {why}."
    if unread:
        return f"{first} Not everything could be read: {', '.join(unread)}."
    return first


def _sources(con: Connection, query: q.SourcesQuery, now: datetime) -> q.SourcesAnswer:
    provider, source = source_of(query.provider, query.source)
    drawn_on = _drawn_on(con, provider, source, now)
    items = sources.sources(con, provider, source, now=now)
    found = health.health(con, provider, source, now=now)
    told = [_with_health(one, found.get((one.provider, one.source)), whole=source is not None) for one in items]
    return q.SourcesAnswer(as_of=now, sources=drawn_on, total=len(items), items=tuple(told))


def _with_health(row: q.SourceRow, found: SourceHealth | None, *, whole: bool) -> q.SourceRow:
    """What is not well is told of every source, the figures of the one that was asked for."""
    if found is None:
        return row
    return row.model_copy(update={"unwell": unwell.sentences(found), "health": found if whole else None})


def _resources(con: Connection, query: q.ResourcesQuery, now: datetime) -> q.ResourcesAnswer:
    columns = _columns(query.fields)
    provider, source = source_of(query.provider, query.source)
    query = query.model_copy(update={"provider": provider, "source": source})
    chosen = resources.condition(query, include_gone=query.include_gone)
    keys, total = resources.page(con, chosen, after=query.cursor, limit=query.limit + 1)
    more = len(keys) > query.limit
    rows = resources.fetch(con, keys[: query.limit], columns)
    fitting = _fitting(rows)
    more = more or fitting < len(rows)
    rows = rows[:fitting]
    hint = ""
    if more:
        hint = f"{len(rows)} of {total}: pass next_cursor as cursor for the next page, or narrow the selection"
    return q.ResourcesAnswer(
        as_of=now, sources=_drawn_on(con, provider, source, now), total=total, items=tuple(rows),
        next_cursor=keys[fitting - 1] if more and fitting else None, hint=hint,
    )  # fmt: skip


def _columns(asked: tuple[str, ...]) -> tuple[str, ...]:
    if not asked:
        return resources.USUAL
    if "*" in asked:
        return resources.ALL
    if unknown := [name for name in asked if name not in resources.ALL]:
        raise Refused("bad_query", f"no such field: {', '.join(unknown)}", candidates=resources.ALL)
    return tuple(dict.fromkeys(("key", *asked)))


def _fitting(rows: Sequence[Mapping[str, object] | Message]) -> int:
    """How many of the first rows fit into one answer; at least one."""
    size = 0
    for number, row in enumerate(rows):
        size += len(row.model_dump_json().encode() if isinstance(row, Message) else orjson.dumps(row))
        if size > BYTES_FOR_ITEMS:
            return max(1, number)
    return len(rows)


def _resource(con: Connection, query: q.ResourceQuery, now: datetime, resolver: Resolver) -> q.ResourceAnswer:
    meant = resolver.meant(con, query.key, cluster=query.cluster)
    key = meant.key
    row = resources.fetch(con, [key])[0]
    expected = expectations.fetch(con, [key]).get(key)
    part = Key.parse(key)
    return q.ResourceAnswer(
        as_of=now, sources=sources.provenance(con, part.provider, part.source, now=now),
        resource=q.ResourceRow.model_validate(row), deviations=tuple(deviations.still_open(con, [key])),
        expected={path: owned.value for path, owned in expected.fields.items()} if expected else None,
        events=tuple(history.events(con, q.EventsQuery(key=key), limit=query.events)), hint=meant.hint,
    )  # fmt: skip


def _meant(con: Connection, text: str | None, place: tuple[str | None, str | None], resolver: Resolver) -> Meant | None:
    """Accept a name where a key is asked for; a source (``<provider>/<name>``) may be meant, too."""
    if text is None:
        return None
    return Meant(text) if "/" in text else resolver.among(con, text, *place)


def _page_hint(shown: int, total: int, meant: Meant | None, *, more: bool) -> str:
    cut = f"{shown} of {total}: pass next_cursor as cursor for the next page" if more else ""
    return cut if meant is None else meant.with_hint(cut)


def _relations(con: Connection, query: q.RelationsQuery, now: datetime, resolver: Resolver) -> q.RelationsAnswer:
    meant = resolver.meant(con, query.key, cluster=query.cluster)
    key = meant.key
    part = Key.parse(key)
    edges = relations.edges(con, key, query.depth)
    full = len(edges) >= relations.MAX_EDGES
    return q.RelationsAnswer(
        as_of=now, sources=sources.provenance(con, part.provider, part.source, now=now), key=key, edges=tuple(edges),
        hint=meant.with_hint(f"only the first {relations.MAX_EDGES} edges: ask with a smaller depth" if full else ""),
    )  # fmt: skip


def _events(con: Connection, query: q.EventsQuery, now: datetime, resolver: Resolver) -> q.EventsAnswer:
    _cursor_number(query.cursor)
    provider, source = source_of(query.provider, query.source)
    meant = _meant(con, query.key, (provider, source), resolver)
    key = meant and meant.key
    query = query.model_copy(update={"provider": provider, "source": source, "key": key})
    found = history.events(con, query, limit=query.limit + 1)
    total = history.count_events(con, query)
    items = found[: _fitting(found[: query.limit])]
    more = len(found) > len(items)
    return q.EventsAnswer(
        as_of=now, sources=_drawn_on(con, provider, source, now), total=total, items=tuple(items),
        next_cursor=str(items[-1].seq) if more else None,
        hint=_page_hint(len(items), total, meant, more=more),
    )  # fmt: skip


def _deviations(con: Connection, query: q.DeviationsQuery, now: datetime, resolver: Resolver) -> q.DeviationsAnswer:
    passed = _cursor_number(query.cursor)
    provider, source = source_of(query.provider, query.source)
    meant = _meant(con, query.key, (provider, source), resolver)
    key = meant and meant.key
    query = query.model_copy(update={"provider": provider, "source": source, "key": key})
    severities = tuple(map(str, at_least(query.severity))) if query.severity else ()
    found = history.found_deviations(con, query, severities, limit=query.limit + 1)
    total = history.count_deviations(con, query, severities)
    items = found[: _fitting(found[: query.limit])]
    more = len(found) > len(items)
    return q.DeviationsAnswer(
        as_of=now, sources=_drawn_on(con, provider, source, now), total=total, items=tuple(items),
        next_cursor=str(passed + len(items)) if more else None,
        hint=_page_hint(len(items), total, meant, more=more),
    )  # fmt: skip


def _metrics(con: Connection, query: q.MetricsQuery, now: datetime, resolver: Resolver) -> q.MetricsAnswer:
    meant = resolver.meant(con, query.key, cluster=query.cluster)
    key = meant.key
    since, until = query.since or now - timedelta(hours=1), query.until or now
    if until <= since:
        raise Refused("bad_query", "until must be later than since")
    resolution = query.resolution
    if resolution == "auto":
        wide = until - since
        resolution = "raw" if wide <= _RAW_SPAN else "5m" if wide <= _5M_SPAN else "1h"
    least = {"raw": _RAW_STEP, "5m": timedelta(minutes=5), "1h": timedelta(hours=1)}[resolution]
    since -= (since - _EPOCH) % least
    step = least * max(1, math.ceil((until - since) / least / query.max_points))
    table = {"raw": "samples", "5m": "samples_5m", "1h": "samples_1h"}[resolution]
    found = history.series(con, key, query.metric, history.Span(since, until, table, step))
    part = Key.parse(key)
    return q.MetricsAnswer(
        as_of=now, sources=sources.provenance(con, part.provider, part.source, now=now), key=key, resolution=resolution,
        series=tuple(found), hint=meant.with_hint("" if found else "no samples in this time: widen since and until"),
    )  # fmt: skip


def _cursor_number(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _CURSOR_DIGITS):
        raise Refused("bad_query", "cursor: pass next_cursor of the page before, unchanged")
    return int(cursor)


def source_of(provider: str | None, source: str | None) -> tuple[str | None, str | None]:
    """Accept ``<provider>/<name>`` where a source's name is asked for."""
    if source is not None and "/" in source:
        first, _, name = source.partition("/")
        return provider or first, name
    return provider, source


def _drawn_on(con: Connection, provider: str | None, source: str | None, now: datetime) -> tuple[Provenance, ...]:
    """The sources of an answer; that one was asked for by a name nobody has is no empty answer."""
    found = sources.provenance(con, provider, source, now=now)
    if source is not None and not found:
        raise _no_source(con, source)
    return found


def _no_source(con: Connection, text: str) -> Refused:
    names = tuple(f"{provider}/{name}" for provider, name in sources.all_names(con))
    return Refused("not_found", f"no source is called {text!r}", candidates=names)
