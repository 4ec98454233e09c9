"""Does what a line of a story says, through the real ingest, store and reconciler, and tells what came of it.

in proxmox/lab                      whose story it is from here on; docker/nas at the beginning
web is status=stopped image=b       how a thing is; the next scan says it
web is native.lock=backup           ... `none` is null, `unknown` is not there at all
web is of=db                        ... it is one of that thing's: the relation `of`
scan containers: web db             a complete reading: what changed is said, then the manifest
scan containers:                    ... of an empty scope
observe web status=stopped          said at once, without a scan
removed web                         the provider's own word
fail containers unreachable why     a reading that failed
gap containers unauthorized why kinds=container in=docker/nas/node/n names=web,db
                                    what its scans cannot see from here on; `in` and `names` are keys or names
whole containers                    they see everything again
90s ago: LINE                       the same, but it was so long ago
adopt web / adopt all               make it expected
unmanaged                           what nobody expects in this source is reported
release                             the operator lets a held scan take effect
every 3600s                         how often a source is read, from here on
advance 60s                         time passes; whoever is silent turns late
full pass                           the periodic look at everything
declare NAME {key: ..., status: ...}  what an expectation's spec says, in one line of YAML; a key may be a thing's name
policy NAME {...} / pool NAME {...}   the same of policies and pools
withdraw NAME                       it is declared no more
forget web                          its adoption is
operator maintenance web 60s why    on purpose, for a time; `operator clear web`
ack web why / mute web 60s why / unmute web / accept web      the first open deviation of a thing, or `web:PATH`
expected web                        what is expected of it, and who says so
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

import yaml

from daemon.api.answers import Refused
from daemon.api.expecting import Expecting
from daemon.api.intents import Intents
from daemon.ingest import apply
from daemon.reconcile.loop import Reconciler
from daemon.scheduler import jobs
from daemon.store import adopted, declarations, deviations, expectations, scans
from daemon.store.cursors import Cursor
from daemon.store.database import Database
from schemas import expected_queries as e
from schemas import queries as q
from schemas.base import content_hash
from schemas.events import Gap, InventoryEvent, Trouble
from schemas.operator import State
from schemas.resources import Kind, Resource, SourceRef
from tests.conftest import FakeClock
from tests.support import events
from tests.support.store import STREAM_MADE, empty

_KINDS = {"containers": "container", "volumes": "volume", "nodes": "node", "vms": "vm", "stacks": "stack",
          "cluster": "cluster", "storages": "storage", "snapshots": "snapshot", "backups": "backup"}  # fmt: skip
_OWN = {"status", "health", "incarnation", "parent", "name", "created_at"}
_NO_SPEC = _OWN | {"scope", "of"}
_NATIVE = "native."


class Teller:
    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database, self.clock = database, clock
        self.source = events.NAS
        self.reconciler = Reconciler(database, clock)
        self.expecting = Expecting(database, clock, self.reconciler)
        self.intents = Intents(database, clock, None, self.reconciler)  # type: ignore[arg-type]
        self.things: dict[tuple[SourceRef, str], dict[str, str]] = {}
        self.published: dict[str, str] = {}
        self._gaps: dict[tuple[SourceRef, str], list[Gap]] = {}
        self._numbers = count(1)
        self._seq = 0
        self._presences: dict[str, str] = {}
        self._ago = timedelta()
        self._interval = events.INTERVAL

    @classmethod
    @asynccontextmanager
    async def begin(cls, path: Path, clock: FakeClock) -> AsyncIterator[Self]:
        async with Database.open(empty(path), clock) as database:
            yield cls(database, clock)

    async def do(self, line: str) -> list[str]:
        said = await self._line(line)
        await self.reconciler.tick()
        cycles = [await self.reconciler.cycle()]
        while not self.reconciler.is_idle:
            cycles.append(await self.reconciler.cycle())
        told = said + await self.database.read(self._log) + await self.database.read(self._moved)
        for cycle in cycles:
            told += [f"drift: {self._step(*step)}" for step in cycle.settled.transitions]
            told += [f"quietly: {self._step(*step)}" for step in cycle.settled.quietly]
            told += [f"now quiet: {self._what(one)}, {one.quiet}" for one in cycle.settled.recorded if one.quiet]
        return told

    def _step(self, transition, deviation) -> str:
        by = f" ({deviation.resolved_by})" if deviation.resolved_by else ""
        values = f": {deviation.expected!r} -> {deviation.actual!r}" if not deviation.resolved_by else ""
        listed = [self._short(key) for key in deviation.evidence.get("dependants", [])]
        why = f", {deviation.quiet}" if deviation.quiet and not by else ""
        below = f", with {' '.join(listed)}" if listed and not by else ""
        return f"{transition} {self._what(deviation)}{values}{by}, {deviation.severity}{why}{below}"

    def _what(self, deviation) -> str:
        return " ".join(filter(None, (deviation.type, self._short(deviation.key), deviation.path)))

    async def _line(self, line: str) -> list[str]:
        if found := re.fullmatch(r"(\d+)s ago: (.+)", line):
            self._ago = timedelta(seconds=int(found[1]))
            try:
                return await self._line(found[2])
            finally:
                self._ago = timedelta()
        if line.startswith("forget "):
            return await self._forget_adoption(line.removeprefix("forget "))
        if found := re.fullmatch(r"(\S+) is (.+)", line):
            self._thing(found[1]).update(_pairs(found[2]))
            return []
        verb, _, rest = line.partition(" ")
        return await getattr(self, f"_{verb}")(rest)

    # --- what a line may say --------------------------------------------------------------------------------------

    async def _in(self, rest: str) -> list[str]:
        self.source = SourceRef.parse(rest)
        return []

    async def _every(self, rest: str) -> list[str]:
        self._interval = float(rest.removesuffix("s"))
        return []

    async def _scan(self, rest: str) -> list[str]:
        scope, _, names = rest.partition(":")
        found = [self._resource(name, scope.strip()) for name in names.split()]
        hashes = events.manifest(found)
        news = [one for one in found if self.published.get(one.key) != hashes[one.key]]
        self._forget(scope.strip())
        self.published |= hashes
        scanned = events.scan(
            found, self._at, source=self.source, scope=scope.strip(), interval=self._interval,
            gaps=self._gaps.get((self.source, scope.strip()), ()),
        )  # fmt: skip
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

    async def _gap(self, rest: str) -> list[str]:
        scope, trouble, *words = shlex.split(rest)
        said = dict(word.split("=", 1) for word in words if "=" in word)
        gap = Gap(
            trouble=Trouble(trouble), detail=" ".join(word for word in words if "=" not in word),
            kinds=tuple(Kind(kind) for kind in said.get("kinds", "").split(",") if kind),
            keys=tuple(self._key(name) for name in said.get("names", "").split(",") if name),
            parent=self._key(said["in"]) if "in" in said else None,
        )  # fmt: skip
        self._gaps.setdefault((self.source, scope), []).append(gap)
        return []

    async def _whole(self, rest: str) -> list[str]:
        self._gaps.pop((self.source, rest), None)
        return []

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

    async def _declare(self, rest: str) -> list[str]:
        return await self._put("Expectation", rest)

    async def _policy(self, rest: str) -> list[str]:
        return await self._put("Policy", rest)

    async def _pool(self, rest: str) -> list[str]:
        return await self._put("ResourcePool", rest)

    async def _put(self, kind: str, rest: str) -> list[str]:
        name, _, text = rest.partition(" ")
        spec = yaml.safe_load(text)
        if "key" in spec:
            spec["key"] = self._key(spec["key"])
        said = {"apiVersion": "homelab.ai/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        one = declarations.Declared(
            f"{kind}/{name}", kind, "file:story", f"{name}.yaml", 1, declarations.parse(said), content_hash(said),
            self.clock.now(),
        )  # fmt: skip
        await self.database.write(lambda con: declarations.put(con, [one]))
        self.reconciler.mark(everything=True)
        return []

    async def _withdraw(self, rest: str) -> list[str]:
        names = [f"{kind}/{rest}" for kind in ("Expectation", "Policy", "ResourcePool")]
        gone = await self.database.write(partial(declarations.delete, names=names))
        self.reconciler.mark(everything=True)
        return [f"withdrawn: {name}" for name in gone]

    async def _forget_adoption(self, rest: str) -> list[str]:
        gone = await self.database.write(partial(adopted.delete, wanted=[self._key(rest)]))
        self.reconciler.mark(keys=gone)
        return [f"forgotten: {self._short(key)}" for key in gone]

    async def _operator(self, rest: str) -> list[str]:
        state, target, *words = rest.split()
        until, reason = self._until(words)
        target = target if "/" in target else self._key(target)
        query = e.OperatorStateQuery(
            target=target, state=None if state == "clear" else State(state), until_at=until, reason=reason, by="jo"
        )
        try:
            await self.expecting.operator_state(query)
        except Refused as refused:
            return [f"refused: {refused}"]
        return []

    async def _ack(self, rest: str) -> list[str]:
        return await self._act("ack", rest)

    async def _mute(self, rest: str) -> list[str]:
        return await self._act("mute", rest)

    async def _unmute(self, rest: str) -> list[str]:
        return await self._act("unmute", rest)

    async def _accept(self, rest: str) -> list[str]:
        return await self._act("accept", rest)

    async def _act(self, act: str, rest: str) -> list[str]:
        thing, *words = rest.split()
        until, reason = self._until(words)
        name, _, path = thing.partition(":")
        found = await self.database.read(lambda con: deviations.still_open(con, [self._key(name)]))
        one = next(each for each in found if path in ("", each.path))
        query = e.DeviationActQuery(id=one.id[:12], act=act, until_at=until, reason=reason, by="jo")
        try:
            answer = await self.expecting.deviation_act(query)
        except Refused as refused:
            return [f"refused: {refused}"]
        return [f"quiet: {answer.deviation.quiet}"] if answer.deviation.quiet else []

    def _until(self, words: list[str]):
        if words and re.fullmatch(r"\d+s", words[0]):
            return self.clock.now() + timedelta(seconds=int(words[0][:-1])), " ".join(words[1:])
        return None, " ".join(words)

    async def _expected(self, rest: str) -> list[str]:
        found = await self.database.read(lambda con: expectations.fetch(con, [self._key(rest)]))
        told = []
        for one in found.values():
            told += [f"{path} = {field.value!r} ({field.owner})" for path, field in one.fields.items()]
            told += [f"ignored: {path}" for path in one.ignore] + [f"contradiction: {c}" for c in one.contradictions]
            told += [f"{one.presence}, {one.criticality}, {one.remediation}" + ", never_auto" * one.never_auto]
        return told or ["nothing"]

    # --- how it is done -------------------------------------------------------------------------------------------

    @property
    def _at(self):
        return self.clock.now() - self._ago

    def _key(self, name: str) -> str:
        return name if "/" in name else self._resource(name, self._thing(name)["scope"]).key

    def _thing(self, name: str) -> dict[str, str]:
        return self.things.setdefault((self.source, name), {"scope": "containers"})

    def _resource(self, name: str, scope: str) -> Resource:
        thing = self._thing(name)
        thing["scope"] = scope
        own = {field: thing[field] for field in _OWN & thing.keys()}
        native = {
            field.removeprefix(_NATIVE): None if value == "none" else value
            for field, value in thing.items() if field.startswith(_NATIVE) and value != "unknown"
        }  # fmt: skip
        spec = {n: value for n, value in thing.items() if n not in _NO_SPEC and not n.startswith(_NATIVE)}
        relations = [{"type": "of", "key": self._key(thing["of"])}] if "of" in thing else []
        kind = Kind(_KINDS.get(scope, "container"))
        return events.resource(
            name, self.source, scope=scope, kind=kind, spec=spec, native=native, relations=relations, **own
        )

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
            "SELECT seq, side, op, key, status, presence, changed, cause FROM state_log WHERE seq > ? ORDER BY seq",
            [self._seq],
        ).fetchall()
        self._seq = found[-1][0] if found else self._seq
        return [
            f"log: {op} {self._short(key)} ({status}, {presence}){' ' * bool(changed)}{', '.join(changed)}"
            if side == "actual" else f"expected: {op} {self._short(key)}, {cause}"
            for _, side, op, key, status, presence, changed, cause in found if op != "adopted"
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
