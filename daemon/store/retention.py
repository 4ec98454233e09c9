"""What may be forgotten, and when.  Resources, expectations and open deviations never are."""

from datetime import datetime

from daemon.store.database import Connection
from schemas.config import RetentionConfig

_TABLES = {
    "samples": "sampled_at",
    "samples_5m": "sampled_at",
    "samples_1h": "sampled_at",
    "scans": "observed_at",
    "state_log": '"at"',
    "quarantine": "refused_at",
}


def forget(con: Connection, keep: RetentionConfig, *, now: datetime) -> dict[str, int]:
    """Delete what is older than ``keep`` says; return how many rows per table."""
    gone: dict[str, int] = {}
    for table, column in _TABLES.items():
        newest = " AND seq < (SELECT max(seq) FROM state_log)" if table == "state_log" else ""  # numbers go on from it
        row = con.execute(f"DELETE FROM {table} WHERE {column} < ?{newest}", [now - getattr(keep, table)]).fetchone()
        gone[table] = row[0] if row else 0
    return gone
