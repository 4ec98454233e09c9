"""What the docker agent sees of a real engine, and of one that is killed, hangs or refuses."""

import asyncio
import contextlib
import os
import time

import pytest

from agents import errors
from agents.contract import Deps, Hint, Measures, Watches
from agents.docker import DockerConfig, connect
from agents.docker.agent import SCOPES
from schemas.resources import Health, Kind, SourceRef, Status
from tests.support import docker_engine
from tests.support.docker_engine import IMAGE

pytestmark = pytest.mark.docker
SOURCE = SourceRef(provider="docker", name="test")
SECRET = "s3cret-value-that-must-not-travel"
BY_NAME = {scope.name: scope for scope in SCOPES}
PATIENCE = 15.0


@pytest.fixture
async def engine():
    async with docker_engine.engine() as found:
        yield found


@pytest.fixture
async def spare():
    async with docker_engine.spare_engine() as found:
        yield found


def agent_at(url, **deps):
    return connect(DockerConfig(name="test", url=url), Deps(source=SOURCE, **deps))


async def containers(agent, *ids):
    """The containers with these ids (the engine has others' too), by id."""
    found = await agent.collect(BY_NAME["containers"])
    return {one.incarnation: one for one in found if one.kind is Kind.CONTAINER and one.incarnation in ids}


async def one(agent, container_id):
    return (await containers(agent, container_id))[container_id]


async def named(agent, scope, name):
    return next(one for one in await agent.collect(BY_NAME[scope]) if one.name == name)


async def tags(agent):
    """What the test image is called, by everybody who uses it now."""
    images = await agent.collect(BY_NAME["images"])
    return next(one.spec["tags"] for one in images if IMAGE in one.spec["tags"])


class Listener:
    """Collects hints until it is closed; ``until`` waits for one with a bound."""

    def __init__(self, agent):
        self._agent = agent
        self.heard = []
        self.error = None
        self._news = asyncio.Event()

    async def __aenter__(self):
        self._task = asyncio.ensure_future(self._listen())
        await self.until(lambda heard: {hint.scope for hint in heard} == set(BY_NAME))
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _listen(self):
        try:
            async with contextlib.aclosing(self._agent.hints()) as hints:
                async for hint in hints:
                    self.heard.append(hint)
                    self._news.set()
        except errors.AgentError as error:
            self.error = error
            self._news.set()

    async def until(self, wanted):
        async with asyncio.timeout(PATIENCE):
            while not wanted(self.heard):
                self._news.clear()
                await self._news.wait()

    async def broken(self):
        await self.until(lambda _: self.error)
        return self.error

    def forget(self):
        self.heard.clear()


def hints_at(*scopes):
    return lambda heard: {hint.scope for hint in heard} >= set(scopes)


async def test_the_agent_watches_and_measures(engine):
    async with agent_at(engine.url) as agent:
        assert isinstance(agent, Watches)
        assert isinstance(agent, Measures)


async def test_a_container_is_seen_through_its_whole_life(engine):
    name = engine.name("life")
    async with agent_at(engine.url) as agent:
        container_id = await engine.run(name)
        running = await one(agent, container_id)
        await engine.post(f"containers/{container_id}/pause")
        paused = await one(agent, container_id)
        await engine.post(f"containers/{container_id}/unpause")
        await engine.post(f"containers/{container_id}/stop", t="0")
        stopped = await one(agent, container_id)
        await engine.remove(container_id)
        gone = await containers(agent, container_id)

    assert running.key == f"docker/test/container/{name}"
    assert (running.status, running.native_status, running.health) == (Status.RUNNING, "running", Health.UNKNOWN)
    assert running.spec["image"] == IMAGE
    assert running.addresses
    assert paused.status is Status.PAUSED
    assert (stopped.status, stopped.native_status) == (Status.STOPPED, "exited (137)")
    assert gone == {}


async def test_a_restarted_a_renamed_and_a_recreated_container_keep_their_key(engine):
    name = engine.name("keep")
    async with agent_at(engine.url) as agent:
        first = await engine.run(name)
        before = await one(agent, first)
        await engine.post(f"containers/{first}/restart", t="0")
        restarted = await one(agent, first)
        await engine.post(f"containers/{first}/rename", name=f"{name}-2")
        renamed = await one(agent, first)
        await engine.remove(first)
        second = await engine.run(name)
        recreated = await one(agent, second)

    assert before.key == restarted.key == renamed.key == recreated.key
    assert (before.incarnation, renamed.incarnation, recreated.incarnation) == (first, first, second)
    assert (restarted.name, renamed.name, recreated.name) == (name, f"{name}-2", name)
    assert restarted.spec == before.spec == renamed.spec == recreated.spec


async def test_a_renamed_container_keeps_its_key_when_the_agent_starts_anew(engine):
    name = engine.name("known")
    container_id = await engine.create(name)
    await engine.post(f"containers/{container_id}/rename", name=f"{name}-2")
    key = f"docker/test/container/{name}"

    async with agent_at(engine.url, known={key: container_id}) as agent:
        assert (await one(agent, container_id)).key == key


async def test_an_old_container_renamed_away_gives_its_key_to_the_new_one(engine):
    name = engine.name("green")
    async with agent_at(engine.url) as agent:
        old = await engine.create(name)
        await one(agent, old)
        await engine.post(f"containers/{old}/rename", name=f"{name}-old")
        new = await engine.create(name)
        found = await containers(agent, old, new)

    assert found[new].key == f"docker/test/container/{name}"
    assert found[old].key == f"docker/test/container/{name}-old"


async def test_nothing_secret_comes_out_of_a_container(engine):
    container_id = await engine.create(
        engine.name("secret"),
        labels={"com.example.password": SECRET},
        Env=[f"DB_PASSWORD={SECRET}", f"URL=http://me:{SECRET}@host/x", "MODE=prod"],
        Cmd=["sh", "-c", f"tool --password {SECRET}", f"--token={SECRET}"],
        Healthcheck={"Test": ["CMD-SHELL", f"curl -u me:{SECRET} http://localhost"]},
    )
    async with agent_at(engine.url) as agent:
        found = await one(agent, container_id)

    assert SECRET not in found.model_dump_json()
    assert found.spec["env"] == {"DB_PASSWORD": "<redacted>", "MODE": "prod", "URL": "http://me:<redacted>@host/x"}


async def test_a_health_check_is_seen_without_being_asked_for(engine):
    """The inspection is kept while the watch stands; the engine's own event makes it old."""
    async with agent_at(engine.url) as agent, Listener(agent) as listener:
        container_id = await engine.run(
            engine.name("health"), Healthcheck={"Test": ["CMD", "false"], "Interval": 10**8, "Retries": 1}
        )
        starting = await one(agent, container_id)
        async with asyncio.timeout(PATIENCE):
            while (await one(agent, container_id)).health is not Health.FAILING:
                listener.forget()
                await listener.until(hints_at("containers"))

    assert starting.health in (Health.UNKNOWN, Health.FAILING)


async def test_a_change_is_hinted_within_a_moment_and_a_removal_is_named(engine):
    name = engine.name("hint")
    async with agent_at(engine.url) as agent, Listener(agent) as listener:
        listener.forget()
        container_id = await engine.run(name)
        await listener.until(hints_at("containers"))
        await one(agent, container_id)
        listener.forget()
        began = time.monotonic()
        await engine.post(f"containers/{container_id}/rename", name=f"{name}-2")
        await listener.until(hints_at("containers"))
        took = time.monotonic() - began
        assert (await one(agent, container_id)).name == f"{name}-2"
        await engine.remove(container_id)
        await listener.until(lambda heard: Hint("containers", ((Kind.CONTAINER, name),)) in heard)

    assert took < 1


async def test_volumes_networks_and_images_hint_at_their_own_scope(engine):
    volume, network = engine.name("vol"), engine.name("net")
    async with agent_at(engine.url) as agent, Listener(agent) as listener:
        await engine.volume(volume)
        network_id = await engine.network(network)
        await listener.until(hints_at("volumes", "networks"))
        assert (await named(agent, "volumes", volume)).key == f"docker/test/volume/{volume}"
        assert (await named(agent, "networks", network)).incarnation == network_id
        await engine.docker.volumes.get(volume)
        await engine._quietly("DELETE", f"volumes/{volume}")
        await engine._quietly("DELETE", f"networks/{network_id}")
        await listener.until(lambda heard: any((Kind.VOLUME, volume) in hint.removed for hint in heard))
        await listener.until(lambda heard: any((Kind.NETWORK, network) in hint.removed for hint in heard))
        listener.forget()
        tag = engine.name("tag")
        await engine.post(f"images/{IMAGE}/tag", repo=tag, tag="1")
        await listener.until(hints_at("images"))
        tagged = await tags(agent)
        await engine._quietly("DELETE", f"images/{tag}:1")
        untagged = await tags(agent)

    assert tagged == sorted([*untagged, f"{tag}:1"])


async def test_what_is_put_into_a_volume_does_not_make_it_another_one(engine):
    volume = engine.name("vol")
    await engine.volume(volume)
    async with agent_at(engine.url) as agent:
        before = await named(agent, "volumes", volume)
        writer = await engine.run(
            engine.name("write"), Cmd=["sh", "-c", "exec busybox touch /v/x"], HostConfig={"Binds": [f"{volume}:/v"]}
        )
        await engine.docker.containers.container(writer).wait()
        after = await named(agent, "volumes", volume)

    assert before == after


async def test_containers_that_come_and_go_while_being_read_never_fail_the_reading(engine):
    steady = await engine.create(engine.name("steady"))

    enough = asyncio.Event()

    async def churn():
        while not enough.is_set():
            await engine.remove(await engine.create(engine.name("churn")))

    async with asyncio.TaskGroup() as group, agent_at(engine.url) as agent:
        group.create_task(churn())
        try:
            for _ in range(30):
                assert (await one(agent, steady)).incarnation == steady
        finally:
            enough.set()


async def test_a_running_container_is_measured_and_rates_come_with_the_second_reading(engine):
    name = engine.name("busy")
    container_id = await engine.run(name, Cmd=["sh", "-c", "while :; do :; done"])
    key = f"docker/test/container/{name}"
    async with agent_at(engine.url) as agent:
        await one(agent, container_id)
        first = {sample.metric: sample.value for sample in await agent.samples() if sample.key == key}
        second = {}
        async with asyncio.timeout(PATIENCE):
            while second.get("cpu_ratio", 0) < 0.05:
                second = {sample.metric: sample.value for sample in await agent.samples() if sample.key == key}

    assert first.keys() == {"memory_used_bytes"}
    assert first["memory_used_bytes"] > 0
    assert second.keys() >= {"cpu_ratio", "network_receive_bytes_per_second", "network_transmit_bytes_per_second"}
    assert second["cpu_ratio"] < 1.5


async def test_an_engine_killed_and_started_again_loses_and_invents_nothing(spare):
    async with agent_at(spare.url) as agent, docker_engine.engine(spare.socket) as engine:
        name = engine.name("survivor")
        container_id = await engine.run(name)
        before = {scope.name: await agent.collect(scope) for scope in SCOPES}
        async with Listener(agent) as listener:
            await spare.kill()
            assert isinstance(await listener.broken(), errors.Unreachable)
        for scope in SCOPES:
            with pytest.raises(errors.Unreachable, match=r"is it running\?"):
                await agent.collect(scope)
        await spare.start()
        async with Listener(agent):
            after = {scope.name: await agent.collect(scope) for scope in SCOPES}
            survivor = await one(agent, container_id)

    assert {one.key for found in before.values() for one in found} == {
        one.key for found in after.values() for one in found
    }
    assert survivor.key == f"docker/test/container/{name}"
    unchanged = ("images", "volumes", "networks", "engine", "swarm")
    assert {scope: before[scope] for scope in unchanged} == {scope: after[scope] for scope in unchanged}


async def test_a_removal_between_two_watches_is_told_by_the_second(engine):
    name = engine.name("between")
    async with agent_at(engine.url) as agent:
        container_id = await engine.create(name)
        async with Listener(agent) as listener:
            listener.forget()
            await engine.post(f"containers/{container_id}/rename", name=f"{name}-2")
            await listener.until(hints_at("containers"))
            await one(agent, container_id)
        await engine.remove(container_id)
        async with Listener(agent) as listener:
            await listener.until(lambda heard: any((Kind.CONTAINER, f"{name}-2") in hint.removed for hint in heard))


async def test_a_manager_tells_of_its_services_tasks_and_nodes(spare):
    async with agent_at(spare.url) as agent, docker_engine.engine(spare.socket) as engine:
        assert await agent.collect(BY_NAME["swarm"]) == []
        body = {"ListenAddr": "127.0.0.1:0", "AdvertiseAddr": "127.0.0.1"}
        await engine.docker._query_json("swarm/init", method="POST", data=body)
        spec = {
            "Name": "web",
            "Mode": {"Replicated": {"Replicas": 2}},
            "TaskTemplate": {"ContainerSpec": {"Image": IMAGE, "Env": [f"API_TOKEN={SECRET}"], "StopGracePeriod": 1}},
            "EndpointSpec": {"Mode": "dnsrr"},
        }
        await engine.docker._query_json("services/create", method="POST", data=spec)
        async with asyncio.timeout(PATIENCE):
            found = await agent.collect(BY_NAME["swarm"])
            while "2/2" not in {one.native_status for one in found}:
                found = await agent.collect(BY_NAME["swarm"])
        host = (await agent.collect(BY_NAME["engine"]))[0]
        await engine.docker._query_json("swarm/leave", method="POST", params={"force": "1"})
        assert await agent.collect(BY_NAME["swarm"]) == []

    keys = {one.key for one in found if one.kind is not Kind.NODE}
    assert keys == {f"docker/test/{rest}" for rest in ("cluster/swarm", "service/web", "pod/web.1", "pod/web.2")}
    assert host.spec["swarm"] == {"state": "active", "manager": True}
    assert SECRET not in "".join(one.model_dump_json() for one in found)


async def test_an_engine_that_accepts_and_never_answers_can_be_left_at_once(tmp_path):
    async with docker_engine.hung(tmp_path / "d.sock"), agent_at(f"unix://{tmp_path}/d.sock") as agent:
        for reading in (agent.collect(SCOPES[0]), agent.samples(), anext(agent.hints())):
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await reading
            assert time.monotonic() - began < 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
async def test_a_socket_that_may_not_be_opened_names_the_group(engine, tmp_path):
    async with docker_engine.hung(tmp_path / "d.sock"), agent_at(f"unix://{tmp_path}/d.sock") as agent:
        (tmp_path / "d.sock").chmod(0o600)
        tmp_path.chmod(0o711)
        os.seteuid(65534)
        try:
            with pytest.raises(errors.Unauthorized, match=r"permission denied on .*group docker"):
                await agent.collect(SCOPES[0])
        finally:
            os.seteuid(0)


async def test_any_number_of_engines_live_in_one_process(engine, spare):
    async with agent_at(engine.url) as ours, agent_at(spare.url) as theirs, agent_at("unix:///nobody.sock") as nobody:
        first, second = (await ours.collect(BY_NAME["engine"]))[0], (await theirs.collect(BY_NAME["engine"]))[0]
        with pytest.raises(errors.Unreachable, match=r"no Docker engine at unix:///nobody\.sock: is it running\?"):
            await nobody.collect(BY_NAME["engine"])

    assert first.spec["root_dir"] != second.spec["root_dir"]
