"""The MCP front end as an agent sees it, in this process and over canned answers."""

import json
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

import jsonschema
import pytest
from mcp import Client, MCPError
from mcp.server import MCPServer
from mcp.types import CallToolResult, TextResourceContents, Tool

from daemon.api.answers import Unavailable
from daemon.mcp import limits, server
from schemas import expected_queries as e
from schemas import queries as q
from tests.conftest import FakeClock
from tests.support.answers import KEY, ODD_KEY, FakeAnswers, deviation, event, row

READ_ONLY = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False}
EXAMPLES = {
    "get_overview": {"changes": 2},
    "list_sources": {"provider": "docker"},
    "search_resources": {"kind": "container", "pool": "/lab", "label": ["a=b"], "limit": 2},
    "get_resource": {"key": ODD_KEY},
    "get_relations": {"key": KEY, "depth": 2},
    "list_events": {"since": "2h", "until": "2026-11-20T07:30:00Z"},
    "list_deviations": {"severity": "high", "type": "changed"},
    "query_resource_pools": {"path": "/lab", "limit": 1},
    "get_metrics": {"key": KEY, "metric": "cpu_ratio"},
    "query_sql": {"sql": "select 1"},
    "export_template": {"key": KEY},
    "set_expected_state": {"selector": "kind=container", "dry_run": True},
    "set_operator_state": {"target": "docker/local", "state": "maintenance", "until": "2h"},
    "create_snapshot": {"name": "before", "note": "the upgrade"},
    "refresh_source": {"source": "local", "wait_seconds": 0},
}
WRITING = {"set_expected_state", "set_operator_state", "create_snapshot", "refresh_source"}


@pytest.fixture
def fake() -> FakeAnswers:
    return FakeAnswers()


@dataclass
class Agent:
    """A connection per request: one that is held belongs to the task that opened it, a fixture to another."""

    server: MCPServer

    async def list_tools(self) -> list[Tool]:
        async with Client(self.server) as client:
            return (await client.list_tools()).tools

    async def call_tool(self, name: str, arguments: dict) -> CallToolResult:
        async with Client(self.server) as client:
            return await client.call_tool(name, arguments)

    async def read(self, uri: str) -> TextResourceContents:
        async with Client(self.server) as client:
            return (await client.read_resource(uri)).contents[0]


class Current:
    """What answers is the test's own; the server, whose schemas take longer than most tests, is one for all."""

    fake: FakeAnswers

    def __getattr__(self, question: str):
        return getattr(self.fake, question)


@pytest.fixture(scope="module")
def built() -> tuple[Current, MCPServer]:
    current = Current()
    return current, server.build(current, version="0.1.0", writes=True, clock=FakeClock())


@pytest.fixture
def agent(built: tuple[Current, MCPServer], fake: FakeAnswers) -> Agent:
    current, standing = built
    current.fake = fake
    return Agent(standing)


def said(result: CallToolResult) -> str:
    return result.content[0].text


async def test_the_tools_are_these_and_say_what_they_do_to_the_world(agent: Agent):
    tools = await agent.list_tools()
    hints = {tool.name: tool.annotations.model_dump(by_alias=True, exclude_none=True) for tool in tools}
    for name in ("refresh_source", "set_expected_state", "set_operator_state"):
        assert hints.pop(name) == READ_ONLY | {"readOnlyHint": False}
    assert hints.pop("create_snapshot") == READ_ONLY | {"readOnlyHint": False, "idempotentHint": False}
    assert hints == dict.fromkeys(EXAMPLES.keys() - WRITING, READ_ONLY)


async def test_a_read_only_server_has_no_tool_that_makes_the_daemon_act(fake: FakeAnswers):
    agent = Agent(server.build(fake, version="0.1.0", writes=False))
    tools = await agent.list_tools()
    assert {tool.name for tool in tools} == EXAMPLES.keys() - WRITING
    assert all(tool.annotations.read_only_hint for tool in tools)
    assert (await agent.call_tool("refresh_source", {})).is_error


async def test_the_list_of_tools_leaves_an_agent_its_window(agent: Agent):
    tools = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in await agent.list_tools()]
    size = len(json.dumps(tools))
    print(f"tools/list: {size} bytes of JSON")
    assert size < 32_000
    assert all(len(tool["description"]) < 400 for tool in tools)


async def test_arguments_are_flat_and_refuse_what_is_not_one(agent: Agent):
    for tool in await agent.list_tools():
        assert tool.input_schema["additionalProperties"] is False
        for name, argument in tool.input_schema["properties"].items():
            assert argument["type"] in {"string", "integer", "number", "boolean", "array"}, f"{tool.name}.{name}"


async def test_each_answer_fits_its_schema_and_its_text_says_the_same(agent: Agent):
    tools = {tool.name: tool for tool in await agent.list_tools()}
    for name, arguments in EXAMPLES.items():
        result = await agent.call_tool(name, arguments)
        assert not result.is_error, said(result)
        jsonschema.validate(result.structured_content, tools[name].output_schema)
        jsonschema.validate(arguments, tools[name].input_schema)
        assert json.loads(said(result)) == result.structured_content


async def test_an_answer_is_the_daemons_own(agent: Agent, fake: FakeAnswers):
    result = await agent.call_tool("get_resource", {"key": KEY, "events": 1})
    assert q.ResourceAnswer.model_validate(result.structured_content) == await fake.resource(
        q.ResourceQuery(key=KEY, events=1)
    )


async def test_arguments_reach_the_question(agent: Agent, fake: FakeAnswers, clock: FakeClock):
    await agent.call_tool("list_events", {"since": "2h", "until": "2026-11-20T07:30:00Z", "kind": "vm", "limit": 7})
    (asked,) = fake.asked
    assert isinstance(asked, q.EventsQuery)
    assert asked.since == clock.now() - timedelta(hours=2)
    assert asked.until == clock.now() - timedelta(minutes=30)
    assert (asked.kind, asked.limit) == ("vm", 7)


MANIFEST = {
    "apiVersion": "homelab.ai/v1",
    "kind": "Expectation",
    "metadata": {"name": "new"},
    "spec": {"key": KEY, "status": "running"},
}


@pytest.mark.parametrize(
    ("arguments", "asked", "done"),
    [
        ({"keys": [KEY]}, q.AdoptQuery(keys=(KEY,)), f"{KEY}: status"),
        (
            {"selector": "kind=container label:tier=front", "dry_run": True},
            q.AdoptQuery(kind="container", label=("tier=front",), dry_run=True),
            f"{KEY}: status",
        ),
        (
            {"deviation": "d1", "reason": "so it is"},
            e.DeviationActQuery(id="d1", act="accept", reason="so it is", by="mcp"),
            f"{KEY}: changed spec.image",
        ),
        (
            {"manifest": json.dumps(MANIFEST)},
            e.ExpectApplyQuery(documents=(e.Document(manifest=MANIFEST),)),
            "Expectation/new: created, means 1 resources",
        ),
    ],
    ids=("keys", "selector", "deviation", "manifest"),
)
async def test_what_should_be_is_said_in_one_of_three_ways(agent: Agent, fake: FakeAnswers, arguments, asked, done):
    answer = await fetch(agent, "set_expected_state", **arguments)
    assert fake.asked == [asked]
    assert answer["done"] == [done]


@pytest.mark.parametrize(
    ("tool", "arguments", "asked"),
    [
        ("get_resource", {"key": KEY}, q.ResourceQuery(key=KEY, cluster="prod")),
        ("get_relations", {"key": "100"}, q.RelationsQuery(key="100", cluster="prod")),
        ("get_metrics", {"key": "100"}, q.MetricsQuery(key="100", cluster="prod", max_points=60)),
        ("export_template", {"key": KEY}, e.TemplateQuery(key=KEY, cluster="prod")),
        ("set_expected_state", {"keys": ["100"]}, q.AdoptQuery(keys=("100",), cluster="prod")),
        ("set_operator_state", {"target": "100"}, e.OperatorStateQuery(target="100", cluster="prod", by="mcp")),
    ],
)
async def test_a_cluster_may_be_said_with_a_name_or_vmid(agent: Agent, fake: FakeAnswers, tool, arguments, asked):
    await fetch(agent, tool, **arguments, cluster="prod")
    assert fake.asked == [asked]


async def test_faults_of_a_manifest_are_told_so_that_they_can_be_mended(agent: Agent, fake: FakeAnswers):
    fake.faults = (e.Fault(path="spec.staus", text="unknown key; did you mean status?"),)
    result = await agent.call_tool("set_expected_state", {"manifest": json.dumps(MANIFEST)})
    assert result.is_error
    assert said(result) == "bad_query: spec.staus: unknown key; did you mean status?"


async def test_an_operators_word_has_an_end(agent: Agent, fake: FakeAnswers, clock: FakeClock):
    said = {"target": "docker/local", "state": "maintenance", "until": "2h", "reason": "disks"}
    answer = await fetch(agent, "set_operator_state", **said)
    assert answer["states"][0]["target"] == "docker/local"
    (asked,) = fake.asked
    assert asked.until_at == clock.now() + timedelta(hours=2)
    assert asked.by == "mcp"
    assert (await fetch(agent, "set_operator_state", target="docker/local"))["states"] == []


async def test_a_deviation_is_asked_for_by_its_id(agent: Agent, fake: FakeAnswers):
    await fetch(agent, "list_deviations", id="d1", quiet=False, history=True)
    assert fake.asked == [q.DeviationsQuery(id="d1", quiet=False, history=True)]


async def test_who_asks_for_gone_resources_gets_them(agent: Agent, fake: FakeAnswers):
    await agent.call_tool("search_resources", {"presence": "gone", "fields": ["key", "name"], "drifting": True})
    (asked,) = fake.asked
    assert isinstance(asked, q.ResourcesQuery)
    assert asked.include_gone
    assert asked.fields == ("key", "name")
    assert asked.drifting is True


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("search_resources", {"providr": "docker"}, "bad_query: unknown field: providr; did you mean provider?"),
        ("search_resources", {"kind": "sock"}, "bad_query: kind: input should be 'node'"),
        ("search_resources", {"limit": 0}, "bad_query: limit: input should be greater than or equal to 1"),
        ("get_resource", {}, "bad_query: key: field required"),
        ("list_events", {"since": "yesterday"}, "bad_query: since: write a time as 2026-01-31T12:00:00Z"),
        ("list_events", {"since": "2026-01-31T12:00:00"}, "bad_query: since: write a time as"),
        ("list_events", {"since": "99999999999d"}, "bad_query: since: write a time as"),
        ("set_expected_state", {}, "bad_query: give exactly one of"),
        ("set_expected_state", {"keys": [KEY], "deviation": "d1"}, "bad_query: give exactly one of"),
        ("set_expected_state", {"selector": "knd=vm"}, "bad_query: selector: 'knd' is none of provider, source"),
        ("set_expected_state", {"manifest": "{"}, "bad_query: manifest: not JSON"),
        ("set_expected_state", {"manifest": "[]"}, "bad_query: manifest: one JSON object"),
        ("set_expected_state", {"deviation": "d1", "dry_run": True}, "bad_query: accepting has no dry_run"),
        ("set_expected_state", {"deviation": "d1", "cluster": "a"}, "bad_query: cluster goes with keys or selector"),
        ("set_operator_state", {"target": "a/b", "state": "maintenence"}, "bad_query: state: input should be"),
        ("set_operator_state", {"target": "a/b", "until": "tomorrow"}, "bad_query: until: write a time as"),
        ("set_operator_state", {"target": "a/b", "until": "2020-01-01T00:00:00Z"}, "bad_query: until: that is over"),
        ("get_resource", {"key": "nope"}, f"not_found: there is no resource nope Candidates: {KEY}"),
    ],
)
async def test_a_mistake_is_told_so_that_it_can_be_mended(agent: Agent, tool: str, arguments: dict, says: str):
    result = await agent.call_tool(tool, arguments)
    assert result.is_error
    assert said(result).startswith(says)
    assert "pydantic" not in said(result)


async def test_optional_arguments_may_be_null(agent: Agent):
    assert not (await agent.call_tool("search_resources", {"kind": None, "text": None})).is_error


async def test_no_daemon_is_said_and_an_internal_error_shows_nothing(agent: Agent, fake: FakeAnswers):
    fake.failure = Unavailable("no daemon answers on nats://x: is `homelab up` running?")
    assert "is `homelab up` running?" in said(await agent.call_tool("get_overview", {}))
    fake.failure = RuntimeError("password=hunter2")
    result = await agent.call_tool("get_overview", {})
    assert result.is_error
    assert "hunter2" not in said(result)


async def test_a_resource_is_read_by_its_key_whatever_stands_in_it(agent: Agent):
    for key in (KEY, ODD_KEY):
        contents = await agent.read(f"homelab://resource/{quote(key)}")
        assert json.loads(contents.text)["resource"]["key"] == key
        assert contents.mime_type == "application/json"
    assert json.loads((await agent.read("homelab://overview")).text)["summary"]
    async with Client(agent.server) as client:
        templates = (await client.list_resource_templates()).resource_templates
    assert [template.uri_template for template in templates] == ["homelab://resource/{+key}"]


async def test_a_resource_that_is_not_there_is_an_error_with_candidates(agent: Agent, fake: FakeAnswers):
    async with Client(agent.server) as client:
        with pytest.raises(MCPError, match=f"there is no resource .* Candidates: {KEY}") as missing:
            await client.read_resource("homelab://resource/docker/local/container/nope")
        assert missing.value.code == -32602
        fake.failure = RuntimeError("password=hunter2")
        with pytest.raises(MCPError) as failed:
            await client.read_resource("homelab://overview")
        assert "hunter2" not in str(failed.value)


# --- size ------------------------------------------------------------------------------------------------------------


async def fetch(agent: Agent, tool: str, **arguments: object) -> dict:
    result = await agent.call_tool(tool, arguments)
    assert not result.is_error, said(result)
    assert len(said(result)) <= limits.LIMIT
    return result.structured_content


async def test_a_page_that_is_too_large_goes_on_exactly_where_it_was_cut(agent: Agent, fake: FakeAnswers):
    fake.rows = tuple(row(f"docker/local/container/{n}", native={"x": "y" * (n % 7) * 500}) for n in range(150))
    seen, cursor, hints = [], None, 0
    while True:
        answer = await fetch(agent, "search_resources", limit=100, cursor=cursor)
        seen += [item["key"] for item in answer["items"]]
        if "cursor" in answer["hint"]:
            hints += 1
            assert len(json.dumps(answer)) > limits.LIMIT / 2
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert seen == [each.key for each in fake.rows]
    assert hints > 0


async def test_a_page_that_fits_is_asked_for_once_and_has_no_hint(agent: Agent, fake: FakeAnswers):
    answer = await fetch(agent, "search_resources")
    assert len(fake.asked) == 1
    assert answer["hint"] == ""


async def test_one_huge_resource_loses_the_ends_of_its_texts_and_says_so(agent: Agent, fake: FakeAnswers):
    huge = {"text": "x" * 200_000, "list": ["y" * 50] * 5000, "map": {str(n): "z" * 90 for n in range(3000)}}
    fake.rows = (row(spec=huge, labels={str(n): "v" * 100 for n in range(900)}),)
    fake.log = tuple(event(n, spec=huge) for n in range(50))
    answer = await fetch(agent, "get_resource", key=KEY, events=50)
    assert "query_sql" in answer["hint"]
    assert len(answer["events"]) == 1
    assert answer["resource"]["name"] == "web"
    assert answer["resource"]["spec"]["text"].endswith("(200000 characters)")
    page = await fetch(agent, "search_resources")
    assert len(page["items"]) == 1
    assert "fields" in page["hint"]


async def test_lists_without_pages_lose_their_ends_and_say_so(agent: Agent, fake: FakeAnswers):
    fake.edges, fake.points, fake.sql_rows = 2000, 1000, 10_000
    fake.found = tuple(deviation(n) for n in range(500))
    fake.log = tuple(event(n, cause="c" * 800) for n in range(100))
    relations = await fetch(agent, "get_relations", key=KEY)
    assert 300 < len(relations["edges"]) < 2000
    assert "of 2000" in relations["hint"]
    metrics = await fetch(agent, "get_metrics", key=KEY, max_points=1000)
    assert metrics["series"][0]["metric"] == "cpu_ratio"
    assert "one metric" in metrics["hint"]
    table = await fetch(agent, "query_sql", sql="select 1", max_rows=10_000)
    assert table["truncated"]
    assert "aggregate" in table["hint"]
    assert table["rows"][0] == [0, None, "x" * 100]
    overview = await fetch(agent, "get_overview", changes=100)
    assert overview["counts"]
    assert "list_deviations" in overview["hint"]
