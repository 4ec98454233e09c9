"""When a source was last measured, as the bus remembers it: by whoever did it before this process."""

from datetime import datetime

from nats.errors import Error as NatsError
from pydantic import ValidationError

from daemon.runtime.connection import Connection
from daemon.runtime.streams import METRICS
from schemas import subjects
from schemas.events import MetricsBatch
from schemas.resources import SourceRef

_PATIENCE = 3.0
"""Seconds.  The server does not answer one who may not ask."""


async def last_at(bus: Connection, ref: SourceRef) -> datetime | None:
    """Return the time of the last batch of samples; None where METRICS holds none any more."""
    subject = subjects.metrics(ref.provider, ref.name)
    try:
        message = await bus.jetstream(timeout=_PATIENCE).get_last_msg(str(METRICS.name), subject, direct=True)
        return MetricsBatch.model_validate_json(message.data or b"").time
    except (NatsError, ValidationError):
        return None
