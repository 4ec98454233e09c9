"""Many resources: the first picture of them, search over MCP and the bus, the next start, and the end.

``homelab up`` with a synthetic source, through the same runner, bus, ingest and store as any other.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from typing import Any

from mcp.client import Client

from daemon.api.bus_answers import BusAnswers
from schemas import queries as q
from schemas.resources import Kind, Status
from tests.bench import figures, instance, weight
from tests.bench.figures import Figure
from tests.bench.instance import Instance

COUNTS = tuple(int(count) for count in os.environ.get("BENCH_COUNTS", "10000 100000").split())
ASKED = 100
SEARCHES: tuple[dict[str, Any], ...] = (
    {"text": "app123-00"},
    {"text": "APP77"},
    {"kind": Kind.VM, "status": Status.STOPPED},
    {"kind": Kind.CONTAINER, "status": Status.RUNNING},
    {"label": ["site=attic"]},
    {"label": ["app=app500", "tier=backend"]},
    {},
    {"source": instance.SOURCE, "limit": 20},
    {"text": "nothing is called so"},
    {"managed": False, "kind": Kind.VOLUME},
)


async def bench() -> AsyncIterator[Figure]:
    for count in COUNTS:
        async with instance.folder() as state:
            async for figure in _scale(state, count):
                yield figure


async def _scale(state: Any, count: int) -> AsyncIterator[Figure]:
    size, sources = f"{count:,}", [instance.synthetic(count)]
    async with instance.up(state, sources) as running:
        async with running.client() as client:
            async for figure in _first(running, BusAnswers(client, timeout=60), count):
                yield figure
        yield Figure(f"SIGTERM to exit with {size}", await running.end(), "s", 5)
    async with instance.up(state, sources) as running:
        yield Figure(f"start to ready with {size} in the store", running.seconds_to_ready, "s", 3)
        await running.end()


async def _first(running: Instance, answers: BusAnswers, count: int) -> AsyncIterator[Figure]:
    size, big = f"{count:,}", count == max(COUNTS)
    loop = asyncio.get_running_loop()
    await running.filled(answers, count)
    yield Figure(f"first picture of {size}", loop.time() - running.started_at, "s", 30 if big else None,
                 note="from the start of `homelab up`")  # fmt: skip
    tree = running.tree()
    yield Figure(f"processor time for it, {size}", sum(weight.cpu_seconds(tree).values()), "s")
    yield Figure(f"peak RSS with {size}", weight.peak_rss(tree) / weight.MB, "MB", 1074 if big else None,
                 note="sum of each process's peak")  # fmt: skip
    async for figure in _search(running, answers, size):
        yield figure


async def _search(running: Instance, answers: BusAnswers, size: str) -> AsyncIterator[Figure]:
    async with Client(running.run.http.mcp) as mcp:
        deep = await _cursor(answers)
        took = [await _mcp(mcp, {**arguments, **deep(arguments)}) for arguments in _asked()]
    for figure in figures.spread(f"MCP search_resources at {size}", took, (20, 100)):
        yield figure
    took = [await _bus(answers, {**arguments, **deep(arguments)}) for arguments in _asked()]
    for figure in figures.spread(f"the same over NATS at {size}", took):
        yield figure


def _asked() -> list[dict[str, Any]]:
    return list(itertools.islice(itertools.cycle(SEARCHES), ASKED))


async def _cursor(answers: BusAnswers) -> Any:
    """Every other plain page is one from the middle."""
    middle = (await answers.resources(q.ResourcesQuery(kind=Kind.VM, limit=1000))).next_cursor
    turn = itertools.count()

    def deep(arguments: dict[str, Any]) -> dict[str, Any]:
        return {"cursor": middle} if not arguments and next(turn) % 2 else {}

    return deep


async def _mcp(mcp: Client, arguments: dict[str, Any]) -> float:
    async def ask() -> None:
        result = await mcp.call_tool("search_resources", arguments)
        assert not result.is_error, result

    return await figures.timed(ask)


async def _bus(answers: BusAnswers, arguments: dict[str, Any]) -> float:
    return await figures.timed(lambda: answers.resources(q.ResourcesQuery.model_validate(arguments)))


if __name__ == "__main__":
    figures.main(bench)
