"""The questions that want something: adopt what is, read sources now, release what is held."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from daemon.api.answers import Refused
from daemon.api.reading import source_of
from daemon.api.resolving import Resolver
from daemon.reconcile import adopt
from daemon.reconcile.actual import Actual
from daemon.reconcile.loop import Reconciler
from daemon.runtime.clock import Clock
from daemon.store import actuals, adopted, scans
from daemon.store.adopted import Adopted
from daemon.store.database import Connection, Database, StoreUnavailable
from daemon.store.views import resources, sources
from schemas import queries as q
from schemas import subjects
from schemas.commands import Control, ControlAnswer, Verb
from schemas.resources import Presence

T = TypeVar("T")
MAX_ADOPTED = 10_000
SHOWN = 200
_NAMED = 3
_LEFT_OUT = "backups and snapshots are left out, since they come and go: adopt them by key or kind"
_POLL = 0.05
_ASK = 2.0


@dataclass(frozen=True, slots=True)
class Intents:
    database: Database
    clock: Clock
    bus: Client
    reconciler: Reconciler
    resolver: Resolver = field(default_factory=Resolver)

    async def adopt(self, query: q.AdoptQuery) -> q.AdoptAnswer:
        if query.is_empty and query.cluster is None:
            raise Refused("bad_query", "say what to adopt: keys, or a provider, kind, source, name or label")
        work = partial(_adopt, query=query, now=self.clock.now(), resolver=self.resolver)
        answer = await (self.database.read(work) if query.dry_run else self._write(work))
        if not query.dry_run:
            self.reconciler.mark(keys=[one.key for one in answer.adopted])
        return _shortened(answer)

    async def refresh(self, query: q.RefreshQuery) -> q.RefreshAnswer:
        chosen = await self._sources(query.provider, query.source)
        asked_at = self.clock.now()
        control = Control(scope=query.scope, reason="refresh")
        failed: dict[str, str] = {}

        async def ask(provider: str, source: str) -> None:
            if trouble := await self.ask(provider, source, Verb.RESCAN, control):
                failed[f"{provider}/{source}"] = trouble

        async with asyncio.TaskGroup() as group:
            for pair in chosen:
                group.create_task(ask(*pair))
        waiting = [pair for pair in chosen if "/".join(pair) not in failed]
        late = await self._read_since(waiting, query.scope, asked_at, query.wait_seconds)
        failed |= dict.fromkeys(late, f"not read again within {query.wait_seconds:g} s")
        now = self.clock.now()
        drawn_on = await self.database.read(partial(sources.provenance, provider=None, source=None, now=now))
        names = {"/".join(pair) for pair in chosen}
        failed |= {one.source: one.detail for one in drawn_on if one.source in names - failed.keys() and one.detail}
        return q.RefreshAnswer(
            as_of=now, sources=tuple(one for one in drawn_on if one.source in names),
            refreshed=tuple(sorted(names - failed.keys())), failed=failed,
        )  # fmt: skip

    async def release(self, query: q.ReleaseQuery) -> q.ReleaseAnswer:
        released: list[str] = []
        for provider, source in await self._sources(None, query.source):
            scopes = await self._write(partial(scans.release, provider=provider, source=source))
            if scopes:
                await self.ask(provider, source, Verb.RESCAN, Control(reason="released"))
            released += [f"{provider}/{source}:{scope}" for scope in scopes]
        hint = "" if released else "nothing is held there"
        return q.ReleaseAnswer(as_of=self.clock.now(), released=tuple(released), hint=hint)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            return await self.database.write(work)
        except StoreUnavailable as error:
            raise Refused("unavailable", f"nothing was changed: {error}") from error

    async def ask(self, provider: str, source: str, verb: Verb, control: Control) -> str:
        """Ask an agent for something; return why it did not work, or nothing."""
        subject = subjects.control(provider, source, verb)
        try:
            reply = await self.bus.request(subject, control.model_dump_json().encode(), timeout=_ASK)
        except NoRespondersError:
            return "its agent is not running"
        except (NatsError, TimeoutError):
            return "its agent does not answer"
        answer = ControlAnswer.model_validate_json(reply.data)
        return "" if answer.accepted else answer.detail

    async def _sources(self, provider: str | None, source: str | None) -> list[tuple[str, str]]:
        if source is None:
            every = await self.database.read(sources.all_names)
            return [pair for pair in every if provider in (None, pair[0])]
        found = await self.database.read(partial(sources.named, text=source))
        found = [pair for pair in found if provider in (None, pair[0])]
        if not found:
            names = tuple("/".join(pair) for pair in await self.database.read(sources.all_names))
            raise Refused("not_found", f"no source is called {source!r}", candidates=names)
        return found

    async def _read_since(
        self, chosen: list[tuple[str, str]], scope: str | None, at: datetime, seconds: float
    ) -> set[str]:
        """Wait until all ``chosen`` were read at or after ``at``; return the names of those that were not."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            done = await self.database.read(partial(sources.attempts_since, scope=scope, at=at))
            late = {"/".join(pair) for pair in chosen if not done.get(pair, False)}
            if not late or asyncio.get_running_loop().time() >= deadline:
                return late
            await asyncio.sleep(_POLL)


def _adopt(con: Connection, query: q.AdoptQuery, now: datetime, resolver: Resolver) -> q.AdoptAnswer:
    skipped: dict[str, str] = {}
    wanted: list[str] = []
    provider, source = _place(con, query, resolver)
    query = query.model_copy(update={"provider": provider, "source": source})
    if query.keys:
        for text in query.keys:
            try:
                wanted.append(resolver.among(con, text, provider, source, intent="write").key)
            except Refused as refused:
                skipped[text] = _why_skipped(refused)
        query = query.model_copy(update={"keys": tuple(wanted)})
    if wanted or not skipped:
        chosen = resources.condition(query, include_gone=bool(wanted))
        wanted = resources.keys(con, chosen, limit=MAX_ADOPTED + 1)
    if len(wanted) > MAX_ADOPTED:
        raise Refused("too_large", f"more than {MAX_ADOPTED} resources at once: narrow the selection")
    passing = set() if query.keys or query.kind else set(filter(adopt.is_passing, wanted))
    wanted = [key for key in wanted if key not in passing]
    before = adopted.fetch(con, wanted)
    made: list[Adopted] = []
    shown: list[q.Adopted] = []
    for seen in actuals.fetch(con, wanted):
        actual = Actual(seen.key, Presence(seen.presence), seen.fields)
        if reason := adopt.refusal(actual):
            skipped[actual.key] = reason
            continue
        old = before.get(actual.key)
        one = adopt.adopted(actual, old, now=now)
        changed = old is None or old.fields != one.fields
        if changed:
            made.append(one)
        values = {path: owned.value for path, owned in one.fields.items()}
        shown.append(q.Adopted(key=one.key, fields=values, changed=changed))
    if not query.dry_run:
        adopted.put(con, made)
    shown.sort(key=lambda one: one.key)
    hint = f"{len(passing)} {_LEFT_OUT}" if passing else ""
    return q.AdoptAnswer(as_of=now, adopted=tuple(shown), skipped=skipped, total=len(shown), hint=hint)


def _place(con: Connection, query: q.AdoptQuery, resolver: Resolver) -> tuple[str | None, str | None]:
    provider, source = source_of(query.provider, query.source)
    if query.cluster is None:
        return provider, source
    place = resolver.place(con, query.cluster)
    if provider not in {None, place[0]} or source not in {None, place[1]}:
        raise Refused("bad_query", "cluster and source name different places: leave one of them away")
    return place


def _why_skipped(refused: Refused) -> str:
    if refused.code == "not_found":
        but = str(refused).partition("; ")[2]
        return f"no such resource: {but}" if but else "no such resource"
    if refused.code == "ambiguous":
        return f"may be any of {', '.join(refused.candidates[:_NAMED])}: {refused}"
    return str(refused)


def _shortened(answer: q.AdoptAnswer) -> q.AdoptAnswer:
    """Many adopted at once are counted whole and listed without their fields."""
    if len(answer.adopted) <= SHOWN:
        return answer
    brief = tuple(one.model_copy(update={"fields": {}}) for one in answer.adopted[: 5 * SHOWN])
    hint = f"{answer.total} adopted; the first {len(brief)} are listed, without their fields"
    return answer.model_copy(update={"adopted": brief, "hint": "; ".join(filter(None, (hint, answer.hint)))})
