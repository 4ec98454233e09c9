"""The streams, declared.  ``ensure`` creates what is missing and updates what differs; no message is lost by it.

A bound somebody has raised stays raised.  Replicas and placement are the operator's affair and left alone.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StoreCompression,
    StreamConfig,
)
from nats.js.errors import NotFoundError

from schemas import subjects

log = structlog.get_logger(__name__)

_FETCH = 5.0
_ANSWER, _ATTEMPTS = 3.0, 5
_FORGOTTEN = 30.0


def _seconds(**time: float) -> float:
    return timedelta(**time).total_seconds()


INVENTORY = StreamConfig(
    name="INVENTORY",
    description="what every source has, and its scans; the last messages of each subject",
    subjects=[subjects.INVENTORY_ALL, subjects.SCANS_ALL],
    storage=StorageType.FILE,
    compression=StoreCompression.S2,
    max_msgs_per_subject=64,
    allow_msg_ttl=True,
    allow_direct=True,
    duplicate_window=_seconds(minutes=10),
)
METRICS = StreamConfig(
    name="METRICS",
    description="utilisation, on its way into the store",
    subjects=[subjects.METRICS_ALL],
    storage=StorageType.FILE,
    compression=StoreCompression.S2,
    max_age=_seconds(hours=1),
    allow_direct=True,
    duplicate_window=_seconds(minutes=2),
)
DRIFT = StreamConfig(
    name="DRIFT",
    description="deviations, anomalies and budgets: each transition",
    subjects=[subjects.DRIFT_ALL, subjects.ANOMALY_ALL, subjects.BUDGET_ALL],
    storage=StorageType.FILE,
    max_age=_seconds(days=30),
    max_msgs_per_subject=1000,
    allow_direct=True,
    duplicate_window=_seconds(minutes=10),
)
COMMANDS = StreamConfig(
    name="COMMANDS",
    description="commands that no agent has taken yet",
    subjects=[subjects.COMMANDS_ALL],
    storage=StorageType.FILE,
    retention=RetentionPolicy.WORK_QUEUE,
    max_age=_seconds(hours=1),
    duplicate_window=_seconds(minutes=10),
)
JOBS = StreamConfig(
    name="JOBS",
    description="progress and outcome of commands",
    subjects=[subjects.JOBS_ALL],
    storage=StorageType.FILE,
    max_age=_seconds(days=30),
    allow_direct=True,
    duplicate_window=_seconds(minutes=10),
)
AUDIT = StreamConfig(
    name="AUDIT",
    description="who asked or did what",
    subjects=[subjects.AUDIT_ALL],
    storage=StorageType.FILE,
    compression=StoreCompression.S2,
    max_age=_seconds(days=400),
    duplicate_window=_seconds(minutes=10),
)
AGENTS = StreamConfig(
    name=f"KV_{subjects.AGENTS_BUCKET}",
    description="heartbeats of the agents, every ten seconds",
    subjects=[f"$KV.{subjects.AGENTS_BUCKET}.>"],
    storage=StorageType.FILE,
    discard=DiscardPolicy.NEW,
    max_msgs_per_subject=1,
    max_age=_seconds(seconds=45),
    duplicate_window=_seconds(seconds=45),
    allow_direct=True,
    allow_msg_ttl=True,
    allow_rollup_hdrs=True,
    deny_delete=True,
)
"""A key-value bucket is a stream of this shape."""

STREAMS = (INVENTORY, METRICS, DRIFT, COMMANDS, JOBS, AUDIT, AGENTS)
_BOUNDS = frozenset({"max_age", "max_msgs_per_subject"})


async def latest(client: Client, only: str, *, name: str, batch: int = 500) -> AsyncIterator[Msg]:
    """Yield the last INVENTORY message of each subject under ``only``, oldest first, as they stand when it begins.

    ``name`` is the consumer's and nobody else's at that time: the bus user's own name, since a source may use no other.
    """
    js = client.jetstream()
    with suppress(NotFoundError):
        await js.delete_consumer(str(INVENTORY.name), name)  # of a process that was killed while it read
    consumer = last_of_each(only, name=name)
    left = (await js.add_consumer(str(INVENTORY.name), consumer)).num_pending or 0
    reader = await js.pull_subscribe_bind(consumer=name, stream=str(INVENTORY.name))
    try:
        while left:
            try:
                messages = await reader.fetch(min(left, batch), timeout=_FETCH)
            except TimeoutError:  # what was pending has been replaced or has expired meanwhile; or the server is away
                left = (await reader.consumer_info()).num_pending or 0
                continue
            for message in messages:
                left = message.metadata.num_pending
                yield message
    finally:
        await reader.unsubscribe()
        with suppress(NotFoundError):
            await js.delete_consumer(str(INVENTORY.name), name)


def last_of_each(only: str, *, name: str) -> ConsumerConfig:
    return ConsumerConfig(
        name=name,
        filter_subject=only,
        deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
        ack_policy=AckPolicy.NONE,
        inactive_threshold=_FORGOTTEN,
        mem_storage=True,
    )


async def ensure(client: Client) -> None:
    """Declare every stream; only the daemon and an admin may."""
    js = client.jetstream(timeout=_ANSWER)
    for wanted in STREAMS:
        for _ in range(_ATTEMPTS):
            with suppress(NatsTimeoutError):  # its server died over it; declaring again is harmless
                await _ensure(js, wanted)
                break
        else:
            await _ensure(js, wanted)


async def _ensure(js: JetStreamContext, wanted: StreamConfig) -> None:
    try:
        has = (await js.stream_info(str(wanted.name))).config
    except NotFoundError:
        await js.add_stream(wanted)
        log.info("stream_created", stream=wanted.name)
        return
    differing = differences(has, wanted)
    if differing:
        await js.update_stream(has.evolve(**differing))
        log.info("stream_updated", stream=wanted.name, changed=sorted(differing))


def differences(has: StreamConfig, wanted: StreamConfig) -> dict[str, object]:
    """Return the settings to change: those we declare, except a bound that is already wider than ours."""
    return {
        name: value
        for name, value in vars(wanted).items()
        if value != getattr(StreamConfig(), name)
        and value != getattr(has, name)
        and not (name in _BOUNDS and _wider(getattr(has, name), value))
    }


def _wider(has: float | None, wanted: float) -> bool:
    return has is None or has <= 0 or has > wanted
