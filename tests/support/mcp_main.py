"""An MCP server on standard input and output over canned answers, to be run as a child."""

import asyncio

from daemon.mcp import server
from tests.support.answers import FakeAnswers

if __name__ == "__main__":
    asyncio.run(server.run_stdio(FakeAnswers(), version="0.1.0", writes=True))
