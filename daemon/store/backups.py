"""What the rest of a source says of the backups of its guests: where nobody could look, and what newer one was found.

A guest itself says when its newest backup was made.  That says nothing of a place which could not be read since, and a
backup that was just found there is known a moment before its guest says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import orjson

from daemon.store import rows
from daemon.store.actuals import BLIND, CARRIERS
from daemon.store.database import Connection
from daemon.store.inventory import instant
from schemas.queries import GapRow
from schemas.resources import Key, Kind


@dataclass(frozen=True, slots=True)
class Unread:
    """Where there may be backups that nobody could see at the last reading."""

    sources: frozenset[str] = frozenset()
    """``<provider>/<name>``: backups of any guest."""
    machines: frozenset[str] = frozenset()
    """Keys of machines whose own storages could not be read: backups of the guests that are on them."""

    def hides(self, source: str, parent: str | None) -> bool:
        """Whether there may be newer backups of a guest on ``parent`` than is known."""
        return source in self.sources or parent in self.machines


NOTHING = Unread()


def unread(con: Connection) -> Unread:
    """What somebody leaves unread on purpose is no reason to doubt the rest."""
    blind: set[str] = set()
    places: dict[str, str] = {}
    found = con.execute(_SCOPES).fetchall()
    keeping = _keeping(con) if any(failed for *_, failed, _ in found) else set()
    for source, scope, failed, gaps in found:
        if failed and (source, scope) in keeping:
            blind.add(source)
        for gap in map(GapRow.model_validate, orjson.loads(gaps)):
            if Kind.BACKUP in gap.kinds and not gap.optional:
                if gap.parent is None:
                    blind.add(source)
                else:
                    places[gap.parent] = source
    machines = _machines(con, places)
    blind |= {source for place, source in places.items() if place not in machines}
    return Unread(frozenset(blind), frozenset(machines.values()))


_SCOPES = (
    f"SELECT provider || '/' || source, scope, status IN {BLIND}, gaps::VARCHAR FROM scopes_"
    f" WHERE status IN {BLIND} OR list_contains(hidden_kinds, 'backup')"
)


def _keeping(con: Connection) -> set[tuple[str, str]]:
    """Return source and scope where backups are listed."""
    found = con.execute(
        "SELECT DISTINCT provider || '/' || source, scope FROM inventory_ WHERE kind = 'backup' AND presence <> 'gone'"
    )
    return {(source, scope) for source, scope in found.fetchall()}


def _machines(con: Connection, places: Iterable[str]) -> dict[str, str]:
    """Return which of ``places`` are a machine, or on one, and which machine that is; others are everybody's."""
    found = con.execute(f"SELECT key, parent FROM inventory_ WHERE key IN {rows.IN_TEXTS}", [rows.texts(places)])
    above = {key: [key, parent] for key, parent in found.fetchall()}
    return {
        place: one
        for place, chain in above.items()
        for one in chain
        if one is not None and Key.parse(one).kind in CARRIERS
    }


def newest(con: Connection, keys: Iterable[str]) -> dict[str, datetime]:
    """Return, of those guests of which a backup is kept, when the newest was made."""
    found = con.execute(
        "SELECT r->>'key', max(epoch_us(created_at)) FROM (SELECT created_at, unnest(relations::JSON[]) AS r"
        " FROM inventory_ WHERE kind = 'backup' AND presence <> 'gone' AND created_at IS NOT NULL)"
        f" WHERE (r->>'type') = 'of' AND (r->>'key') IN {rows.IN_TEXTS} GROUP BY ALL",
        [rows.texts(keys)],
    ).fetchall()
    return {key: at for key, made in found if (at := instant(made)) is not None}
