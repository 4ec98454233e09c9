"""The MCP front end: which tools and resources there are, over which transport.  A client of the questions."""

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import ResourceSecurity
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.types import ToolAnnotations

from daemon.api.answers import Answers, Refused
from daemon.mcp import limits, readable
from daemon.mcp.tools import Tools
from daemon.runtime.clock import Clock, SystemClock
from schemas import queries as q

READ = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
REFRESH = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
CREATE = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
JSON = "application/json"
INSTRUCTIONS = """\
The live and historical inventory of a homelab: what runs, what should, what differs. Begin with get_overview.
Keys are provider/source/kind/id; a name or vmid will do, with `cluster` where several clusters have it. \
Three axes: presence (is it there), status (does it run), health.
Each answer's `sources` says how fresh and complete it is: with complete=false, not listed does not mean not there, \
and presence `unknown` means unread, never gone. A `hint` says what was cut and how to go on."""


def build(answers: Answers, *, version: str, writes: bool, clock: Clock | None = None) -> MCPServer[Any]:
    """Make a server; without ``writes`` it has no tool that makes the daemon do something.

    Logging must be configured before: the library sets up its own where none is.
    """
    tools = Tools(answers, clock or SystemClock())
    offered = [
        readable.tool(tools.get_overview, title="Overview", annotations=READ),
        readable.tool(tools.list_sources, title="Sources", annotations=READ),
        readable.tool(tools.search_resources, title="Search resources", annotations=READ),
        readable.tool(tools.get_resource, title="One resource", annotations=READ),
        readable.tool(tools.get_relations, title="Relations", annotations=READ),
        readable.tool(tools.list_events, title="Changes", annotations=READ),
        readable.tool(tools.list_deviations, title="Deviations", annotations=READ),
        readable.tool(tools.query_resource_pools, title="Pools", annotations=READ),
        readable.tool(tools.export_template, title="Template", annotations=READ),
        readable.tool(tools.get_metrics, title="Metrics", annotations=READ),
        readable.tool(tools.query_sql, title="SQL", annotations=READ),
    ]
    if writes:
        offered += [
            readable.tool(tools.set_expected_state, title="Say what should be", annotations=REFRESH),
            readable.tool(tools.set_operator_state, title="Say what is on purpose", annotations=REFRESH),
            readable.tool(tools.create_snapshot, title="Take a snapshot", annotations=CREATE),
            readable.tool(tools.refresh_source, title="Refresh", annotations=REFRESH),
        ]
    server: MCPServer[Any] = MCPServer(
        "homelab", title="Homelab", version=version, instructions=INSTRUCTIONS, tools=offered
    )
    _add_resources(server, answers)
    return server


def _add_resources(server: MCPServer[Any], answers: Answers) -> None:
    @server.resource("homelab://overview", title="Overview", mime_type=JSON)
    async def overview() -> str:
        """Is everything as it should be?"""
        return await _read(answers.overview(q.OverviewQuery()))

    @server.resource(
        "homelab://resource/{+key}",
        title="Resource",
        mime_type=JSON,
        security=ResourceSecurity(exempt_params={"key"}),  # a key is looked up, never opened
    )
    async def resource(key: str) -> str:
        """All about one resource. Write `?`, `#` and `%` of a key percent-encoded."""
        return await _read(answers.resource(q.ResourceQuery(key=key)))


async def _read(question: Any) -> str:  # noqa: ANN401
    try:
        answer = await question
    except Refused as refused:
        missing = refused.code in {"not_found", "ambiguous"}
        raise (ResourceNotFoundError if missing else ResourceError)(readable.explain(refused)) from refused
    return limits.text(limits.fit(answer.model_dump(mode="json"), type(answer)))


async def run_stdio(answers: Answers, *, version: str, writes: bool) -> None:
    """Serve one client on standard input and output until it hangs up."""
    await build(answers, version=version, writes=writes).run_stdio_async()
