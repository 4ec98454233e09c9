"""kill -9 of anything at any moment: afterwards the store says what the engine says, and nothing was made up."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import aiodocker
import psutil
import pytest
from nats.errors import Error as NatsError

from daemon.runtime import bus
from tests.support import cli
from tests.support.docker_engine import RealEngine, engine, spare_engine
from tests.support.instance import HOMELAB, HOST, Instance, configured, docker, instance, prepared, running
from tests.support.waiting import until

CHURN_SECONDS = 20
AT_MOST = 12
SLACK = timedelta(seconds=3)
"""A scan is dated with its beginning; what vanished while it ran is missing in it."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


async def test_a_killed_homelab_takes_its_server_along_and_starts_again(tmp_path: Path):
    async with instance(tmp_path) as lab:
        server = psutil.Process(lab.nats_pid)
        await lab.kill()
        await until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
        await until(lambda: lab.survivors() == [])
        assert (lab.state / "run.json").exists()
        said = await lab.cli("status")
        assert said.code == 69
        assert f"process {lab.pid}, which has ended" in said.err
        await lab.start()
        assert (await lab.cli("status")).code == 0


async def test_a_killed_server_is_started_again_at_once_on_its_port(tmp_path: Path):
    async with instance(tmp_path) as lab:
        url, killed = lab.run.nats.url, lab.nats_pid
        os.kill(killed, signal.SIGKILL)
        await until(lambda: any("nats-server" in one.name() and one.pid != killed for one in lab.children()))

        await until(lambda: _is_live(lab), seconds=15)
        assert lab.run.nats.url == url
        assert lab.process.poll() is None


@pytest.mark.parametrize("after", [0.0, 0.1, 0.3])
async def test_a_server_killed_while_the_rest_starts_holds_up_nobody_for_long(tmp_path: Path, after: float):
    lab = prepared(tmp_path)
    try:
        lab.spawn()
        await until((lab.state / "homelab.duckdb").exists, seconds=20)
        await asyncio.sleep(after)
        os.kill(lab.nats_pid, signal.SIGKILL)
        await lab.is_ready()
        await until(lambda: _is_live(lab), seconds=15)
        _no_defect(lab.stderr)
    finally:
        await lab.ended()


async def _is_live(lab: Instance) -> bool:
    with suppress(NatsError, TimeoutError, bus.BusError, OSError):
        return (await lab.ask("status"))["ingest_state"] == "live"
    return False


@dataclass
class Churn:
    """Makes, changes and removes containers, and remembers when it removed which."""

    real: RealEngine
    random: Random
    containers: list[str] = field(default_factory=list)
    removed_at: dict[str, datetime] = field(default_factory=dict)
    steps: int = 0

    async def run(self, *, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            with suppress(aiodocker.DockerError):
                await self._step()
            self.steps += 1
            await asyncio.sleep(self.random.uniform(0, 0.1))

    async def _step(self) -> None:
        few = len(self.containers) < AT_MOST // 2
        what = "create" if few else self.random.choice(("create", "start", "stop", "rename", "remove", "remove"))
        if what == "create":
            if len(self.containers) < AT_MOST:
                self.containers.append(await self.real.create(self.real.name("churn")))
            return
        one = self.random.choice(self.containers)
        match what:
            case "start":
                await self.real.post(f"containers/{one}/start")
            case "stop":
                await self.real.post(f"containers/{one}/stop", t="1")
            case "rename":
                await self.real.post(f"containers/{one}/rename", name=self.real.name("renamed"))
            case "remove":
                self.containers.remove(one)
                self.removed_at[one] = datetime.now(UTC)
                await self.real.remove(one)


@dataclass
class Apart:
    """An agent in a process of its own, on the instance's bus."""

    lab: Instance
    config: Path
    creds: Path
    url: str
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with (self.lab.folder / "agent.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(HOMELAB, "agent", "churn", "--config", str(self.config)),
                *("--nats", self.url, "--creds", str(self.creds)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=cli.environ(self.lab.folder / "no-state"),
            )

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[tuple[Instance, Apart, RealEngine]]:
    async with AsyncExitStack() as stack:
        spare = await stack.enter_async_context(spare_engine())
        real = await stack.enter_async_context(engine(spare.socket))
        port = str(free_port())
        lab = await stack.enter_async_context(running(prepared(folder / "lab", [HOST], "--nats-port", port)))
        (folder / "agent").mkdir()
        creds = folder / "agent" / "creds.json"
        creds.write_text(lab.run.nats.agent.model_dump_json())
        config = configured(folder / "agent", [docker("churn", spare.url, interval="2s")])
        apart = Apart(lab, config, creds, lab.run.nats.url)
        stack.push_async_callback(apart.kill)
        await apart.start()
        yield lab, apart, real


async def _kill_again_and_again(lab: Instance, apart: Apart, random: Random, *, seconds: float) -> list[str]:
    """Kill one of the three after another, be it ready or not; each is started again, as systemd would."""
    loop = asyncio.get_running_loop()
    end, killed, bag = loop.time() + seconds, [], []
    while loop.time() < end:
        await asyncio.sleep(random.uniform(0.1, 2.5))
        bag = bag or random.sample(("up", "up", "server", "server", "agent"), 5)
        killed.append(what := bag.pop())
        if lab.process.poll() is not None:  # a server that dies while it starts is the end of a start
            assert "nats-server ended with -9" in lab.stderr[-500:], f"it ended by itself: {lab.stderr[-3000:]}"
            lab.spawn()
        assert apart.process.returncode is None, "the agent ended by itself"
        match what:
            case "up":
                await lab.kill()
                lab.spawn()
            case "server":
                with suppress(ProcessLookupError, StopIteration):
                    os.kill(lab.nats_pid, signal.SIGKILL)
            case "agent":
                await apart.kill()
                await apart.start()
    if lab.process.poll() is not None:
        lab.spawn()
    try:
        await lab.is_ready()
    except TimeoutError:
        pytest.fail(f"it does not get ready: {lab.stderr[-4000:]}")
    return killed


@pytest.mark.docker
@pytest.mark.timeout(150)
async def test_whatever_is_killed_the_store_says_what_the_engine_says(tmp_path: Path):
    seed = Random().randrange(10**6)
    print(f"seed {seed}")
    random = Random(seed)
    async with scene(tmp_path) as (lab, apart, real):
        churn = Churn(real, random)
        async with asyncio.TaskGroup() as group:
            group.create_task(churn.run(seconds=CHURN_SECONDS))
            killing = group.create_task(_kill_again_and_again(lab, apart, random, seconds=CHURN_SECONDS))
        print(f"killed {killing.result()}, {churn.steps} steps, {len(churn.removed_at)} removed")
        await _until_they_agree(lab, real, apart)
        log = await _whole_log(lab)
        _nothing_twice(log)
        _nothing_gone_that_was_there(log, churn)
        assert (await lab.ask("status"))["quarantined"] == 0
        _no_defect(lab.stderr)
        _no_defect((lab.folder / "agent.log").read_text())


async def _until_they_agree(lab: Instance, real: RealEngine, apart: Apart) -> None:
    try:
        await until(lambda: _agree(lab, real), seconds=40)
    except TimeoutError:
        engine_has = sorted((row["Id"][:12], row["State"]) for row in await _ps(real))
        said = (await lab.cli("resources", "--kind", "container", "--json")).out
        sources = (await lab.cli("sources", "--json")).out
        logs = f"{lab.stderr[-4000:]}\n--- agent\n{(lab.folder / 'agent.log').read_text()[-4000:]}"
        pytest.fail(f"the engine has {engine_has}\nthe store {said}\n{sources}\n{logs}\n{apart.process}")


async def _agree(lab: Instance, real: RealEngine) -> bool:
    """Whether store and engine have the same containers in the same states."""
    engine_has = {row["Id"]: (row["Names"][0].lstrip("/"), row["State"]) for row in await _ps(real)}
    with suppress(AssertionError, OSError, ValueError):
        said = await lab.cli("resources", "--kind", "container", "--json")
        shown = {
            row["incarnation"]: (row["name"], row["native_status"].partition(" ")[0])
            for row in json.loads(said.out)
            if row["presence"] == "present"
        }
        return shown == engine_has and not [row for row in json.loads(said.out) if row["presence"] != "present"]
    return False


async def _ps(real: RealEngine) -> list[dict[str, Any]]:
    return await real.docker._query_json("containers/json", params={"all": "1"})


async def _whole_log(lab: Instance) -> list[dict[str, Any]]:
    return await lab.sql("select * from state_log order by seq")


def _nothing_twice(log: list[dict[str, Any]]) -> None:
    assert [row["seq"] for row in log] == list(range(1, len(log) + 1))
    causes = [(row["cause"], row["key"]) for row in log if row["cause"].startswith("event ")]
    assert len(causes) == len(set(causes)), "an event was applied twice"
    last: dict[str, tuple] = {}
    for row in log:
        entry = tuple(str(row[name]) for name in ("op", "status", "presence", "name", "incarnation", "changed"))
        entry = (*entry, row["at"]) if row["op"] == "changed" else entry
        assert last.get(row["key"]) != entry, f"said twice: {row}"
        last[row["key"]] = entry


def _nothing_gone_that_was_there(log: list[dict[str, Any]], churn: Churn) -> None:
    containers = [row for row in log if row["kind"] == "container"]
    assert {row["op"] for row in containers} <= {"appeared", "changed", "removed", "suspect", "gone"}
    gone = [row for row in containers if row["op"] == "gone"]
    assert gone, "the churn removed nothing that was known: it proves nothing"
    for row in gone:
        assert row["incarnation"] in churn.removed_at, f"never removed: {row}"
        at = datetime.fromisoformat(row["at"])
        assert churn.removed_at[row["incarnation"]] < at + SLACK, f"not removed yet: {row}"


def _no_defect(log: str) -> None:
    for word in ("Traceback", "agent_defect", "task_crashed", "job_failed", "message_refused", "question_failed"):
        assert word not in log, log[max(0, log.index(word) - 200) : log.index(word) + 2500]
