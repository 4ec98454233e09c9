"""Messages that could not be read, with their bytes: refused, counted, shown, never in the way."""

from dataclasses import dataclass
from datetime import datetime

from daemon.store.database import Connection

KEPT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Refusal:
    at: datetime
    stream: str
    sequence: int
    subject: str
    reason: str
    payload: bytes


def put(con: Connection, refusals: list[Refusal]) -> None:
    for refusal in refusals:
        con.execute(
            "INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                refusal.at, refusal.stream, refusal.sequence, refusal.subject, refusal.reason, len(refusal.payload),
                refusal.payload[:KEPT_BYTES],
            ],
        )  # fmt: skip
