"""How it starts, refuses to start, and ends."""

import asyncio
import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.support import cli
from tests.support.docker_engine import SOCKET, answers
from tests.support.instance import HOST, Instance, docker, get, instance, prepared
from tests.support.waiting import until


async def refused(folder: Path, *arguments: str, config: str) -> cli.Said:
    """Run `homelab up` that is expected to end by itself."""
    file = folder / "homelab.yaml"
    file.write_text(config)
    said = await cli.homelab(folder / "state", "up", *arguments, "--config", str(file))
    assert "Traceback" not in said.err
    return said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_all_it_started(tmp_path: Path, number: int):
    async with instance(tmp_path) as lab:
        family = lab.children()
        assert any("nats-server" in one.name() for one in family)
        assert await lab.send(number, seconds=5) == 0
        assert not (lab.state / "run.json").exists()
        assert lab.survivors() == []
        assert "Traceback" not in lab.stderr
        after = await lab.cli("status")
    assert after.code == 69
    assert "homelab up" in after.err


async def test_a_signal_ends_it_in_the_middle_of_its_start(tmp_path: Path):
    lab = prepared(tmp_path)
    try:
        lab.spawn()
        await until(lambda: bool(lab.children()), seconds=20)
        await lab.send(signal.SIGTERM, seconds=10)
        await until(lambda: lab.survivors() == [])
        assert not (lab.state / "run.json").exists()
    finally:
        await lab.ended()


async def test_what_others_find_it_by_is_for_its_owner_alone(homelab: Instance):
    for path in (
        homelab.state / "run.json",
        homelab.state / "nats" / "users.conf",
        homelab.state / "nats" / "nats.conf",
    ):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(homelab.state.stat().st_mode) == 0o700
    assert homelab.run.pid == homelab.pid


async def test_without_a_configuration_it_says_what_it_found_and_could_watch(tmp_path: Path):
    async with instance(tmp_path, None) as lab:
        await until(lambda: _said(lab, "ready: ask with `homelab status`"))
        assert "no configuration: found and watching" in lab.stderr
        assert "host/" in lab.stderr
        assert "could also watch" in lab.stderr
        if await asyncio.to_thread(answers, SOCKET):
            assert "docker/local" in lab.stderr

        async def listed() -> bool:
            rows = await lab.json("resources", "--kind", "node")
            return [row["presence"] for row in rows] == ["present"]

        await until(listed)


async def _said(lab: Instance, words: str) -> bool:
    return words in lab.stderr


async def test_a_second_one_on_the_same_state_says_who_holds_it(homelab: Instance):
    said = await cli.homelab(homelab.state, "up", "--nats-port", "0", "--http-port", "0")
    assert said.code == 1
    assert f"is held by homelab up (pid {homelab.pid})" in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert homelab.run.pid == homelab.pid, "run.json is still the first one's"
    assert (await homelab.cli("status")).code == 0


@pytest.mark.parametrize("option", ["--nats-port", "--http-port"])
async def test_a_port_that_is_taken_is_named_in_one_line(tmp_path: Path, option: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = {"--nats-port": "0", "--http-port": "0", option: str(taken.getsockname()[1])}
        said = await refused(tmp_path, *(word for pair in ports.items() for word in pair), config="sources: []\n")
    assert said.code == 1
    complaints = [line for line in said.err.splitlines() if "taken" in line]
    assert len(complaints) == 1
    assert ports[option] in complaints[0]
    assert option in complaints[0]
    assert not (tmp_path / "state" / "run.json").exists()


async def test_it_listens_for_others_only_with_a_token(tmp_path: Path):
    said = await refused(tmp_path, "--nats-port", "0", "--http-port", "0", "--http-listen", "0.0.0.0", config="{}\n")
    assert said.code == 1
    assert "http.token" in said.err.splitlines()[-1]


BAD = {
    "an unknown key": ("soruces: []\n", "homelab.yaml:1"),
    "a wrong type": ("http:\n  port: eighty\n", "homelab.yaml:2"),
    "an unknown provider": ("sources:\n  - provider: dokcer\n    name: x\n", "homelab.yaml:2"),
    "an unknown setting of a source": (
        "sources:\n  - provider: docker\n    name: x\n    soket: /x\n",
        "homelab.yaml:4",
    ),
    "a missing secret": ("http:\n  token: env:HOMELAB_TEST_NOT_THERE\n", "homelab.yaml:2"),
    "two sources of one name": (
        "sources:\n  - {provider: docker, name: x}\n  - {provider: docker, name: x}\n",
        "homelab.yaml:3",
    ),
    "no YAML": ("sources: [\n", "homelab.yaml:"),
}


@pytest.mark.parametrize("fault", BAD)
async def test_a_bad_configuration_is_refused_with_file_and_line(tmp_path: Path, fault: str):
    text, where = BAD[fault]
    said = await refused(tmp_path, "--nats-port", "0", "--http-port", "0", config=text)
    assert said.code == 78
    assert where in said.err


async def test_every_fault_of_a_configuration_has_its_line(tmp_path: Path):
    text = "soruces: []\nhttp:\n  port: eighty\n  token: env:HOMELAB_TEST_NOT_THERE\nlog:\n  level: loud\n"
    said = await refused(tmp_path, "--nats-port", "0", "--http-port", "0", config=text)
    assert said.code == 78
    for line in (1, 3, 6):
        assert sum(f"homelab.yaml:{line}:" in told for told in said.err.splitlines()) == 1, said.err


async def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "state").write_text("a file")
    said = await refused(tmp_path, "--nats-port", "0", "--http-port", "0", config="sources: []\n")
    assert said.code == 1
    assert str(tmp_path / "state") in said.err


async def test_a_second_start_knows_what_the_first_one_saw(tmp_path: Path):
    """Two starts, one history: nothing appears twice, nothing was first seen later."""
    sources = [HOST, *([docker("local", f"unix://{SOCKET}")] if answers(SOCKET) else [])]
    first_seen = "select key, first_seen_at from resources where provider = 'host' order by key"
    appeared = "select key, count(*) as times from state_log where op = 'appeared' and provider = 'host' group by key"
    async with instance(tmp_path, sources) as lab:
        await until(lambda: _scanned(lab))
        before = await lab.sql(first_seen)
        assert len(before) > 0
        read_until = (await lab.ask("status"))["ingest_sequence"]
        await lab.restart()
        began = (await lab.ask("status"))["started_at"]
        await until(lambda: _scanned(lab, since=began))
        await until(lambda: _fresh(lab, began))
        assert _applied(lab) <= (await lab.ask("status"))["ingest_sequence"] - read_until, "some were applied again"
        assert await lab.sql(first_seen) == before
        assert {row["times"] for row in await lab.sql(appeared)} == {1}
        assert (
            await lab.sql(
                "select key from state_log where provider = 'host' and op in ('gone', 'suspect', 'removed', 'replaced')"
            )
            == []
        )
        assert not lab.said("stream_gap")


def _applied(lab: Instance) -> float:
    """How many messages this life of it has applied."""
    lines = get(lab.run.http.metrics)[1].splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("homelab_ingest_applied_total{"))


async def _scanned(lab: Instance, since: str = "") -> bool:
    scopes = [scope for source in (await lab.ask("sources", provider="host"))["items"] for scope in source["scopes"]]
    return len(scopes) >= 3 and all((scope["observed_at"] or "") > since for scope in scopes)


async def _fresh(lab: Instance, since: str) -> bool:
    status = await lab.ask("status")
    return status["ingest_state"] == "live" and status["as_of"] > since
