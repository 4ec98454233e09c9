"""The trail of questions that may change or cost something, on the bus.

It never stands in an answer's way: it is written after the answer went out, and if that fails the log says so.
"""

from dataclasses import dataclass

import orjson
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.micro.request import Request
from pydantic import JsonValue

from daemon.api.answers import Refused
from daemon.runtime.clock import Clock
from schemas import subjects
from schemas.answers import QuestionClass
from schemas.audit import WHO_HEADER, Audited
from schemas.queries import Question

ACK = 5.0
BODY = 16 * 1024

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Auditor:
    client: Client
    clock: Clock

    async def record(self, question: Question, request: Request, refused: Refused | None, *, seconds: float) -> None:
        if question.question_class is QuestionClass.READ:
            return
        entry = Audited(
            time=self.clock.now(),
            agent="daemon",
            question=question.name,
            question_class=question.question_class,
            who=(request.headers or {}).get(WHO_HEADER, "unknown")[:200],
            query=_readable(request.data),
            outcome=refused.code if refused else "ok",
            error=str(refused) if refused else "",
            duration_seconds=seconds,
        )
        subject = subjects.audit(question.question_class)
        body = entry.model_dump_json().encode()
        try:
            if refused and refused.code == "unavailable":  # the daemon is stopping: no time to wait for the ack
                await self.client.publish(subject, body)
            else:
                await self.client.jetstream().publish(subject, body, timeout=ACK, headers={"Nats-Msg-Id": entry.id})
        except NatsError as error:
            log.warning("audit_not_written", question=question.name, id=entry.id, error=str(error) or repr(error))


def _readable(body: bytes) -> JsonValue:
    if len(body) > BODY:
        return f"{len(body)} bytes, beginning {body[:200]!r}"
    try:
        value: JsonValue = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        return repr(body[:200])
    return value
