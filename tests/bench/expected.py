"""How long judging takes with 10 000 expectations on 100 000 resources: one changed resource, and everything.

The store is a file filled as ingest fills it; a cycle is what the daemon runs, on a reader and the writer.
"""

import random
from collections.abc import AsyncIterator
from time import process_time

from daemon.ingest import fold
from daemon.reconcile import adopt
from daemon.reconcile.actual import Actual
from daemon.reconcile.loop import Reconciler
from daemon.runtime.clock import SystemClock
from daemon.store import actuals, adopted, declarations, inventory, scans
from daemon.store.database import Connection, Database
from daemon.store.declarations import Declared
from schemas.base import content_hash
from schemas.events import Observed
from schemas.resources import Presence, Resource, SourceRef, hash_of
from tests.bench import figures, instance, synthetic
from tests.bench.figures import Figure

REF = SourceRef(provider="synthetic", name="big")
RESOURCES = 100_000
ADOPTED = 8_000
DECLARED = 1_980
SELECTING = 20
CHANGES = 100
CLOCK = SystemClock()


async def bench() -> AsyncIterator[Figure]:
    async with instance.folder() as folder, Database.open(folder / "homelab.duckdb", CLOCK) as database:
        await _fill(database)
        reconciler = Reconciler(database, CLOCK)
        first = await figures.timed(reconciler.cycle)
        yield Figure("judging everything for the first time", first / 1000, "s", note="what is expected is derived")
        expected = await database.read(lambda con: con.execute("SELECT count(*) FROM expectations").fetchall())
        reconciler.mark(everything=True)
        again = await figures.timed(reconciler.cycle)
        note = f"{expected[0][0]:,} expectations, {RESOURCES:,} resources"
        yield Figure("a full pass", again / 1000, "s", 5, note=note)
        for figure in await _changes(database, reconciler, random.Random(1).sample(range(ADOPTED), CHANGES)):
            yield figure


async def _changes(database: Database, reconciler: Reconciler, numbers: list[int]) -> list[Figure]:
    took, worked = [], 0.0
    for number in numbers:
        changed = synthetic.resource(REF, number, generation=1)
        await database.write(lambda con, one=changed: _put(con, [one]))
        reconciler.mark(keys=[changed.key])
        began = process_time()
        took.append(await figures.timed(reconciler.cycle))
        worked += process_time() - began
    work = Figure("work of judging one changed resource", worked / len(numbers) * 1000, "ms", 20, note="processor time")
    return [work, *figures.spread("from its mark to what is written of it", took, (20, 40))]


def _put(con: Connection, found: list[Resource]) -> None:
    now = CLOCK.now()
    events = [Observed(time=now, agent="bench", observed_at=now, hash=hash_of(one), resource=one) for one in found]
    folded = [fold.observed(None, event, scanned_at=None) for event in events]
    rows = [one.row for one in folded if one.row]
    inventory.put(con, rows, stored=inventory.fetch(con, [row.key for row in rows]).keys())
    inventory.log(con, [one.entry for one in folded if one.entry])


async def _fill(database: Database) -> None:
    for first in range(0, RESOURCES, 10_000):
        found = [synthetic.resource(REF, number) for number in range(first, first + 10_000)]
        await database.write(lambda con, batch=found: _put(con, batch))
    await database.write(_scopes)
    await database.write(_expect)


def _scopes(con: Connection) -> None:
    now = CLOCK.now()
    names = sorted({synthetic.scope_name(number) for number in range(0, RESOURCES, synthetic.SCOPE_SIZE)})
    scans.put_scopes(
        con,
        [
            scans.ScopeRow(REF.provider, REF.name, name, "ok", synthetic.SCOPE_SIZE, "scan", now, now, 1.0, 60.0)
            for name in names
        ],
    )


def _expect(con: Connection) -> None:
    now = CLOCK.now()
    keys = [synthetic.resource(REF, number).key for number in range(ADOPTED)]
    seen = [Actual(one.key, Presence(one.presence), one.fields) for one in actuals.fetch(con, keys)]
    adopted.put(con, [adopt.adopted(one, None, now=now) for one in seen])
    exact = [
        {"key": synthetic.resource(REF, number).key, "status": "running", "fields": {"spec.restart": "unless-stopped"}}
        for number in range(ADOPTED, ADOPTED + DECLARED)
    ]
    selecting = [{"selector": f"kind=container name=app{number}-*", "status": "running"} for number in range(SELECTING)]
    declarations.put(con, [_declared(place, spec) for place, spec in enumerate([*exact, *selecting])])


def _declared(place: int, spec: dict[str, object]) -> Declared:
    said = {"apiVersion": "homelab.ai/v1", "kind": "Expectation", "metadata": {"name": f"e{place}"}, "spec": spec}
    return Declared(
        f"Expectation/e{place}", "Expectation", "file:bench", "bench.yaml", place + 1, declarations.parse(said),
        content_hash(said), CLOCK.now(),
    )  # fmt: skip


if __name__ == "__main__":
    figures.main(bench)
