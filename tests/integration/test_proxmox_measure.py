"""What the Proxmox agent measures, what it fills in of what it missed, and what the nodes push to it."""

import asyncio
from contextlib import aclosing

import aiohttp
import pytest

from schemas.resources import Status
from tests.support.proxmox_lab import lab
from tests.support.waiting import until
from tests.unit.test_proxmox_push import line

MINUTE = 60


def of(samples, key):
    return [one for one in samples if one.key == f"proxmox/lab/{key}"]


def values(samples, key):
    return {one.metric: one.value for one in of(samples, key)}


async def measured(one):
    """All there is to tell now, what is filled in included."""
    found = []
    while part := await one.agent.samples():
        found += part
    return found


async def test_what_runs_is_measured_with_each_broadcast_and_not_in_between():
    async with lab() as one:
        await one.scan()
        first = await one.agent.samples()
        one.cycle()
        await one.scan()
        second = await one.agent.samples()
        await one.scan()
        third = await one.agent.samples()

    assert values(first, "vm/101").keys() == {"cpu_ratio", "memory_used_bytes"}
    assert values(second, "vm/101")["network_receive_bytes_per_second"] == pytest.approx(500 + 101)
    assert values(second, "container/102")["disk_write_bytes_per_second"] == pytest.approx(2000 + 102)
    assert 0 < values(second, "node/pve1")["cpu_ratio"] < 1
    assert values(second, "storage/nfs")["used_ratio"] == pytest.approx(0.2)
    assert not values(second, "vm/104")
    assert third == []


async def test_what_was_missed_while_the_cluster_could_not_be_reached_is_filled_in_once():
    async with lab() as one:
        await one.scan()
        await measured(one)
        gone, one.clock.at = one.clock.at, one.clock.at.replace(minute=20)
        one.world.pvestatd()
        await one.scan()
        found = await measured(one)

        filled = sorted(sample.at for sample in of(found, "vm/101") if sample.metric == "memory_used_bytes")
        assert [(at - gone).total_seconds() / MINUTE for at in filled] == [*range(1, 20), 20]
        assert {sample.key.split("/")[2] for sample in found} == {"node", "vm", "container", "storage"}
        assert len({(sample.key, sample.metric, sample.at) for sample in found}) == len(found)
        assert one.sim.count("rrddata") == len({sample.key for sample in found})

        one.cycle()
        await one.scan()
        assert {sample.at for sample in await measured(one)} == {one.clock.at}


async def test_what_a_node_pushes_is_shown_before_it_is_broadcast():
    async with lab(push={"listen": "127.0.0.1:0", "token": "env:PUSH"}) as one, aclosing(one.agent.hints()) as hints:
        assert (await one.scan())["vm/101"].status is Status.RUNNING
        one.hints()
        hint = asyncio.ensure_future(anext(hints))
        push = one.agent._push
        await until(lambda: push.port is not None)
        one.world.stop(101)

        async with aiohttp.ClientSession(headers={"Authorization": f"Token {one.sim.secret}"}) as session:
            url = f"http://127.0.0.1:{push.port}/api/v2/write?org=proxmox&bucket=proxmox"
            body = line(101, "stopped", at="pve2", name="guest-101", tags="web")
            async with session.post(url, data=body.encode()) as answer:
                assert answer.status == 204

        assert (await asyncio.wait_for(hint, 5)).scope == "resources"
        assert (await one.scan())["vm/101"].status is Status.STOPPED
        one.cycle()
        assert (await one.scan())["vm/101"].status is Status.STOPPED
        one.world.start(101)
        one.cycle()
        assert (await one.scan())["vm/101"].status is Status.RUNNING
