"""Answers from the store: lives in the daemon, which alone may open the file."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from daemon.api.answers import Refused
from daemon.api.applying import Applying
from daemon.api.expecting import Expecting
from daemon.api.intents import Intents
from daemon.api.picturing import Picturing
from daemon.api.pooling import Pooling
from daemon.api.reading import Reading
from daemon.runtime.clock import Clock
from daemon.store.database import Connection, Database
from daemon.store.sandbox import errors as sql
from daemon.store.sandbox.sandbox import Sandbox
from daemon.store.views import history, sources
from schemas import expected_queries as e
from schemas import queries as q

_FAULTS = 10
_SQL_CODES: tuple[tuple[type[sql.SqlError], str], ...] = (
    (sql.SqlRefused, "refused"),
    (sql.SqlTimeout, "timeout"),
    (sql.SqlTooLarge, "too_large"),
    (sql.SqlBusy, "busy"),
    (sql.SqlFailed, "bad_query"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How ingest and bus are at this moment; the store cannot know."""

    ingest_state: str
    ingest_detail: str
    sequence: int
    lag_messages: int
    last_message_at: datetime | None
    bus_url: str
    bus_reconnects: int


@dataclass(frozen=True, slots=True)
class StoreAnswers:
    """Implements ``daemon.api.answers.Answers``."""

    database: Database
    clock: Clock
    reading: Reading
    intents: Intents
    expecting: Expecting
    applying: Applying
    pooling: Pooling
    picturing: Picturing
    sandbox: Sandbox
    standing: Callable[[], Standing]
    version: str
    pid: int
    started_at: datetime

    async def overview(self, query: q.OverviewQuery) -> q.OverviewAnswer:
        return await self.reading.overview(query)

    async def sources(self, query: q.SourcesQuery) -> q.SourcesAnswer:
        return await self.reading.sources(query)

    async def resources(self, query: q.ResourcesQuery) -> q.ResourcesAnswer:
        return await self.reading.resources(query)

    async def resource(self, query: q.ResourceQuery) -> q.ResourceAnswer:
        return await self.reading.resource(query)

    async def relations(self, query: q.RelationsQuery) -> q.RelationsAnswer:
        return await self.reading.relations(query)

    async def events(self, query: q.EventsQuery) -> q.EventsAnswer:
        return await self.reading.events(query)

    async def deviations(self, query: q.DeviationsQuery) -> q.DeviationsAnswer:
        return await self.reading.deviations(query)

    async def metrics(self, query: q.MetricsQuery) -> q.MetricsAnswer:
        return await self.reading.metrics(query)

    async def adopt(self, query: q.AdoptQuery) -> q.AdoptAnswer:
        return await self.intents.adopt(query)

    async def refresh(self, query: q.RefreshQuery) -> q.RefreshAnswer:
        return await self.intents.refresh(query)

    async def release(self, query: q.ReleaseQuery) -> q.ReleaseAnswer:
        return await self.intents.release(query)

    async def expectations(self, query: e.ExpectationsQuery) -> e.ExpectationsAnswer:
        answer = await self.expecting.expectations(query)
        return answer.model_copy(update={"faults": self.applying.folders.faults})

    async def pools(self, query: e.PoolsQuery) -> e.PoolsAnswer:
        return await self.pooling.pools(query)

    async def snapshots(self, query: e.SnapshotsQuery) -> e.SnapshotsAnswer:
        return await self.picturing.snapshots(query)

    async def snapshot_diff(self, query: e.SnapshotDiffQuery) -> e.SnapshotDiffAnswer:
        return await self.picturing.snapshot_diff(query)

    async def snapshot_export(self, query: e.SnapshotExportQuery) -> e.SnapshotExportAnswer:
        return await self.picturing.snapshot_export(query)

    async def template(self, query: e.TemplateQuery) -> e.TemplateAnswer:
        return await self.picturing.template(query)

    async def expect_apply(self, query: e.ExpectApplyQuery) -> e.ExpectApplyAnswer:
        return await self.applying.expect_apply(query)

    async def expect_withdraw(self, query: e.ExpectWithdrawQuery) -> e.ExpectWithdrawAnswer:
        return await self.applying.expect_withdraw(query)

    async def deviation_act(self, query: e.DeviationActQuery) -> e.DeviationActAnswer:
        return await self.expecting.deviation_act(query)

    async def operator_state(self, query: e.OperatorStateQuery) -> e.OperatorStateAnswer:
        return await self.expecting.operator_state(query)

    async def pool_change(self, query: e.PoolChangeQuery) -> e.PoolChangeAnswer:
        return await self.pooling.pool_change(query)

    async def snapshot_change(self, query: e.SnapshotChangeQuery) -> e.SnapshotChangeAnswer:
        return await self.picturing.snapshot_change(query)

    async def query(self, query: q.SqlQuery) -> q.SqlAnswer:
        try:
            return await self.sandbox.query(query)
        except sql.SqlError as error:
            code = next((code for kind, code in _SQL_CODES if isinstance(error, kind)), "failed")
            raise Refused(code, str(error)) from error

    async def status(self, query: q.StatusQuery) -> q.StatusAnswer:
        del query  # nothing to choose yet
        return await self.database.read(partial(self._status, now=self.clock.now(), standing=self.standing()))

    def _status(self, con: Connection, now: datetime, standing: Standing) -> q.StatusAnswer:
        figures = sources.figures(con)
        return q.StatusAnswer(
            as_of=now, sources=sources.provenance(con, None, None, now=now), version=self.version,
            started_at=self.started_at, pid=self.pid, ingest_state=standing.ingest_state,
            ingest_detail=standing.ingest_detail, ingest_sequence=standing.sequence,
            ingest_lag_messages=standing.lag_messages, last_message_at=standing.last_message_at,
            quarantined=figures["quarantined"], late_messages=figures["late_messages"], resources=figures["resources"],
            open_deviations=history.open_by_severity(con), store_bytes=self.database.bytes(),
            store_path=str(self.database.path), bus_url=standing.bus_url, bus_reconnects=standing.bus_reconnects,
            expectation_faults=tuple(map(str, self.applying.folders.faults[:_FAULTS])),
        )  # fmt: skip
