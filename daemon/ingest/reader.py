"""An ordered read of one stream from a sequence on, across reconnects and lost consumers.

The consumer is ours alone, in the server's memory and without acknowledgements: what counts is the sequence the store
holds.  When it is lost (a restarted server forgets it), another one is made from there.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamInfo
from nats.js.errors import APIError, NotFoundError

from daemon.runtime import streams

OUTSTANDING = 4000
"""Messages asked for and not yet read: bounds memory, and is what a restart reads again."""
_EXPIRES = 30.0
_BYTES = 512 * 1024 * 1024
_HEARTBEAT = 0.5
_SILENCE = 2.0
_ANSWER = 2.0
_RETRY = 0.5


@dataclass(frozen=True, slots=True)
class Start:
    """Where a (re)made consumer begins.  ``gap`` tells why what the store has may not be all that was said."""

    created_at: datetime
    sequence: int
    gap: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    messages: list[Msg]
    created_at: datetime
    last_sequence: int
    pending: int
    """Messages still in the stream behind this batch."""


@dataclass(slots=True)
class Reader:
    bus: Client
    stream: str
    size: int = 2000
    linger: float = 0.02
    gap: Callable[[str], None] = lambda _: None
    """Told why what the store has may not be all that was said."""
    caught_up: bool = False
    trouble: str = ""
    """Why nothing is being read; empty while all is well."""
    _started: Start | None = None
    _last: int = 0

    async def batches(self, start: Start | None) -> AsyncIterator[Batch]:
        """Yield batches for ever, from behind ``start``: ``size`` messages at most, or what came in ``linger`` s."""
        self._started = start
        self._last = start.sequence if start else 0
        while True:
            try:
                async with AsyncExitStack() as stack:
                    async for batch in self._consume(stack):
                        yield batch
            except (NatsError, APIError, TimeoutError, OSError) as error:
                reason = str(error) or type(error).__name__
                if not self.trouble:
                    log.warning("stream_unreadable", stream=self.stream, reason=reason)
                self.trouble, self.caught_up = reason, False
                await asyncio.sleep(_RETRY)

    async def _consume(self, stack: AsyncExitStack) -> AsyncIterator[Batch]:
        inbox = self.bus.new_inbox()
        subscription = await self.bus.subscribe(inbox, pending_msgs_limit=4 * OUTSTANDING, pending_bytes_limit=_BYTES)
        stack.push_async_callback(_unsubscribe, subscription)
        info = await self._info()
        start = self._begin(info)
        consumer = await self._make(start.sequence + 1)
        stack.push_async_callback(_forget, self.bus, self.stream, consumer)
        if self.trouble:
            log.info("stream_readable", stream=self.stream)
            self.trouble = ""
        pull = _Pull(self.bus, f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{consumer}", inbox)
        self.caught_up = info.state.last_seq <= start.sequence
        reconnects = self.bus.stats["reconnects"]
        await pull.more()
        while reconnects == self.bus.stats["reconnects"]:
            messages = await self._gather(subscription, pull)
            if messages:
                metadata = messages[-1].metadata
                self._last = metadata.sequence.stream
                self.caught_up = metadata.num_pending == 0
                yield Batch(messages, start.created_at, self._last, metadata.num_pending)

    async def _info(self) -> StreamInfo:
        """What the server says of the stream; one that somebody deleted is declared again."""
        js = self.bus.jetstream(timeout=_ANSWER)
        try:
            return await js.stream_info(self.stream)
        except NotFoundError:
            await streams.ensure(self.bus)
            return await js.stream_info(self.stream)

    def _begin(self, info: StreamInfo) -> Start:
        """Compare the stream with where we were; note a gap."""
        created_at = info.created
        assert created_at is not None  # noqa: S101 - every server says it
        if self._started is None:
            start = Start(created_at, 0)
        elif created_at != self._started.created_at:
            start = Start(created_at, 0, gap="the stream was made anew")
        elif info.state.last_seq < self._last:
            start = Start(created_at, 0, gap=f"the stream ends at {info.state.last_seq}, before {self._last}")
        elif info.state.first_seq > self._last + 1:
            start = Start(
                created_at, self._last, gap=f"the stream begins at {info.state.first_seq}, after {self._last}"
            )
        else:
            start = Start(created_at, self._last)
        if start.gap:
            log.warning("stream_gap", stream=self.stream, gap=start.gap)
            self.gap(start.gap)
        self._started, self._last = start, start.sequence
        return start

    async def _make(self, sequence: int) -> str:
        info = await self.bus.jetstream(timeout=_ANSWER).add_consumer(
            self.stream,
            ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=sequence,
                ack_policy=AckPolicy.NONE,
                inactive_threshold=60,
                mem_storage=True,
                num_replicas=1,
            ),
        )
        return str(info.name)

    async def _gather(self, subscription: Subscription, pull: "_Pull") -> list[Msg]:
        """Return what came, in order; nothing after a moment in which the server only breathed."""
        messages: list[Msg] = []
        deadline = asyncio.get_running_loop().time() + _SILENCE
        while len(messages) < self.size:
            try:
                async with asyncio.timeout_at(deadline):
                    message = await _next(subscription)
            except TimeoutError as error:
                if messages:
                    break
                raise TimeoutError("the server says nothing") from error
            if _status(message) is None:
                await pull.took(message)
                if not messages:
                    deadline = asyncio.get_running_loop().time() + self.linger
                messages.append(message)
            else:
                await pull.told(message)
                if not messages:
                    break
        return messages


def _status(message: Msg) -> str | None:
    """What the server says of the consumer; None for a message of the stream, whatever headers somebody gave it."""
    return None if message.reply.startswith("$JS.ACK.") or not message.headers else message.headers.get("Status")


@dataclass(slots=True)
class _Pull:
    """Keeps between a half and all of ``OUTSTANDING`` messages asked for, and sees that none is skipped."""

    bus: Client
    subject: str
    inbox: str
    _left: int = 0
    _taken: int = 0

    async def more(self) -> None:
        if self._left <= OUTSTANDING // 2:
            batch = OUTSTANDING // 2
            self._left += batch
            ask = {"batch": batch, "expires": int(_EXPIRES * 1e9), "idle_heartbeat": int(_HEARTBEAT * 1e9)}
            await self.bus.publish(self.subject, json.dumps(ask).encode(), reply=self.inbox)

    async def took(self, message: Msg) -> None:
        self._taken += 1
        if message.metadata.sequence.consumer != self._taken:
            raise NatsError(f"message {self._taken} of the consumer was lost on the way")
        self._left -= 1
        await self.more()

    async def told(self, message: Msg) -> None:
        """Heed a status: 100 is a heartbeat, 408 the end of a request, anything else the end of the consumer."""
        headers = message.headers or {}
        match headers.get("Status"):
            case "100":
                return
            case "408":
                self._left -= int(headers.get("Nats-Pending-Messages", self._left))
                await self.more()
            case status:
                raise NatsError(f"the consumer was lost ({headers.get('Description') or status})")


async def _next(subscription: Subscription) -> Msg:
    """The next message, at once if one is there; ``Subscription.next_msg`` makes two tasks for each."""
    queue = subscription._pending_queue  # noqa: SLF001
    message: Msg = await queue.get()
    subscription._pending_size -= len(message.data)  # noqa: SLF001
    queue.task_done()
    return message


async def _unsubscribe(subscription: Subscription) -> None:
    with suppress(NatsError, OSError):
        await subscription.unsubscribe()


async def _forget(bus: Client, stream: str, consumer: str) -> None:
    with suppress(NatsError, APIError, TimeoutError, OSError):
        async with asyncio.timeout(1):
            await bus.jetstream().delete_consumer(stream, consumer)


log = structlog.get_logger(__name__)
