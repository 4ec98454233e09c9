"""The tools: names, descriptions and arguments for an AI agent.  Each is one question; nothing is computed here.

A docstring is what the agent reads.  Keep it short: all of them are in its window all of the time.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from mcp.types import CallToolResult, TextContent
from pydantic import Field

from daemon.api.answers import Answers, Refused
from daemon.mcp import declaring, limits
from daemon.mcp import parameters as p
from daemon.runtime.clock import Clock
from schemas import expected_queries as e
from schemas import queries as q
from schemas.answers import PAGE
from schemas.base import Message
from schemas.operator import State
from schemas.resources import Presence


def reply(fields: limits.Fields) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=limits.text(fields))], structured_content=fields)


def whole(answer: Message) -> CallToolResult:
    return reply(limits.fit(answer.model_dump(mode="json"), type(answer)))


@dataclass(frozen=True, slots=True)
class Tools:
    answers: Answers
    clock: Clock

    async def get_overview(
        self, changes: Annotated[int, Field(ge=0, le=100, description="how many recent changes")] = 10
    ) -> Annotated[CallToolResult, q.OverviewAnswer]:
        """Is everything as it should be? Start here: open deviations (quiet ones and why apart), what operators said is
        on purpose, counts per source and kind, latest changes.
        """
        return whole(await self.answers.overview(q.OverviewQuery(changes=changes)))

    async def list_sources(
        self, provider: p.Provider = None, source: p.Source = None
    ) -> Annotated[CallToolResult, q.SourcesAnswer]:
        """What is watched, how fresh is it, what is not well in it? Use it to learn why something is missing or
        `unknown`: a source that failed or is late tells nothing about its resources. Name one `source` for its figures:
        nodes and versions, how many of each kind run, fill of storages, guests without backups.
        """
        return whole(await self.answers.sources(q.SourcesQuery(provider=provider, source=source)))

    async def search_resources(
        self,
        *,
        text: Annotated[str | None, Field(description="part of key, name or address")] = None,
        provider: p.Provider = None,
        source: p.Source = None,
        kind: p.AnyKind = None,
        status: p.AnyStatus = None,
        health: p.AnyHealth = None,
        presence: p.AnyPresence = None,
        label: p.Labels = [],  # noqa: B006 - read as a JSON schema, never changed
        parent: Annotated[str | None, Field(description="key of what it sits in or on")] = None,
        pool: Annotated[str | None, Field(description="path of a resource pool")] = None,
        managed: Annotated[bool | None, Field(description="has an expected state")] = None,
        drifting: Annotated[bool | None, Field(description="has open deviations")] = None,
        fields: p.Columns = [],  # noqa: B006
        limit: p.Limit = PAGE,
        cursor: p.Cursor = None,
    ) -> Annotated[CallToolResult, q.ResourcesAnswer]:
        """Find resources (containers, VMs, volumes, hosts, units...). All filters must hold. Presence `unknown` is not
        absence: the source could not be read. Pages: pass `next_cursor` as `cursor`.
        """
        query = q.ResourcesQuery(
            text=text,
            provider=provider,
            source=source,
            kind=kind,
            status=status,
            health=health,
            presence=presence,
            label=tuple(label),
            parent=parent,
            pool=pool,
            managed=managed,
            drifting=drifting,
            include_gone=presence is Presence.GONE,
            fields=tuple(fields),
            limit=limit,
            cursor=cursor,
        )
        return reply(await limits.page(self.answers.resources, query))

    async def get_resource(
        self,
        key: p.Key,
        cluster: p.Cluster = None,
        events: Annotated[int, Field(ge=0, le=200, description="how many latest changes")] = 10,
    ) -> Annotated[CallToolResult, q.ResourceAnswer]:
        """All about one resource: state, spec, expected values, open deviations, latest changes."""
        return whole(await self.answers.resource(q.ResourceQuery(key=key, cluster=cluster, events=events)))

    async def get_relations(
        self, key: p.Key, cluster: p.Cluster = None, depth: Annotated[int, Field(ge=1, le=4)] = 1
    ) -> Annotated[CallToolResult, q.RelationsAnswer]:
        """What a resource uses and what depends on it, in both directions. Ask before saying what a change affects."""
        return whole(await self.answers.relations(q.RelationsQuery(key=key, cluster=cluster, depth=depth)))

    async def list_events(
        self,
        *,
        key: p.AnyKey = None,
        provider: p.Provider = None,
        source: p.Source = None,
        kind: p.AnyKind = None,
        side: Annotated[
            Literal["expected", "actual"] | None, Field(description="what should be, or what was seen")
        ] = None,
        since: p.Moment = None,
        until: p.Moment = None,
        limit: p.Limit = PAGE,
        cursor: p.Cursor = None,
    ) -> Annotated[CallToolResult, q.EventsAnswer]:
        """What changed, newest first: appeared, changed (which paths), replaced, gone. For "what happened to X" and
        "what changed since".
        """
        now = self.clock.now()
        query = q.EventsQuery(
            key=key,
            provider=provider,
            source=source,
            kind=kind,
            side=side,
            since=p.moment(since, now=now, name="since"),
            until=p.moment(until, now=now, name="until"),
            limit=limit,
            cursor=cursor,
        )
        return reply(await limits.page(self.answers.events, query))

    async def list_deviations(
        self,
        *,
        id: Annotated[str | None, Field(description="one, also a resolved one; its first characters do")] = None,  # noqa: A002
        key: p.AnyKey = None,
        provider: p.Provider = None,
        source: p.Source = None,
        kind: p.AnyKind = None,
        type: p.AnyType = None,  # noqa: A002 - the column's name
        severity: p.AnySeverity = None,
        history: Annotated[bool, Field(description="resolved ones too")] = False,
        quiet: Annotated[bool, Field(description="also muted ones, under maintenance, or with a root_cause")] = True,
        limit: p.Limit = PAGE,
        cursor: p.Cursor = None,
    ) -> Annotated[CallToolResult, q.DeviationsAnswer]:
        """What differs from what should be: expected and actual value, severity, evidence; `root_cause` is the id of
        the one that explains it. Only resources with an expected state can deviate; an empty list is no proof of
        health where sources are incomplete.
        """
        query = q.DeviationsQuery(
            id=id,
            quiet=quiet,
            key=key,
            provider=provider,
            source=source,
            kind=kind,
            type=type,
            severity=severity,
            history=history,
            limit=limit,
            cursor=cursor,
        )
        return reply(await limits.page(self.answers.deviations, query))

    async def query_resource_pools(
        self,
        *,
        path: Annotated[str | None, Field(description="this pool and those below; default: all")] = None,
        members: Annotated[bool, Field(description="list the keys in the pool at `path`")] = False,
        limit: p.Limit = PAGE,
        cursor: p.Cursor = None,
    ) -> Annotated[CallToolResult, e.PoolsAnswer]:
        """Resource pools such as /homelab/compute: what is in them and runs, capacity and use, properties with their
        origin. A pool has the members of those below. Find members by other filters: search_resources with `pool`.
        """
        query = e.PoolsQuery(path=path, members=members, limit=limit, cursor=cursor)
        if members:
            return whole(await self.answers.pools(query))
        return reply(await limits.page(self.answers.pools, query))

    async def export_template(
        self, key: p.Key, cluster: p.Cluster = None
    ) -> Annotated[CallToolResult, e.TemplateAnswer]:
        """A manifest with variables (`${name}`) made of a resource that is present, to expect another like it.
        `confidence` (0 to 1) is computed from `facts`: days in sync, deviations, siblings alike. 0: never in sync.
        """
        return whole(await self.answers.template(e.TemplateQuery(key=key, cluster=cluster)))

    async def get_metrics(
        self,
        *,
        key: p.Key,
        cluster: p.Cluster = None,
        metric: Annotated[str | None, Field(description="such as cpu_ratio; default: all")] = None,
        since: p.Moment = None,
        until: p.Moment = None,
        resolution: Literal["raw", "5m", "1h", "auto"] = "auto",
        max_points: Annotated[int, Field(ge=1, le=1000, description="per metric")] = 60,
    ) -> Annotated[CallToolResult, q.MetricsAnswer]:
        """Measured use (CPU, memory, disk, network) of one resource over time; the last hour unless `since` says
        otherwise. What it is given (its size) is in get_resource.
        """
        now = self.clock.now()
        query = q.MetricsQuery(
            key=key,
            cluster=cluster,
            metric=metric,
            since=p.moment(since, now=now, name="since"),
            until=p.moment(until, now=now, name="until"),
            resolution=resolution,
            max_points=max_points,
        )
        return whole(await self.answers.metrics(query))

    async def query_sql(
        self,
        *,
        sql: Annotated[str, Field(description="one SELECT, DuckDB dialect")],
        max_rows: Annotated[int, Field(ge=1, le=10_000)] = 200,
        timeout_seconds: p.Seconds = None,
    ) -> Annotated[CallToolResult, q.SqlAnswer]:
        """Ask in SQL on a read-only snapshot, for what no other tool answers: counts, joins, history. Tables:
        resources, state_log, deviations, expectations, sources, scans, samples, samples_5m, samples_1h (columns:
        `DESCRIBE resources`). `spec`, `native`, `labels` are JSON: spec->>'$.image'.
        """
        query = q.SqlQuery(sql=sql, max_rows=max_rows, timeout_seconds=timeout_seconds)
        return whole(await self.answers.query(query))

    async def set_expected_state(
        self,
        *,
        keys: Annotated[list[str], Field(description="adopt these resources as they are")] = [],  # noqa: B006
        selector: Annotated[str, Field(description="adopt these: kind=container name=web-* label:tier=front")] = "",
        cluster: p.Cluster = None,
        deviation: Annotated[str | None, Field(description="id: accept that this is so")] = None,
        manifest: Annotated[str, Field(description="one manifest as JSON text")] = "",
        reason: str = "",
        dry_run: bool = False,
    ) -> Annotated[CallToolResult, declaring.ExpectedStateAnswer]:
        """Say what should be; changes no resource. One of: adopt keys or a selector, accept a deviation, apply a
        manifest {"apiVersion":"homelab.ai/v1","kind":"Expectation","metadata":{"name":"web"},"spec":{"key":"...",
        "status":"running","fields":{"spec.image":"nginx:1"}}}. Only with the operator's consent; dry_run first.
        """
        if sum((bool(keys or selector), deviation is not None, bool(manifest))) != 1:
            raise Refused("bad_query", "give exactly one of: keys or selector, deviation, manifest")
        if cluster is not None and not (keys or selector):
            raise Refused("bad_query", "cluster goes with keys or selector")
        if deviation is not None:
            if dry_run:
                raise Refused("bad_query", "accepting has no dry_run: list_deviations with its id shows what becomes")
            return whole(await declaring.accept(self.answers, deviation, reason))
        if manifest:
            return whole(await declaring.apply(self.answers, manifest, dry_run=dry_run))
        return whole(await declaring.adopt(self.answers, keys, selector, cluster, dry_run=dry_run))

    async def set_operator_state(
        self,
        *,
        target: Annotated[str, Field(description="key, name, pool path or provider/source")],
        cluster: p.Cluster = None,
        state: Annotated[State | None, Field(description="default: clear what was said")] = None,
        until: Annotated[str | None, Field(description="ISO 8601 with zone, or how long: 30m, 2h, 7d")] = None,
        reason: str = "",
    ) -> Annotated[CallToolResult, e.OperatorStateAnswer]:
        """Say that something is on purpose: maintenance (deviations stay quiet), expected_offline (absence is right),
        retired (nothing is expected), never_auto. Only with the operator's consent.
        """
        now = self.clock.now()
        until_at = p.later(until, now=now, name="until")
        query = e.OperatorStateQuery(
            target=target, cluster=cluster, state=state, until_at=until_at, reason=reason, by=declaring.WHO
        )
        return whole(await declaring.operator_state(self.answers, query, now))

    async def create_snapshot(
        self,
        *,
        name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", description="not in use yet")],
        note: Annotated[str, Field(description="what it is for")] = "",
    ) -> Annotated[CallToolResult, e.SnapshotChangeAnswer]:
        """Name the whole inventory as it is now, to compare with later: before a change, say. Not a provider's
        snapshot: it restores nothing.
        """
        return whole(await self.answers.snapshot_change(e.SnapshotChangeQuery(name=name, note=note, by="mcp")))

    async def refresh_source(
        self,
        *,
        source: Annotated[str | None, Field(description="name or provider/name; default: all")] = None,
        provider: p.Provider = None,
        scope: Annotated[str | None, Field(description="one scope of list_sources; default: all")] = None,
        wait_seconds: Annotated[float, Field(ge=0, le=120)] = 10,
    ) -> Annotated[CallToolResult, q.RefreshAnswer]:
        """Read sources now instead of at their next interval, and wait for the result. Changes nothing in them. Use
        it when `age_seconds` is too old for the question, not before every question.
        """
        query = q.RefreshQuery(source=source, provider=provider, scope=scope, wait_seconds=wait_seconds)
        return whole(await self.answers.refresh(query))
