"""Streams that only fill a table: samples and the audit trail.  A lost message is not asked for again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import NoReturn

from nats.aio.client import Client
from nats.aio.msg import Msg

from daemon.ingest.loop import Progress, Writing, start_of
from daemon.ingest.messages import AHEAD
from daemon.ingest.reader import Batch, Reader
from daemon.runtime.clock import Clock
from daemon.store import audit, cursors, quarantine, samples
from daemon.store.cursors import Cursor
from daemon.store.database import Connection, Database
from daemon.store.quarantine import Refusal
from schemas.audit import Audited
from schemas.events import MetricsBatch

Fill = Callable[[Connection, Sequence[Msg], datetime], list[tuple[Msg, str]]]
"""Write what the messages say; return those that cannot be read, each with the reason."""
_LINGER = timedelta(milliseconds=500)


def metrics(con: Connection, messages: Sequence[Msg], now: datetime) -> list[tuple[Msg, str]]:
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


def audited(con: Connection, messages: Sequence[Msg], now: datetime) -> list[tuple[Msg, str]]:
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

    async def run(self) -> NoReturn:
        reader = Reader(self.bus, self.stream, linger=_LINGER.total_seconds())
        start = await self.database.read(partial(start_of, stream=self.stream))
        writing = Writing(self.database, self.progress)
        async for batch in reader.batches(start):
            reader.gaps.clear()
            await writing.write(partial(self._store, batch=batch))
        raise AssertionError("an endless read has ended")

    def _store(self, con: Connection, batch: Batch) -> None:
        now = self.clock.now()
        refused = self.fill(con, batch.messages, now)
        quarantine.put(
            con,
            [
                Refusal(now, self.stream, message.metadata.sequence.stream, message.subject, reason, message.data)
                for message, reason in refused
            ],
        )
        cursors.move(con, Cursor(self.stream, batch.created_at, batch.last_sequence))
