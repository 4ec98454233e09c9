"""The graph: parents, children, and what uses what, both ways."""

from collections.abc import Iterable

from daemon.store import rows
from daemon.store.database import Connection
from schemas.queries import RelationEdge

MAX_EDGES = 500
_EDGES = (
    "SELECT key AS from_key, 'part_of' AS type, parent AS to_key FROM inventory_"
    " WHERE parent IS NOT NULL AND presence <> 'gone'"
    " UNION ALL"
    " SELECT key, r->>'type', r->>'key' FROM (SELECT key, unnest(relations::JSON[]) AS r FROM inventory_"
    " WHERE presence <> 'gone' AND relations::VARCHAR <> '[]')"
)


def edges(con: Connection, key: str, depth: int) -> list[RelationEdge]:
    """Return the edges within ``depth`` steps of ``key``, each once."""
    reached, found = {key}, dict[tuple[str, str, str], None]()
    frontier = {key}
    for _ in range(depth):
        step = _around(con, frontier)
        found |= dict.fromkeys(step)
        frontier = {end for edge in step for end in (edge[0], edge[2])} - reached
        reached |= frontier
        if not frontier or len(found) >= MAX_EDGES:
            break
    return _described(con, list(found)[:MAX_EDGES], key)


def _around(con: Connection, keys: Iterable[str]) -> list[tuple[str, str, str]]:
    wanted = rows.texts(keys)
    return con.execute(
        f"WITH wanted AS MATERIALIZED (SELECT unnest(from_json(?::JSON, '[\"VARCHAR\"]')) AS key), e AS ({_EDGES})"
        " SELECT from_key, type, to_key FROM e WHERE from_key IN (FROM wanted) OR to_key IN (FROM wanted) ORDER BY ALL",
        [wanted],
    ).fetchall()


def _described(con: Connection, found: list[tuple[str, str, str]], centre: str) -> list[RelationEdge]:
    """Add name and state of each edge's far end."""
    far = {edge: edge[2] if edge[0] == centre else edge[0] for edge in found}
    states = {
        key: rest
        for key, *rest in con.execute(
            f"SELECT key, name, status, presence FROM resources WHERE key IN {rows.IN_TEXTS}",
            [rows.texts(far.values())],
        ).fetchall()
    }
    made = []
    for edge in found:
        name, status, presence = states.get(far[edge], ("", "", ""))
        made.append(
            RelationEdge(from_key=edge[0], type=edge[1], to_key=edge[2], name=name, status=status, presence=presence)
        )
    return made
