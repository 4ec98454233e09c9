"""MCP over standard input and output: a real child process, a real client."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from tests.support.answers import KEY

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "tests.support.mcp_main")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_of_either_era_is_served_by_a_child(mode: str):
    parameters = StdioServerParameters(command=COMMAND[0], args=list(COMMAND[1:]), cwd=ROOT)
    async with Client(parameters, mode=mode) as client:
        assert "get_overview" in {tool.name for tool in (await client.list_tools()).tools}
        found = await client.call_tool("get_resource", {"key": KEY})
        assert found.structured_content["resource"]["name"] == "web"
        refused = await client.call_tool("get_resource", {"key": "nope"})
        assert refused.is_error
        assert "there is no resource nope" in refused.content[0].text


@pytest.mark.parametrize("end", ["hang up", "SIGTERM"])
async def test_the_child_ends_when_its_client_hangs_up_or_it_is_told_to(end: str):
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*COMMAND, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        child.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"nonsense"}\n')
        async with asyncio.timeout(10):
            assert await child.stdout.readline()  # it serves
            if end == "SIGTERM":
                os.kill(child.pid, signal.SIGTERM)
            else:
                child.stdin.close()
            await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
