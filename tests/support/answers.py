"""Canned answers: a homelab with one Docker engine, held in memory.  Real paging, no storage."""

import asyncio
from datetime import UTC, datetime

from daemon.api.answers import Refused
from schemas import expected_queries as e
from schemas import queries as q
from schemas.answers import Provenance
from schemas.base import Message
from schemas.deviations import Deviation, DeviationType, Severity
from schemas.resources import Health, Kind, Presence, Relation, Status

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
DOCKER = Provenance(source="docker/local", status="ok", observed_at=AT, age_seconds=2.5, complete=True)
KEY = "docker/local/container/web"
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
        items = self.found[: query.limit]
        return q.DeviationsAnswer(as_of=AT, sources=(DOCKER,), total=len(self.found), items=items)

    async def metrics(self, query: q.MetricsQuery) -> q.MetricsAnswer:
        await self._ask("metrics", query)
        points = tuple(q.Point(at=AT, value=0.5, low=0.1, high=0.9) for _ in range(min(self.points, query.max_points)))
        series = tuple(q.Series(metric=name, points=points) for name in ("cpu_ratio", "memory_used_bytes"))
        return q.MetricsAnswer(as_of=AT, sources=(DOCKER,), key=query.key, resolution="raw", series=series)

    async def adopt(self, query: q.AdoptQuery) -> q.AdoptAnswer:
        await self._ask("adopt", query)
        if query.is_empty:
            raise Refused("bad_query", "name what is to be adopted")
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

    async def query(self, query: q.SqlQuery) -> q.SqlAnswer:
        await self._ask("query", query)
        rows = tuple((number, None, "x" * 100) for number in range(min(self.sql_rows, query.max_rows)))
        names, types = ("n", "nothing", "text"), ("INTEGER", "INTEGER", "VARCHAR")
        return q.SqlAnswer(columns=names, types=types, rows=rows, as_of=AT, elapsed_ms=1.5)


def _columns(query: q.ResourcesQuery, name: str) -> tuple[str, ...]:
    return query.fields if query.fields and "*" not in query.fields else (name,)
