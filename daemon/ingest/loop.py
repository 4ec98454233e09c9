"""From a stream to the store: a batch is one transaction, and the place in the stream is part of it.

When the store cannot be written (a full disk), the batch is kept and tried again; nothing further is read meanwhile.
A message that no transaction survives is refused alone: it would stop every later start, too.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import NoReturn, TypeVar

import structlog
from nats.aio.client import Client

from daemon.ingest import apply
from daemon.ingest.apply import Applied
from daemon.ingest.messages import Message
from daemon.ingest.reader import Batch, Reader, Start
from daemon.runtime.clock import Clock
from daemon.runtime.metrics import Metrics
from daemon.store import cursors
from daemon.store.cursors import Cursor
from daemon.store.database import Connection, Database, StoreUnavailable

T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_REASON = 500
"""Characters of an error that quotes the message itself."""


@dataclass(slots=True)
class Progress:
    """How far one stream has been read: what ``homelab status`` and ``/readyz`` tell."""

    sequence: int = 0
    pending: int = 0
    last_message_at: datetime | None = None
    stalled: str = ""
    """Why the store does not take what was read; empty while it does."""
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Writing:
    """Writes that must happen: tried until the store takes them."""

    database: Database
    progress: Progress

    async def write(self, work: Callable[[Connection], T]) -> T:
        pause = _FIRST_PAUSE
        while True:
            try:
                result = await self.database.write(work)
            except StoreUnavailable as error:
                if not self.progress.stalled:
                    log.error("store_unavailable", reason=str(error))  # noqa: TRY400 - the reason is all there is to tell
                self.progress.stalled = str(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if self.progress.stalled:
                log.info("store_available")
                self.progress.stalled = ""
            return result

    async def write_all(
        self,
        messages: Sequence[Message],
        cursor: Cursor,
        fill: Callable[[Connection, Sequence[Message], Cursor], T],
        refuse: Callable[[Connection, Message, Cursor, str], T],
    ) -> list[T]:
        """``fill`` the store with ``messages``, by halves where that fails; ``refuse`` the one that is the cause."""
        try:
            return [await self.write(lambda con: fill(con, messages, cursor))]
        except Exception as error:
            if len(messages) == 1:
                log.exception("message_refused", subject=messages[0].subject, sequence=messages[0].sequence)
                reason = f"the store cannot hold it ({type(error).__name__}: {error})"[:_REASON]
                return [await self.write(lambda con: refuse(con, messages[0], cursor, reason))]
        half = len(messages) // 2
        midway = replace(cursor, sequence=messages[half - 1].sequence)
        first = await self.write_all(messages[:half], midway, fill, refuse)
        return first + await self.write_all(messages[half:], cursor, fill, refuse)


@dataclass(slots=True)
class InventoryIngest:
    """``done`` is called with each batch after it is committed; ``gap`` when the bus may hold less than was said."""

    bus: Client
    database: Database
    clock: Clock
    metrics: Metrics
    done: Callable[[Applied], None]
    gap: Callable[[str], None]
    progress: Progress = field(default_factory=Progress)
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = Reader(self.bus, "INVENTORY", gap=self.gap)

    async def run(self) -> NoReturn:
        start = await self.database.read(partial(start_of, stream=self.reader.stream))
        self.progress.sequence = start.sequence if start else 0
        writing = Writing(self.database, self.progress)
        async for batch in self.reader.batches(start):
            await self._apply(writing, batch)
        raise AssertionError("an endless read has ended")

    async def _apply(self, writing: Writing, batch: Batch) -> None:
        messages = [Message(m.subject, m.data, m.metadata.sequence.stream) for m in batch.messages]
        cursor = Cursor(self.reader.stream, batch.created_at, batch.last_sequence)
        began = perf_counter()
        for applied in await writing.write_all(messages, cursor, self._fill, self._refuse):
            seconds = perf_counter() - began
            self._note(batch, applied, seconds)
            self.done(applied)
            log.debug("batch_applied", summary=str(applied), sequence=applied.sequence, seconds=round(seconds, 4))

    def _fill(self, con: Connection, messages: Sequence[Message], cursor: Cursor) -> Applied:
        return apply.apply(con, messages, cursor=cursor, now=self.clock.now())

    def _refuse(self, con: Connection, message: Message, cursor: Cursor, reason: str) -> Applied:
        return apply.refuse(con, message, reason, cursor=cursor, now=self.clock.now())

    def _note(self, batch: Batch, applied: Applied, seconds: float) -> None:
        said_at = batch.messages[-1].metadata.timestamp
        self.progress.sequence, self.progress.pending = applied.sequence, batch.pending
        self.progress.last_message_at = said_at
        self.progress.counts += applied.counts
        self.metrics.batch_seconds.observe(seconds)
        self.metrics.ingest_lag_messages.set(batch.pending)
        self.metrics.ingest_lag_seconds.set(max(0.0, (self.clock.now() - said_at).total_seconds()))
        for name, count in applied.counts.items():
            if name == "quarantined":
                self.metrics.quarantined.inc(count)
                if count:
                    log.warning("messages_quarantined", count=count, see="homelab sql 'from quarantine'")
            elif name != "late":
                self.metrics.applied.labels(name).inc(count)


def start_of(con: Connection, stream: str) -> Start | None:
    cursor = cursors.cursor(con, stream)
    return Start(cursor.created_at, cursor.sequence) if cursor else None


log = structlog.get_logger(__name__)
