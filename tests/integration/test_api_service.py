"""Each question over a real nats-server: the service on one side, BusAnswers on the other."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon.api.answers import Refused, Unavailable
from daemon.api.bus_answers import BusAnswers
from daemon.runtime import bus
from schemas import expected_queries as e
from schemas import queries as q
from schemas import subjects
from schemas.audit import Audited
from schemas.operator import State
from tests.conftest import FakeClock
from tests.support.answers import AT, KEY, ODD_KEY, FakeAnswers, declaration, served
from tests.support.nats_server import Server, nats_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with nats_server(tmp_path / "nats") as running:
        yield running


@dataclass
class Lab:
    server: Server
    fake: FakeAnswers
    daemon: bus.Connection
    answers: BusAnswers

    @asynccontextmanager
    async def asking(self, role: str, *, patience: float = 5) -> AsyncIterator[BusAnswers]:
        login = self.server.logins[role]
        async with bus.connect(self.server.url, name=role, login=login, patient=False) as client:
            yield BusAnswers(client, timeout=patience, who=f"{role}@test")

    async def raw(self, question: str, body: bytes) -> dict[str, object]:
        subject = subjects.api(q.QUESTIONS[question].question_class, question)
        reply = await self.daemon.request(subject, body, timeout=5)
        return json.loads(reply.data) | {"headers": reply.headers}


@pytest.fixture
async def lab(server: Server, clock: FakeClock) -> AsyncIterator[Lab]:
    async with AsyncExitStack() as stack:
        daemon = await stack.enter_async_context(
            bus.connect(server.url, name="daemon", login=server.logins["daemon"], patient=False)
        )
        await bus.ensure(daemon)
        fake = FakeAnswers()
        await stack.enter_async_context(served(daemon, fake, version="0.1.0.dev3", clock=clock))
        lab = Lab(server, fake, daemon, BusAnswers(daemon))
        lab.answers = await stack.enter_async_context(lab.asking("operator"))
        yield lab


async def until(true, *, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for knows no events
            await asyncio.sleep(0.01)


QUERIES = {
    "overview": q.OverviewQuery(changes=2),
    "status": q.StatusQuery(),
    "sources": q.SourcesQuery(provider="docker"),
    "resources": q.ResourcesQuery(provider="docker", limit=1, label=("a=b",)),
    "resource": q.ResourceQuery(key=ODD_KEY),
    "relations": q.RelationsQuery(key=KEY, depth=2),
    "events": q.EventsQuery(limit=2, cursor="1"),
    "deviations": q.DeviationsQuery(severity="high"),
    "metrics": q.MetricsQuery(key=KEY, max_points=2),
    "adopt": q.AdoptQuery(keys=(KEY,)),
    "refresh": q.RefreshQuery(source="local", wait_seconds=0),
    "release": q.ReleaseQuery(source="local"),
    "expectations": e.ExpectationsQuery(of="declarations", limit=1),
    "pools": e.PoolsQuery(limit=1),
    "snapshots": e.SnapshotsQuery(),
    "snapshot_diff": e.SnapshotDiffQuery(older="before"),
    "snapshot_export": e.SnapshotExportQuery(name="before"),
    "template": e.TemplateQuery(key=KEY),
    "expect_apply": e.ExpectApplyQuery(documents=(e.Document(manifest=declaration("new").manifest),), prune=True),
    "expect_withdraw": e.ExpectWithdrawQuery(names=("web",), keys=(KEY, ODD_KEY)),
    "deviation_act": e.DeviationActQuery(id="d1", act="mute", until_at=AT, reason="known"),
    "operator_state": e.OperatorStateQuery(target="docker/local", state=State.MAINTENANCE, until_at=AT),
    "pool_change": e.PoolChangeQuery(path="/lab", act="add", keys=(KEY,)),
    "snapshot_change": e.SnapshotChangeQuery(name="before"),
    "query": q.SqlQuery(sql="select 1"),
}


def test_every_question_has_an_example():
    assert QUERIES.keys() == q.QUESTIONS.keys()


async def test_every_question_comes_back_as_it_was_answered(lab: Lab):
    for name, query in QUERIES.items():
        expected = await getattr(lab.fake, name)(query)
        assert await getattr(lab.answers, name)(query) == expected, name
        assert lab.fake.asked[-1] == query, name


async def test_no_body_at_all_is_the_query_without_conditions(lab: Lab):
    assert (await lab.raw("resources", b""))["total"] == 3


@pytest.mark.parametrize(
    ("question", "body", "says"),
    [
        ("resources", b"{nonsense", "not JSON"),
        ("resources", b"[]", "must be a JSON object"),
        ("resources", b"[" * 5000, "not JSON"),
        ("resources", b'{"providr":"docker"}', "unknown field: providr; did you mean provider?"),
        ("status", b'{"x":1}', "has no fields"),
        ("resources", b'{"limit":0,"kind":"sock"}', "kind: input should be 'node'"),
        ("resources", b'{"limit":0}', "limit: input should be greater than or equal to 1"),
        ("resource", b"{}", "key: field required"),
        ("events", b'{"since":"2026-01-01T00:00:00"}', "since: input should have timezone info"),
    ],
)
async def test_a_query_that_means_nothing_is_refused_in_words(lab: Lab, question: str, body: bytes, says: str):
    answer = await lab.raw(question, body)
    assert answer["code"] == "bad_query"
    assert says in str(answer["error"])
    assert "pydantic" not in str(answer["error"])
    assert answer["headers"]["Nats-Service-Error-Code"] == "bad_query"
    assert lab.fake.asked == []


async def test_a_refusal_keeps_its_code_text_and_candidates(lab: Lab):
    with pytest.raises(Refused, match="there is no resource ü") as refused:
        await lab.answers.resource(q.ResourceQuery(key="ü\nx"))
    assert (refused.value.code, refused.value.candidates) == ("not_found", (KEY,))
    headers = (await lab.raw("resource", '{"key":"ü\\r\\nX: y"}'.encode()))["headers"]
    assert headers["Nats-Service-Error"] == "there is no resource ? X: y"  # a header is one line of ASCII


async def test_an_internal_error_shows_nothing_of_the_inside(lab: Lab):
    lab.fake.failure = RuntimeError("password=hunter2")
    with pytest.raises(Refused, match="internal error") as refused:
        await lab.answers.overview(q.OverviewQuery())
    assert refused.value.code == "failed"
    assert "hunter2" not in str(refused.value)


async def test_an_answer_beyond_the_size_is_refused_and_not_lost(lab: Lab):
    lab.fake.log = lab.fake.log * 300
    with pytest.raises(Refused, match="ask for less") as refused:
        await lab.answers.events(q.EventsQuery(limit=1000))
    assert refused.value.code == "too_large"
    lab.fake.sql_rows = 4000  # above the other answers' cap, below the server's
    assert len((await lab.answers.query(q.SqlQuery(sql="select 1", max_rows=4000))).rows) == 4000
    lab.fake.sql_rows = lab.daemon.max_payload // 100
    with pytest.raises(Refused) as refused:
        await lab.answers.query(q.SqlQuery(sql="select 1", max_rows=100_000))
    assert refused.value.code == "too_large"


async def test_a_slow_question_holds_up_no_other_not_even_the_same(lab: Lab):
    gate = lab.fake.gates["query"] = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(lab.answers.query(q.SqlQuery(sql="select slow")))
        await until(lambda: lab.fake.asked)
        assert (await lab.answers.overview(q.OverviewQuery())).counts
        lab.fake.gates.clear()
        assert (await lab.answers.query(q.SqlQuery(sql="select fast"))).rows
        assert not slow.done()
        gate.set()


async def test_questions_beyond_the_bound_are_told_so_and_other_classes_are_not(lab: Lab):
    gate = lab.fake.gates["query"] = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(lab.answers.query(q.SqlQuery(sql="select slow")))
        await until(lambda: len(lab.fake.asked) == 8)
        with pytest.raises(Refused) as refused:
            await lab.answers.query(q.SqlQuery(sql="select one too many"))
        assert refused.value.code == "busy"
        assert (await lab.answers.overview(q.OverviewQuery())).counts
        gate.set()
    lab.fake.gates.clear()
    assert (await lab.answers.query(q.SqlQuery(sql="select again"))).rows


async def test_without_a_daemon_the_asker_hears_it_at_once(server: Server):
    login = server.logins["viewer"]
    async with bus.connect(server.url, name="viewer", login=login, patient=False) as client:
        with pytest.raises(Unavailable, match=r"no daemon answers on nats://.*is `homelab up` running"):
            async with asyncio.timeout(2):
                await BusAnswers(client).overview(q.OverviewQuery())


async def test_a_daemon_that_stops_tells_those_who_still_wait(lab: Lab, server: Server):
    fake = FakeAnswers()
    fake.gates["query"] = asyncio.Event()
    lab.fake.gates["query"] = asyncio.Event()
    outcome: list[BaseException] = []

    async def ask() -> None:
        try:
            await lab.answers.query(q.SqlQuery(sql="select slow"))
        except Refused as error:
            outcome.append(error)

    async with asyncio.TaskGroup() as group:
        async with (
            bus.connect(server.url, name="d2", login=server.logins["daemon"], patient=False) as second,
            served(second, fake),
        ):
            for _ in range(4):  # the two instances share the questions
                group.create_task(ask())
            await until(lambda: len(lab.fake.asked) + len(fake.asked) == 4)
            stopped = len(fake.asked)
        await until(lambda: len(outcome) == stopped)
        assert all(isinstance(error, Unavailable) and "stopping" in str(error) for error in outcome)
        lab.fake.gates["query"].set()


async def test_an_answerer_that_hangs_is_a_time_out(lab: Lab):
    lab.fake.gates["overview"] = asyncio.Event()
    async with lab.asking("viewer", patience=0.2) as answers:
        with pytest.raises(Unavailable, match=r"did not answer within 0\.2 s"):
            await answers.overview(q.OverviewQuery())
    lab.fake.gates["overview"].set()


async def test_sql_and_refresh_wait_longer_than_they_were_told_to_take(lab: Lab):
    async with lab.asking("operator", patience=0.2) as answers:
        for name, query in (
            ("query", q.SqlQuery(sql="select 1", timeout_seconds=1)),
            ("refresh", q.RefreshQuery(wait_seconds=1)),
        ):
            gate = lab.fake.gates[name] = asyncio.Event()
            asyncio.get_running_loop().call_later(0.5, gate.set)
            await getattr(answers, name)(query)


async def test_a_viewer_who_asks_for_a_change_is_refused_at_once(lab: Lab):
    async with lab.asking("viewer", patience=30) as answers, asyncio.timeout(3):
        with pytest.raises(Refused, match=r"you may not ask homelab\.api\.intent\.adopt") as refused:
            await answers.adopt(q.AdoptQuery(keys=(KEY,)))
        assert refused.value.code == "refused"
        assert (await answers.overview(q.OverviewQuery())).counts
    assert not any(isinstance(query, q.AdoptQuery) for query in lab.fake.asked)


async def test_nobody_borrows_the_daemons_rights_by_the_reply_subject(lab: Lab):
    heard = await lab.daemon.subscribe(subjects.COMMANDS_ALL)
    login = lab.server.logins["viewer"]
    async with bus.connect(lab.server.url, name="viewer", login=login, patient=False) as viewer:
        await viewer.publish(subjects.api("read", "status"), b"{}", reply=subjects.command("docker", "local"))
        inbox = viewer.new_inbox()
        answer = await viewer.subscribe(inbox)
        await viewer.publish(subjects.api("read", "status"), b"{}", reply=inbox)
        await answer.next_msg(timeout=5)

    assert heard.pending_msgs == 0


async def test_a_bus_that_breaks_ends_the_wait_and_works_again_afterwards(lab: Lab):
    gate = lab.fake.gates["overview"] = asyncio.Event()
    async with bus.connect(lab.server.url, name="mcp", login=lab.server.logins["viewer"]) as client:
        answers = BusAnswers(client, timeout=30)

        async def ask() -> None:
            with pytest.raises(Unavailable, match="broke before the answer"):
                await answers.overview(q.OverviewQuery())

        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(ask())
            await until(lambda: lab.fake.asked)
            await lab.server.stop()
        gate.set()
        async with asyncio.timeout(15), asyncio.TaskGroup() as group:
            later = group.create_task(answers.status(q.StatusQuery()))  # asked while the bus is away
            await lab.server.start()
            assert (await later).version


async def test_a_question_asked_while_the_bus_is_away_waits_for_the_daemon_too(server: Server):
    async with (
        bus.connect(server.url, name="mcp", login=server.logins["viewer"]) as client,
        bus.connect(server.url, name="daemon", login=server.logins["daemon"]) as daemon,
        asyncio.timeout(15),
        asyncio.TaskGroup() as group,
    ):
        await server.stop()
        await until(lambda: not client.up.is_set())
        sent = client.stats["out_msgs"]
        asking = group.create_task(BusAnswers(client).status(q.StatusQuery()))
        await server.start()
        await daemon.up.wait()
        await until(lambda: client.stats["out_msgs"] > sent)  # it came back first, and nobody is there yet
        async with served(daemon, FakeAnswers()):
            assert (await asking).version


async def test_the_service_describes_every_question_within_one_message(lab: Lab):
    reply = await lab.daemon.request("$SRV.INFO.homelab", timeout=5)
    assert len(reply.data) < 512 * 1024
    info = json.loads(reply.data)
    assert info["version"] == "0.1.0"
    assert info["metadata"]["release"] == "0.1.0.dev3"
    described = {endpoint["subject"]: endpoint["metadata"] for endpoint in info["endpoints"]}
    assert described.keys() == {subjects.api(each.question_class, each.name) for each in q.QUESTIONS.values()}
    for metadata in described.values():
        assert metadata["about"]
        assert json.loads(metadata["answer_schema"])["type"] == "object"
    asked = json.loads(described["homelab.api.read.resources"]["query_schema"])
    assert "include_gone" in asked["properties"]
    assert "title" not in asked


async def test_the_figures_of_the_service_count_errors_and_time(lab: Lab):
    await lab.answers.overview(q.OverviewQuery())
    await lab.raw("resource", b'{"key":"nope"}')
    await lab.raw("resource", b'{"kay":"nope"}')
    reply = await lab.daemon.request("$SRV.STATS.homelab", timeout=5)
    figures = {endpoint["name"]: endpoint for endpoint in json.loads(reply.data)["endpoints"]}
    assert (figures["resource"]["num_requests"], figures["resource"]["num_errors"]) == (2, 2)
    assert figures["resource"]["last_error"].startswith("bad_query:")
    assert figures["resource"]["data"]["errors"] == {"not_found": 1, "bad_query": 1}
    assert figures["overview"]["num_errors"] == 0
    assert figures["overview"]["processing_time"] > 0


async def test_changes_and_sql_leave_a_trail_and_reading_does_not(lab: Lab, clock: FakeClock):
    await lab.answers.overview(q.OverviewQuery())
    await lab.answers.refresh(q.RefreshQuery(source="local", wait_seconds=0))
    with pytest.raises(Refused):
        await lab.answers.adopt(q.AdoptQuery())
    await lab.answers.query(q.SqlQuery(sql="select 1"))
    js = lab.daemon.jetstream()
    trail = await js.pull_subscribe(subjects.AUDIT_ALL, stream="AUDIT")
    messages = [(await trail.fetch(1, timeout=5))[0] for _ in range(3)]
    entries = {entry.question: entry for entry in (Audited.model_validate_json(each.data) for each in messages)}
    assert {each.subject for each in messages} == {"homelab.audit.intent", "homelab.audit.sql"}
    assert entries["refresh"].query == {"source": "local", "wait_seconds": 0}
    assert (entries["refresh"].outcome, entries["refresh"].who) == ("ok", "operator@test")
    assert (entries["adopt"].outcome, entries["adopt"].error) == ("bad_query", "name what is to be adopted")
    assert entries["query"].time == clock.now()


async def test_a_trail_that_cannot_be_written_does_not_cost_the_answer(lab: Lab):
    await lab.daemon.jetstream().delete_stream("AUDIT")
    assert (await lab.answers.query(q.SqlQuery(sql="select 1"))).rows


async def test_what_fails_beside_the_service_is_raised_as_it_is(server: Server):
    async with bus.connect(server.url, name="d", login=server.logins["daemon"], patient=False) as client:
        with pytest.raises(LookupError):
            async with served(client, FakeAnswers()):
                raise LookupError
