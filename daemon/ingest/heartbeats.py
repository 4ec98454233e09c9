"""What agents say of themselves, into the store as it comes.

A heartbeat is put into the KV bucket; a put is a publish, so listening on its subject needs no polling.  What was put
before we listened comes again within ten seconds.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import structlog
from nats.aio.client import Client
from pydantic import ValidationError

from daemon.store import scans
from daemon.store.database import Database, StoreUnavailable
from schemas import subjects
from schemas.events import Heartbeat

_GATHER = 0.5
"""Seconds in which beats are gathered into one transaction."""


@dataclass(frozen=True, slots=True)
class Heartbeats:
    bus: Client
    database: Database

    async def run(self) -> NoReturn:
        subscription = await self.bus.subscribe(subjects.HEARTBEATS_ALL)
        try:
            while True:
                beats = {}
                message = await subscription.next_msg(timeout=None)
                await asyncio.sleep(_GATHER)
                beats[message.subject] = message.data
                while subscription.pending_msgs:
                    message = await subscription.next_msg(timeout=None)
                    beats[message.subject] = message.data
                await self._store([beat for data in beats.values() if (beat := _read(data)) is not None])
        finally:
            await subscription.unsubscribe()

    async def _store(self, beats: list[dict[str, Any]]) -> None:
        try:
            await self.database.write(partial(scans.heartbeats, seen=beats))
        except StoreUnavailable as error:
            log.debug("heartbeats_not_stored", reason=str(error))


def _read(data: bytes) -> dict[str, Any] | None:
    try:
        return Heartbeat.model_validate_json(data).model_dump(mode="json")
    except ValidationError:
        log.debug("heartbeat_unreadable", bytes=len(data))
        return None


log = structlog.get_logger(__name__)
