"""Streams that only fill a table: samples and the audit trail.  A lost message is not asked for again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import NoReturn

from nats.aio.client import Client

from daemon.ingest.loop import Progress, Writing, start_of
from daemon.ingest.messages import AHEAD, Message
from daemon.ingest.reader import Reader
from daemon.runtime.clock import Clock
from daemon.store import audit, cursors, quarantine, samples
from daemon.store.cursors import Cursor
from daemon.store.database import Connection, Database
from daemon.store.quarantine import Refusal
from schemas.audit import Audited
from schemas.events import MetricsBatch

Fill = Callable[[Connection, Sequence[Message], datetime], list[tuple[Message, str]]]
"""Write what the messages say; return those that cannot be read, each with the reason."""
_LINGER = timedelta(milliseconds=500)


def metrics(con: Connection, messages: Sequence[Message], now: datetime) -> list[tuple[Message, str]]:
    refused, taken = [], []
    for message in messages:
        try:
            said = MetricsBatch.model_validate_json(message.data)
        except ValueError as error:
            refused.append((message, f"not a batch of samples ({type(error).__name__})"))
            continue
        prefix = f"{said.provider}/{said.source}/"
        taken += [one for one in said.samples if one.key.startswith(prefix) and one.at <= now + AHEAD]
    samples.put(con, taken)
    return refused


def audited(con: Connection, messages: Sequence[Message], now: datetime) -> list[tuple[Message, str]]:
    del now
    refused, taken = [], []
    for message in messages:
        try:
            taken.append(Audited.model_validate_json(message.data))
        except ValueError as error:
            refused.append((message, f"not an audit entry ({type(error).__name__})"))
    audit.put(con, taken)
    return refused


@dataclass(slots=True)
class TableIngest:
    bus: Client
    database: Database
    clock: Clock
    stream: str
    fill: Fill
    progress: Progress = field(default_factory=Progress)
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = Reader(self.bus, self.stream, linger=_LINGER.total_seconds())

    async def run(self) -> NoReturn:
        start = await self.database.read(partial(start_of, stream=self.stream))
        writing = Writing(self.database, self.progress)
        async for batch in self.reader.batches(start):
            messages = [Message(m.subject, m.data, m.metadata.sequence.stream) for m in batch.messages]
            cursor = Cursor(self.stream, batch.created_at, batch.last_sequence)
            await writing.write_all(messages, cursor, self._fill, self._refuse)
        raise AssertionError("an endless read has ended")

    def _fill(self, con: Connection, messages: Sequence[Message], cursor: Cursor) -> None:
        now = self.clock.now()
        refused = self.fill(con, messages, now)
        quarantine.put(con, [self._refusal(message, reason) for message, reason in refused])
        cursors.move(con, cursor)

    def _refuse(self, con: Connection, message: Message, cursor: Cursor, reason: str) -> None:
        quarantine.put(con, [self._refusal(message, reason)])
        cursors.move(con, cursor)

    def _refusal(self, message: Message, reason: str) -> Refusal:
        return Refusal(self.clock.now(), self.stream, message.sequence, message.subject, reason, message.data)
