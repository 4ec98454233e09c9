"""Publishing that is done when JetStream has the message, however often the server is away meanwhile.

Each attempt carries the same ``Nats-Msg-Id``, so a message whose acknowledgement was lost is stored once.  How many are
in flight is the caller's affair (64 is a good number).
"""

import asyncio
import itertools
from datetime import timedelta

import orjson
import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from daemon.runtime.connection import BusClosed, BusError, Connection

log = structlog.get_logger(__name__)

_ACK_WAIT = 3.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_HEADER_ROOM = 512
_BAD_REQUEST = 400
_TOO_LARGE = 10054


class TooLarge(BusError):
    """The server would not take a message of this size."""


class Denied(BusError):
    """Our user may not publish under this subject."""


class Rejected(BusError):
    """The stream will never take this message: it lacks a feature the message asks for."""


class _NotNow(Exception):
    """One attempt failed; another may not."""


class Publisher:
    def __init__(self, client: Connection) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._numbers = itertools.count()
        self._waiting: dict[str, tuple[str, asyncio.Future[Msg]]] = {}
        self._listening = asyncio.Lock()
        self._subscribed = False
        self._struggling: set[str] = set()
        client.listeners.add(self)

    async def publish(self, subject: str, data: bytes, *, msg_id: str, ttl: timedelta | None = None) -> None:
        """Return when JetStream has the message.

        Raises ``TooLarge``, ``Denied``, ``Rejected`` or ``BusClosed``; on everything else it tries for ever.
        """
        self._check_size(subject, data)
        headers = {"Nats-Msg-Id": msg_id}
        if ttl is not None:
            headers["Nats-TTL"] = str(max(1, round(ttl.total_seconds())))
        try:
            await self._until_stored(subject, data, headers)
        finally:
            self._settle(headers["Nats-Msg-Id"])

    async def _until_stored(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._attempt(subject, data, headers)
            except _NotNow as error:
                self._struggle(headers["Nats-Msg-Id"], subject, error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                await self._client.up.wait()
            else:
                return

    def refused(self, subject: str) -> None:
        for published, ack in self._waiting.values():
            if published.lower() == subject and not ack.done():
                ack.set_exception(Denied(f"this user may not publish {published}"))

    def lost(self) -> None:
        for _, ack in self._waiting.values():
            if not ack.done():
                ack.set_exception(_NotNow("the connection broke"))

    def _check_size(self, subject: str, data: bytes) -> None:
        if len(data) + _HEADER_ROOM > self._client.max_payload:
            raise TooLarge(f"{subject}: {len(data)} bytes, and the server takes {self._client.max_payload}")

    async def _attempt(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        if self._client.is_closed:
            raise BusClosed(f"the connection to {self._client.address} is closed")
        if not self._client.is_connected:
            raise _NotNow("not connected")
        await self._listen()
        number = str(next(self._numbers))
        ack: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (subject, ack)
        try:
            async with asyncio.timeout(_ACK_WAIT):
                await self._send(subject, data, f"{self._inbox}.{number}", headers)
                _judge(subject, await ack)
        except MaxPayloadError as error:
            raise TooLarge(f"{subject}: {len(data)} bytes") from error
        except TimeoutError as error:
            raise _NotNow("no acknowledgement") from error
        except (OSError, NatsError) as error:
            raise _NotNow(str(error)) from error
        finally:
            del self._waiting[number]

    async def _send(self, subject: str, data: bytes, reply: str, headers: dict[str, str]) -> None:
        """The client's ``publish`` swallows a cancellation while the server does not read; here it counts."""
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        await self._client.publish(subject, data, reply=reply, headers=headers)
        if task and task.cancelling() > before:
            raise asyncio.CancelledError

    async def _listen(self) -> None:
        if not self._subscribed:
            async with self._listening:
                if not self._subscribed:
                    await self._client.subscribe(f"{self._inbox}.*", cb=self._acknowledged)
                    self._subscribed = True

    async def _acknowledged(self, msg: Msg) -> None:
        waiting = self._waiting.get(msg.subject.rpartition(".")[2])
        if waiting and not waiting[1].done():
            waiting[1].set_result(msg)

    def _struggle(self, msg_id: str, subject: str, reason: Exception) -> None:
        if not self._struggling:
            log.warning("publishing_waits", subject=subject, reason=str(reason), url=self._client.address)
        self._struggling.add(msg_id)

    def _settle(self, msg_id: str) -> None:
        """The outage is over when the last message that suffered from it is stored."""
        if msg_id in self._struggling:
            self._struggling.discard(msg_id)
            if not self._struggling:
                log.info("publishing_works_again", url=self._client.address)


def _judge(subject: str, answer: Msg) -> None:
    """Raise unless the answer is an acknowledgement."""
    if answer.headers and answer.headers.get("Status") == "503":
        raise _NotNow("no stream takes this subject")
    error = orjson.loads(answer.data).get("error")
    if error is None:
        return
    text = f"{subject}: {error.get('description')}"
    if error.get("err_code") == _TOO_LARGE:
        raise TooLarge(text)
    if error.get("code") == _BAD_REQUEST:
        raise Rejected(text)
    raise _NotNow(text)
