"""The host agent on the machine that runs the tests, and against what the machine's own tools say of it."""

import asyncio
import os
import socket
import time
from contextlib import aclosing

import psutil
import pytest

from agents import registry
from agents.contract import Deps, Measures, Watches
from agents.host.config import HostConfig
from schemas.resources import Kind, SourceRef, hash_of
from tests.conftest import FakeClock
from tests.support import waiting

PROVIDER = registry.provider("host")
BOUND = 10
"""Seconds that anything awaited here may take."""


@pytest.fixture
async def agent():
    source = SourceRef(provider="host", name="here")
    async with PROVIDER.connect(HostConfig(name="here"), Deps(source=source, clock=FakeClock())) as agent:
        yield agent


async def collected(agent):
    return [resource for scope in agent.scopes() for resource in await agent.collect(scope)]


async def test_the_machine_is_found_without_a_word(agent):
    (node,) = [row for row in await collected(agent) if row.kind is Kind.NODE]

    assert node.name == socket.gethostname()
    assert node.size.memory_bytes == psutil.virtual_memory().total
    assert node.spec["threads"] == psutil.cpu_count()
    assert node.spec["kernel"] == os.uname().release
    assert node.spec["architecture"] == os.uname().machine


async def test_everything_else_sits_in_the_machine(agent):
    found = await collected(agent)
    node = next(row.key for row in found if row.kind is Kind.NODE)

    assert {row.parent for row in found if row.kind is not Kind.NODE} == {node}


async def test_a_machine_at_rest_gives_the_same_hashes_twice(agent):
    """Nothing that moves by itself may stand in a resource; what a neighbour changes on this machine may."""

    async def hashes():
        return {row.key: hash_of(row) for row in await collected(agent)}

    async def is_the_same():
        return await hashes() == await hashes()

    await waiting.until(is_the_same)


async def test_the_source_is_discovered_with_a_valid_name():
    (config,) = PROVIDER.discover()

    assert PROVIDER.config.model_validate(config.model_dump()) == config


async def test_capabilities_are_protocols_of_the_agent(agent):
    assert isinstance(agent, Measures)
    assert isinstance(agent, Watches)


async def test_measurements_lie_in_their_bounds_and_on_keys_of_the_inventory(agent):
    first = second = await agent.samples()

    async def has_rates():
        nonlocal second
        second = await agent.samples()
        return any(row.metric == "cpu_ratio" for row in second)  # the kernel counts in hundredths of a second

    await waiting.until(has_rates)

    values = {(row.key, row.metric): row.value for row in second}
    keys = {row.key for row in await collected(agent)}
    assert {row.key for row in second} <= keys
    assert not any(row.metric.endswith("_per_second") for row in first)
    assert all(0 <= value <= 1 for (_, metric), value in values.items() if metric.endswith("_ratio"))
    assert all(value >= 0 for (_, metric), value in values.items() if metric.endswith(("_bytes", "_per_second")))
    assert {"cpu_ratio", "load_1m", "memory_used_bytes", "uptime_seconds"} <= {metric for _, metric in values}


async def test_reading_a_machine_costs_less_than_fifty_milliseconds_of_processor(agent):
    await collected(agent)
    scopes = [scope for scope in agent.scopes() if scope.name != "units"]  # systemctl is another process

    async def cost():
        began = time.process_time()
        for scope in scopes:
            await agent.collect(scope)
        return time.process_time() - began

    assert min([await cost() for _ in range(5)]) < 0.05


async def test_the_watch_begins_with_every_scope(agent):
    async with asyncio.timeout(BOUND), aclosing(agent.hints()) as hints:
        found = [(await anext(hints)).scope for _ in agent.scopes()]

    assert found == [scope.name for scope in agent.scopes()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount and add links")
@pytest.mark.parametrize("change", ["mount", "link"])
async def test_a_change_of_the_machine_is_hinted_at_once(agent, tmp_path, change):
    commands = {
        "mount": (["mount", "-t", "tmpfs", "none", str(tmp_path)], ["umount", str(tmp_path)], "disks"),
        "link": (
            ["ip", "link", "add", "hlt0", "type", "veth", "peer", "name", "hlt1"],
            ["ip", "link", "del", "hlt0"],
            "interfaces",
        ),
    }
    make, undo, scope = commands[change]
    async with asyncio.timeout(BOUND), aclosing(agent.hints()) as hints:
        for _ in agent.scopes():
            await anext(hints)
        hinted = asyncio.ensure_future(_until(hints, scope))
        await asyncio.sleep(0)  # its next step sets up the watch
        try:
            if await _run(*make) != 0:
                pytest.skip(f"this machine refuses {' '.join(make[:3])}")
            await hinted
        finally:
            hinted.cancel()
            await asyncio.wait([hinted])
            await _run(*undo)


async def _until(hints, scope):
    async for hint in hints:
        if hint.scope == scope:
            return


async def _run(*command) -> int:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()
