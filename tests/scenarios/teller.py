"""Does what a line of a story says, through the real ingest, store and reconciler, and tells what came of it.

in proxmox/lab                      whose story it is from here on; docker/nas at the beginning
web is status=stopped image=b       how a thing is; the next scan says it
scan containers: web db             a complete reading: what changed is said, then the manifest
scan containers:                    ... of an empty scope
observe web status=stopped          said at once, without a scan
removed web                         the provider's own word
fail containers unreachable why     a reading that failed
90s ago: LINE                       the same, but it was so long ago
adopt web / adopt all               make it expected
unmanaged                           what nobody expects in this source is reported
release                             the operator lets a held scan take effect
advance 60s                         time passes; whoever is silent turns late
full pass                           the periodic look at everything
"""

import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Self

from daemon.api.answers import Refused
from daemon.api.intents import Intents
from daemon.ingest import apply
from daemon.reconcile.loop import Reconciler
from daemon.scheduler import jobs
from daemon.store import scans
from daemon.store.cursors import Cursor
from daemon.store.database import Database
from schemas import queries as q
from schemas.events import InventoryEvent, Trouble
from schemas.resources import Kind, Resource, SourceRef
from tests.conftest import FakeClock
from tests.support import events
from tests.support.store import STREAM_MADE

_KINDS = {"containers": "container", "volumes": "volume", "nodes": "node", "vms": "vm"}
_OWN = {"status", "health", "incarnation", "parent", "name"}


class Teller:
    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        self.source = events.NAS
        self.reconciler = Reconciler(database, clock)
        self.intents = Intents(database, clock, None, self.reconciler)  # type: ignore[arg-type]
        self.things: dict[tuple[SourceRef, str], dict[str, str]] = {}
        self.published: dict[str, str] = {}
        self._numbers = count(1)
        self._seq = 0
        self._presences: dict[str, str] = {}
        self._ago = timedelta()

    @classmethod
    @asynccontextmanager
    async def begin(cls, path: Path, clock: FakeClock) -> AsyncIterator[Self]:
        async with Database.open(path, clock) as database:
            yield cls(database, clock)

    async def do(self, line: str) -> list[str]:
        said = await self._line(line)
        cycle = await self.reconciler.cycle()
        told = said + await self.database.read(self._log) + await self.database.read(self._moved)
        for transition, deviation in cycle.settled.transitions:
            what = " ".join(filter(None, (deviation.type, self._short(deviation.key), deviation.path)))
            by = f" ({deviation.resolved_by})" if deviation.resolved_by else ""
            values = f": {deviation.expected!r} -> {deviation.actual!r}" if not deviation.resolved_by else ""
            told.append(f"drift: {transition} {what}{values}{by}, {deviation.severity}")
        return told

    async def _line(self, line: str) -> list[str]:
        if found := re.fullmatch(r"(\d+)s ago: (.+)", line):
            self._ago = timedelta(seconds=int(found[1]))
            try:
                return await self._line(found[2])
            finally:
                self._ago = timedelta()
        if found := re.fullmatch(r"(\S+) is (.+)", line):
            self._thing(found[1]).update(_pairs(found[2]))
            return []
        verb, _, rest = line.partition(" ")
        return await getattr(self, f"_{verb}")(rest)

    # --- what a line may say --------------------------------------------------------------------------------------

    async def _in(self, rest: str) -> list[str]:
        self.source = SourceRef.parse(rest)
        return []

    async def _scan(self, rest: str) -> list[str]:
        scope, _, names = rest.partition(":")
        found = [self._resource(name, scope.strip()) for name in names.split()]
        hashes = events.manifest(found)
        news = [one for one in found if self.published.get(one.key) != hashes[one.key]]
        self._forget(scope.strip())
        self.published |= hashes
        scanned = events.scan(found, self._at, source=self.source, scope=scope.strip())
        return await self._say([events.observed(one, self._at) for one in news] + scanned)

    async def _observe(self, rest: str) -> list[str]:
        name, _, changes = rest.partition(" ")
        thing = self._thing(name)
        thing.update(_pairs(changes))
        resource = self._resource(name, thing["scope"])
        self.published |= events.manifest([resource])
        return await self._say([events.observed(resource, self._at)])

    async def _removed(self, rest: str) -> list[str]:
        key = self._resource(rest, self._thing(rest)["scope"]).key
        self.published.pop(key, None)
        return await self._say([events.removed(key, self._at)])

    async def _fail(self, rest: str) -> list[str]:
        scope, trouble, *detail = shlex.split(rest)
        return await self._say(
            [events.failed(self._at, Trouble(trouble), " ".join(detail), source=self.source, scope=scope)]
        )

    async def _adopt(self, rest: str) -> list[str]:
        query = q.AdoptQuery(source=str(self.source)) if rest == "all" else q.AdoptQuery(keys=tuple(rest.split()))
        try:
            answer = await self.intents.adopt(query)
        except Refused as refused:
            return [f"refused: {refused}"]
        told = [f"adopted: {self._short(one.key)}{'' if one.changed else ', as before'}" for one in answer.adopted]
        return told + [f"skipped: {self._short(key)}, {why}" for key, why in answer.skipped.items()]

    async def _unmanaged(self, _: str) -> list[str]:
        self.reconciler.unmanaged |= {str(self.source)}
        return []

    async def _release(self, _: str) -> list[str]:
        work = partial(scans.release, provider=self.source.provider, source=self.source.name)
        return [f"released: {scope}" for scope in await self.database.write(work)]

    async def _advance(self, rest: str) -> list[str]:
        self.clock.advance(seconds=int(rest.removesuffix("s")))
        late = await self.database.write(partial(jobs._mark_late, now=self.clock.now()))
        self.reconciler.mark(sources=late)
        return []

    async def _full(self, _: str) -> list[str]:
        self.reconciler._marks.everything = True
        return []

    # --- how it is done -------------------------------------------------------------------------------------------

    @property
    def _at(self):
        return self.clock.now() - self._ago

    def _thing(self, name: str) -> dict[str, str]:
        return self.things.setdefault((self.source, name), {"scope": "containers"})

    def _resource(self, name: str, scope: str) -> Resource:
        thing = self._thing(name)
        thing["scope"] = scope
        own = {field: thing[field] for field in _OWN & thing.keys()}
        spec = {field: value for field, value in thing.items() if field not in _OWN | {"scope"}}
        kind = Kind(_KINDS.get(scope, "container"))
        return events.resource(name, self.source, scope=scope, kind=kind, spec=spec, **own)

    def _forget(self, scope: str) -> None:
        """The runner remembers only what the last scan of a scope had."""
        of_scope = [n for (source, n), thing in self.things.items() if (source, thing["scope"]) == (self.source, scope)]
        for name in of_scope:
            self.published.pop(self._resource(name, scope).key, None)

    async def _say(self, said: list[InventoryEvent]) -> list[str]:
        batch = [events.message(one, next(self._numbers)) for one in said]
        cursor = Cursor("INVENTORY", STREAM_MADE, batch[-1].sequence)
        applied = await self.database.write(lambda con: apply.apply(con, batch, cursor=cursor, now=self.clock.now()))
        self.reconciler.mark(applied.keys, applied.sources)
        told = [f"late: {applied.counts['late']}"] if applied.counts["late"] else []
        told += [f"refused: {applied.counts['quarantined']}"] if applied.counts["quarantined"] else []
        return told + [f"asked to republish: {ref}" for ref in sorted(map(str, applied.republish))]

    def _log(self, con) -> list[str]:
        found = con.execute(
            "SELECT seq, side, op, key, status, presence, changed FROM state_log WHERE seq > ? ORDER BY seq",
            [self._seq],
        ).fetchall()
        self._seq = found[-1][0] if found else self._seq
        return [
            f"log: {op} {self._short(key)} ({status}, {presence}){' ' * bool(changed)}{', '.join(changed)}"
            for _, side, op, key, status, presence, changed in found if side == "actual"
        ]  # fmt: skip

    def _moved(self, con) -> list[str]:
        now = dict(con.execute("SELECT key, presence FROM resources").fetchall())
        before, self._presences = self._presences, now
        return [
            f"presence: {self._short(key)} {before.get(key, 'new')} -> {presence}"
            for key, presence in sorted(now.items()) if before.get(key) != presence
        ]  # fmt: skip

    def _short(self, key: str) -> str:
        """A name in this source, or the source itself, or a whole key."""
        return key.removeprefix(f"{self.source}/").partition("/")[2] if key.startswith(f"{self.source}/") else key


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(text))
