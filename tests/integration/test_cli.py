"""The command line as a person and a script meet it: a real process, a real bus, every exit code."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from daemon.api.answers import Refused
from daemon.runtime import state
from schemas import queries as q
from schemas import subjects
from schemas.events import Observed, Removed, ScanFailed, Trouble
from schemas.resources import Kind, Resource, Status, hash_of
from schemas.running import Login
from tests.support.answers import AT, KEY, FakeAnswers, row
from tests.support.cli import PATIENCE, Lab, environ, homelab, laboratory, run_of, started

COLUMNS = set(q.ResourceRow.model_fields)


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with laboratory(tmp_path) as running:
        yield running


async def test_without_a_daemon_the_exit_is_69_and_says_how_to_start_one(tmp_path):
    said = await homelab(tmp_path, "status")
    assert (said.code, said.out) == (69, "")
    assert said.err == (
        f"homelab: no homelab daemon is running for {tmp_path}: start one with `homelab up`, "
        "or say where one is with --state DIR, or with --nats URL --creds FILE\n"
    )


async def test_what_a_daemon_that_died_left_behind_is_not_taken_for_a_daemon(lab):
    run = state.find_run(lab.state)
    state.write_run(lab.state, run.model_copy(update={"pid": 2**22 - 1}))
    said = await lab.run("status")
    assert said.code == 69
    assert "which has ended" in said.err


async def test_a_bus_that_does_not_answer_is_69(tmp_path):
    said = await homelab(tmp_path, "status", "--nats", "nats://127.0.0.1:1")
    assert said.code == 69
    assert "127.0.0.1:1" in said.err
    assert "Traceback" not in said.err


async def test_a_bus_without_a_daemon_behind_it_is_69(lab):
    lab.answers.failure = Refused("unavailable", "the store is being opened")
    said = await lab.run("status")
    assert (said.code, said.err) == (69, "homelab: the store is being opened\n")


async def test_a_refusal_is_one_line_with_candidates_and_exit_1(lab):
    said = await lab.run("show", "wbe")
    assert (said.code, said.out) == (1, "")
    assert said.err == f"homelab: there is no resource wbe\n  {KEY}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("resources", "--kind", "toaster"),
        ("history", "--since", "yesterday"),
        ("adopt",),
        ("sql", "-f", "parquet", "select 1"),
        ("sql", "-"),
        ("drift", "--severity", "awful"),
    ],
    ids=" ".join,
)
async def test_a_command_that_makes_no_sense_is_2(tmp_path, arguments):
    said = await homelab(tmp_path, *arguments)
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err


async def test_drift_is_3_only_where_it_is_asked_to_be_and_something_is_open(lab):
    assert (await lab.run("drift")).code == 0
    assert (await lab.run("drift", "--exit-code", "--json")).code == 3
    lab.answers.found = tuple(
        found.model_copy(update={"resolved_at": AT, "resolved_by": "self"}) for found in lab.answers.found
    )
    assert (await lab.run("drift", "--exit-code", "--history")).code == 0


async def test_a_list_is_one_json_array_of_all_pages(lab):
    lab.answers.rows = tuple(row(f"docker/local/container/c{number}") for number in range(1203))
    found = (await lab.run("resources", "--json")).json
    assert [entry["key"] for entry in found] == [each.key for each in lab.answers.rows]
    assert set(found[0]) == COLUMNS
    assert len((await lab.run("resources", "--json", "--limit", "7")).json) == 7


async def test_a_list_cut_by_its_limit_says_so(lab):
    said = await lab.run("resources", "--limit", "2")
    assert "2 of 3" in said.err


@pytest.mark.parametrize(
    ("arguments", "columns"),
    [
        (("history", "--json"), q.EventRow.model_fields),
        (("drift", "--json"), ("id", "key", "type", "path", "expected", "actual", "severity", "detected_at")),
        (("sources", "--json"), q.SourceRow.model_fields),
    ],
    ids=("history", "drift", "sources"),
)
async def test_the_other_lists_are_arrays_with_their_columns(lab, arguments, columns):
    found = (await lab.run(*arguments)).json
    assert found
    assert set(columns) <= set(found[0])


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (("status", "--json"), {"version", "ingest_state", "resources", "summary", "counts", "sources"}),
        (("show", KEY, "--json"), set(q.ResourceAnswer.model_fields)),
        (("sources", "show", "local", "--json"), {"provider", "source", "status", "scopes"}),
        (("adopt", KEY, "--json"), {"adopted", "skipped"}),
        (("sources", "refresh", "--json"), {"refreshed", "failed"}),
        (("source", "release", "local", "--json"), {"released"}),
        (("version", "--json"), {"version", "libraries"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_a_single_thing_is_one_json_object(lab, arguments, fields):
    said = await lab.run(*arguments)
    assert said.code == 0, said.err
    assert fields <= set(said.json)


async def test_what_was_asked_for_reaches_the_daemon(lab):
    await lab.run(
        *("resources", "-p", "docker", "-s", "local", "-k", "container", "-n", "w*", "-l", "a=b", "-l", "c"),
        *("--status", "running", "--presence", "present", "--managed", "--drifting", "--text", "x", "--gone"),
    )
    (query,) = lab.answers.asked
    assert isinstance(query, q.ResourcesQuery)
    assert query.model_dump(exclude_defaults=True, exclude={"fields", "limit"}) == {
        "provider": "docker",
        "source": "local",
        "kind": Kind.CONTAINER,
        "name": "w*",
        "label": ("a=b", "c"),
        "status": Status.RUNNING,
        "presence": "present",
        "managed": True,
        "drifting": True,
        "text": "x",
        "include_gone": True,
    }


async def test_a_cluster_may_be_said_with_a_name_or_vmid(lab):
    for arguments in (("show", "100"), ("state", "clear", "100"), ("adopt", "100"), ("history", "100")):
        await lab.run(*arguments, "--cluster", "prod")
    asked = [query.model_dump(exclude_defaults=True, exclude={"by", "limit"}) for query in lab.answers.asked]
    assert asked == [
        {"key": "100", "cluster": "prod"},
        {"target": "100", "cluster": "prod"},
        {"keys": ("100",), "source": "prod"},
        {"key": "100", "source": "prod"},
    ]


async def test_adopting_nothing_of_what_was_named_is_1_and_says_why(lab):
    lab.answers.skipped = {"100": "may be any of a, b"}
    said = await lab.run("adopt", "100")
    assert (said.code, said.out, said.err) == (1, "0 resources adopted\n", "100: may be any of a, b\n")


async def test_a_time_may_be_a_moment_or_how_long_ago(lab):
    await lab.run("history", "--since", "2026-11-20T08:00Z", "--until", "2h")
    (query,) = lab.answers.asked
    assert isinstance(query, q.EventsQuery)
    assert query.since == AT
    assert query.until is not None
    assert abs(datetime.now(UTC) - timedelta(hours=2) - query.until) < timedelta(minutes=1)


async def test_reading_needs_a_viewer_and_changing_intent_an_operator(lab):
    run = run_of(lab.server, lab.state)
    wrong = Login(user="operator", password="wrong")
    state.write_run(lab.state, run.model_copy(update={"nats": run.nats.model_copy(update={"operator": wrong})}))
    assert (await lab.run("status")).code == 0
    said = await lab.run("adopt", KEY)
    assert said.code == 1
    assert "refuses these credentials" in said.err


async def test_a_viewers_credentials_cannot_adopt(lab, tmp_path):
    creds = tmp_path / "viewer.json"
    creds.write_text(lab.server.logins["viewer"].model_dump_json())
    at = ("--nats", lab.server.url, "--creds", str(creds))
    assert (await homelab(tmp_path / "elsewhere", "resources", *at)).code == 0
    said = await homelab(tmp_path / "elsewhere", "adopt", KEY, *at)
    assert said.code == 1
    assert "may not" in said.err


async def test_the_environment_may_say_where_the_daemon_is(lab, tmp_path):
    creds = tmp_path / "viewer.json"
    creds.write_text(lab.server.logins["viewer"].model_dump_json())
    said = await homelab(tmp_path / "elsewhere", "sources", HOMELAB_NATS=lab.server.url, HOMELAB_CREDS=str(creds))
    assert said.code == 0, said.err


async def test_a_source_nobody_knows_is_told_with_those_there_are(lab):
    said = await lab.run("sources", "show", "nas")
    assert (said.code, said.err) == (1, "homelab: there is no source 'nas'; there are: docker/local\n")


async def test_a_sources_figures_are_on_its_screen(lab):
    said = await lab.run("sources", "show", "local")
    assert "data      40%" in said.out
    assert (await lab.run("sources", "show", "local", "--json")).json["health"]["versions"] == {"29.1": 1}


async def test_options_may_stand_before_a_subcommand_too(lab, tmp_path):
    said = await homelab(tmp_path / "elsewhere", "sources", "--state", str(lab.state), "show", "local")
    assert said.code == 0, said.err


async def test_sql_answers_on_stdout_and_tells_its_age_on_stderr(lab):
    said = await lab.run("sql", "-", "--format", "json", stdin="select 1")
    assert [entry["n"] for entry in said.json] == [0, 1]
    assert "2 rows as of 2026-11-20T08:00:00Z" in said.err
    (query,) = lab.answers.asked
    assert isinstance(query, q.SqlQuery)
    assert query.sql == "select 1"


async def test_sql_writes_a_parquet_file(lab, tmp_path):
    file = tmp_path / "out.parquet"
    said = await lab.run("sql", "select 1", "-f", "parquet", "-o", str(file))
    assert said.code == 0, said.err
    assert [found[0] for found in duckdb.sql(f"select n from '{file}' order by n").fetchall()] == [0, 1]


async def test_a_pipe_that_is_closed_early_is_no_error(lab):
    lab.answers.rows = tuple(row(f"docker/local/container/{number:0100}") for number in range(2000))
    command = f"{sys.executable} -m daemon.cli resources --fields key | head -n 1; exit ${{PIPESTATUS[0]}}"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", command),
        env=environ(lab.state),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert out.count(b"\n") == 1
    assert (process.returncode, err) == (141, b"")


# --- watch -----------------------------------------------------------------------------------------------------------


def observed(native_id: str, **given) -> Observed:
    resource = Resource(
        provider="docker",
        source="local",
        kind=Kind.CONTAINER,
        native_id=native_id,
        incarnation="c1",
        **{"name": native_id, "status": Status.RUNNING, "native_status": "running", **given},
    )
    now = datetime.now(UTC)
    return Observed(time=now, agent="a", observed_at=now, hash=hash_of(resource), resource=resource)


async def say(lab: Lab, *events) -> None:
    for event in events:
        match event:
            case Observed():
                subject = subjects.inventory(event.resource.key)
            case Removed():
                subject = subjects.inventory(event.key)
            case _:
                subject = subjects.scan(event.provider, event.source, event.scope)
        await lab.daemon.publish(subject, event.model_dump_json().encode())
    await lab.daemon.flush()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        return (await process.stdout.readline()).decode().rstrip()


async def begun(process: asyncio.subprocess.Process, sign: str = "watching") -> str:
    """Read stderr until it says so."""
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(PATIENCE):
        while sign not in said:
            read = (await process.stderr.readline()).decode()
            assert read, f"it ended, having said: {said}"
            said += read
    return said


async def test_watch_tells_each_change_within_a_second(lab):
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    lab.answers.rows = (row("docker/local/container/old", observed_at=long_ago),)
    async with started(lab.state, "watch", "--utc") as process:
        greeting = await begun(process)
        assert "2 containers" in greeting
        now = asyncio.get_running_loop().time
        at = now()
        await say(lab, observed("new"))
        assert " new      container new: running" in await line(process)
        assert now() - at < 1
        await say(lab, observed("new", status=Status.STOPPED, native_status="exited"))
        assert "status running -> stopped" in await line(process)
        await say(lab, observed("new", status=Status.STOPPED, native_status="exited", spec={"image": "x"}))
        assert "spec.image nothing -> x" in await line(process)
        removed = Removed(
            time=datetime.now(UTC),
            agent="a",
            observed_at=datetime.now(UTC),
            provider="docker",
            source="local",
            kind=Kind.CONTAINER,
            native_id="new",
        )
        await say(lab, removed)
        assert " removed  container new" in await line(process)
        await say(lab, observed("old", name="old2"))
        assert "renamed old -> old2" in await line(process)
        failed = ScanFailed(
            time=AT,
            agent="a",
            provider="docker",
            source="local",
            scope="all",
            scan="s",
            trouble=Trouble.UNREACHABLE,
            detail="refused",
            observed_at=AT,
            duration_seconds=0,
            interval_seconds=60,
            failures=1,
        )
        await say(lab, failed)
        assert " lost     source: unreachable: refused" in await line(process)


async def test_watch_with_json_is_a_line_of_json_for_each_change(lab):
    async with started(lab.state, "watch", "--json", "--name", "w*") as process:
        await until_heard(lab)
        await say(lab, observed("x"), observed("w1"))
        change = json.loads(await line(process))
        assert (change["change"], change["key"]) == ("new", "docker/local/container/w1")


async def until_heard(lab: Lab) -> None:
    """Wait until a watcher has listed: it asks for the sources last."""
    asked = asyncio.Event()

    class Noting(list):
        def append(self, query):
            super().append(query)
            if isinstance(query, q.SourcesQuery):
                asked.set()

    lab.answers.asked = Noting()
    async with asyncio.timeout(PATIENCE):
        await asked.wait()


async def test_watch_survives_the_bus_and_tells_what_it_missed(lab):
    async with started(lab.state, "watch") as process:
        await begun(process)
        await lab.server.stop()
        await begun(process, "is lost")
        lab.answers.rows = (*lab.answers.rows, row("docker/local/container/meanwhile"))
        await lab.server.start()
        assert "new      container meanwhile" in await line(process)
        await begun(process, "connected again")
        await say(lab, observed("after"))
        assert "container after" in await line(process)


async def test_ctrl_c_ends_watch_quietly_with_130(lab):
    async with started(lab.state, "watch") as process:
        await begun(process)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
        assert (process.returncode, out, err) == (130, b"", b"")


async def test_nothing_is_left_behind_by_a_reader(lab, tmp_path):
    before = set(lab.state.iterdir())
    await lab.run("status")
    assert set(lab.state.iterdir()) == before
    assert isinstance(lab.answers, FakeAnswers)
    assert not (tmp_path / "elsewhere").exists()
