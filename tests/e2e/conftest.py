"""One instance that watches this machine and its Docker engine, for the tests that leave it as it was."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.docker_engine import RealEngine, engine
from tests.support.instance import HOST, Instance, docker, instance
from tests.support.waiting import until


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def homelab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Instance]:
    async with engine() as real, instance(tmp_path_factory.mktemp("homelab"), [HOST, docker("local", real.url)]) as one:
        await until(lambda: _has_read_all(one), seconds=20)
        yield one


async def _has_read_all(lab: Instance) -> bool:
    scopes = [scope for source in (await lab.ask("sources"))["items"] for scope in source["scopes"]]
    return len(scopes) >= 9 and all(scope["status"] == "ok" for scope in scopes)


@pytest_asyncio.fixture
async def real() -> AsyncIterator[RealEngine]:
    async with engine() as found:
        yield found
