"""Canned answers: a homelab with one Docker engine, held in memory.  Real paging, no storage."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache

import pytest
from nats.aio.client import Client

from daemon.api import service
from daemon.api.answers import Answers, Refused
from daemon.runtime.clock import Clock
from schemas import expected_queries as e
from schemas import queries as q
from schemas.answers import Provenance
from schemas.base import Message
from schemas.deviations import Deviation, DeviationType, Severity
from schemas.expectations import Expectation
from schemas.health import Fill, SourceHealth
from schemas.operator import OperatorState
from schemas.resources import Health, Kind, Presence, Relation, Status

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
DOCKER = Provenance(source="docker/local", status="ok", observed_at=AT, age_seconds=2.5, complete=True)
KEY = "docker/local/container/web"
FILL = Fill(key="docker/local/storage/data", name="data", used_ratio=0.4)
ODD_KEY = "host/box/disk//dev/sd a?50%#1/../../../../../../../ü"


def row(key: str = KEY, **given: object) -> q.ResourceRow:
    provider, source, kind, native_id = key.split("/", 3)
    return q.ResourceRow(
        **{  # type: ignore[arg-type]
            "key": key,
            "provider": provider,
            "source": source,
            "kind": Kind(kind),
            "native_id": native_id,
            "name": native_id,
            "native_kind": "",
            "scope": "all",
            "status": Status.RUNNING,
            "native_status": "running",
            "health": Health.OK,
            "presence": Presence.PRESENT,
            "parent": None,
            "relations": (Relation(type="uses", key="docker/local/volume/data"),),
            "labels": {"tier": "front"},
            "addresses": ("172.17.0.2",),
            "cpu_cores": None,
            "memory_bytes": 1 << 20,
            "disk_bytes": None,
            "gpus": None,
            "created_at": AT,
            "incarnation": "c1",
            "revision": "",
            "spec": {"image": "nginx:1"},
            "native": {},
            "hash": "0123456789abcdef",
            "first_seen_at": AT,
            "observed_at": AT,
            "changed_at": AT,
            "managed": True,
            "drift": 1,
            **given,
        }
    )


def deviation(number: int = 1) -> Deviation:
    return Deviation(
        id=f"d{number}",
        key=KEY,
        type=DeviationType.CHANGED,
        path="spec.image",
        expected="nginx:1",
        actual="nginx:2",
        severity=Severity.HIGH,
        detected_at=AT,
        last_seen_at=AT,
    )


def pool(path: str = "/lab", **given: object) -> e.PoolRow:
    said = {"path": path, "declared": False, "members": 2, "running": 1, "properties": [], **given}
    return e.PoolRow.model_validate(said)


def expectation(key: str = KEY) -> Expectation:
    fields = {
        "status": {"value": "running", "owner": "declared"},
        "spec.image": {"value": "nginx:1", "owner": "adopted"},
    }
    said = {"key": key, "fields": fields, "criticality": "high", "owner": "ann", "file": "web.yaml:3", "since": AT}
    return Expectation.model_validate(said)


def declaration(name: str = "web") -> e.Declaration:
    spec = {"key": KEY, "status": "running"}
    manifest = {"apiVersion": "homelab.ai/v1", "kind": "Expectation", "metadata": {"name": name}, "spec": spec}
    place = e.Place(file="/etc/homelab/web.yaml", line=3)
    return e.Declaration(
        name=f"Expectation/{name}", origin="api", place=place, key=KEY, matches=1, manifest=manifest, applied_at=AT
    )


def snapshot(name: str = "before") -> e.SnapshotRow:
    return e.SnapshotRow(name=name, seq=5, at=AT, note="before the update", resources=3)


def event(seq: int = 1, **given: object) -> q.EventRow:
    return q.EventRow(
        **{  # type: ignore[arg-type]
            "seq": seq,
            "at": AT,
            "side": "actual",
            "op": "changed",
            "key": KEY,
            "provider": "docker",
            "source": "local",
            "kind": "container",
            "name": "web",
            "incarnation": "c1",
            "status": "running",
            "presence": "present",
            "changed": ("spec.image",),
            "cause": "scan",
            **given,
        }
    )


class FakeAnswers:
    """Remembers what it was asked in ``asked``; ``failure`` is raised instead of an answer, ``gate`` holds one back."""

    def __init__(self, rows: tuple[q.ResourceRow, ...] | None = None) -> None:
        self.rows = rows if rows is not None else (row(), row("docker/local/container/db"), row(ODD_KEY))
        self.log = tuple(event(seq) for seq in range(1, 6))
        self.found = (deviation(),)
        self.pool_rows = (pool(), pool("/lab/compute"))
        self.expected = (expectation(), expectation("docker/local/container/db"))
        self.declared = (declaration(), declaration("db"))
        self.states: dict[str, OperatorState] = {}
        self.faults: tuple[e.Fault, ...] = ()
        self.warnings: tuple[e.Fault, ...] = ()
        self.skipped: dict[str, str] = {}
        self.points = 3
        self.sql_rows = 2
        self.edges = 1
        self.failure: Exception | None = None
        self.asked: list[Message] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def _ask(self, name: str, query: Message) -> None:
        self.asked.append(query)
        if name in self.gates:
            await self.gates[name].wait()
        if self.failure:
            raise self.failure

    async def overview(self, query: q.OverviewQuery) -> q.OverviewAnswer:
        await self._ask("overview", query)
        count = q.KindCount(
            provider="docker", source="local", kind="container", total=2, running=2, not_running=0, unknown=0
        )
        return q.OverviewAnswer(
            as_of=AT,
            sources=(DOCKER,),
            summary="1 deviation, all sources are read.",
            counts=(count,),
            open_deviations={"high": 1},
            worst=self.found,
            recent=self.log[: query.changes],
        )

    async def status(self, query: q.StatusQuery) -> q.StatusAnswer:
        await self._ask("status", query)
        return q.StatusAnswer(
            as_of=AT,
            version="0.1.0",
            started_at=AT,
            pid=1,
            ingest_state="live",
            ingest_sequence=10,
            ingest_lag_messages=0,
            quarantined=0,
            late_messages=0,
            resources=len(self.rows),
            open_deviations={},
            store_bytes=0,
            store_path="/nowhere",
            bus_url="nats://127.0.0.1:4222",
            bus_reconnects=0,
            expectation_faults=tuple(map(str, self.faults)),
        )

    async def sources(self, query: q.SourcesQuery) -> q.SourcesAnswer:
        await self._ask("sources", query)
        item = q.SourceRow(
            provider="docker",
            source="local",
            status="ok",
            resources=2,
            observed_at=AT,
            scopes=(q.ScopeRow(scope="all", status="ok", resources=2),),
            health=SourceHealth(versions={"29.1": 1}, storages=(FILL,)) if query.source else None,
        )
        return q.SourcesAnswer(as_of=AT, sources=(DOCKER,), total=1, items=(item,))

    async def resources(self, query: q.ResourcesQuery) -> q.ResourcesAnswer:
        await self._ask("resources", query)
        found = [each for each in self.rows if query.provider in {None, each.provider}]
        first = int(query.cursor or 0)
        last = first + query.limit
        items = tuple(
            {name: value for name, value in each.model_dump(mode="json").items() if name in _columns(query, name)}
            for each in found[first:last]
        )
        more = str(last) if last < len(found) else None
        return q.ResourcesAnswer(as_of=AT, sources=(DOCKER,), total=len(found), items=items, next_cursor=more)

    async def resource(self, query: q.ResourceQuery) -> q.ResourceAnswer:
        await self._ask("resource", query)
        for each in self.rows:
            if each.key == query.key:
                return q.ResourceAnswer(
                    as_of=AT,
                    sources=(DOCKER,),
                    resource=each,
                    deviations=self.found,
                    expected={"spec.image": "nginx:1"},
                    events=self.log[: query.events],
                )
        raise Refused("not_found", f"there is no resource {query.key}", candidates=(KEY,))

    async def relations(self, query: q.RelationsQuery) -> q.RelationsAnswer:
        await self._ask("relations", query)
        edges = tuple(
            q.RelationEdge(from_key=query.key, type="uses", to_key=f"docker/local/volume/data{number}")
            for number in range(self.edges)
        )
        return q.RelationsAnswer(as_of=AT, sources=(DOCKER,), key=query.key, edges=edges)

    async def events(self, query: q.EventsQuery) -> q.EventsAnswer:
        await self._ask("events", query)
        first = int(query.cursor or 0)
        last = first + query.limit
        more = str(last) if last < len(self.log) else None
        items = self.log[first:last]
        return q.EventsAnswer(as_of=AT, sources=(DOCKER,), total=len(self.log), items=items, next_cursor=more)

    async def deviations(self, query: q.DeviationsQuery) -> q.DeviationsAnswer:
        await self._ask("deviations", query)
        found = [one for one in self.found if query.id is None or one.id.startswith(query.id)]
        return q.DeviationsAnswer(as_of=AT, sources=(DOCKER,), total=len(found), items=tuple(found[: query.limit]))

    async def metrics(self, query: q.MetricsQuery) -> q.MetricsAnswer:
        await self._ask("metrics", query)
        points = tuple(q.Point(at=AT, value=0.5, low=0.1, high=0.9) for _ in range(min(self.points, query.max_points)))
        series = tuple(q.Series(metric=name, points=points) for name in ("cpu_ratio", "memory_used_bytes"))
        return q.MetricsAnswer(as_of=AT, sources=(DOCKER,), key=query.key, resolution="raw", series=series)

    async def adopt(self, query: q.AdoptQuery) -> q.AdoptAnswer:
        await self._ask("adopt", query)
        if query.is_empty:
            raise Refused("bad_query", "name what is to be adopted")
        if self.skipped:
            return q.AdoptAnswer(as_of=AT, adopted=(), skipped=self.skipped)
        adopted = (q.Adopted(key=KEY, fields={"status": "running"}, changed=True),)
        return q.AdoptAnswer(as_of=AT, adopted=adopted, skipped={}, total=1)

    async def refresh(self, query: q.RefreshQuery) -> q.RefreshAnswer:
        await self._ask("refresh", query)
        return q.RefreshAnswer(as_of=AT, sources=(DOCKER,), refreshed=("docker/local",))

    async def release(self, query: q.ReleaseQuery) -> q.ReleaseAnswer:
        await self._ask("release", query)
        return q.ReleaseAnswer(as_of=AT, released=("all",))

    async def pools(self, query: e.PoolsQuery) -> e.PoolsAnswer:
        await self._ask("pools", query)
        first = int(query.cursor or 0)
        items = self.pool_rows[first : first + query.limit]
        more = str(first + query.limit) if first + query.limit < len(self.pool_rows) else None
        members = (KEY,) if query.members else ()
        total = len(members if query.members else self.pool_rows)
        return e.PoolsAnswer(as_of=AT, sources=(DOCKER,), total=total, items=items, members=members, next_cursor=more)

    async def pool_change(self, query: e.PoolChangeQuery) -> e.PoolChangeAnswer:
        await self._ask("pool_change", query)
        return e.PoolChangeAnswer(as_of=AT, changed=query.keys or (query.path,))

    async def expectations(self, query: e.ExpectationsQuery) -> e.ExpectationsAnswer:
        await self._ask("expectations", query)
        keys = query.of == "keys"
        found = self.expected if keys else self.declared
        first = int(query.cursor or 0)
        shown = found[first : first + query.limit]
        more = str(first + query.limit) if first + query.limit < len(found) else None
        return e.ExpectationsAnswer(
            as_of=AT,
            total=len(found),
            next_cursor=more,
            items=shown if keys else (),
            declarations=() if keys else shown,
            operator_states=tuple(self.states.values()),
            faults=self.faults,
        )

    async def expect_apply(self, query: e.ExpectApplyQuery) -> e.ExpectApplyAnswer:
        await self._ask("expect_apply", query)
        if self.faults:
            return e.ExpectApplyAnswer(as_of=AT, faults=self.faults)
        there = {one.name: one for one in self.declared}
        applied = []
        for document in query.documents:
            name = f"{document.manifest['kind']}/{document.manifest['metadata']['name']}"
            old = there.get(name)
            same = old is not None and old.manifest == document.manifest
            change = "created" if old is None else "unchanged" if same else "changed"
            applied.append(e.Applied(name=name, change=change, matches=1, place=document.place))
        if query.prune:
            gone = there.keys() - {one.name for one in applied}
            applied += [e.Applied(name=name, change="withdrawn", place=there[name].place) for name in sorted(gone)]
        return e.ExpectApplyAnswer(as_of=AT, applied=tuple(applied), warnings=self.warnings)

    async def expect_withdraw(self, query: e.ExpectWithdrawQuery) -> e.ExpectWithdrawAnswer:
        await self._ask("expect_withdraw", query)
        there = {one.name.partition("/")[2] for one in self.declared} | {one.key for one in self.expected}
        asked = (*query.names, *query.keys)
        return e.ExpectWithdrawAnswer(
            as_of=AT,
            withdrawn=tuple(one for one in asked if one in there),
            unknown=tuple(one for one in asked if one not in there),
        )

    async def deviation_act(self, query: e.DeviationActQuery) -> e.DeviationActAnswer:
        await self._ask("deviation_act", query)
        for one in self.found:
            if one.id.startswith(query.id):
                said = {"note": query.reason, "acknowledged_by": query.by, "acknowledged_at": AT}
                return e.DeviationActAnswer(as_of=AT, deviation=one.model_copy(update=said))
        raise Refused("not_found", f"no deviation has the id {query.id}")

    async def operator_state(self, query: e.OperatorStateQuery) -> e.OperatorStateAnswer:
        await self._ask("operator_state", query)
        self.states.pop(query.target, None)
        if query.state is not None:
            self.states[query.target] = OperatorState(
                target=query.target,
                state=query.state,
                until_at=query.until_at,
                reason=query.reason,
                set_by=query.by,
                set_at=AT,
            )
        return e.OperatorStateAnswer(
            as_of=AT, states=tuple(one for one in self.states.values() if one.target == query.target)
        )

    async def snapshots(self, query: e.SnapshotsQuery) -> e.SnapshotsAnswer:
        await self._ask("snapshots", query)
        return e.SnapshotsAnswer(as_of=AT, total=1, items=(snapshot(query.name or "before"),))

    async def snapshot_diff(self, query: e.SnapshotDiffQuery) -> e.SnapshotDiffAnswer:
        await self._ask("snapshot_diff", query)
        item = e.KeyDiff(key=KEY, name="web", change="changed", paths={"spec.image": ("nginx:1", "nginx:2")})
        return e.SnapshotDiffAnswer(as_of=AT, total=1, items=(item,))

    async def snapshot_export(self, query: e.SnapshotExportQuery) -> e.SnapshotExportAnswer:
        await self._ask("snapshot_export", query)
        manifests = (("docker/local/container/web.yaml", declaration().manifest),)
        return e.SnapshotExportAnswer(as_of=AT, total=1, manifests=manifests)

    async def template(self, query: e.TemplateQuery) -> e.TemplateAnswer:
        await self._ask("template", query)
        return e.TemplateAnswer(
            as_of=AT,
            key=query.key,
            manifest=declaration().manifest,
            variables={"name": "web"},
            confidence=0.5,
            facts={"days_in_sync": 3},
        )

    async def snapshot_change(self, query: e.SnapshotChangeQuery) -> e.SnapshotChangeAnswer:
        await self._ask("snapshot_change", query)
        return e.SnapshotChangeAnswer(as_of=AT, snapshot=snapshot(query.name) if query.act == "create" else None)

    async def query(self, query: q.SqlQuery) -> q.SqlAnswer:
        await self._ask("query", query)
        rows = tuple((number, None, "x" * 100) for number in range(min(self.sql_rows, query.max_rows)))
        names, types = ("n", "nothing", "text"), ("INTEGER", "INTEGER", "VARCHAR")
        return q.SqlAnswer(columns=names, types=types, rows=rows, as_of=AT, elapsed_ms=1.5)


def _columns(query: q.ResourcesQuery, name: str) -> tuple[str, ...]:
    return query.fields if query.fields and "*" not in query.fields else (name,)


_described = cache(service.describe)


@asynccontextmanager
async def served(
    client: Client, answers: Answers, *, version: str = "0.1.0", clock: Clock | None = None
) -> AsyncIterator[service.Service]:
    """Serve them on the bus.  The schemas of the questions are made once: that takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "describe", _described)
        async with service.serve(client, answers, version=version, clock=clock) as serving:
            yield serving
