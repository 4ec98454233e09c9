"""The same parts as processes of their own, as units run them: a server, the daemon, an agent, an MCP front end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from mcp import Client, StdioServerParameters

from schemas.resources import SourceRef
from schemas.running import Login
from tests.support import cli
from tests.support.instance import HOMELAB, HOST, child, configured
from tests.support.nats_server import Server, nats_server
from tests.support.waiting import until

REF = SourceRef(provider="host", name="here")


def creds(folder: Path, login: Login) -> str:
    path = folder / f"{login.user}.json"
    path.write_text(login.model_dump_json())
    return str(path)


@asynccontextmanager
async def apart(folder: Path) -> AsyncIterator[tuple[Server, list[asyncio.subprocess.Process]]]:
    """Each with the credentials of its role; the agent with those of its source alone."""
    config = str(configured(folder, [HOST]))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(nats_server(folder / "nats", sources=[REF]))
        as_daemon = ("--nats", server.url, "--creds", creds(folder, server.logins["daemon"]))
        as_agent = ("--nats", server.url, "--creds", creds(folder, server.agents[REF]))
        commands = (
            ("agent", "here", "--config", config, *as_agent),
            ("daemon", "--config", config, "--http-port", "0", *as_daemon),
        )
        yield (
            server,
            [await stack.enter_async_context(child(*one, state=folder / "state")) for one in commands],
        )


async def test_a_daemon_and_an_agent_on_a_server_of_their_own_serve_every_front_end(tmp_path: Path):
    async with apart(tmp_path) as (server, processes):
        where = ("--nats", server.url, "--creds", creds(tmp_path, server.logins["viewer"]))

        async def shown() -> bool:
            said = await cli.homelab(tmp_path / "nowhere", "resources", "--kind", "node", "--json", *where)
            return said.code == 0 and [row["presence"] for row in said.json] == ["present"]

        await until(shown, seconds=30)
        command = StdioServerParameters(command=HOMELAB, args=["mcp", *where], env=cli.environ(tmp_path / "nowhere"))
        async with Client(command) as client:
            found = await client.call_tool("search_resources", {"kind": "node"})
            assert found.structured_content["total"] == 1
        for process in processes:
            assert process.returncode is None
            process.terminate()
            async with asyncio.timeout(5):
                assert await process.wait() == 0


async def test_an_agent_may_start_before_its_server_and_its_daemon(tmp_path: Path):
    """The agent waits for a bus; the daemon that comes later finds what the agent has said."""
    async with nats_server(tmp_path / "nats", sources=[REF]) as server:
        url = server.url
        as_agent = ("--nats", url, "--creds", creds(tmp_path, server.agents[REF]))
        as_daemon = ("--nats", url, "--creds", creds(tmp_path, server.logins["daemon"]))
        as_viewer = ("--nats", url, "--creds", creds(tmp_path, server.logins["viewer"]))
        await server.stop()
        config = str(configured(tmp_path, [HOST]))
        async with child("agent", "here", "--config", config, *as_agent, state=tmp_path / "agent") as agent:
            early = await cli.homelab(tmp_path / "nowhere", "status", *as_viewer)
            assert early.code == 69
            assert "Traceback" not in early.err
            assert agent.returncode is None
            await server.start()
            async with child("daemon", "--http-port", "0", *as_daemon, state=tmp_path / "daemon"):

                async def shown() -> bool:
                    said = await cli.homelab(tmp_path / "nowhere", "resources", "--json", *as_viewer)
                    return said.code == 0 and len(said.json) > 0

                await until(shown, seconds=30)
