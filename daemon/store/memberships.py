"""Who is in which pool: ``memberships_``, derived from the pools' selectors and their members by hand.

A row says that the pool itself has the key; pools above have it through their path.  What is gone keeps its pools: a
state that holds for a pool holds for what is missing from it, too.  One look at the inventory judges all pools at once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson

from daemon.store import pools, rows
from daemon.store.database import Connection
from daemon.store.views import resources
from schemas.pools import Pool, is_in

_NO_POOLS = (
    "SELECT 1 WHERE NOT exists(FROM pools_) AND NOT exists(FROM memberships_)"
    " AND NOT exists(FROM declarations_ WHERE kind = 'ResourcePool')"
)
_HAND = (
    'SELECT r.path, r.key FROM (SELECT unnest(from_json(?::JSON, \'[{"path": "VARCHAR", "key": "VARCHAR"}]\')) AS r)'
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A query for the (path, key) pairs there should be, and the condition for those there are."""

    sql: str
    parameters: list[object]
    only: str
    keys: list[object]


def is_stale(con: Connection, keys: Iterable[str] | None) -> bool:
    """Whether ``refresh`` would write something; for a reader, since most of the time it is nothing."""
    wanted = _wanted(con, keys)
    if wanted is None:
        return False
    found = con.execute(
        f"WITH new AS MATERIALIZED ({wanted.sql}),"
        f" old AS MATERIALIZED (SELECT path, key FROM memberships_ WHERE {wanted.only})"
        " SELECT 1 FROM ((FROM new EXCEPT FROM old) UNION ALL (FROM old EXCEPT FROM new)) LIMIT 1",
        [*wanted.parameters, *wanted.keys],
    ).fetchone()
    return found is not None


def refresh(con: Connection, keys: Iterable[str] | None) -> set[str]:
    """Bring the memberships of ``keys`` (None: of all) up to date; return the keys that changed their pools."""
    wanted = _wanted(con, keys)
    if wanted is None:
        return set()
    gone = con.execute(
        "DELETE FROM memberships_ AS m USING"
        f" (SELECT path, key FROM memberships_ WHERE {wanted.only} EXCEPT ({wanted.sql})) AS g"
        " WHERE m.path = g.path AND m.key = g.key RETURNING m.key",
        [*wanted.keys, *wanted.parameters],
    ).fetchall()
    come = con.execute(
        f"INSERT INTO memberships_ ({wanted.sql} EXCEPT SELECT path, key FROM memberships_) RETURNING key",
        wanted.parameters,
    ).fetchall()
    return {key for (key,) in (*gone, *come)}


def _wanted(con: Connection, keys: Iterable[str] | None) -> _Wanted | None:
    """None: there are no pools, or no keys, so nothing to do."""
    if con.execute(_NO_POOLS).fetchone():
        return None
    asked = None if keys is None else rows.texts(keys)
    if asked == "[]":
        return None
    only, own = ("true", []) if asked is None else (f"key IN {rows.IN_TEXTS}", list[object]([asked]))
    defined = pools.definitions(con)
    by_rule, parameters = _by_rule(defined, only)
    hand = orjson.dumps([{"path": pool.path, "key": key} for pool in defined.values() for key in pool.keys]).decode()
    sql = f"({by_rule} UNION SELECT path, key FROM ({_HAND}) WHERE {only})"
    return _Wanted(sql, [*parameters, *own, hand, *own], only, own)


def paths_of(con: Connection, keys: Iterable[str]) -> dict[str, set[str]]:
    """Return the pools that each of ``keys`` is in itself; the pools above are in the path.  None of it: no entry."""
    found = con.execute(
        f"SELECT key, path FROM memberships_ WHERE key IN {rows.IN_TEXTS}", [rows.texts(keys)]
    ).fetchall()
    paths: dict[str, set[str]] = {}
    for key, path in found:
        paths.setdefault(key, set()).add(path)
    return paths


def keys_of(con: Connection, paths: Iterable[str]) -> set[str]:
    """Return the keys in these pools and those below them, gone ones too."""
    found = con.execute(
        "SELECT DISTINCT m.key FROM memberships_ AS m"
        f" JOIN {rows.IN_TEXTS} AS w(path) ON m.path = w.path OR starts_with(m.path, w.path || '/')",
        [rows.texts(paths)],
    ).fetchall()
    return {key for (key,) in found}


def unmanaged_pools(con: Connection) -> set[str]:
    """Return the pools in which what nobody expects is a deviation; it is so in the pools below them, too."""
    return {path for (path,) in con.execute("SELECT path FROM pool_definitions_ WHERE unmanaged").fetchall()}


def _by_rule(defined: Mapping[str, Pool], only: str) -> tuple[str, list[object]]:
    """A query for (path, key) by all selectors at once; its parameters, less those of ``only``, which come last."""
    cases: list[str] = []
    parameters: list[object] = []
    derived = False
    for pool in defined.values():
        rule = _rule(pool, defined, ())
        if rule.terms:
            cases.append(f"CASE WHEN {rule.sql} THEN ? END")
            parameters += [*rule.parameters, pool.path]
            derived |= rule.derived
    if not cases:
        return f"SELECT '' AS path, '' AS key WHERE false AND {only}", []
    table = "resources" if derived else "inventory_"
    return (
        "SELECT path, key FROM (SELECT key, unnest([" + ", ".join(cases) + "]) AS path"
        f" FROM {table} WHERE {only}) WHERE path IS NOT NULL"
    ), parameters


def _rule(pool: Pool, defined: Mapping[str, Pool], within: tuple[str, ...]) -> resources.Condition:
    """What one pool's selectors mean; those of a pool they name are written out in place.

    A pool within its own rule means nobody: such a circle is refused where it is made.
    """
    made = resources.Condition()
    for selector in pool.selectors:
        one = resources.condition(selector.model_copy(update={"pool": None}), include_gone=True)
        if selector.pool is not None:
            named = [other for path, other in defined.items() if is_in(path, selector.pool)]
            inner = _any_of(_inside(named, defined, (*within, pool.path)))
            one.add(inner.sql if inner.terms else "false", *inner.parameters, derived=inner.derived)
        made.add(f"({one.sql})", *one.parameters, derived=one.derived)
    return _any_of([made])


def _inside(
    named: Iterable[Pool], defined: Mapping[str, Pool], within: tuple[str, ...]
) -> Iterator[resources.Condition]:
    for pool in named:
        if pool.path not in within:
            yield _rule(pool, defined, within)
            if pool.keys:
                hand = resources.Condition()
                hand.add(f"key IN {rows.IN_TEXTS}", rows.texts(pool.keys))
                yield hand


def _any_of(conditions: Iterable[resources.Condition]) -> resources.Condition:
    """At least one term of one of them holds."""
    made = resources.Condition()
    every = [one for one in conditions if one.terms]
    if every:
        made.terms = ["(" + " OR ".join(term for one in every for term in one.terms) + ")"]
        made.parameters = [parameter for one in every for parameter in one.parameters]
        made.derived = any(one.derived for one in every)
    return made
