"""The NATS micro service ``homelab``: one endpoint per question.

Questions are answered side by side, up to a bound per class: a slow SQL query holds up nobody, and the question beyond
the bound is told ``busy`` at once instead of waiting unseen.  Whatever goes wrong, the asker gets a coded error and no
internals.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import orjson
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import FlushTimeoutError
from nats.micro.request import Request
from nats.micro.service import EndpointStats, ServiceConfig
from nats.micro.service import Service as Micro

from daemon.api import wire
from daemon.api.answers import Answers, Refused
from daemon.api.audit import Auditor
from daemon.runtime.clock import Clock, SystemClock
from schemas import subjects
from schemas.answers import ANSWER_BYTES, QuestionClass
from schemas.base import Message
from schemas.queries import QUESTIONS, Question, SqlAnswer

NAME = "homelab"
AT_ONCE = {QuestionClass.SQL: 8, QuestionClass.INTENT: 8}
READS_AT_ONCE = 32
READ_DEADLINE = 30.0
DEADLINE = 150.0
"""Longer than the longest wait or SQL time-out a query may ask for."""
HEADROOM = 4096
FLUSH = 3
INSIST = 1.0
"""On Python 3.11 a cancellation can get lost in nats-py; it is repeated this often (seconds)."""

log = structlog.get_logger()


@asynccontextmanager
async def serve(
    client: Client, answers: Answers, *, version: str, clock: Clock | None = None
) -> AsyncIterator["Service"]:
    """Answer questions while the block runs.  At its end, questions still open are told ``unavailable``."""
    problem: Exception | None = None
    async with asyncio.TaskGroup() as group:
        service = Service(client, answers, group, Auditor(client, clock or SystemClock()))
        config = ServiceConfig(
            name=NAME,
            version=semantic(version),
            description="What runs here, what should, and what differs",
            metadata={"release": version},
            stats_handler=service.stats,
        )
        micro = Micro(client, config)
        try:
            with suppress(FlushTimeoutError, TimeoutError):  # as below; what it subscribed to stands
                async with asyncio.timeout(FLUSH):
                    await micro.start()
            for question in QUESTIONS.values():
                await micro.add_endpoint(
                    name=question.name,
                    subject=subjects.api(question.question_class, question.name),
                    queue_group="homelab",
                    handler=partial(service.receive, question),
                    metadata=describe(question),
                )
            with suppress(FlushTimeoutError):  # it died over it; the next server is told again
                await client.flush(timeout=FLUSH)
            yield service
        except Exception as error:  # noqa: BLE001 - raised below: the group would wrap what is not its own
            problem = error
        finally:
            if client.is_connected:
                await micro.stop()
            await service.close()
    if problem is not None:
        raise problem


def _to_an_inbox(request: Request) -> bool:
    """NATS asks nobody whether a requester may publish on the reply subject it names; what we say goes to an inbox."""
    reply: str = request._msg.reply  # noqa: SLF001 - micro has no other way to it
    return reply.startswith("_INBOX")


def semantic(version: str) -> str:
    """Return what micro accepts as a version: a development release is not semantic."""
    found = re.match(r"\d+\.\d+\.\d+", version)
    return found[0] if found else "0.0.0"


def describe(question: Question) -> dict[str, str]:
    return {
        "about": question.about,
        "class": question.question_class,
        "query_schema": orjson.dumps(wire.compact_schema(question.query)).decode(),
        "answer_schema": orjson.dumps(wire.compact_schema(question.answer)).decode(),
    }


@dataclass
class Tally:
    """Figures of one endpoint; those of micro only see how long it took to start a task."""

    errors: Counter[str] = field(default_factory=Counter)
    last_error: str = ""
    asked: int = 0
    seconds: float = 0.0
    answering: int = 0
    """Counts towards the bound; a task of ``running`` may still be at its audit entry."""
    running: set[asyncio.Task[None]] = field(default_factory=set)


class Service:
    def __init__(self, client: Client, answers: Answers, group: asyncio.TaskGroup, auditor: Auditor) -> None:
        self._client = client
        self._answers = answers
        self._group = group
        self._auditor = auditor
        self._tallies = {name: Tally() for name in QUESTIONS}

    async def receive(self, question: Question, request: Request) -> None:
        """Start answering; returns at once, since NATS delivers an endpoint's next question only then."""
        tally = self._tallies[question.name]
        if not _to_an_inbox(request):
            log.warning("question_refused", question=question.name, reason="its reply subject is not an inbox")
            return
        if self._answering(question.question_class) >= AT_ONCE.get(question.question_class, READS_AT_ONCE):
            tally.asked += 1
            await self._fail(tally, request, Refused("busy", "too many questions at once: ask again in a moment"))
            return
        tally.answering += 1
        task = self._group.create_task(self._handle(question, request, tally), name=f"api.{question.name}")
        tally.running.add(task)
        task.add_done_callback(tally.running.discard)

    def _answering(self, question_class: QuestionClass) -> int:
        return sum(
            tally.answering for name, tally in self._tallies.items() if QUESTIONS[name].question_class is question_class
        )

    async def _handle(self, question: Question, request: Request, tally: Tally) -> None:
        started = asyncio.get_running_loop().time()
        refused: Refused | None = None
        try:
            body = await self._answer(question, request.data)
        except Refused as error:
            refused = error
            await self._fail(tally, request, error)
        except asyncio.CancelledError:
            refused = Refused("unavailable", "the daemon is stopping")
            await self._fail(tally, request, refused)
            raise
        else:
            await self._send(request, body)
        finally:
            seconds = asyncio.get_running_loop().time() - started
            tally.answering -= 1
            tally.asked += 1
            tally.seconds += seconds
            await self._auditor.record(question, request, refused, seconds=seconds)

    async def _answer(self, question: Question, body: bytes) -> bytes:
        """Return the answer in JSON; raises nothing but ``Refused``."""
        deadline = READ_DEADLINE if question.question_class is QuestionClass.READ else DEADLINE
        limit = asyncio.timeout(deadline)
        try:
            query = wire.parse(question, body)
            async with limit:
                answer: Message = await getattr(self._answers, question.name)(query)
            return self._sized(answer)
        except Refused:
            raise
        except Exception as error:
            if limit.expired():
                raise Refused("timeout", f"no answer within {deadline:.0f} s") from error
            log.exception("question_failed", question=question.name)
            raise Refused("failed", "internal error, see the daemon's log") from error

    def _sized(self, answer: Message) -> bytes:
        body = answer.model_dump_json().encode()
        limit = self._client.max_payload - HEADROOM
        if not isinstance(answer, SqlAnswer):
            limit = min(limit, ANSWER_BYTES)
        if len(body) > limit:
            raise Refused(
                "too_large",
                f"the answer has {len(body) // 1024} KB, more than the {limit // 1024} KB that fit: "
                "ask for less (a smaller `limit`, fewer `fields`, a narrower selection)",
            )
        return body

    async def _fail(self, tally: Tally, request: Request, refused: Refused) -> None:
        tally.errors[refused.code] += 1
        tally.last_error = f"{refused.code}: {refused}"
        await self._send(request, wire.encode_error(refused), error=refused)

    async def _send(self, request: Request, body: bytes, *, error: Refused | None = None) -> None:
        try:
            if error is None:
                await request.respond(body)
            else:
                await request.respond_error(error.code, wire.header_text(str(error)), data=body)
        except ValueError:
            log.debug("question_without_reply_subject", subject=request.subject)
        except NatsError as lost:
            log.warning("answer_not_sent", subject=request.subject, error=str(lost))

    def stats(self, endpoint: EndpointStats) -> dict[str, object]:
        """Complete what ``$SRV.STATS`` says of an endpoint; micro calls this for each."""
        tally = self._tallies[endpoint.name]
        endpoint.num_errors = tally.errors.total()
        endpoint.last_error = tally.last_error
        endpoint.processing_time = int(tally.seconds * 1e9)
        endpoint.average_processing_time = endpoint.processing_time // max(tally.asked, 1)
        return {"answering": tally.answering, "errors": dict(tally.errors)}

    async def close(self) -> None:
        while running := {task for tally in self._tallies.values() for task in tally.running}:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=INSIST)
