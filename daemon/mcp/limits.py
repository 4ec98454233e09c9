"""Answers fit an agent's window: at most ``LIMIT`` bytes of JSON, and what was cut says how to ask for less.

A page is asked for again with fewer entries, so that its cursor goes on exactly where it was cut.  Everything else
loses the ends of its lists, the least telling list first.  Nothing is cut without a hint.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, Self, TypeVar

import orjson
from pydantic import JsonValue

from daemon.mcp import declaring
from schemas import expected_queries as e
from schemas import queries as q
from schemas.base import Message

LIMIT = 64 * 1024
HINT_BYTES = 400
ROOM = 0.9
TRIES = 4
LISTS: dict[type[Message], tuple[str, ...]] = {
    q.OverviewAnswer: ("recent", "worst", "operator_states", "counts"),
    q.SourcesAnswer: ("items",),
    q.ResourcesAnswer: ("items",),
    q.EventsAnswer: ("items",),
    q.DeviationsAnswer: ("items",),
    e.PoolsAnswer: ("members", "items"),
    declaring.ExpectedStateAnswer: ("done", "warnings"),
    q.ResourceAnswer: ("events", "deviations"),
    q.RelationsAnswer: ("edges",),
    q.MetricsAnswer: ("series",),
    q.SqlAnswer: ("rows",),
}
"""The lists of an answer that may lose their ends, in this order."""
NARROW: dict[type[Message], str] = {
    q.OverviewAnswer: "see list_sources and list_deviations",
    q.SourcesAnswer: "name a provider or source",
    q.ResourcesAnswer: "name fewer `fields` or filter more",
    q.EventsAnswer: "filter by key, kind or time",
    q.DeviationsAnswer: "filter by key, type or severity",
    e.PoolsAnswer: "name a `path`, or a smaller `limit`",
    declaring.ExpectedStateAnswer: "it was done whole: list_events with side=expected lists it",
    q.ResourceAnswer: "use list_events and list_deviations with this key, or query_sql for one field",
    q.RelationsAnswer: "use a smaller depth",
    q.MetricsAnswer: "name one metric, or fewer points",
    q.SqlAnswer: "aggregate, select fewer columns, or use LIMIT and OFFSET",
}
CLIPS = ((2000, 200), (400, 60), (100, 40))
"""Longest text and longest list in what a single entry holds: tried one after the other."""

Fields = dict[str, JsonValue]


class Limited(Protocol):
    @property
    def limit(self) -> int: ...
    def model_copy(self, *, update: dict[str, int] | None = None) -> Self: ...


QueryT = TypeVar("QueryT", bound=Limited)
PageT = TypeVar("PageT", q.ResourcesAnswer, q.EventsAnswer, q.DeviationsAnswer, e.PoolsAnswer)


async def page(ask: Callable[[QueryT], Awaitable[PageT]], query: QueryT) -> Fields:
    """Ask for a page, and for a shorter one as long as it is too large."""
    answer = await ask(query)
    asked, kept = len(answer.items), query.limit
    fields = answer.model_dump(mode="json")
    for _ in range(TRIES):
        size = _size(fields)
        if size <= LIMIT - HINT_BYTES or len(answer.items) <= 1:
            break
        kept = max(1, int(len(answer.items) * LIMIT / size * ROOM))
        answer = await ask(query.model_copy(update={"limit": kept}))
        fields = answer.model_dump(mode="json")
    if len(answer.items) < asked:
        how = NARROW[type(answer)]
        _hint(fields, f"cut to {len(answer.items)} entries to fit: go on with `cursor`, or {how}")
    return fit(fields, type(answer))


def fit(fields: Fields, model: type[Message]) -> Fields:
    """Return ``fields`` of an answer cut to size, with a hint where something was cut."""
    lost: list[str] = []
    for name in LISTS.get(model, ()):
        entries = fields.get(name)
        if (excess := _size(fields) - (LIMIT - HINT_BYTES)) <= 0:
            break
        if isinstance(entries, list) and len(entries) > 1 and (kept := _fitting(entries, excess)) < len(entries):
            lost.append(f"{name} cut to {kept} of {len(entries)}")
            fields = fields | {name: entries[:kept]}
    long = fields
    for characters, count in CLIPS:
        if _size(fields) <= LIMIT - HINT_BYTES:
            break
        fields = {name: _clipped(part, characters, count) for name, part in long.items()}
    if fields is not long:
        lost.append("long texts and lists in it cut")
    if lost:
        _hint(fields, f"too large: {'; '.join(lost)}: {NARROW.get(model, 'ask for less')}")
        if "truncated" in fields:
            fields["truncated"] = True
    return fields


def text(fields: Fields) -> str:
    return orjson.dumps(fields).decode()


def _size(fields: Fields) -> int:
    return len(orjson.dumps(fields))


def _fitting(entries: list[JsonValue], excess: int) -> int:
    """How many entries, from the first, may stay so that at least ``excess`` bytes go; one always does."""
    kept = len(entries)
    while kept > 1 and excess > 0:
        kept -= 1
        excess -= len(orjson.dumps(entries[kept])) + 1
    return kept


def _clipped(value: JsonValue, characters: int, count: int) -> JsonValue:
    match value:
        case str() if len(value) > characters:
            return f"{value[:characters]}... ({len(value)} characters)"
        case list():
            return [_clipped(part, characters, count) for part in value[:count]]
        case dict():
            return {name: _clipped(part, characters, count) for name, part in list(value.items())[:count]}
    return value


def _hint(fields: Fields, hint: str) -> None:
    before = fields.get("hint")
    fields["hint"] = f"{before}; {hint}" if before else hint
