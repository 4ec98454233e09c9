"""Who asked for what."""

from daemon.store import rows
from daemon.store.database import Connection
from schemas.audit import Audited

_COLUMNS = {
    "asked_at": "TIMESTAMPTZ",
    "class": "VARCHAR",
    "question": "VARCHAR",
    "who": "VARCHAR",
    "outcome": "VARCHAR",
    "query": "JSON",
}


def put(con: Connection, entries: list[Audited]) -> None:
    rows.insert(
        con,
        "audit",
        _COLUMNS,
        [
            {
                "asked_at": one.time, "class": one.question_class, "question": one.question, "who": one.who,
                "outcome": one.outcome, "query": one.query,
            }
            for one in entries
        ],
    )  # fmt: skip
