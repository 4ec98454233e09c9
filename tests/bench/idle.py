"""What an idle `homelab up` takes: 500 synthetic resources, this host, its Docker engine, read at the usual intervals.

Nothing changes but what changes by itself (samples); the tree is the command with its bus.  An engine in which somebody
else makes and removes containers meanwhile is not idle: each event there is a reading here.
"""

import asyncio
from collections.abc import AsyncIterator

from daemon.api.bus_answers import BusAnswers
from tests.bench import figures, instance, weight
from tests.bench.figures import Figure
from tests.support import docker_engine

RESOURCES = 500
SETTLING = 5
SECONDS = 60


async def bench() -> AsyncIterator[Figure]:
    async with instance.folder() as state:
        sources = [instance.synthetic(RESOURCES), {"provider": "host", "name": "here"}]
        if docker_engine.answers(docker_engine.SOCKET):
            sources.append({"provider": "docker", "name": "local"})
        async with instance.up(state, sources) as running:
            async with running.client() as client:
                await running.filled(BusAnswers(client), RESOURCES)
            async for figure in _idle(running, len(sources)):
                yield figure
            yield Figure("SIGTERM to exit, idle", await running.end(), "s", 5)


async def _idle(running: instance.Instance, sources: int) -> AsyncIterator[Figure]:
    await asyncio.sleep(SETTLING)
    tree = running.tree()
    shares = await weight.cpu_share(tree, SECONDS)
    whole = weight.weigh(tree)
    note = f"{RESOURCES} resources of {sources} sources, over {SECONDS} s"
    yield Figure("idle: RSS of the tree", whole.rss / weight.MB, "MB", 250, note=note)
    yield Figure("idle: PSS of the tree", whole.pss / weight.MB, "MB")
    yield Figure("idle: USS of the tree", whole.uss / weight.MB, "MB")
    by_name = ", ".join(f"{name} {share:.2g}" for name, share in shares.items())
    yield Figure("idle: processor", sum(shares.values()), "%", 2, note=f"of one core; {by_name}")


if __name__ == "__main__":
    figures.main(bench)
