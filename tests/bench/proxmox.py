"""What a Proxmox VE cluster of 5 000 guests costs its agent and its API: the first reading, steady ones, and changes.

The cluster is the simulator in a process of its own; before each reading every figure of every guest moves, as
pvestatd moves them.  The agent runs under the real runner, whose messages nobody stores.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from datetime import timedelta

from proxmoxer import ProxmoxAPI
from pydantic import SecretStr

from agents.contract import Deps
from agents.proxmox import PROVIDER
from agents.proxmox.resources_scan import SCOPE
from agents.runner import Cadence, Plan, Runner
from agents.voice import Voice
from daemon.runtime.clock import SystemClock
from schemas.resources import SourceRef
from tests.bench import figures
from tests.bench.figures import Figure
from tests.support.proxmox.remote import Remote, running

GUESTS, NODES = 5000, 5
READINGS = 15
CHANGED = 50
REF = SourceRef(provider="proxmox", name="bench")


async def bench() -> AsyncIterator[Figure]:
    with running(guests=GUESTS, nodes=NODES, pvestatd=0) as cluster:
        config = PROVIDER.config(
            provider="proxmox", name="bench", url=cluster.urls, ca=cluster.ca, token_id=cluster.token_id,
            token_secret="env:UNUSED",
        )  # fmt: skip
        deps = Deps(REF, secret=lambda _: SecretStr(cluster.secret))
        async with PROVIDER.connect(config, deps) as agent:
            clock = SystemClock()
            voice = Voice(REF, "bench", _unheard, clock)
            runner = Runner(REF, agent, voice, clock, Cadence(PROVIDER.interval, timedelta(minutes=2)))
            for scope in agent.scopes():
                plan = Plan(scope, runner.cadence)
                wall, used = await _reading(runner, plan)
                assert plan.trouble is None, f"{scope.name}: {plan.trouble}"
                if scope.name == SCOPE:
                    resources = plan
                    yield Figure(f"first reading of {GUESTS} guests with their configurations", wall, "s")
                    yield Figure("processor of the agent in it", used, "s")
            async for figure in _steady(cluster, runner, resources):
                yield figure
            yield await _changes(cluster, runner, resources)


async def _unheard(subject: str, data: bytes, *, msg_id: str, ttl: timedelta | None = None) -> None:
    pass


async def _reading(runner: Runner, plan: Plan) -> tuple[float, float]:
    """Seconds one reading takes, and those of the processor."""
    began, used = time.perf_counter(), time.process_time()
    await runner.scan(plan)
    return time.perf_counter() - began, time.process_time() - used


async def _steady(cluster: Remote, runner: Runner, plan: Plan) -> AsyncIterator[Figure]:
    used, asked = [], []
    for _ in range(READINGS):
        _moved(cluster)
        used.append((await _reading(runner, plan))[1] * 1000)
        asked.append(len(cluster.requests()))
    median = statistics.median(used)
    note = f"{READINGS} readings, the slowest {max(used):.0f} ms"
    yield Figure(f"steady reading of {GUESTS} guests: processor of the agent", median, "ms", 300, note=note)
    bare = statistics.median([await asyncio.to_thread(_bare, cluster) for _ in range(READINGS)])
    yield Figure("the same, by proxmoxer's bare GET of the listing", median / bare, "times", note=f"{bare:.0f} ms")
    yield Figure("steady reading: requests, at most", max(asked), "", 4, note="3 promised")


async def _changes(cluster: Remote, runner: Runner, plan: Plan) -> Figure:
    machines = [vmid for vmid, guest in cluster.truth().items() if guest["type"] == "qemu"]
    for vmid in machines[:CHANGED]:
        cluster.world("edit", vmid, description=f"changed {time.time()}")
    _moved(cluster)
    await _reading(runner, plan)
    beyond = len(cluster.requests()) - CHANGED
    return Figure(f"{CHANGED} guests changed: requests beyond one for each", beyond, "", 4, note="3 promised")


def _moved(cluster: Remote) -> None:
    cluster.world("advance", 10)
    cluster.world("pvestatd")
    cluster.forget_requests()


def _bare(cluster: Remote) -> float:
    """Milliseconds of the processor that proxmoxer alone takes to fetch and decode the listing."""
    user, _, name = cluster.token_id.partition("!")
    api = ProxmoxAPI(
        cluster.urls[0].removeprefix("https://"), user=user, token_name=name, token_value=cluster.secret,
        verify_ssl=str(cluster.ca),
    )  # fmt: skip
    began = time.thread_time()
    assert len(api("cluster/resources").get()) > GUESTS
    return (time.thread_time() - began) * 1000


if __name__ == "__main__":
    figures.main(bench)
