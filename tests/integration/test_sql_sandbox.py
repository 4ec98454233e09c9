"""A real store with a writer thread, a real worker process, and people who mean no good."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import duckdb
import psutil
import pytest

from daemon.store.sandbox.errors import SqlBusy, SqlFailed, SqlRefused, SqlTimeout, SqlTooLarge
from daemon.store.sandbox.limits import Limits
from daemon.store.sandbox.sandbox import Sandbox
from daemon.store.sandbox.snapshots import Copied
from schemas.queries import SqlQuery

SLOW = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3"
BOUND = 20.0


class Store:
    """One thread writes, as in the daemon; a copy is made by that thread between two transactions."""

    def __init__(self, path: Path, clock) -> None:
        self.path = path
        self.clock = clock
        self.version = 0
        self.copies = 0
        self.copy_seconds = 0.01
        self.thread = ThreadPoolExecutor(1)
        self.connection = self.thread.submit(duckdb.connect, str(path)).result()
        self.write("CREATE TABLE t AS SELECT range AS i, 'n' || range AS n FROM range(1000)")

    def write(self, sql: str) -> None:
        self.thread.submit(self._write, sql).result()

    def _write(self, sql: str) -> None:
        self.connection.execute("BEGIN")
        self.connection.execute(sql)
        self.connection.execute("COMMIT")
        self.version += 1

    async def copy(self, path: Path) -> Copied:
        return await asyncio.get_running_loop().run_in_executor(self.thread, self._copy, path)

    def _copy(self, path: Path) -> Copied:
        shutil.copyfile(self.path, path)
        if self.path.with_name(self.path.name + ".wal").exists():
            shutil.copyfile(f"{self.path}.wal", f"{path}.wal")
        self.copies += 1
        return Copied(as_of=self.clock.now(), version=self.version, seconds=self.copy_seconds)

    def close(self) -> None:
        self.thread.submit(self.connection.close).result()
        self.thread.shutdown()


@pytest.fixture
def store(tmp_path, clock):
    store = Store(tmp_path / "live.duckdb", clock)
    yield store
    store.close()


@pytest.fixture
def open_sandbox(tmp_path, store, clock):
    @asynccontextmanager
    async def opened(**limits):
        settings = {"timeout": timedelta(seconds=10), "memory_mb": 512} | limits
        directory = tmp_path / "snapshots"
        async with Sandbox(directory, store.copy, lambda: store.version, Limits(**settings), clock=clock) as sandbox:
            yield sandbox
        assert sandbox.worker_pid is None

    return opened


def ask(sandbox: Sandbox, sql: str, **more):
    return sandbox.query(SqlQuery(sql=sql, **more))


async def rows(sandbox: Sandbox, sql: str):
    return (await ask(sandbox, sql)).rows


async def until(condition, seconds: float = BOUND) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - a process does not set an event
            await asyncio.sleep(0.01)


async def test_a_question_is_answered_with_names_types_and_the_time_of_the_snapshot(open_sandbox, store, clock):
    async with open_sandbox() as sandbox:
        answer = await ask(sandbox, "SELECT i, n FROM t ORDER BY i LIMIT 2")

    assert answer.columns == ("i", "n")
    assert answer.types == ("BIGINT", "VARCHAR")
    assert answer.rows == ((0, "n0"), (1, "n1"))
    assert answer.as_of == clock.now()
    assert answer.elapsed_ms > 0
    assert not answer.truncated


async def test_every_type_arrives_as_json(open_sandbox):
    cases = {
        "TIMESTAMPTZ '2026-11-20 10:00:00.5+02'": "2026-11-20T08:00:00.500000Z",
        "TIMESTAMP '2026-11-20 10:00:00'": "2026-11-20T10:00:00",
        "DATE '2026-11-20'": "2026-11-20",
        "DATE '20000-01-01'": "20000-01-01",
        "INTERVAL '1 day 90.5 seconds'": "P1DT90.5S",
        "INTERVAL '-5 seconds'": "-PT5S",
        "INTERVAL '2 days'": "P2D",
        "1.50::DECIMAL(10,2)": 1.5,
        "12345678901234567890123.45::DECIMAL(38,2)": "12345678901234567890123.45",
        "9223372036854775807": 9223372036854775807,
        "9223372036854775808::HUGEINT": "9223372036854775808",
        "'nan'::DOUBLE": "NaN",
        "'-inf'::DOUBLE": "-Infinity",
        "'\\xAA\\x00'::BLOB": "qgA=",
        "'{\"a\": [1, null]}'::JSON": {"a": [1, None]},
        "['[1]'::JSON, NULL]": [[1], None],
        "{'a': '{\"b\": 2}'::JSON, 'c': 1}": {"a": {"b": 2}, "c": 1},
        "MAP {'k': '[3]'::JSON}": {"k": [3]},
        "MAP {'key': [1], 'value': [2]}": {"key": [1], "value": [2]},
        "MAP {1: 'x'}": {"1": "x"},
        "MAP {[1]: 2}": {"[1]": 2},
        "row(1, DATE '2026-01-01')": [1, "2026-01-01"],
        "array_value(1, 2)": [1, 2],
        "union_value(a := DATE '2026-01-01')": "2026-01-01",
        "{'a': 1}::JSON::VARIANT": {"a": 1},
        "'dd30e1a2-7c26-4f3b-8f3b-1a2b3c4d5e6f'::UUID": "dd30e1a2-7c26-4f3b-8f3b-1a2b3c4d5e6f",
        "'a'::ENUM('a', 'b')": "a",
        "NULL": None,
        "NULL::JSON": None,
        "NULL::INT[]": None,
        "NULL::STRUCT(a INT)": None,
        "NULL::MAP(INT, INT)": None,
    }
    async with open_sandbox() as sandbox:
        for sql, expected in cases.items():
            assert (sql, (await rows(sandbox, f"SELECT {sql}"))[0][0]) == (sql, expected)


async def test_duckdbs_own_words_come_through(open_sandbox):
    async with open_sandbox() as sandbox:
        with pytest.raises(SqlFailed, match=r'(?s)column "nn" not found.*Candidate bindings.*"n"'):
            await ask(sandbox, "SELECT nn FROM t")
        with pytest.raises(SqlFailed, match=r'(?s)Table with name tt does not exist.*Did you mean "t"'):
            await ask(sandbox, "FROM tt")
        with pytest.raises(SqlFailed, match="syntax error at or near"):
            await ask(sandbox, "SELEC 1")
        with pytest.raises(SqlFailed, match='write "at"'):
            await ask(sandbox, "SELECT at FROM t")
        with pytest.raises(SqlFailed, match="Conversion Error"):
            await ask(sandbox, "SELECT 'x'::INT")
        assert await rows(sandbox, "SELECT 1") == ((1,),)


async def test_nothing_is_written_and_nothing_else_is_read(open_sandbox, store, tmp_path):
    (tmp_path / "x.csv").write_text("secret\n1\n")
    attempts = [
        "DELETE FROM t",
        "SELECT 1; DROP TABLE t",
        "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
        "EXPLAIN ANALYZE DELETE FROM t",
        f"COPY t TO '{tmp_path}/out.csv'",
        f"EXPORT DATABASE '{tmp_path}/out'",
        f"IMPORT DATABASE '{tmp_path}/out'",
        f"FROM '{tmp_path}/x.csv'",
        f"FROM read_csv('{tmp_path}/x.csv')",
        f"ATTACH '{store.path}'",
        f"FROM read_duckdb('{store.path}')",
        "FROM query('SELECT 1')",
        "FROM duckdb_secrets()",
        "FROM quack_stop('quack:localhost:1')",
        "SET enable_external_access = true",
        "PRAGMA disable_verification",
        "CALL enable_logging()",
        "FROM enable_logging()",
        "CREATE TEMP TABLE u (i INT)",
        "SELECT getenv('PATH')",
    ]
    async with open_sandbox() as sandbox:
        first = await rows(sandbox, "SELECT count(*) FROM t")
        pid = sandbox.worker_pid
        for sql in attempts:
            with pytest.raises((SqlRefused, SqlFailed)) as refused:
                await ask(sandbox, sql)
            assert isinstance(refused.value, SqlRefused) or "A CTE needs a SELECT" in str(refused.value)
        assert await rows(sandbox, "SELECT count(*) FROM t") == first
        assert sandbox.worker_pid == pid
    assert not list(tmp_path.glob("out*"))


async def test_the_lock_behind_the_list_holds_too(open_sandbox, monkeypatch, tmp_path):
    """Were a statement to slip past the list, DuckDB and the kernel would still stand in its way."""
    program = f"""
        import duckdb, sys
        from daemon.store.sandbox import allowed, fences, worker
        allowed.refusal = lambda *_: None
        worker.checked = lambda connection, sql: sql
        duckdb.connect({str(tmp_path / "s.duckdb")!r}).execute("CREATE TABLE t AS SELECT 1 AS i")
        open({str(tmp_path / "x.csv")!r}, "w").write("a\\n1\\n")
        w = worker.Worker(512, 1)
        print(w.do({{"do": "open", "snapshot": {str(tmp_path / "s.duckdb")!r}}}))
        for sql in sys.argv[1:]:
            answer = w.do(dict(do="query", sql=sql, max_rows=1, max_bytes=1000, seconds=5))
            assert "trouble" in answer, (sql, answer)
        try:
            with open({str(tmp_path / "y")!r}, "wb", buffering=0) as file:
                file.write(b"x")
        except OSError:
            print("held")
    """
    attempts = [
        "DELETE FROM t",
        "CREATE TABLE u (i INT)",
        f"COPY t TO '{tmp_path}/out.csv'",
        f"FROM '{tmp_path}/x.csv'",
        f"FROM read_text('{tmp_path}/x.csv')",
        "SET memory_limit = '100GB'",
        "SET enable_external_access = true",
        f"ATTACH '{tmp_path}/x.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
    ]
    command = [sys.executable, "-c", textwrap.dedent(program), *attempts]
    done = await asyncio.to_thread(subprocess.run, command, cwd=Path.cwd(), capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["held"], done.stderr


async def test_a_query_that_runs_too_long_is_ended_and_the_writer_does_not_notice(open_sandbox, store):
    def batches(seconds: float) -> int:
        done, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            store.write(f"INSERT INTO t SELECT range, 'x' FROM range({done}, {done} + 100)")
            done += 1
        return done

    async with open_sandbox(timeout=timedelta(seconds=1.5), threads=1) as sandbox:
        await rows(sandbox, "SELECT 1")
        alone = await asyncio.to_thread(batches, 1.0)
        async with asyncio.TaskGroup() as group:
            began = time.monotonic()
            beside = group.create_task(asyncio.to_thread(batches, 1.0))
            with pytest.raises(SqlTimeout, match=r"after 1\.5 s"):
                await ask(sandbox, SLOW)
            took = time.monotonic() - began
        assert took < 2.5
        assert beside.result() > alone / 4
        assert await rows(sandbox, "SELECT 1") == ((1,),)


async def test_a_caller_may_ask_for_less_time_but_not_for_more(open_sandbox):
    async with open_sandbox(timeout=timedelta(seconds=1)) as sandbox:
        await rows(sandbox, "SELECT 1")
        pid = sandbox.worker_pid
        for asked, given in ((0.3, "0.3 s"), (60, "1 s")):
            with pytest.raises(SqlTimeout, match=f"after {given}"):
                await ask(sandbox, SLOW, timeout_seconds=asked)
        assert sandbox.worker_pid == pid, "it was interrupted, not killed"


async def test_a_scalar_that_cannot_be_interrupted_is_killed(open_sandbox):
    async with open_sandbox(timeout=timedelta(seconds=1), memory_mb=4096) as sandbox:
        await rows(sandbox, "SELECT 1")
        pid = sandbox.worker_pid
        began = time.monotonic()
        with pytest.raises(SqlTimeout):
            await ask(sandbox, "SELECT list_sort(list_transform(range(30000000), lambda x: hash(x)))[1]")
        assert time.monotonic() - began < 2
        assert await rows(sandbox, "SELECT 1") == ((1,),)
        assert sandbox.worker_pid != pid


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT list_sort(range(300000000))",
        "SELECT length(repeat('x', 1000000000))",
        "SELECT repeat('x', 1000000000)",
        "SELECT string_agg(repeat('x', 1000), '') FROM range(10000000)",
        "SELECT list(range) FROM range(1000000000)",
        "SELECT range, hash(range) FROM range(1000000000) ORDER BY 2",
    ],
)
async def test_a_query_that_eats_memory_is_ended_and_the_next_is_answered(open_sandbox, sql):
    async with open_sandbox(memory_mb=256, timeout=timedelta(seconds=8)) as sandbox:
        await rows(sandbox, "SELECT 1")
        most, watched = 0, psutil.Process(sandbox.worker_pid)

        async def watch() -> None:
            nonlocal most
            while True:
                try:
                    most = max(most, watched.memory_info().rss)
                except psutil.NoSuchProcess:
                    return
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch())
            with pytest.raises(SqlTooLarge, match="256 MB"):
                await ask(sandbox, sql)
            watching.cancel()
        assert most < 450 * 2**20
        assert await rows(sandbox, "SELECT count(*) FROM t") == ((1000,),)


async def test_a_statement_nested_without_end_harms_nobody(open_sandbox):
    async with open_sandbox() as sandbox:
        for sql in (
            "SELECT " + "(" * 45_000 + "1" + ")" * 45_000,
            "SELECT " + "1+(" * 20_000 + "1" + ")" * 20_000,
        ):
            with pytest.raises((SqlRefused, SqlFailed, SqlTooLarge)):
                await ask(sandbox, sql)
        assert await rows(sandbox, "SELECT 1") == ((1,),)


async def test_an_answer_is_cut_at_its_rows_and_at_its_bytes_and_says_so(open_sandbox):
    async with open_sandbox(max_rows=50, max_bytes=10_000) as sandbox:
        assert len((await ask(sandbox, "FROM t", max_rows=10)).rows) == 10
        capped = await ask(sandbox, "FROM t", max_rows=100)
        assert (len(capped.rows), capped.truncated) == (50, True)
        exact = await ask(sandbox, "FROM t LIMIT 50", max_rows=100)
        assert (len(exact.rows), exact.truncated) == (50, False)
        heavy = await ask(sandbox, "SELECT repeat('x', 4000) FROM t")
        assert (len(heavy.rows), heavy.truncated) == (2, True)
        with pytest.raises(SqlTooLarge, match="substr"):
            await ask(sandbox, "SELECT repeat('x', 20000)")
        endless = await ask(sandbox, "SELECT range FROM range(1000000000000)", max_rows=5)
        assert endless.rows == ((0,), (1,), (2,), (3,), (4,))


async def test_a_snapshot_is_renewed_when_it_is_old_and_the_store_has_changed(open_sandbox, store, clock):
    async with open_sandbox() as sandbox:
        count = "SELECT count(*) FROM t"
        first = await ask(sandbox, count)

        clock.advance(seconds=60)
        assert (await ask(sandbox, count)).as_of == first.as_of
        assert store.copies == 1, "nothing has changed"

        store.write("INSERT INTO t VALUES (-1, 'new')")
        second = await ask(sandbox, count)
        assert (second.rows, second.as_of) == (((1001,),), clock.now())

        store.write("INSERT INTO t VALUES (-2, 'new')")
        clock.advance(seconds=0.5)
        assert (await ask(sandbox, count)).rows == ((1001,),), "it is too young"

        store.copy_seconds = 5
        clock.advance(seconds=60)
        assert (await ask(sandbox, count)).rows == ((1002,),)
        store.write("INSERT INTO t VALUES (-3, 'new')")
        clock.advance(seconds=19)
        assert (await ask(sandbox, count)).rows == ((1002,),), "a copy that takes 5 s is made every 20 s"
        clock.advance(seconds=3)
        assert (await ask(sandbox, count)).rows == ((1003,),)

        store.write("INSERT INTO t VALUES (-4, 'new')")
        await sandbox.refresh()
        assert (await ask(sandbox, count)).rows == ((1004,),), "asked for now"


async def test_a_new_worker_takes_the_snapshot_that_is_there(open_sandbox, store):
    async with open_sandbox() as sandbox:
        await rows(sandbox, "SELECT 1")
        os.kill(sandbox.worker_pid, signal.SIGKILL)
        await until(lambda: sandbox.worker_pid is None)
        assert await rows(sandbox, "SELECT count(*) FROM t") == ((1000,),)
        assert store.copies == 1


async def test_a_snapshot_that_was_deleted_or_spoilt_is_made_again(open_sandbox, store):
    async with open_sandbox() as sandbox:
        await rows(sandbox, "SELECT 1")
        sandbox.snapshot.unlink()
        assert await rows(sandbox, "SELECT count(*) FROM t") == ((1000,),)

        os.kill(sandbox.worker_pid, signal.SIGKILL)
        await until(lambda: sandbox.worker_pid is None)
        sandbox.snapshot.unlink()
        sandbox.snapshot.write_bytes(b"not a database" * 1000)
        with pytest.raises(SqlFailed, match="No snapshot"):
            await ask(sandbox, "SELECT 1")
        assert await rows(sandbox, "SELECT count(*) FROM t") == ((1000,),)


READER = """
import duckdb, sys, time, pathlib
path, stop, opened = sys.argv[1], pathlib.Path(sys.argv[2]), 0
while not stop.exists():
    with duckdb.connect(path, read_only=True) as connection:
        low, high = connection.execute("SELECT min(c), max(c) FROM (SELECT count(*) AS c FROM t GROUP BY n)").fetchone()
        assert low == high, (low, high)
        assert not pathlib.Path(path + ".wal").exists()
    opened += 1
print(opened)
"""


async def test_the_plain_file_is_whole_for_other_programs_however_often_it_is_renewed(open_sandbox, store, tmp_path):
    stop = tmp_path / "stop"
    store.write("CREATE OR REPLACE TABLE t AS SELECT n FROM range(500) r(n)")
    async with open_sandbox() as sandbox:
        path = await sandbox.refresh()
        command = [sys.executable, "-c", READER, str(path), str(stop)]
        reader = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(40):
            store.write("INSERT INTO t SELECT n FROM range(500) r(n)")
            assert await sandbox.refresh() == path
        stop.touch()
        out, err = await reader.communicate()
        assert reader.returncode == 0, err.decode()
        assert int(out) > 3
        assert [file.name for file in path.parent.iterdir()] == ["homelab.duckdb"]
        assert path.stat().st_mode & 0o777 == 0o400
        assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_what_a_crash_left_is_deleted_at_the_start(open_sandbox, tmp_path):
    directory = tmp_path / "snapshots"
    directory.mkdir()
    for name in ("raw-copy-7.duckdb", "raw-copy-7.duckdb.wal"):
        (directory / name).write_bytes(b"half")
    (directory / "homelab.duckdb").write_bytes(b"of the last run")
    async with open_sandbox():
        assert [file.name for file in directory.iterdir()] == ["homelab.duckdb"]


async def test_no_process_runs_before_the_first_question_nor_when_idle(open_sandbox):
    async with open_sandbox(idle=timedelta(seconds=0.2)) as sandbox:
        assert sandbox.worker_pid is None
        await rows(sandbox, "SELECT 1")
        process = psutil.Process(sandbox.worker_pid)
        await until(lambda: not process.is_running())
        assert await rows(sandbox, "SELECT 1") == ((1,),)


async def test_questions_stand_in_a_short_line(open_sandbox):
    async with open_sandbox(waiting=2) as sandbox, asyncio.TaskGroup() as group:
        slow = group.create_task(ask(sandbox, SLOW))
        await until(sandbox._turn.locked)
        several = [group.create_task(rows(sandbox, f"SELECT {n}")) for n in range(2)]
        await until(lambda: sandbox._waiting == 2)
        with pytest.raises(SqlBusy, match="2 queries are waiting"):
            await ask(sandbox, "SELECT 1")
        slow.cancel()
        assert [await task for task in several] == [((0,),), ((1,),)]


async def test_who_waits_too_long_is_told(open_sandbox):
    async with open_sandbox(patience=timedelta(seconds=0.2)) as sandbox:
        await rows(sandbox, "SELECT 1")
        async with asyncio.TaskGroup() as group:
            slow = group.create_task(ask(sandbox, SLOW))
            try:
                await until(sandbox._turn.locked)
                with pytest.raises(SqlBusy, match="Other queries"):
                    await ask(sandbox, "SELECT 1")
            finally:
                slow.cancel()


async def test_a_cancelled_question_leaves_nothing_behind(open_sandbox):
    async with open_sandbox() as sandbox:
        await rows(sandbox, "SELECT 1")
        process = psutil.Process(sandbox.worker_pid)
        async with asyncio.TaskGroup() as group:
            slow = group.create_task(ask(sandbox, SLOW))
            await until(lambda: process.cpu_times().user > 0.3)
            slow.cancel()
        await until(lambda: not process.is_running())
        assert await rows(sandbox, "SELECT 1") == ((1,),)


PARENT = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
import duckdb
from daemon.store.sandbox.sandbox import Sandbox
from daemon.store.sandbox.snapshots import Copied
from schemas.queries import SqlQuery

async def copy(path):
    duckdb.connect(str(path)).close()
    return Copied(datetime.now(UTC), 1, 0.01)

async def main():
    async with Sandbox(Path(sys.argv[1]), copy, lambda: 1) as sandbox:
        await sandbox.query(SqlQuery(sql="SELECT 1"))
        print(sandbox.worker_pid, flush=True)
        await sandbox.query(SqlQuery(sql=sys.argv[2]))

asyncio.run(main())
"""


async def test_a_killed_parent_leaves_no_orphan(tmp_path):
    command = [sys.executable, "-c", PARENT, str(tmp_path), SLOW]
    parent = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=Path.cwd())
    worker = psutil.Process(int(await parent.stdout.readline()))
    await until(lambda: worker.cpu_times().user > 0.5)
    parent.kill()
    await parent.wait()
    await until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 2)


async def test_the_worker_is_told_nothing_of_the_environment(open_sandbox, monkeypatch):
    monkeypatch.setenv("PROXMOX_TOKEN", "hush")
    async with open_sandbox() as sandbox:
        await rows(sandbox, "SELECT 1")
        assert psutil.Process(sandbox.worker_pid).environ().keys() == {"LANG", "PYTHONPATH"}
