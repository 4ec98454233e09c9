"""How long it takes to look at a snapshot of 100 000 resources in a log of 300 000 rows, and to forget around it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

from daemon.api.picturing import Picturing
from daemon.ingest import fold
from daemon.runtime.clock import SystemClock
from daemon.store import inventory, pictures, retention
from daemon.store.database import Connection, Database
from schemas import expected_queries as e
from schemas.config import RetentionConfig
from schemas.events import Observed
from schemas.resources import SourceRef, hash_of
from schemas.selectors import parse
from tests.bench import figures, instance, synthetic
from tests.bench.figures import Figure

REF = SourceRef(provider="synthetic", name="big")
RESOURCES, GENERATIONS, BATCH = 100_000, 3, 5000
CLOCK = SystemClock()


async def bench() -> AsyncIterator[Figure]:
    async with instance.folder() as folder:
        async for figure in _measured(folder / "homelab.duckdb"):
            yield figure


async def _measured(file: Path) -> AsyncIterator[Figure]:
    now = CLOCK.now()
    async with Database.open(file, CLOCK) as database:
        for generation in range(GENERATIONS):
            for first in range(0, RESOURCES, BATCH):
                await database.write(partial(_fill, first=first, generation=generation))
            await database.write(partial(pictures.take, name=f"s{generation}", at=now, note="", by="bench"))
        ask = Picturing(database, CLOCK)
        size = f"{RESOURCES:,} resources, {GENERATIONS * RESOURCES:,} rows"
        exported = e.SnapshotExportQuery(name="s1", selector=parse("label:site=attic"), limit=100)
        took = [await figures.timed(lambda: ask.snapshot_export(exported)) for _ in range(5)]
        yield Figure("a page of an export", figures.percentile(took, 0.5), "ms", 2000, note=size)
        older, newer = (e.SnapshotDiffQuery(older="s0", newer=name, limit=100) for name in ("s1", None))
        for name, query in (("a page of a diff, all differ", older), ("a page of a diff with now, all differ", newer)):
            took = [await figures.timed(partial(ask.snapshot_diff, query)) for _ in range(5)]
            yield Figure(name, figures.percentile(took, 0.5), "ms", 2000)
        took = [await figures.timed(lambda: ask.snapshots(e.SnapshotsQuery(name="s0"))) for _ in range(5)]
        yield Figure("what a snapshot holds, and whether it is whole", figures.percentile(took, 0.5), "ms", 2000)
        later = now + timedelta(days=500)
        forget = partial(retention.forget, keep=RetentionConfig(), now=later)
        yield Figure("retention that may forget nothing", await figures.timed(lambda: database.write(forget)), "ms")


def _fill(con: Connection, first: int, generation: int) -> None:
    rows, entries = [], []
    for number in range(first, first + BATCH):
        resource = synthetic.resource(REF, number, generation=generation)
        now = CLOCK.now()
        event = Observed(time=now, agent="bench", observed_at=now, hash=hash_of(resource), resource=resource)
        folded = fold.observed(None, event, scanned_at=None)
        rows.append(folded.row)
        entries.append(folded.entry)
    found = [row for row in rows if row]
    inventory.put(con, found, stored={row.key for row in found} if generation else set())
    inventory.log(con, [entry for entry in entries if entry])


if __name__ == "__main__":
    figures.main(bench)
