"""Questions about resources: a selection turned into SQL, pages by key, and one resource whole."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from daemon.store import rows
from daemon.store.database import Connection
from daemon.store.inventory import instant
from schemas import globs
from schemas.queries import ResourceRow, ResourcesQuery
from schemas.selectors import Selector

USUAL = (
    "key", "provider", "source", "kind", "name", "status", "native_status", "health", "presence", "parent",
    "addresses", "cpu_cores", "memory_bytes", "observed_at", "changed_at", "managed", "drift",
)  # fmt: skip
ALL = tuple(ResourceRow.model_fields)
_TIMES = frozenset({"created_at", "first_seen_at", "observed_at", "changed_at"})
_JSONS = frozenset({"relations", "spec", "native", "labels"})
_OF_VIEW = frozenset({"presence", "observed_at", "managed", "drift"})
"""Columns that the view derives; all others stand in ``inventory_`` as they are."""


_SEARCH = "inventory_.search"
_SEARCH_OF_VIEW = "lower(concat_ws(' ', key, name, array_to_string(addresses, ' ')))"


@dataclass(slots=True)
class Condition:
    """What a selection means in SQL.  ``derived`` says whether the view's own columns are needed for it."""

    terms: list[str] = field(default_factory=list)
    parameters: list[object] = field(default_factory=list)
    derived: bool = False

    def add(self, term: str, *parameters: object, derived: bool = False) -> None:
        self.terms.append(term)
        self.parameters.extend(parameters)
        self.derived |= derived

    @property
    def sql(self) -> str:
        """Where the view is needed anyway, the text to search is put together from what it shows."""
        sql = " AND ".join(self.terms) or "true"
        return sql.replace(_SEARCH, _SEARCH_OF_VIEW) if self.derived else sql


def condition(selector: Selector, *, include_gone: bool = False) -> Condition:
    """Turn ``selector`` into SQL; all its conditions must hold.  ``reconcile.matching.matches`` says the same."""
    made = Condition()
    for name in ("provider", "kind", "status", "health", "parent"):
        value = getattr(selector, name)
        if value is not None:
            made.add(f"{name} = ?", str(value))
    if selector.keys:
        made.add(f"key IN {rows.IN_TEXTS}", rows.texts(selector.keys))
    _add_place(made, selector)
    if selector.name is not None:
        made.add("regexp_full_match(name, ?, 's')", globs.regex(selector.name))
    for label in selector.label:
        name, equals, value = label.partition("=")
        if equals:
            made.add("labels[?] = ?", name, value)
        else:
            made.add("list_contains(map_keys(labels), ?)", name)
    if selector.presence is not None:
        made.add("presence = ?", str(selector.presence), derived=True)
    elif not include_gone:
        made.add("presence <> 'gone'")
    if isinstance(selector, ResourcesQuery):
        _add_search(made, selector)
    return made


def _add_place(made: Condition, selector: Selector) -> None:
    if selector.source is not None:
        provider, slash, source = selector.source.rpartition("/")
        made.add("source = ?", source)
        if slash:
            made.add("provider = ?", provider)
    if selector.pool is not None:
        below = selector.pool.rstrip("/") + "/"
        made.add("key IN (SELECT key FROM memberships_ WHERE path = ? OR starts_with(path, ?))", selector.pool, below)


def _add_search(made: Condition, query: ResourcesQuery) -> None:
    if query.text:
        text = query.text.lower()
        made.add(f"contains({_SEARCH}, ?)", text)
    if query.managed is not None:
        made.add("managed = ?", query.managed, derived=True)
    if query.drifting is not None:
        made.add("(drift > 0) = ?", query.drifting, derived=True)


def page(con: Connection, chosen: Condition, *, after: str | None, limit: int) -> tuple[list[str], int]:
    """Return the first keys in order, behind ``after``, and how many there are in all: in one look at the table."""
    table = "resources" if chosen.derived else "inventory_"
    found = con.execute(
        f"WITH m AS MATERIALIZED (SELECT key FROM {table} WHERE {chosen.sql})"
        " SELECT total, key FROM (SELECT count(*) AS total FROM m)"
        " LEFT JOIN (SELECT key FROM m WHERE key > ? ORDER BY key LIMIT ?) ON true ORDER BY key",
        [*chosen.parameters, after or "", limit],
    ).fetchall()
    return [key for _, key in found if key is not None], found[0][0]


def keys(con: Connection, chosen: Condition, *, after: str | None = None, limit: int) -> list[str]:
    """Return the first keys in order, behind ``after``."""
    table = "resources" if chosen.derived else "inventory_"
    found = con.execute(
        f"SELECT key FROM {table} WHERE {chosen.sql} AND key > ? ORDER BY key LIMIT ?",
        [*chosen.parameters, after or "", limit],
    ).fetchall()
    return [key for (key,) in found]


_AT_ONCE = 100
_NAMED = 100


def meant(con: Connection, selectors: Sequence[Selector]) -> dict[str, list[int]]:
    """Return key -> the places in ``selectors`` of those that mean it: many of them in one look at the table."""
    found: dict[str, list[int]] = {}
    for first in range(0, len(selectors), _AT_ONCE):
        chosen = [condition(one) for one in selectors[first : first + _AT_ONCE]]
        cases = [f"CASE WHEN {one.sql} THEN {first + place} END" for place, one in enumerate(chosen)]
        table = "resources" if any(one.derived for one in chosen) else "inventory_"
        rows_found = con.execute(
            f"SELECT key, place FROM (SELECT key, unnest([{', '.join(cases)}]) AS place FROM {table})"
            " WHERE place IS NOT NULL",
            [parameter for one in chosen for parameter in one.parameters],
        ).fetchall()
        for key, place in rows_found:
            found.setdefault(key, []).append(place)
    return found


def fetch(con: Connection, wanted: Sequence[str], columns: Sequence[str] = ALL) -> list[dict[str, Any]]:
    """Return these columns of these keys, in the order of the keys."""
    if not wanted:
        return []
    select = ", ".join(_readable(name) for name in columns)
    found = con.execute(
        f"SELECT {select} FROM resources WHERE key IN {rows.IN_TEXTS} ORDER BY key", [rows.texts(wanted)]
    ).fetchall()
    return [{name: _value(name, value) for name, value in zip(columns, row, strict=True)} for row in found]


def named(con: Connection, text: str, place: tuple[str, str] | None = None) -> list[str]:
    """Return the keys that ``text`` may mean: a key, else a name, else the end of a key; present ones first.

    A number is as much an id as a name.  ``place`` is the provider and source to look in; None: everywhere.
    """
    name = "(name = $1 OR native_id = $1)" if text.isdecimal() else "name = $1"
    where = "" if place is None else " AND provider = $2 AND source = $3"
    for term in ("key = $1", name, "native_id = $1", "ends_with(key, '/' || $1)"):
        found = con.execute(
            f"SELECT key, presence FROM inventory_ WHERE {term}{where} ORDER BY presence = 'gone', key LIMIT {_NAMED}",
            [text, *(place or ())],
        ).fetchall()
        present = [key for key, presence in found if presence != "gone"]
        if found:
            return present or [key for key, _ in found]
    return []


def alike(con: Connection, text: str, limit: int = 5) -> list[str]:
    """Return keys whose name looks like ``text``: what was perhaps meant."""
    found = con.execute(
        "SELECT key FROM inventory_ WHERE presence <> 'gone'"
        " ORDER BY jaro_winkler_similarity(lower(name), lower(?)) DESC, key LIMIT ?",
        [text.rpartition("/")[2], limit],
    ).fetchall()
    return [key for (key,) in found]


def _readable(name: str) -> str:
    if name in _TIMES:
        return f"epoch_us({name})"
    return f"to_json({name})" if name == "labels" else name


def _value(name: str, value: Any) -> Any:  # noqa: ANN401 - a cell
    if name in _TIMES:
        moment = instant(value)
        return moment.isoformat().replace("+00:00", "Z") if moment else None
    return orjson.loads(value) if name in _JSONS else value
