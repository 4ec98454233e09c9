"""Answers about pictures of the whole: snapshots, what differs between them, and manifests made of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from daemon.api.answers import Refused
from daemon.api.reading import BYTES_FOR_ITEMS, source_of
from daemon.api.resolving import Resolver
from daemon.reconcile import exporting, templates
from daemon.reconcile import pictures as compared
from daemon.reconcile.templates import Facts
from daemon.runtime.clock import Clock
from daemon.store import pictures
from daemon.store.database import Connection, Database, StoreUnavailable
from daemon.store.pictures import Snapshot
from daemon.store.views import past, resources, sources
from daemon.store.views.resources import Condition, condition
from schemas import expected_queries as e
from schemas.resources import Key
from schemas.selectors import Selector

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Picturing:
    database: Database
    clock: Clock
    resolver: Resolver = field(default_factory=Resolver)

    async def snapshots(self, query: e.SnapshotsQuery) -> e.SnapshotsAnswer:
        return await self.database.read(lambda con: _snapshots(con, query, self.clock.now()))

    async def snapshot_change(self, query: e.SnapshotChangeQuery) -> e.SnapshotChangeAnswer:
        try:
            return await self.database.write(lambda con: _change(con, query, self.clock.now()))
        except StoreUnavailable as error:
            raise Refused("unavailable", f"nothing was changed: {error}") from error

    async def snapshot_diff(self, query: e.SnapshotDiffQuery) -> e.SnapshotDiffAnswer:
        return await self.database.read(lambda con: _diff(con, query, self.clock.now()))

    async def snapshot_export(self, query: e.SnapshotExportQuery) -> e.SnapshotExportAnswer:
        return await self.database.read(lambda con: _export(con, query, self.clock.now()))

    async def template(self, query: e.TemplateQuery) -> e.TemplateAnswer:
        return await self.database.read(lambda con: _template(con, query, self.clock.now(), self.resolver))


def _snapshots(con: Connection, query: e.SnapshotsQuery, now: datetime) -> e.SnapshotsAnswer:
    if query.name is None:
        items = [_row(one) for one in pictures.snapshots(con)]
    else:
        one = _named(con, query.name)
        more = {"lost": pictures.lost(con, one), "counts": pictures.counts(con, one.seq)}
        items = [_row(one).model_copy(update=more)]
    return e.SnapshotsAnswer(as_of=now, total=len(items), items=tuple(items))


def _change(con: Connection, query: e.SnapshotChangeQuery, now: datetime) -> e.SnapshotChangeAnswer:
    if query.act == "delete":
        one = _named(con, query.name)
        pictures.forget(con, one.name)
        return e.SnapshotChangeAnswer(as_of=now, snapshot=_row(one))
    if pictures.snapshots(con, query.name):
        raise Refused("refused", f"there is a snapshot {query.name!r}: delete it, or take another name")
    one = pictures.take(con, query.name, at=now, note=query.note, by=query.by)
    unread = [drawn.source for drawn in sources.provenance(con, None, None, now=now) if not drawn.complete]
    hint = f"not read whole at this time: {', '.join(unread)}" if unread else ""
    return e.SnapshotChangeAnswer(as_of=now, snapshot=_row(one), hint=hint)


def _diff(con: Connection, query: e.SnapshotDiffQuery, now: datetime) -> e.SnapshotDiffAnswer:
    checked = _named if query.cursor else _whole  # the first page has looked
    older = checked(con, query.older)
    newer = None if query.newer is None else checked(con, query.newer).seq
    until = pictures.last_seq(con) if newer is None else newer
    chosen = _chosen(query.selector, past=True)
    keys, total = pictures.differing(con, older.seq, until, chosen, after=query.cursor, limit=query.limit + 1)
    page = keys[: query.limit]
    found = compared.differences(pictures.fetch(con, older.seq, page), pictures.fetch(con, newer, page))
    fitting = _fitting(len(one.model_dump_json()) for one in found)
    more = len(keys) > query.limit or fitting < len(found)
    last = found[fitting - 1].key if fitting < len(found) else (page or [""])[-1]
    found = found[:fitting]
    return e.SnapshotDiffAnswer(
        as_of=now, sources=sources.provenance(con, None, None, now=now) if newer is None else (), total=total,
        items=tuple(found), next_cursor=last if more else None, hint=_cut(len(found), total) if more else "",
    )  # fmt: skip


def _export(con: Connection, query: e.SnapshotExportQuery, now: datetime) -> e.SnapshotExportAnswer:
    checked = _named if query.cursor else _whole  # the first page has looked
    one = None if query.name is None else checked(con, query.name)
    seq = one.seq if one else None
    chosen = _chosen(query.selector, past=one is not None)
    keys, total = pictures.keys(con, seq, chosen, after=query.cursor, limit=query.limit + 1)
    page = keys[: query.limit]
    shown = pictures.fetch(con, seq, page)
    made = [(exporting.file_name(key), exporting.manifest(shown[key])) for key in page]
    fitting = _fitting(len(orjson.dumps(manifest)) for _, manifest in made)
    more = len(keys) > query.limit or fitting < len(made)
    return e.SnapshotExportAnswer(
        as_of=one.taken_at if one else now, sources=() if one else sources.provenance(con, None, None, now=now),
        total=total, manifests=tuple(made[:fitting]), next_cursor=page[fitting - 1] if more else None,
        hint=_cut(fitting, total) if more else "",
    )  # fmt: skip


def _template(con: Connection, query: e.TemplateQuery, now: datetime, resolver: Resolver) -> e.TemplateAnswer:
    meant = resolver.meant(con, query.key, cluster=query.cluster)
    key = meant.key
    part = Key.parse(key)
    one = pictures.fetch(con, None, [key]).get(key)
    presence = resources.fetch(con, [key], ("presence",))[0]["presence"]
    if one is None or presence != "present":
        raise Refused("refused", f"{key} is {presence}: a template is made of what is present")
    drawn_on = sources.provenance(con, part.provider, part.source, now=now)
    made = templates.template(one)
    facts = _facts(con, one, made, now)
    return e.TemplateAnswer(
        as_of=now, sources=drawn_on, key=key, manifest=made.manifest, variables=made.variables,
        confidence=templates.confidence(facts), facts=facts.told(), hint=meant.with_hint(_doubt(facts)),
    )  # fmt: skip


def _facts(con: Connection, one: pictures.Pictured, made: templates.Template, now: datetime) -> Facts:
    known = past.past(con, one.key)
    managed = _days(known.managed_at, now)
    in_sync = 0.0 if known.open_deviations else managed
    if in_sync and known.resolved_at is not None:
        in_sync = min(in_sync, _days(known.resolved_at, now))
    alike = _siblings(con, one)
    return Facts(
        days_managed=managed, days_in_sync=in_sync, deviations=known.deviations, open_deviations=known.open_deviations,
        replacements=known.replacements, siblings=len(alike), likeness=templates.mean_likeness(made, alike),
    )  # fmt: skip


def _siblings(con: Connection, one: pictures.Pictured) -> list[templates.Template]:
    base = templates.image_base(one.spec.get("image"))
    if not base:
        return []
    images = past.with_image(con, one.key, Key.parse(one.key).kind, base)
    keys = [key for key, image in images.items() if templates.image_base(image) == base][: past.MOST_SIBLINGS]
    return [templates.template(other) for other in pictures.fetch(con, None, keys).values()]


def _days(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since) / _DAY) if since is not None else 0.0


def _doubt(facts: Facts) -> str:
    if facts.open_deviations:
        return f"{facts.open_deviations} deviations are open: this is what is, not what should be"
    return "" if facts.days_managed else "nothing is expected of it, so nobody knows whether it is as it should be"


def _row(one: Snapshot) -> e.SnapshotRow:
    return e.SnapshotRow(
        name=one.name, seq=one.seq, at=one.taken_at, note=one.note, by=one.taken_by, resources=one.resources
    )


def _named(con: Connection, name: str) -> Snapshot:
    found = pictures.snapshots(con, name)
    if found:
        return found[0]
    begun = f"this store was made {pictures.begun_at(con):%Y-%m-%d %H:%M} UTC and knows of none before"
    names = tuple(one.name for one in pictures.snapshots(con))
    raise Refused("not_found", f"no snapshot is called {name!r}; {begun}", candidates=names[:10])


def _whole(con: Connection, name: str) -> Snapshot:
    """Return a snapshot of which nothing is lost: half a picture would show things as gone that were there."""
    one = _named(con, name)
    if lost := pictures.lost(con, one):
        raise Refused("refused", f"the log can no longer tell {lost} of the {one.resources} resources of {name!r}")
    return one


def _chosen(selector: Selector, *, past: bool) -> Condition:
    if past and selector.health is not None:
        raise Refused("bad_query", "health is not in the log: select a snapshot's resources by something else")
    provider, source = source_of(selector.provider, selector.source)
    return condition(selector.model_copy(update={"provider": provider, "source": source}))


def _fitting(sizes: Iterable[int]) -> int:
    """How many of the first fit into one answer; at least one."""
    total = count = 0
    for size in sizes:
        total += size
        if total > BYTES_FOR_ITEMS and count:
            break
        count += 1
    return count


def _cut(shown: int, total: int) -> str:
    return f"{shown} of {total}: pass next_cursor as cursor for the next page"
