"""The file: opened, migrated, written in transactions, read beside the writer, and opened anew when it broke."""

import asyncio
import contextlib
import shutil
import sys
import threading

import duckdb
import pytest

from daemon.store import database as databases
from daemon.store import migrate
from daemon.store.database import Database, StoreHeld, StoreUnavailable
from tests.support.events import after, gap, observed, scan
from tests.support.store import fed


def raw(path):
    return duckdb.connect(str(path))


def test_a_new_store_has_all_migrations_once(tmp_path, clock):
    path = tmp_path / "store.duckdb"
    for _ in range(2):
        Database(path, clock).close()

    with raw(path) as con:
        assert con.execute("SELECT number FROM migrations_ ORDER BY number").fetchall() == [
            (number,) for number, _ in migrate.migrations()
        ]


def test_a_store_of_an_older_release_opens_in_a_newer_one(tmp_path, clock, monkeypatch):
    path = tmp_path / "store.duckdb"
    Database(path, clock).close()
    newer = [*migrate.migrations(), (900, "ALTER TABLE cursors_ ADD COLUMN extra INTEGER; SELECT 1")]
    monkeypatch.setattr(migrate, "migrations", lambda: newer)

    database = Database(path, clock)
    try:
        assert database.transact(lambda con: con.execute("SELECT extra FROM cursors_").fetchall()) == []
    finally:
        database.close()


def test_a_store_from_before_gaps_goes_on_as_it_was(tmp_path, clock, monkeypatch):
    clock.advance(hours=5)
    path = tmp_path / "store.duckdb"
    older = [one for one in migrate.migrations() if one[0] < 5]
    with fed(clock) as new, monkeypatch.context() as before:
        new.say(observed("web"), observed("db"), scan(["web", "db"]), scan(["web"], after(60)))
        before.setattr(migrate, "migrations", lambda: older)
        old = Database(path, clock)
        for table in ("inventory_", "scopes_"):
            width = len(old.transact(lambda con, table=table: con.execute(f"FROM {table} LIMIT 0").description))
            rows = [list(row[:width]) for row in new.rows(f"FROM {table}")]
            into = f"INSERT INTO {table} VALUES ({', '.join('?' * width)})"
            old.transact(lambda con, into=into, rows=rows: con.executemany(into, rows))
        old.close()

    with fed(clock, path) as store:
        assert store.presences() == {"db": "suspect", "web": "present"}
        assert store.rows("SELECT status FROM sources") == [("ok",)]
        assert store.rows("SELECT gaps, hidden, hidden_kinds FROM scopes_") == [("[]", 0, [])]
        store.say(scan(["db"], after(120), gaps=[gap(kinds=("container",))]))
        assert store.presences() == {"db": "present", "web": "ineligible"}


def test_a_store_of_a_newer_release_is_left_alone(tmp_path, clock):
    path = tmp_path / "store.duckdb"
    Database(path, clock).close()
    with raw(path) as con:
        con.execute("INSERT INTO migrations_ VALUES (901, now())")

    with pytest.raises(migrate.TooNew, match="schema 901"):
        Database(path, clock)

    with raw(path) as con:  # it was closed again, too
        assert con.execute("SELECT max(number) FROM migrations_").fetchone() == (901,)


def test_a_migration_that_fails_leaves_the_schema_before_it(tmp_path, clock, monkeypatch):
    path = tmp_path / "store.duckdb"
    Database(path, clock).close()
    broken = [*migrate.migrations(), (900, "CREATE TABLE half (a INTEGER); SELECT * FROM nowhere")]
    monkeypatch.setattr(migrate, "migrations", lambda: broken)

    with pytest.raises(duckdb.CatalogException):
        Database(path, clock)

    with raw(path) as con:
        assert con.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'half'").fetchone() == (0,)


def test_what_is_not_a_store_says_so(tmp_path, clock):
    path = tmp_path / "store.duckdb"
    path.write_bytes(b"this is no database" * 1000)

    with pytest.raises(StoreUnavailable, match=r"store\.duckdb"):
        Database(path, clock)


async def test_one_process_holds_the_file(tmp_path, clock):
    path = tmp_path / "store.duckdb"
    async with Database.open(path, clock):
        script = (
            "import sys; from pathlib import Path; from daemon.runtime.clock import SystemClock;"
            " from daemon.store.database import Database; Database(Path(sys.argv[1]), SystemClock())"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, str(path), stderr=asyncio.subprocess.PIPE
        )
        _, stderr = await process.communicate()

    assert StoreHeld.__name__ in stderr.decode()


async def test_a_write_is_all_or_nothing(clock):
    async with Database.open(None, clock) as database:

        def half(con):
            con.execute("INSERT INTO outbox_ VALUES ('1', 's', 'p')")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await database.write(half)

        assert await database.read(lambda con: con.execute("FROM outbox_").fetchall()) == []
        assert database.version == 0
        await database.write(lambda con: con.execute("INSERT INTO outbox_ VALUES ('1', 's', 'p')"))
        assert database.version == 1


async def test_once_begun_a_write_ends_though_its_caller_is_cancelled(clock):
    began, go = threading.Event(), threading.Event()

    def slow(con):
        began.set()
        go.wait(5)
        con.execute("INSERT INTO outbox_ VALUES ('1', 's', 'p')")

    async with Database.open(None, clock) as database:
        task = asyncio.ensure_future(database.write(slow))
        await asyncio.to_thread(began.wait, 5)
        task.cancel()
        go.set()
        with contextlib.suppress(asyncio.CancelledError):
            await task

        count = await database.write(lambda con: con.execute("SELECT count(*) FROM outbox_").fetchone())
    assert count == (1,)


async def test_a_read_sees_one_committed_state_and_does_not_wait_for_the_writer(clock):
    writing, go, read_once, written = (threading.Event() for _ in range(4))

    def write(con):
        con.execute("INSERT INTO outbox_ VALUES ('1', 's', 'p')")
        writing.set()
        go.wait(5)

    def read(con):
        before = con.execute("SELECT count(*) FROM outbox_").fetchone()
        read_once.set()
        written.wait(5)
        return before, con.execute("SELECT count(*) FROM outbox_").fetchone()

    async with Database.open(None, clock) as database:
        writer = asyncio.ensure_future(database.write(write))
        await asyncio.to_thread(writing.wait, 5)
        reader = asyncio.ensure_future(database.read(read))
        await asyncio.to_thread(read_once.wait, 5)
        go.set()
        await writer
        written.set()

        assert await reader == ((0,), (0,))


async def test_times_are_utc_for_every_connection(clock):
    async with Database.open(None, clock) as database:
        assert await database.read(lambda con: con.execute("SELECT current_setting('TimeZone')").fetchone()) == ("UTC",)
        assert await database.write(lambda con: con.execute("SELECT current_setting('TimeZone')").fetchone()) == (
            "UTC",
        )


async def test_too_little_room_is_told_before_anything_is_written(tmp_path, clock, monkeypatch):
    async with Database.open(tmp_path / "store.duckdb", clock) as database:
        monkeypatch.setattr(databases, "RESERVE_BYTES", 1 << 60)

        with pytest.raises(StoreUnavailable, match="make room"):
            await database.write(lambda con: con.execute("INSERT INTO outbox_ VALUES ('1', 's', 'p')"))

        monkeypatch.setattr(databases, "RESERVE_BYTES", 0)
        await database.write(lambda con: con.execute("INSERT INTO outbox_ VALUES ('2', 's', 'p')"))
        assert await database.read(lambda con: con.execute("SELECT id FROM outbox_").fetchall()) == [("2",)]


@pytest.mark.parametrize("broken", [duckdb.FatalException, duckdb.IOException])
async def test_after_an_error_of_the_file_it_is_opened_anew(tmp_path, clock, broken):
    def fail(con):
        raise broken("the disk is gone\nand more")

    async with Database.open(tmp_path / "store.duckdb", clock) as database:
        await database.write(lambda con: con.execute("INSERT INTO outbox_ VALUES ('1', 's', 'p')"))
        await database.read(lambda con: con.execute("FROM outbox_").fetchall())
        before, cursor = database._connection, await database.read(lambda con: con)

        with pytest.raises(StoreUnavailable, match=r"the disk is gone$"):
            await database.write(fail)

        assert database._connection is not before
        for held in (before, cursor):
            with pytest.raises(duckdb.ConnectionException):
                held.execute("SELECT 1")
        await database.write(lambda con: con.execute("INSERT INTO outbox_ VALUES ('2', 's', 'p')"))
        assert await database.read(lambda con: con.execute("SELECT count(*) FROM outbox_").fetchone()) == (2,)


async def test_a_reader_s_error_of_the_file_is_no_end_either(tmp_path, clock):
    def fail(con):
        raise duckdb.FatalException("invalidated")

    async with Database.open(tmp_path / "store.duckdb", clock) as database:
        with pytest.raises(StoreUnavailable, match="invalidated"):
            await database.read(fail)

        assert await database.read(lambda con: con.execute("SELECT 1").fetchone()) == (1,)


async def test_a_file_that_cannot_be_opened_anew_is_tried_with_the_next_write(tmp_path, clock, monkeypatch):
    def fail(con):
        raise duckdb.IOException("gone")

    def nothing(path):
        raise StoreUnavailable("not now")

    connect = databases.connect
    async with Database.open(tmp_path / "store.duckdb", clock) as database:
        monkeypatch.setattr(databases, "connect", nothing)
        for work in (fail, lambda con: None):
            with pytest.raises(StoreUnavailable):
                await database.write(work)
        with pytest.raises(StoreUnavailable):
            await database.read(lambda con: None)
        monkeypatch.setattr(databases, "connect", connect)

        await database.write(lambda con: con.execute("INSERT INTO outbox_ VALUES ('1', 's', 'p')"))
        assert await database.read(lambda con: con.execute("SELECT count(*) FROM outbox_").fetchone()) == (1,)


def test_a_store_that_was_killed_right_after_its_first_start_opens_again(tmp_path, clock):
    database = Database(tmp_path / "homelab.duckdb", clock)
    for suffix in ("", ".wal"):
        shutil.copyfile(tmp_path / f"homelab.duckdb{suffix}", tmp_path / f"copy.duckdb{suffix}")
    database.close()

    again = Database(tmp_path / "copy.duckdb", clock)
    assert again.transact(lambda con: con.execute("SELECT count(*) FROM expectations").fetchone()) == (0,)
    again.close()
