"""Sends what the store says is to be announced.  Written with its cause, deleted when the bus has it: never lost."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

import structlog

from daemon.ingest.loop import Progress, Writing
from daemon.runtime.publisher import Denied, Publisher, Rejected, TooLarge
from daemon.store import outbox
from daemon.store.database import Database
from daemon.store.outbox import Letter

IN_FLIGHT = 64


@dataclass(slots=True)
class Announcer:
    database: Database
    publisher: Publisher
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> NoReturn:
        writing = Writing(self.database, Progress())
        while True:
            self._wake.clear()
            while letters := await self.database.read(outbox.waiting):
                await self._send(letters)
                await writing.write(partial(outbox.sent, ids=[letter.id for letter in letters]))
            await self._wake.wait()

    async def _send(self, letters: list[Letter]) -> None:
        for window in windows(letters):
            async with asyncio.TaskGroup() as group:
                for letter in window:
                    group.create_task(self._one(letter))

    async def _one(self, letter: Letter) -> None:
        try:
            await self.publisher.publish(letter.subject, letter.payload.encode(), msg_id=letter.id)
        except (Denied, Rejected, TooLarge) as error:
            log.error("not_announced", subject=letter.subject, reason=str(error))  # noqa: TRY400


def windows(letters: list[Letter]) -> Iterator[list[Letter]]:
    """Cut into runs that may be in flight together: no subject twice, since its messages must stay in order."""
    window: list[Letter] = []
    for letter in letters:
        if len(window) == IN_FLIGHT or any(letter.subject == other.subject for other in window):
            yield window
            window = []
        window.append(letter)
    if window:
        yield window


log = structlog.get_logger(__name__)
