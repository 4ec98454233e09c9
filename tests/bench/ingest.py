"""How fast `observed` messages get from a filled INVENTORY stream into a file store, and DuckDB's own pace beside it.

The stream is filled before the clock starts; the reader, the folding and the store are those of the daemon, in a
process that does nothing else.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from daemon.ingest import fold
from daemon.ingest.loop import InventoryIngest
from daemon.runtime import bus, streams
from daemon.runtime.clock import SystemClock
from daemon.runtime.metrics import Metrics
from daemon.runtime.supervise import cancel
from daemon.store import inventory, rows
from daemon.store.database import Database
from schemas import subjects
from schemas.events import Observed
from schemas.resources import SourceRef, hash_of
from tests.bench import figures, instance, synthetic
from tests.bench.figures import Figure
from tests.support.nats_server import Server, nats_server

REF = SourceRef(provider="synthetic", name="big")
NEW = 50_000
STORED = 100_000
CHANGED = 30_000
CLOCK = SystemClock()
_WINDOW = 2000


async def bench() -> AsyncIterator[Figure]:
    async with instance.folder() as folder:
        (folder / "nats").mkdir()
        async with nats_server(folder / "nats") as server, _client(server) as client:
            await streams.ensure(client)
            async for figure in _measured(folder, client):
                yield figure


async def _measured(folder: Path, client: bus.Connection) -> AsyncIterator[Figure]:
    file = folder / "homelab.duckdb"
    new = list(_observed(range(NEW)))
    last = await _publish(client, new)
    rate = NEW / await _applied(file, client, last)
    raw = NEW / await asyncio.to_thread(_bulk, folder / "raw.duckdb", new)
    yield Figure("ingest of new resources", rate, "/s", 10_000, at_least=True, note=f"{NEW:,}, each 1.3 KB of JSON")
    yield Figure("DuckDB's bulk MERGE of the same rows", raw, "/s")
    yield Figure("ingest to bulk MERGE", rate / raw, "times")
    await asyncio.to_thread(_bulk, file, _observed(range(NEW, STORED)))
    chosen = random.Random(1).sample(range(STORED), CHANGED)
    changed = list(_observed(chosen, generation=1))
    last = await _publish(client, changed)
    rate = CHANGED / await _applied(file, client, last)
    raw = CHANGED / await asyncio.to_thread(_bulk, file, changed)
    yield Figure(
        f"ingest of changes among {STORED:,}", rate, "/s", 10_000, at_least=True, note=f"{CHANGED:,} at random"
    )
    yield Figure("DuckDB's bulk MERGE of the same rows, changed", raw, "/s")
    yield Figure("ingest to bulk MERGE, changed", rate / raw, "times")


def _client(server: Server) -> AbstractAsyncContextManager[bus.Connection]:
    return bus.connect(server.url, name="bench", login=server.logins["admin"])


def _observed(numbers: Iterable[int], *, generation: int = 0) -> Iterator[Observed]:
    for number in numbers:
        resource = synthetic.resource(REF, number, generation=generation)
        now = CLOCK.now() + timedelta(microseconds=generation)
        yield Observed(time=now, agent="bench", observed_at=now, hash=hash_of(resource), resource=resource)


async def _publish(client: bus.Connection, events: list[Observed]) -> int:
    """Put them into the stream, unacknowledged but for each window's last; return the stream's last sequence."""
    js = client.jetstream()
    for start in range(0, len(events), _WINDOW):
        *head, tail = events[start : start + _WINDOW]
        for event in head:
            await client.publish(subjects.inventory(event.resource.key), event.model_dump_json().encode())
        await js.publish(subjects.inventory(tail.resource.key), tail.model_dump_json().encode(), timeout=30)
    return (await js.stream_info("INVENTORY")).state.last_seq


async def _applied(file: Path, client: bus.Connection, last: int) -> float:
    """Seconds until the store has the effect of all up to ``last``."""
    loop = asyncio.get_running_loop()
    async with Database.open(file, CLOCK) as database:
        reached = asyncio.Event()

        def done(applied: object) -> None:
            if getattr(applied, "sequence", 0) >= last:
                reached.set()

        ingest = InventoryIngest(client, database, CLOCK, Metrics(), done, lambda _: None)
        began = loop.time()
        running = loop.create_task(ingest.run())
        await reached.wait()
        took = loop.time() - began
        await cancel([running])
    return took


def _bulk(file: Path, events: Iterable[Observed]) -> float:
    """Seconds that DuckDB takes to merge the same rows, 10 000 per transaction, without any of our judging."""
    made = [fold._row(event, first_seen_at=event.observed_at) for event in events]
    database = Database(file, CLOCK)
    began = perf_counter()
    for start in range(0, len(made), 10_000):
        part = made[start : start + 10_000]
        database.transact(lambda con, part=part: rows.merge(con, "inventory_", inventory.COLUMNS, ("key",), part))
    took = perf_counter() - began
    database.close()
    return took


if __name__ == "__main__":
    figures.main(bench)
