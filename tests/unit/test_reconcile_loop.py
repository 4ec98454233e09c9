"""When the reconciler looks: at what is marked, and now and then at everything."""

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest

from daemon.reconcile.loop import Reconciler
from daemon.store import adopted, deviations, outbox
from daemon.store import database as databases
from daemon.store.adopted import Adopted
from daemon.store.database import Database
from schemas.deviations import DeviationEvent
from tests.support import events
from tests.support.events import NOON, key
from tests.support.store import Fed
from tests.support.waiting import until


@asynccontextmanager
async def running(reconciler):
    task = asyncio.ensure_future(reconciler.run())
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def database(clock, tmp_path):
    clock.advance(hours=4)
    async with Database.open(tmp_path / "store.duckdb", clock) as opened:
        Fed(opened, clock).say(events.observed("other"), events.scan(["other"]))  # a source that is read whole
        yield opened


async def expect(database, name):
    await database.write(lambda con: adopted.put(con, [Adopted(key=key(name), fields={}, adopted_at=NOON)]))


async def still_open(database):
    return [deviation.key for deviation in await database.read(deviations.still_open)]


async def test_the_first_cycle_looks_at_everything(database, clock):
    await expect(database, "web")

    cycle = await Reconciler(database, clock).cycle()

    assert str(cycle) == (
        "judged 1, could not judge 0: opened 1, changed 0, resolved 0, reopened 0;"
        " expectations: declared 0, adopted 1, changed 0, withdrawn 0"
    )


async def test_after_that_only_at_what_is_marked(database, clock):
    reconciler = Reconciler(database, clock)
    await reconciler.cycle()
    await expect(database, "web")
    await expect(database, "db")

    assert (await reconciler.cycle()).judged == 0
    reconciler.mark(keys=[key("web")])
    assert (await reconciler.cycle()).judged == 1
    reconciler.mark(keys=[key("db")])
    assert (await reconciler.cycle()).judged == 1
    reconciler.mark(sources=["docker/nas"])
    assert (await reconciler.cycle()).judged == 2
    assert await still_open(database) == [key("web"), key("db")]


async def test_the_full_pass_comes_though_events_never_cease(database, clock):
    reconciler = Reconciler(database, clock, every=timedelta(seconds=0.3))
    async with running(reconciler):
        await asyncio.sleep(0)
        await expect(database, "web")

        async def opened():
            reconciler.mark(keys=[key("other")])
            return await still_open(database) == [key("web")]

        await until(opened, seconds=5)


async def test_a_transition_is_written_with_its_announcement(database, clock):
    called = []
    reconciler = Reconciler(database, clock, announced=lambda: called.append(True))
    await expect(database, "web")

    await reconciler.cycle()
    await reconciler.cycle()

    (letter,) = await database.read(outbox.waiting)
    event = DeviationEvent.model_validate_json(letter.payload)
    assert (event.transition, event.deviation.key, letter.id) == ("opened", key("web"), event.id)
    assert letter.subject == "homelab.drift.high.docker.nas.container.web"
    assert called == [True]


async def test_marks_are_kept_while_the_store_cannot_be_written(database, clock, monkeypatch):
    reconciler = Reconciler(database, clock)
    await expect(database, "web")
    monkeypatch.setattr(databases, "RESERVE_BYTES", 1 << 60)
    monkeypatch.setattr("daemon.reconcile.loop._RETRY", 0.01)
    async with running(reconciler):
        await asyncio.sleep(0.05)
        assert await still_open(database) == []
        monkeypatch.setattr(databases, "RESERVE_BYTES", 0)

        async def opened():
            return await still_open(database) == [key("web")]

        await until(opened)
