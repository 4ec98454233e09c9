"""How a resource has done since something is expected of it: the facts behind a template."""

from dataclasses import dataclass
from datetime import datetime

from daemon.store.database import Connection
from daemon.store.inventory import instant

MOST_SIBLINGS = 100


@dataclass(frozen=True, slots=True)
class Past:
    """``managed_at`` is None where nothing is expected; the counts begin there."""

    managed_at: datetime | None
    resolved_at: datetime | None
    """When the last deviation was."""
    deviations: int
    open_deviations: int
    replacements: int


def past(con: Connection, key: str) -> Past:
    found = con.execute(
        "WITH e AS (SELECT since FROM expectations WHERE key = $1),"
        " w AS (SELECT coalesce(max(seq), 0) AS seq FROM state_log"
        "  WHERE side = 'expected' AND key = $1 AND op = 'withdrawn'),"
        # The log may have forgotten when it began, or not know; `since` is when it last changed.
        ' m AS (SELECT least(since, (SELECT min("at") FROM state_log, w'
        "  WHERE side = 'expected' AND key = $1 AND state_log.seq > w.seq)) AS managed_at FROM e)"
        " SELECT epoch_us((SELECT managed_at FROM m)),"
        "  (SELECT epoch_us(max(resolved_at)) FROM deviations WHERE key = $1),"
        "  (SELECT count(*) FROM deviations, m WHERE key = $1 AND (resolved_at IS NULL OR resolved_at > managed_at)),"
        "  (SELECT count(*) FROM deviations WHERE key = $1 AND resolved_at IS NULL),"
        "  (SELECT count(*) FROM state_log, m"
        "   WHERE side = 'actual' AND key = $1 AND op = 'replaced' AND \"at\" > managed_at)",
        [key],
    ).fetchall()
    managed_at, resolved_at, *counts = found[0]
    return Past(instant(managed_at), instant(resolved_at), *counts)


def with_image(con: Connection, key: str, kind: str, begin: str) -> dict[str, str]:
    """Return the images, by key, of the others of a kind that are there and whose image begins so; only the first."""
    found = con.execute(
        "SELECT key, spec->>'$.image' AS image FROM inventory_"
        " WHERE kind = ? AND key <> ? AND presence = 'present' AND starts_with(image, ?) ORDER BY key LIMIT ?",
        [kind, key, begin, 10 * MOST_SIBLINGS],
    ).fetchall()
    return dict(found)
