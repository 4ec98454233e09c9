"""From a real stream into a real file: everything once, whatever is killed, deleted or full."""

import asyncio
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import duckdb
import pytest

from daemon.ingest import reader as reader_module
from daemon.ingest.announce import Announcer, windows
from daemon.ingest.loop import InventoryIngest
from daemon.ingest.reader import Reader, Start
from daemon.ingest.tables import TableIngest, audited, metrics
from daemon.runtime import bus, streams
from daemon.runtime.metrics import Metrics
from daemon.runtime.publisher import Publisher
from daemon.store import database as databases
from daemon.store import outbox
from daemon.store.database import Database
from daemon.store.outbox import Letter
from schemas import subjects
from schemas.events import MetricsBatch, Sample
from tests.conftest import FakeClock
from tests.support import events
from tests.support.nats_server import nats_server
from tests.support.waiting import until

LATER = FakeClock(events.after(86400))


@dataclass
class Lab:
    server: object
    client: bus.Connection
    path: object
    gaps: list[str] = field(default_factory=list)
    applied: Counter = field(default_factory=Counter)

    async def say(self, *said, times=1):
        """Publish, in order; ``times`` over with the same id, as a retry does."""
        publisher = Publisher(self.client)
        for event in said:
            for _ in range(times):
                await publisher.publish(events.subject_of(event), event.model_dump_json().encode(), msg_id=event.id)

    @asynccontextmanager
    async def ingesting(self):
        """A daemon's ingest on the lab's file; yields (ingest, database)."""
        async with Database.open(self.path, LATER) as database:
            ingest = InventoryIngest(
                self.client, database, LATER, Metrics(),
                lambda applied: self.applied.update(applied.counts), self.gaps.append,
            )  # fmt: skip
            async with task(ingest.run()):
                yield ingest, database

    async def last(self):
        return (await self.client.jetstream().stream_info("INVENTORY")).state.last_seq

    async def caught_up(self, ingest, *, seconds=20):
        async def done():
            return ingest.progress.sequence == await self.last()

        await until(done, seconds=seconds)


@asynccontextmanager
async def task(work):
    running = asyncio.ensure_future(work)
    try:
        yield running
        if running.done():
            running.result()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@pytest.fixture
async def lab(tmp_path):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(tmp_path / "nats"))
        client = await stack.enter_async_context(bus.connect(server.url, name="daemon", login=server.logins["daemon"]))
        await bus.ensure(client)
        yield Lab(server, client, tmp_path / "store.duckdb")


def contents(path):
    """All that must be the same however often the way to it was interrupted."""
    with duckdb.connect(str(path), read_only=True) as con:
        log = con.execute("SELECT seq, op, key, presence, status, cause FROM state_log ORDER BY seq").fetchall()
        rows = con.execute("SELECT key, presence, status, hash, observed_at FROM inventory_ ORDER BY key").fetchall()
        sequence = con.execute("SELECT sequence FROM cursors_ WHERE stream = 'INVENTORY'").fetchall()
    return log, rows, sequence


def containers(count, second=0, **given):
    return [events.observed(f"c{number:04}", events.after(second), **given) for number in range(count)]


# --- reading ---------------------------------------------------------------------------------------------------------


async def test_what_is_said_is_applied_once_and_in_order(lab):
    said = [*containers(700), *events.scan([f"c{n:04}" for n in range(700)]), *containers(700, 60, status="stopped")]
    await lab.say(*said[:100], times=2)
    await lab.say(*said[100:])

    async with lab.ingesting() as (ingest, database):
        await lab.caught_up(ingest)
        await until(lambda: ingest.reader.caught_up)
        ops = await database.read(lambda con: con.execute("SELECT op, count(*) FROM state_log GROUP BY op").fetchall())

    assert dict(ops) == {"appeared": 700, "changed": 700, "source_appeared": 1}
    assert (lab.gaps, ingest.reader.trouble) == ([], "")


async def test_a_restarted_daemon_goes_on_where_the_store_is(lab):
    for second in range(3):
        await lab.say(*containers(20, second, status=("running", "stopped")[second % 2]))
        async with lab.ingesting() as (ingest, _):
            await lab.caught_up(ingest)

    assert lab.applied["observed"] == 60
    log, _, sequence = contents(lab.path)
    assert [seq for seq, *_ in log] == list(range(1, 61))
    assert sequence == [(60,)]


async def test_a_killed_server_loses_nothing_and_repeats_nothing(lab):
    async with lab.ingesting() as (ingest, database):
        for second in range(3):
            await lab.say(*containers(30, second, spec={"n": second}))
            await lab.server.kill()
            await lab.server.restart()
            await lab.say(*containers(30, second, spec={"n": second + 100}))
        await lab.caught_up(ingest, seconds=30)
        seqs = await database.read(lambda con: con.execute("SELECT seq FROM state_log ORDER BY seq").fetchall())

    assert [seq for (seq,) in seqs] == list(range(1, len(seqs) + 1))
    assert lab.applied["observed"] == 180
    assert lab.gaps == []


async def test_a_stream_made_anew_is_a_gap_and_is_read_from_its_beginning(lab):
    await lab.say(*containers(5))
    async with lab.ingesting() as (ingest, database):
        await lab.caught_up(ingest)
        await lab.client.jetstream().delete_stream("INVENTORY")
        await until(lambda: lab.gaps != [])
        await lab.say(events.observed("new", events.after(60)))
        await until(lambda: lab.applied["observed"] == 6)
        names = await database.read(lambda con: con.execute("SELECT count(*) FROM inventory_").fetchone())

    assert lab.gaps == ["the stream was made anew"]
    assert names == (6,)


async def test_a_purged_stream_is_a_gap_when_something_of_it_was_not_read(lab):
    await lab.say(*containers(5))
    async with lab.ingesting() as (ingest, _):
        await lab.caught_up(ingest)
    await lab.say(*containers(5, 60, status="stopped"))
    await lab.client.jetstream().purge_stream("INVENTORY")

    async with lab.ingesting() as (ingest, _):
        await until(lambda: lab.gaps != [])
        await lab.say(events.observed("new", events.after(120)))
        await lab.caught_up(ingest)

    assert lab.gaps == ["the stream begins at 11, after 5"]


async def test_holes_that_newer_messages_left_are_no_gap(lab):
    await lab.say(events.observed("a"), events.observed("b"))
    async with lab.ingesting() as (ingest, _):
        await lab.caught_up(ingest)
    for second in range(1, 100):
        await lab.say(events.observed("a", events.after(second), spec={"n": second}))

    async with lab.ingesting() as (ingest, _):
        await lab.caught_up(ingest)

    assert lab.gaps == []


async def test_a_lost_consumer_is_made_anew(lab):
    await lab.say(*containers(5))
    async with lab.ingesting() as (ingest, _):
        await lab.caught_up(ingest)
        js = lab.client.jetstream()
        for info in await js.consumers_info("INVENTORY"):
            await js.delete_consumer("INVENTORY", info.name)
        await lab.say(*containers(5, 60, status="stopped"))
        await lab.caught_up(ingest)
        await until(lambda: ingest.reader.caught_up)

    assert lab.applied["observed"] == 10


async def test_a_stopped_reader_leaves_no_consumer(lab):
    async with lab.ingesting() as (ingest, _):
        await until(lambda: ingest.reader.caught_up)

    async def none_left():
        return await lab.client.jetstream().consumers_info("INVENTORY") == []

    await until(none_left)


async def test_a_slow_reader_gets_all_of_more_than_is_outstanding(lab):
    js = lab.client.jetstream()
    await js.update_stream(streams.INVENTORY.evolve(max_msgs_per_subject=10_000))
    for number in range(5000):
        await lab.client.publish("homelab.inv.docker.nas.container.c0001", b"%d" % number)

    async def stored():
        return await lab.last() == 5000

    await until(stored)
    read = []
    reader = Reader(lab.client, "INVENTORY", size=300)
    async for batch in reader.batches(Start(await created(lab), 100)):
        read += [message.metadata.sequence.stream for message in batch.messages]
        await asyncio.sleep(0.01)
        if batch.pending == 0:
            break

    assert read == list(range(101, 5001))


async def test_a_message_lost_on_the_way_is_read_again(lab, monkeypatch):
    await lab.say(*containers(50))
    taken, lost = reader_module._next, []

    async def careless(subscription):
        message = await taken(subscription)
        if message.data and len(lost) < 2 and message.metadata.sequence.stream in (7, 30):
            lost.append(message)
            message = await taken(subscription)
        return message

    monkeypatch.setattr(reader_module, "_next", careless)
    async with lab.ingesting() as (ingest, _):
        await lab.caught_up(ingest)

    assert len(lost) == 2
    assert (lab.applied["observed"], len(contents(lab.path)[0])) == (50, 50)


async def created(lab):
    return (await lab.client.jetstream().stream_info("INVENTORY")).created


async def test_a_message_that_looks_like_the_server_s_own_words_is_only_a_message(lab):
    for status in ("100", "409", "503"):
        await lab.client.publish("homelab.inv.docker.nas.container.x", b"", headers={"Status": status})
    await lab.client.flush()
    await lab.say(events.observed("web"))

    async with lab.ingesting() as (ingest, _):
        await lab.caught_up(ingest)

    assert (lab.applied["quarantined"], lab.applied["observed"]) == (3, 1)


async def test_what_no_column_can_hold_is_refused_alone(lab):
    too_large = events.observed("big", size={"memory_bytes": 10**30})
    await lab.say(
        *containers(20), too_large, events.observed("huge", spec={"n": 10**40}), *containers(20, 60, name="x")
    )

    async with lab.ingesting() as (ingest, database):
        await lab.caught_up(ingest)
        refused = await database.read(
            lambda con: con.execute("SELECT sequence FROM quarantine ORDER BY ALL").fetchall()
        )
        count = await database.read(lambda con: con.execute("SELECT count(*) FROM inventory_").fetchone())

    assert (refused, count) == ([(21,), (22,)], (20,))
    assert lab.applied["observed"] == 40


# --- a store that cannot be written ----------------------------------------------------------------------------------


async def test_a_full_disk_stops_the_reading_and_room_lets_it_go_on(lab, monkeypatch):
    await lab.say(*containers(5))
    async with lab.ingesting() as (ingest, _):
        await lab.caught_up(ingest)
        monkeypatch.setattr(databases, "RESERVE_BYTES", 1 << 60)
        await lab.say(*containers(5, 60, status="stopped"))
        await until(lambda: "make room" in ingest.progress.stalled)
        assert ingest.progress.sequence == 5
        monkeypatch.setattr(databases, "RESERVE_BYTES", 0)
        await lab.caught_up(ingest)

    assert ingest.progress.stalled == ""
    assert lab.applied["observed"] == 10
    assert len(contents(lab.path)[0]) == 10


_LOOP = """
import asyncio, sys
from pathlib import Path
from daemon.ingest.loop import InventoryIngest
from daemon.runtime import bus, logs
from daemon.runtime.metrics import Metrics
from daemon.store.database import Database
from schemas.running import Login
from tests.conftest import FakeClock
from tests.support.events import after

LATER = FakeClock(after(86400))

async def main():
    logs.configure("error", "json")
    url, user, password, path = sys.argv[1:]
    login = Login(user=user, password=password)
    async with bus.connect(url, name="ingest", login=login) as client, Database.open(Path(path), LATER) as store:
        done = lambda applied: print(applied.sequence, flush=True)
        ingest = InventoryIngest(client, store, LATER, Metrics(), done, print)
        ingest.reader.size = 25
        await ingest.run()

asyncio.run(main())
"""


async def ingest_in_a_process(lab, path):
    login = lab.server.logins["daemon"]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", _LOOP, lab.server.url, login.user, login.password, str(path),
        stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip


async def until_sequence(process, wanted):
    async with asyncio.timeout(30):
        async for line in process.stdout:
            if int(line) >= wanted:
                return


async def test_killed_at_any_moment_each_message_takes_effect_once(lab, tmp_path):
    names = [f"c{number:04}" for number in range(60)]
    for second in range(10):
        kept = names[: 60 - 2 * (second % 3)]
        await lab.say(*[events.observed(n, events.after(second), spec={"n": second}) for n in kept])
        await lab.say(
            *events.scan([events.resource(n, spec={"n": second}) for n in kept], events.after(second), parts=3)
        )
    last = await lab.last()
    random = Random(7)

    for _ in range(6):
        process = await ingest_in_a_process(lab, lab.path)
        await asyncio.wait([asyncio.ensure_future(process.stdout.readline())], timeout=10)
        await asyncio.sleep(random.random() * 0.03)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    for path in (lab.path, tmp_path / "straight.duckdb"):
        process = await ingest_in_a_process(lab, path)
        await until_sequence(process, last)
        process.kill()
        await process.wait()

    interrupted, straight = contents(lab.path), contents(tmp_path / "straight.duckdb")
    assert interrupted == straight
    assert [seq for seq, *_ in interrupted[0]] == list(range(1, len(interrupted[0]) + 1))


# --- the tables ------------------------------------------------------------------------------------------------------


async def test_samples_arrive_and_what_is_no_batch_is_put_aside(lab):
    at = LATER.now()
    good = MetricsBatch(
        time=at, agent="test", provider="docker", source="nas",
        samples=(
            Sample(key=events.key("web"), metric="cpu_ratio", value=0.5, at=at),
            Sample(key="proxmox/lab/vm/1", metric="cpu_ratio", value=0.5, at=at),
        ),
    )  # fmt: skip
    subject = subjects.metrics("docker", "nas")
    for data in (b"garbage", good.model_dump_json().encode(), b"{}"):
        await lab.client.jetstream().publish(subject, data)

    async with Database.open(lab.path, LATER) as database:
        async with task(TableIngest(lab.client, database, LATER, "METRICS", metrics).run()):

            async def refused():
                count = await database.read(lambda con: con.execute("SELECT count(*) FROM quarantine").fetchone())
                return count == (2,)

            await until(refused)
        async with task(TableIngest(lab.client, database, LATER, "METRICS", metrics).run()):
            await lab.client.jetstream().publish(subject, b"again")
            await until(lambda: database.version >= 2)
        rows = await database.read(lambda con: con.execute("SELECT key, value FROM samples").fetchall())

    assert rows == [(events.key("web"), 0.5)]


async def test_what_is_no_audit_entry_is_put_aside(lab):
    await lab.client.jetstream().publish(subjects.audit("intent"), b"{}")

    async with (
        Database.open(lab.path, LATER) as database,
        task(TableIngest(lab.client, database, LATER, "AUDIT", audited).run()),
    ):
        await until(lambda: database.version >= 1)
        reasons = await database.read(lambda con: con.execute("SELECT stream, reason FROM quarantine").fetchall())

    assert reasons == [("AUDIT", "not an audit entry (ValidationError)")]


# --- announcing ------------------------------------------------------------------------------------------------------


def letters(count, subjects_=4):
    return [
        Letter(f"l{n:03}", f"homelab.drift.high.docker.nas.container.c{n % subjects_}", str(n)) for n in range(count)
    ]


async def test_what_is_to_be_announced_survives_us_and_keeps_its_order_per_subject(lab):
    made = letters(300)
    async with Database.open(lab.path, LATER) as database:
        await database.write(lambda con: outbox.put(con, made))
        async with task(Announcer(database, Publisher(lab.client)).run()):
            await asyncio.sleep(0.01)  # and is stopped in the middle
    async with Database.open(lab.path, LATER) as database:
        announcer = Announcer(database, Publisher(lab.client))
        async with task(announcer.run()):

            async def sent():
                return await database.read(outbox.waiting) == []

            await until(sent, seconds=20)
            await database.write(lambda con: outbox.put(con, [Letter("more", made[0].subject, "more")]))
            announcer.wake()
            await until(sent)

    said = []
    reader = Reader(lab.client, "DRIFT")
    async for batch in reader.batches(None):
        said += [(message.subject, message.data.decode()) for message in batch.messages]
        if batch.pending == 0:
            break
    for subject in {letter.subject for letter in made}:
        of_it = [data for where, data in said if where == subject]
        assert [data for data in of_it if data != "more"] == [one.payload for one in made if one.subject == subject]
    assert len(said) == 301


def test_no_subject_stands_twice_in_one_window():
    for window in windows(letters(200)):
        assert len({letter.subject for letter in window}) == len(window)
    assert [letter for window in windows(letters(200, 150)) for letter in window] == letters(200, 150)


async def test_what_the_bus_will_never_take_does_not_hold_up_the_rest(lab):
    made = [Letter("1", letters(1)[0].subject, "x" * 9_000_000), Letter("2", letters(1)[0].subject, "ok")]
    async with Database.open(lab.path, LATER) as database:
        await database.write(lambda con: outbox.put(con, made))
        async with task(Announcer(database, Publisher(lab.client)).run()):

            async def sent():
                return await database.read(outbox.waiting) == []

            await until(sent)

    assert (await lab.client.jetstream().stream_info("DRIFT")).state.messages == 1
