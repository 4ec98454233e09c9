"""A container is run, stopped, renamed and removed: every front end shows each step within a second."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from mcp import Client, StdioServerParameters

from daemon.runtime.bus import Connection
from tests.support import cli
from tests.support.docker_engine import RealEngine
from tests.support.instance import HOMELAB, Instance, asked, child
from tests.support.waiting import until

WITHIN = 1.0
ROUNDS = 4
STEPS = ("run", "stop", "rename", "rm")


@dataclass
class Views:
    """What each front end has shown so far, as lines of a container's life: (step, name)."""

    lab: Instance
    bus: Connection
    over_http: Client
    over_stdio: Client
    heard: list[dict] = field(default_factory=list)
    watched: list[dict] = field(default_factory=list)

    async def in_watch(self, step: str, key: str) -> bool:
        return any(line["key"] == key and _is_change(step, line) for line in self.watched)

    async def on_the_bus(self, step: str, key: str) -> bool:
        return any(_key(said) == key and _is_message(step, said) for said in self.heard)

    async def in_sql(self, step: str, key: str) -> bool:
        text = f"select op, status, name, presence from state_log where key = '{key}'"
        rows = (await asked(self.bus, "query", "sql", sql=text))["rows"]
        return any(_is_logged(step, *row) for row in rows)

    async def over_mcp_http(self, step: str, key: str) -> bool:
        return await _in_mcp(self.over_http, step, key)

    async def over_mcp_stdio(self, step: str, key: str) -> bool:
        return await _in_mcp(self.over_stdio, step, key)

    def all(self) -> dict[str, Callable[[str, str], Awaitable[bool]]]:
        views = (self.in_watch, self.on_the_bus, self.in_sql, self.over_mcp_http, self.over_mcp_stdio)
        return {view.__name__: view for view in views}


def _is_change(step: str, line: dict) -> bool:
    match step:
        case "run":
            return line["status"] == "running"
        case "stop":
            return line["status"] == "stopped"
        case "rename":
            return line["name"].endswith("-renamed")
    return line["change"] == "removed"


def _key(said: dict) -> str:
    of = said.get("resource", said)
    return "/".join((of["provider"], of["source"], of["kind"], of["native_id"]))


def _is_message(step: str, said: dict) -> bool:
    if said["type"] == "removed":
        return step == "rm"
    return _is_logged(step, "", said["resource"]["status"], said["resource"]["name"], "present")


def _is_logged(step: str, op: str, status: str, name: str, presence: str) -> bool:
    del op
    match step:
        case "run":
            return status == "running"
        case "stop":
            return status == "stopped"
        case "rename":
            return name.endswith("-renamed")
    return presence == "gone"


async def _in_mcp(client: Client, step: str, key: str) -> bool:
    answer = await client.call_tool("list_events", {"key": key})
    assert not answer.is_error, answer.content
    items = answer.structured_content["items"]
    return any(_is_logged(step, row["op"], row["status"], row["name"], row["presence"]) for row in items)


@asynccontextmanager
async def watching(lab: Instance) -> AsyncIterator[Views]:
    async with AsyncExitStack() as stack:
        watch = await stack.enter_async_context(child("watch", "--json", state=lab.state))
        connection = await stack.enter_async_context(lab.nats("viewer"))
        http = await stack.enter_async_context(Client(lab.run.http.mcp))
        command = StdioServerParameters(command=HOMELAB, args=["mcp"], env=cli.environ(lab.state))
        views = Views(lab, connection, http, await stack.enter_async_context(Client(command)))

        async def hear(message) -> None:
            views.heard.append(json.loads(message.data))

        async def read_lines() -> None:
            while line := await watch.stdout.readline():
                views.watched.append(json.loads(line))

        await connection.subscribe("homelab.inv.docker.local.container.*", cb=hear)
        await connection.flush()
        reading = asyncio.get_running_loop().create_task(read_lines())
        stack.callback(reading.cancel)
        yield views


async def _until_it_watches(views: Views, real: RealEngine) -> None:
    """`homelab watch` says nothing before something changes."""
    name = real.name("first")
    await real.run(name)
    await until(lambda: views.in_watch("run", f"docker/local/container/{name}"), seconds=20)


@pytest.mark.docker
async def test_run_stop_rename_and_rm_are_seen_everywhere_within_a_second(homelab: Instance, real: RealEngine):
    """A machine that is busy with something else may need another container; none needs more than four."""
    best: dict[tuple[str, str], float] = {}
    async with watching(homelab) as views:
        await _until_it_watches(views, real)
        for _ in range(ROUNDS):
            for pair, seconds in (await _a_life(views, real)).items():
                best[pair] = min(seconds, best.get(pair, seconds))
            if max(best.values()) < WITHIN:
                break
    assert len(best) == len(STEPS) * 5
    assert {pair: seconds for pair, seconds in best.items() if seconds >= WITHIN} == {}


async def _a_life(views: Views, real: RealEngine) -> dict[tuple[str, str], float]:
    """Return how many seconds each view took to show each step."""
    name, container = real.name("life"), ""
    key = f"docker/local/container/{name}"
    took: dict[tuple[str, str], float] = {}
    loop = asyncio.get_running_loop()
    for step in STEPS:
        container = await _do(step, real, name, container)
        began = loop.time()

        async def time(view: str, shows, step: str = step, began: float = began) -> None:
            await until(lambda: shows(step, key), seconds=10)
            took[view, step] = loop.time() - began

        async with asyncio.TaskGroup() as group:
            for view, shows in views.all().items():
                group.create_task(time(view, shows))
    return took


async def _do(step: str, real: RealEngine, name: str, container: str) -> str:
    match step:
        case "run":
            return await real.run(name)
        case "stop":
            await real.post(f"containers/{container}/stop", t="1")
        case "rename":
            await real.post(f"containers/{container}/rename", name=f"{name}-renamed")
        case "rm":
            await real.remove(container)
    return container


@pytest.mark.docker
async def test_homelab_watch_prints_a_line_a_person_can_read(homelab: Instance, real: RealEngine):
    async with child("watch", "--kind", "container", state=homelab.state) as watch:
        async with asyncio.timeout(20):
            while b"Ctrl-C" not in await watch.stderr.readline():
                pass
            name = real.name("seen")
            container = await real.run(name)
            await _line_with(watch, "new", name)
            await real.remove(container)
            await _line_with(watch, "removed", name)
            watch.send_signal(signal.SIGINT)
            assert await watch.wait() in {0, 130}


async def _line_with(watch: asyncio.subprocess.Process, *words: str) -> None:
    while line := (await watch.stdout.readline()).decode():
        if all(word in line for word in words):
            return
    raise AssertionError(f"it ended without {words}")


@pytest.mark.docker
async def test_homelab_sql_prints_the_log_of_a_container(homelab: Instance, real: RealEngine):
    name = real.name("sql")
    key = f"docker/local/container/{name}"

    async def printed() -> tuple[str, ...]:
        """The first and the last word; in between it may be told as removed, or be missed first."""
        rows = await homelab.sql(f"select * from state_log where key = '{key}' order by seq")
        return tuple(row["op"] for row in (*rows[:1], *rows[-1:]))

    container = await real.run(name)
    await until(lambda: _is_there(homelab, key), seconds=5)
    await real.remove(container)
    await until(lambda: _holds(printed, ("appeared", "gone")), seconds=15)


@pytest.mark.docker
async def test_an_adopted_container_that_is_removed_is_missing_until_it_runs_again(homelab: Instance, real: RealEngine):
    name = real.name("kept")
    key = f"docker/local/container/{name}"
    drift: list[dict] = []

    async def hear(message) -> None:
        drift.append(json.loads(message.data))

    async def open_types() -> list[str]:
        return [row["type"] for row in (await homelab.ask("deviations", key=key))["items"]]

    container = await real.run(name)
    await until(lambda: _is_there(homelab, key), seconds=5)
    async with homelab.nats("viewer") as connection:
        await connection.subscribe("homelab.drift.>", cb=hear)
        await connection.flush()
        adopted = await homelab.json("adopt", key)
        assert [row["key"] for row in adopted["adopted"]] == [key], adopted
        assert (await homelab.cli("drift", "--exit-code", "--source", "local")).code == 0

        await real.remove(container)
        await until(lambda: _holds(open_types, ["missing"]), seconds=10)
        shown = await homelab.cli("drift", "--exit-code", "--source", "local")
        assert shown.code == 3
        assert name in shown.out
        assert "missing" in shown.out

        await real.run(name)
        await until(lambda: _holds(open_types, []), seconds=10)
        assert (await homelab.cli("drift", "--exit-code", "--source", "local")).code == 0
        await until(lambda: len([said for said in drift if said["deviation"]["key"] == key]) == 2, seconds=5)
    told = [(said["transition"], said["deviation"]["type"]) for said in drift if said["deviation"]["key"] == key]
    assert told == [("opened", "missing"), ("resolved", "missing")]


async def _is_there(lab: Instance, key: str) -> bool:
    answer = await lab.ask("resources", keys=[key], status="running")
    return answer["total"] == 1


async def _holds(read: Callable[[], Awaitable[object]], wanted: object) -> bool:
    return await read() == wanted
