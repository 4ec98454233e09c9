"""The questions, asked over NATS: what every front end uses.

A refusal comes back as the same ``Refused`` that the daemon raised.  That nobody answers, and that NATS forbids the
question, are told apart from each other and from a slow answer.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError, NoRespondersError
from nats.micro.request import ERROR_CODE_HEADER, ERROR_HEADER
from pydantic import ValidationError

from daemon.api import wire
from daemon.api.answers import Refused, Unavailable
from daemon.runtime.connection import Connection
from schemas import expected_queries as e
from schemas import queries as q
from schemas import subjects
from schemas.audit import WHO_HEADER
from schemas.base import Message

AnswerT = TypeVar("AnswerT", bound=Message)

SQL_TIMEOUT = 60.0
SLACK = 5.0
NEVER = 3600.0
"""The request's own time-out, which loses cancellations on Python 3.11, is not the one that ends it."""
RETRIES, PAUSE = 10, 0.2


@dataclass(frozen=True, slots=True)
class BusAnswers:
    """``who`` names the front end and its user in the audit trail; ``timeout`` is in seconds."""

    client: Connection
    timeout: float = 10.0
    who: str = ""

    async def overview(self, query: q.OverviewQuery) -> q.OverviewAnswer:
        return await self._ask("overview", query, q.OverviewAnswer)

    async def status(self, query: q.StatusQuery) -> q.StatusAnswer:
        return await self._ask("status", query, q.StatusAnswer)

    async def sources(self, query: q.SourcesQuery) -> q.SourcesAnswer:
        return await self._ask("sources", query, q.SourcesAnswer)

    async def resources(self, query: q.ResourcesQuery) -> q.ResourcesAnswer:
        return await self._ask("resources", query, q.ResourcesAnswer)

    async def resource(self, query: q.ResourceQuery) -> q.ResourceAnswer:
        return await self._ask("resource", query, q.ResourceAnswer)

    async def relations(self, query: q.RelationsQuery) -> q.RelationsAnswer:
        return await self._ask("relations", query, q.RelationsAnswer)

    async def events(self, query: q.EventsQuery) -> q.EventsAnswer:
        return await self._ask("events", query, q.EventsAnswer)

    async def deviations(self, query: q.DeviationsQuery) -> q.DeviationsAnswer:
        return await self._ask("deviations", query, q.DeviationsAnswer)

    async def metrics(self, query: q.MetricsQuery) -> q.MetricsAnswer:
        return await self._ask("metrics", query, q.MetricsAnswer)

    async def adopt(self, query: q.AdoptQuery) -> q.AdoptAnswer:
        return await self._ask("adopt", query, q.AdoptAnswer, patience=self.timeout + SLACK)

    async def refresh(self, query: q.RefreshQuery) -> q.RefreshAnswer:
        return await self._ask("refresh", query, q.RefreshAnswer, patience=query.wait_seconds + self.timeout)

    async def release(self, query: q.ReleaseQuery) -> q.ReleaseAnswer:
        return await self._ask("release", query, q.ReleaseAnswer)

    async def query(self, query: q.SqlQuery) -> q.SqlAnswer:
        patience = max(self.timeout, (query.timeout_seconds or SQL_TIMEOUT) + SLACK)
        return await self._ask("query", query, q.SqlAnswer, patience=patience)

    async def expectations(self, query: e.ExpectationsQuery) -> e.ExpectationsAnswer:
        return await self._ask("expectations", query, e.ExpectationsAnswer)

    async def pools(self, query: e.PoolsQuery) -> e.PoolsAnswer:
        return await self._ask("pools", query, e.PoolsAnswer)

    async def snapshots(self, query: e.SnapshotsQuery) -> e.SnapshotsAnswer:
        return await self._ask("snapshots", query, e.SnapshotsAnswer)

    async def snapshot_diff(self, query: e.SnapshotDiffQuery) -> e.SnapshotDiffAnswer:
        return await self._ask("snapshot_diff", query, e.SnapshotDiffAnswer, patience=self.timeout + SLACK)

    async def snapshot_export(self, query: e.SnapshotExportQuery) -> e.SnapshotExportAnswer:
        return await self._ask("snapshot_export", query, e.SnapshotExportAnswer, patience=self.timeout + SLACK)

    async def template(self, query: e.TemplateQuery) -> e.TemplateAnswer:
        return await self._ask("template", query, e.TemplateAnswer)

    async def expect_apply(self, query: e.ExpectApplyQuery) -> e.ExpectApplyAnswer:
        return await self._ask("expect_apply", query, e.ExpectApplyAnswer, patience=self.timeout + SLACK)

    async def expect_withdraw(self, query: e.ExpectWithdrawQuery) -> e.ExpectWithdrawAnswer:
        return await self._ask("expect_withdraw", query, e.ExpectWithdrawAnswer)

    async def deviation_act(self, query: e.DeviationActQuery) -> e.DeviationActAnswer:
        return await self._ask("deviation_act", query, e.DeviationActAnswer)

    async def operator_state(self, query: e.OperatorStateQuery) -> e.OperatorStateAnswer:
        return await self._ask("operator_state", query, e.OperatorStateAnswer)

    async def pool_change(self, query: e.PoolChangeQuery) -> e.PoolChangeAnswer:
        return await self._ask("pool_change", query, e.PoolChangeAnswer)

    async def snapshot_change(self, query: e.SnapshotChangeQuery) -> e.SnapshotChangeAnswer:
        return await self._ask("snapshot_change", query, e.SnapshotChangeAnswer)

    async def _ask(self, name: str, query: Message, answer: type[AnswerT], *, patience: float | None = None) -> AnswerT:
        subject = subjects.api(q.QUESTIONS[name].question_class, name)
        reply = await self._request(subject, query, patience or self.timeout)
        if reply.headers and ERROR_CODE_HEADER in reply.headers:
            raise _refused(reply)
        try:
            return answer.model_validate_json(reply.data)
        except ValidationError as error:
            raise Refused(
                "failed", f"the daemon's answer cannot be read, is its version another? {wire.faults(error)}"
            ) from error

    async def _request(self, subject: str, query: Message, patience: float) -> Msg:
        body = query.model_dump_json(exclude_defaults=True).encode()
        headers = {WHO_HEADER: wire.header_text(self.who)} if self.who else None
        limit = asyncio.timeout(patience)
        pending = _Pending(subject, limit)
        try:
            async with limit:
                for _ in range(await self._until_up()):
                    with suppress(NoRespondersError):
                        return await self._send(pending, body, headers)
                    await asyncio.sleep(PAUSE)
                return await self._send(pending, body, headers)
        except NoRespondersError as error:
            raise Unavailable(f"no daemon answers on {self.client.address}: is `homelab up` running?") from error
        except MaxPayloadError as error:
            raise Refused("too_large", "the query is larger than the bus allows") from error
        except TimeoutError as error:
            raise pending.reason or Unavailable(self._silence(patience)) from error
        except NatsError as error:
            raise Unavailable(f"the bus at {self.client.address} cannot be used: {error}") from error
        finally:
            self.client.listeners.discard(pending)

    async def _send(self, pending: "_Pending", body: bytes, headers: dict[str, str] | None) -> Msg:
        self.client.listeners.add(pending)
        return await self.client.request(pending.subject, body, timeout=NEVER, headers=headers)

    async def _until_up(self) -> int:
        """Wait for the bus; return how often to ask again when nobody is there: the daemon may come back after us."""
        if self.client.up.is_set():
            return 0
        await self.client.up.wait()
        return RETRIES

    def _silence(self, patience: float) -> str:
        if not self.client.is_connected:
            return f"the bus at {self.client.address} is away: is `homelab up` running?"
        return f"the daemon on {self.client.address} did not answer within {patience:g} s"


class _Pending:
    """Ends the wait for an answer that cannot come; of both reasons NATS tells the connection, never the asker."""

    def __init__(self, subject: str, limit: asyncio.Timeout) -> None:
        self.subject = subject
        self._limit = limit
        self.reason: Refused | None = None

    def refused(self, subject: str) -> None:
        if subject == self.subject.lower():
            self._end(Refused("refused", f"you may not ask {subject}: use a role that may, such as operator or admin"))

    def lost(self) -> None:
        self._end(Unavailable("the connection to the bus broke before the answer came: ask again"))

    def _end(self, reason: Refused) -> None:
        if self.reason is None:
            self.reason = reason
            self._limit.reschedule(asyncio.get_running_loop().time())


def _refused(reply: Msg) -> Refused:
    headers = reply.headers or {}
    try:
        answer = q.ErrorAnswer.model_validate_json(reply.data)
    except ValidationError:
        return Refused(headers[ERROR_CODE_HEADER], headers.get(ERROR_HEADER, ""))
    if answer.code == "unavailable":
        return Unavailable(answer.error)
    return Refused(answer.code, answer.error, candidates=answer.candidates)
