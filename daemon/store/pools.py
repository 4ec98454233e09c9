"""Pools as people define them: by hand (``pools_``, ``pool_members_``) or by manifest (``declarations_``)."""

from collections.abc import Iterable
from functools import lru_cache

import orjson

from daemon.store import rows
from daemon.store.database import Connection
from schemas.manifests import PoolSpec
from schemas.pools import Pool

_COLUMNS = {
    "path": "VARCHAR",
    "type": "VARCHAR",
    "description": "VARCHAR",
    "properties": "JSON",
    "selectors": "JSON",
    "unmanaged": "BOOLEAN",
}
_SELECT = "SELECT path, type, description, properties, selectors, keys, unmanaged, manifest, place"


def definitions(con: Connection) -> dict[str, Pool]:
    """Return what counts for each path that somebody defines, in the order of the paths."""
    found = con.execute(f"{_SELECT} FROM pool_definitions_ ORDER BY path").fetchall()
    return {row[0]: _pool(*row) for row in found}


@lru_cache(maxsize=4096)
def _pool(  # noqa: PLR0917 - a row
    path: str, type_: str, description: str, properties: str, told: str, keys: str, unmanaged: bool,
    manifest: str | None, place: str,
) -> Pool:  # fmt: skip
    spec = PoolSpec(path=path, members=orjson.loads(told))
    return Pool(
        path=path, type=type_, description=description, properties=orjson.loads(properties), selectors=spec.members,
        keys=orjson.loads(keys), unmanaged=unmanaged, manifest=manifest, place=place,
    )  # fmt: skip


def put(con: Connection, pool: Pool) -> None:
    """Write what was said by hand; its members by hand are written by ``add`` and ``remove``."""
    row = pool.model_dump(mode="json", include=set(_COLUMNS)) | {"selectors": [*map(str, pool.selectors)]}
    rows.merge(con, "pools_", _COLUMNS, ("path",), [row])


def delete(con: Connection, paths: Iterable[str]) -> None:
    gone = rows.texts(paths)
    con.execute(f"DELETE FROM pools_ WHERE path IN {rows.IN_TEXTS}", [gone])
    con.execute(f"DELETE FROM pool_members_ WHERE path IN {rows.IN_TEXTS}", [gone])


def add(con: Connection, path: str, keys: Iterable[str]) -> None:
    """Make ``keys`` members by hand; ``keys`` must not be members already."""
    rows.insert(con, "pool_members_", {"path": "VARCHAR", "key": "VARCHAR"}, [{"path": path, "key": k} for k in keys])


def remove(con: Connection, path: str, keys: Iterable[str]) -> None:
    con.execute(f"DELETE FROM pool_members_ WHERE path = ? AND key IN {rows.IN_TEXTS}", [path, rows.texts(keys)])
