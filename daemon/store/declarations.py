"""What people declared: each applied document, with where it stands.

``origin`` (``folder:<path>``, ``file:<path>`` or ``api``) is what is applied and withdrawn as a whole;
a name is unique.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from pydantic import TypeAdapter

from daemon.store import rows
from daemon.store.database import Connection
from daemon.store.inventory import instant
from schemas.manifests import ExpectationManifest, Manifest, PolicyManifest, PoolManifest

AnyManifest = ExpectationManifest | PoolManifest | PolicyManifest
_COLUMNS = {
    "name": "VARCHAR",
    "kind": "VARCHAR",
    "origin": "VARCHAR",
    "file": "VARCHAR",
    "line": "BIGINT",
    "manifest": "JSON",
    "hash": "VARCHAR",
    "applied_at": "TIMESTAMPTZ",
}
_SELECT = "name, kind, origin, file, line, hash, epoch_us(applied_at), manifest"
_manifest: TypeAdapter[AnyManifest] = TypeAdapter(Manifest)


@dataclass(frozen=True, slots=True)
class Declared:
    """``name`` is ``<Kind>/<metadata.name>``; ``hash`` is of the manifest's JSON form."""

    name: str
    kind: str
    origin: str
    file: str
    line: int
    manifest: AnyManifest
    hash: str
    applied_at: datetime

    @property
    def place(self) -> str:
        """``file:line``, or what it was applied by and its name where there is no file."""
        if not self.file:
            return f"{self.origin} {self.name}"
        return f"{self.file}:{self.line}" if self.line else self.file


def parse(manifest: object) -> AnyManifest:
    """Return the model of a manifest's JSON form; raises ``pydantic.ValidationError``."""
    return _manifest.validate_python(manifest)


def fetch(con: Connection, *, origin: str | None = None, names: Iterable[str] | None = None) -> list[Declared]:
    """Return what is in force, by name; ``origin`` and ``names`` narrow."""
    terms, parameters = ["true"], list[object]()
    if origin is not None:
        terms.append("origin = ?")
        parameters.append(origin)
    if names is not None:
        terms.append(f"name IN {rows.IN_TEXTS}")
        parameters.append(rows.texts(names))
    found = con.execute(
        f"SELECT {_SELECT} FROM declarations_ WHERE {' AND '.join(terms)} ORDER BY name", parameters
    ).fetchall()
    return [_declared(row) for row in found]


def put(con: Connection, declared: Sequence[Declared]) -> None:
    """Insert, or replace what has the same name."""
    rows.merge(con, "declarations_", _COLUMNS, ("name",), [_columns(one) for one in declared])


def delete(con: Connection, names: Iterable[str]) -> list[str]:
    """Withdraw by name; return which there were."""
    found = con.execute(
        f"DELETE FROM declarations_ WHERE name IN {rows.IN_TEXTS} RETURNING name", [rows.texts(names)]
    ).fetchall()
    return sorted(name for (name,) in found)


def fingerprint(con: Connection) -> tuple[int, int]:
    """Differs when anything that is declared does; cheap."""
    row = con.execute(
        "SELECT count(*), coalesce(bit_xor(hash(name, hash, origin, file, line)), 0) FROM declarations_"
    ).fetchone()
    return row if row is not None else (0, 0)


def _columns(one: Declared) -> dict[str, object]:
    manifest = one.manifest.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {
        "name": one.name, "kind": one.kind, "origin": one.origin, "file": one.file, "line": one.line,
        "manifest": manifest, "hash": one.hash, "applied_at": one.applied_at,
    }  # fmt: skip


def _declared(row: Sequence[Any]) -> Declared:
    name, kind, origin, file, line, hash_, applied_at, manifest = row
    at = instant(applied_at)
    assert at is not None  # noqa: S101 - NOT NULL in the schema
    return Declared(name, kind, origin, file, line, parse(orjson.loads(manifest)), hash_, at)
