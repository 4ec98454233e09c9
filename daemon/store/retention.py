"""What may be forgotten, and when.  Resources, expectations and open deviations never are, and no snapshot is.

Of the log stays, however old: what tells the present, and what tells each snapshot.  So the log alone can tell both.
"""

from datetime import datetime

from daemon.store.database import Connection
from schemas.config import RetentionConfig

_TABLES = {
    "samples": "sampled_at",
    "samples_5m": "sampled_at",
    "samples_1h": "sampled_at",
    "scans": "observed_at",
    "quarantine": "refused_at",
}


def forget(con: Connection, keep: RetentionConfig, *, now: datetime) -> dict[str, int]:
    """Delete what is older than ``keep`` says; return how many rows per table."""
    gone: dict[str, int] = {}
    for table, column in _TABLES.items():
        row = con.execute(f"DELETE FROM {table} WHERE {column} < ?", [now - getattr(keep, table)]).fetchone()
        gone[table] = row[0] if row else 0
    return gone | {"state_log": _forget_log(con, now - keep.state_log)}


_NEEDED = """
WITH places AS (SELECT seq AS place FROM snapshots UNION SELECT max(seq) FROM state_log),
stretches AS (
    -- Each row tells its key until the next one; `content` is the row that tells spec and labels in that time.
    SELECT seq, key, "at", presence,
        lead(seq) OVER w AS next,
        max(CASE WHEN spec IS NOT NULL THEN seq END) OVER (w ROWS UNBOUNDED PRECEDING) AS content
    FROM state_log WHERE side = 'actual' AND kind <> 'source'
    WINDOW w AS (PARTITION BY key ORDER BY seq)
),
looked_at AS (
    SELECT s.* FROM stretches AS s ASOF JOIN places AS p ON p.place >= s.seq WHERE s.next IS NULL OR p.place < s.next
),
telling AS (
    SELECT unnest([seq, content]) AS seq FROM looked_at WHERE presence <> 'gone'
),
surviving AS (
    SELECT key, min(seq) AS first FROM stretches
    WHERE "at" >= $since OR seq IN (SELECT seq FROM telling) GROUP BY key
)
SELECT seq FROM telling WHERE seq IS NOT NULL
UNION
-- That a thing is gone need not be remembered, unless something before it still says that it is there.
SELECT l.seq FROM looked_at AS l JOIN surviving AS s USING (key) WHERE l.presence = 'gone' AND s.first < l.seq
UNION
SELECT max(seq) FROM state_log  -- numbers go on from it
"""


def _forget_log(con: Connection, since: datetime) -> int:
    found = con.execute('SELECT count(*) FROM state_log WHERE "at" < ?', [since]).fetchone()
    if not found or not found[0]:
        return 0
    row = con.execute(
        f'DELETE FROM state_log WHERE "at" < $since AND seq NOT IN ({_NEEDED})', {"since": since}
    ).fetchone()
    return row[0] if row else 0
