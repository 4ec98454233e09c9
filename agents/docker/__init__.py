"""Docker and Podman engines: containers, Compose stacks, images, volumes, networks, the engine, and Swarm."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents.contract import Deps, Provider
from agents.docker.agent import SCOPES, DockerAgent
from agents.docker.client import Engine
from agents.docker.config import DockerConfig, discover


@asynccontextmanager
async def connect(config: DockerConfig, deps: Deps) -> AsyncIterator[DockerAgent]:
    """The first question connects; entering does nothing that can fail."""
    engine = Engine(config)
    try:
        yield DockerAgent(engine, deps)
    finally:
        await engine.close()


PROVIDER = Provider(
    name="docker",
    config=DockerConfig,
    kinds=frozenset().union(*(scope.kinds for scope in SCOPES)),
    connect=connect,
    discover=discover,
)
