"""Each change as it happens.

It listens to the bus first and lists then, so nothing falls between; after a lost connection it lists again and says
what it missed.
"""

import asyncio
import fnmatch
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import typer
from nats.aio.msg import Msg
from pydantic import ValidationError
from rich.text import Text

from daemon.api.answers import Unavailable
from daemon.api.bus_answers import BusAnswers
from daemon.cli import pages, tables, words
from daemon.cli.changes import Change, Picture
from daemon.cli.connection import Where, client
from daemon.cli.exits import say
from daemon.cli.known import FIELDS, Known
from daemon.cli.progress import waiting
from daemon.runtime.bus import Connection
from schemas import subjects
from schemas.deviations import DeviationEvent
from schemas.events import parse_inventory
from schemas.queries import OverviewQuery, ResourcesQuery, SourcesQuery

_HEARD = (subjects.INVENTORY_ALL, subjects.SCANS_ALL, subjects.DRIFT_ALL)
_MANY = 5000
"""With more resources the first listing leaves details away: a first change of these then has no paths."""
_LOOK = 0.25
"""Seconds between looks whether the connection was lost and came back."""


@dataclass(frozen=True, slots=True)
class Filter:
    provider: str | None = None
    source: str | None = None
    kind: str | None = None
    name: str | None = None
    drift: bool = True

    def passes(self, change: Change) -> bool:
        provider, source, kind = (*change.key.split("/"), "", "")[:3]
        return (
            self.provider in {None, provider}
            and (self.source is None or self.source in {source, f"{provider}/{source}"})
            and self.kind in {None, kind}
            and (self.name is None or fnmatch.fnmatchcase(change.name, self.name))
            and (self.drift or not change.what.startswith("deviation"))
        )


@dataclass(slots=True)
class Watcher:
    connection: Connection
    answers: BusAnswers
    heard: asyncio.Queue[Msg]
    picture: Picture = field(default_factory=Picture)
    total: int = 0
    with_spec: bool = True

    async def changes(self) -> AsyncIterator[Change]:
        """Yield for ever; call ``begin`` first."""
        reconnects, away = self.connection.stats["reconnects"], False
        while True:
            if self.connection.is_closed:
                await self.connection.until_closed()
            if not self.connection.is_connected and not away:
                away = True
                say("the connection to the bus is lost; waiting for it")
            if self.connection.stats["reconnects"] != reconnects:
                reconnects, away = self.connection.stats["reconnects"], False
                for change in self.picture.replace_all(await self._list_again()):
                    yield change
                say("connected again")
            try:
                async with asyncio.timeout(_LOOK):
                    message = await self.heard.get()
            except TimeoutError:
                continue
            if found := self.picture.apply(parse(message)):
                yield found

    async def begin(self) -> None:
        self.picture.known = {known.key: known for known in await self._list()}
        sources = await self.answers.sources(SourcesQuery())
        self.picture.failing = {
            (f"{row.provider}/{row.source}", scope.scope): f"{scope.trouble}: {scope.detail}"
            for row in sources.items
            for scope in row.scopes
            if scope.status in {"failed", "denied"}
        }

    async def _list_again(self) -> list[Known]:
        """List when the daemon answers again: it may come back after us."""
        while True:
            try:
                return await self._list()
            except Unavailable:
                await asyncio.sleep(_LOOK)

    async def _list(self) -> list[Known]:
        small = ResourcesQuery(limit=1, fields=("key",))
        self.total = (await self.answers.resources(small)).total
        self.with_spec = self.total <= _MANY
        fields = FIELDS if self.with_spec else FIELDS[:-2]
        rows, _ = await pages.every(self.answers.resources, ResourcesQuery(fields=fields, include_gone=True), None)
        return [Known.of_row(row) for row in rows]


def parse(message: Msg) -> object | None:
    """Return the event, None for what is of no use here or cannot be read: the daemon quarantines that."""
    try:
        if message.subject.startswith(subjects.DRIFT_ALL.removesuffix(">")):
            return DeviationEvent.model_validate_json(message.data)
        if message.data.find(b'"type":"scan_part"', 0, 1000) >= 0:
            return None
        return parse_inventory(message.data)
    except ValidationError:
        return None


@asynccontextmanager
async def watching(where: Where) -> AsyncIterator[Watcher]:
    async with client(where, patient=True) as connection:
        heard: asyncio.Queue[Msg] = asyncio.Queue()
        for subject in _HEARD:
            await connection.subscribe(subject, cb=heard.put)
        await connection.flush()
        yield Watcher(connection, BusAnswers(connection), heard)


async def run(where: Where, chosen: Filter, *, quiet: bool, as_json: bool, utc: bool) -> None:
    async with watching(where) as watcher:
        with waiting("listing"):
            await watcher.begin()
        if not quiet and not as_json:
            for line in await _greeting(watcher):
                say(line)
        screen = tables.console()
        async for change in watcher.changes():
            if not chosen.passes(change):
                continue
            if as_json:
                typer.echo(json.dumps(change.as_json(), ensure_ascii=False))
            else:
                tables.show(line_of(change, utc=utc), to=screen)


async def _greeting(watcher: Watcher) -> Iterator[str]:
    overview = await watcher.answers.overview(OverviewQuery(changes=0))
    kinds: dict[str, int] = {}
    for row in overview.counts:
        kinds[row.kind] = kinds.get(row.kind, 0) + row.total
    told = ", ".join(words.count(number, kind) for kind, number in sorted(kinds.items()))
    return iter((words.plain(overview.summary), told or "no resources yet", "watching; Ctrl-C ends it"))


def line_of(change: Change, *, utc: bool = False) -> Text:
    """`08:00:01 changed  container web: status running -> stopped  docker/local/container/abc`."""
    at = words.utc(change.at) if utc else change.at.astimezone().strftime("%H:%M:%S")
    kind = (*change.key.split("/"), "", "")[2]
    told = Text.assemble((at, "dim"), " ")
    told.append(f"{change.what:<8} ", style=tables.STYLES.get(change.what.split(" ")[-1], ""))
    subject = " ".join(filter(None, (kind or "source", change.name)))
    told.append(words.plain(f"{subject}: {change.text}" if change.text else subject))
    told.append(f"  {words.plain(change.key)}", style="dim")
    return told
