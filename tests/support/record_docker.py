"""Make the contract cases of the docker provider anew, from a real engine: ``python -m tests.support.record_docker``.

A second dockerd is started, so that nothing of this machine gets into a recording; what it still tells of the machine
is replaced.  Look at the difference before committing it: a changed expectation is a changed behaviour.
"""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from agents.contract import Deps
from agents.docker import PROVIDER, wire
from schemas.resources import SourceRef
from tests.contract.replay import docker as replay
from tests.support import docker_engine
from tests.support.docker_engine import IMAGE, RealEngine

CASES = Path(__file__).parents[1] / "contract" / "cases" / "docker"
SECRET = replay.SECRETS[0]
ADDRESS = "127.0.0.1"
_UNUSED = (
    "GraphDriver",
    "ResolvConfPath",
    "HostnamePath",
    "HostsPath",
    "LogPath",
    "SandboxKey",
    "JoinTokens",
    "TLSInfo",
)
_INFO = {field.alias for field in wire.Info.model_fields.values()}
_MACHINE = {"Name": "lab", "KernelVersion": "6.1.0-37-amd64", "NCPU": 4, "MemTotal": 8589934592}


async def compose(engine: RealEngine) -> None:
    """A Compose project with a secret, a volume and a network; a container beside it; one that ended badly."""
    net = await engine.network("shop_default")
    await engine.volume("shop_data")
    share = {"type": "cifs", "device": "//nas/shop", "o": f"username=shop,password={SECRET}"}
    await engine.volume("shop_share", DriverOpts=share)
    project = {
        "com.docker.compose.project": "shop",
        "com.docker.compose.project.working_dir": "/srv/shop",
        "com.docker.compose.project.config_files": "/srv/shop/compose.yaml",
        "com.docker.compose.container-number": "1",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.config-hash": "0d4c1f5b8f1f2a07b9d0a7f51f9d3c76be8f5c65c0f4a1dd8e2f2a9e7c2b1a90",
    }
    ends = {"EndpointsConfig": {"shop_default": {"NetworkID": net, "IPAMConfig": {}}}}
    await engine.run(
        "shop-web-1",
        labels={**project, "com.docker.compose.service": "web", "com.example.api-token": SECRET},
        Env=[f"DB_PASSWORD={SECRET}", f"DATABASE_URL=postgres://shop:{SECRET}@db:5432/shop", "LANG=C.UTF-8"],
        ExposedPorts={"80/tcp": {}, "443/tcp": {}},
        Healthcheck={"Test": ["CMD", "true"], "Interval": 10**9},
        NetworkingConfig=ends,
        HostConfig={
            "NetworkMode": "shop_default",
            "RestartPolicy": {"Name": "unless-stopped"},
            "PortBindings": {"80/tcp": [{"HostIp": ADDRESS, "HostPort": "18080"}], "443/tcp": [{"HostPort": ""}]},
            "NanoCpus": 500_000_000,
            "Memory": 67108864,
        },
    )
    await engine.run(
        "shop-db-1",
        labels={**project, "com.docker.compose.service": "db"},
        Cmd=["sh", "-c", f"PGPASSWORD={SECRET} sleep 600", "db", f"--password={SECRET}"],
        NetworkingConfig=ends,
        HostConfig={"NetworkMode": "shop_default", "Binds": ["shop_data:/data", "/etc:/conf:ro"]},
    )
    ended = await engine.run("backup", Cmd=["sh", "-c", "exit 3"], HostConfig={"NetworkMode": "none"})
    await engine.docker.containers.container(ended).wait()
    await engine.create("idle", HostConfig={"NetworkMode": "host", "CapAdd": ["NET_ADMIN"]}, Volumes={"/cache": {}})


async def swarm(engine: RealEngine) -> None:
    """A manager with one service of two replicas."""
    body = {"ListenAddr": f"{ADDRESS}:23777", "AdvertiseAddr": ADDRESS}
    await engine.docker._query_json("swarm/init", method="POST", data=body)
    service = {
        "Name": "web",
        "Labels": {"com.docker.stack.namespace": "site"},
        "Mode": {"Replicated": {"Replicas": 2}},
        "TaskTemplate": {
            "ContainerSpec": {"Image": IMAGE, "Env": [f"API_TOKEN={SECRET}", "MODE=prod"], "StopGracePeriod": 1},
            "Resources": {"Limits": {"MemoryBytes": 33554432}},
            "Placement": {"Constraints": ["node.role==manager"]},
        },
        "EndpointSpec": {"Mode": "dnsrr"},
    }
    await engine.docker._query_json("services/create", method="POST", data=service)
    for _ in range(200):
        tasks = await engine.docker._query_json("tasks")
        if sum(task["Status"]["State"] == "running" for task in tasks) == 2:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("the tasks do not run")


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _clean(one) for name, one in value.items() if name not in _UNUSED}
    if isinstance(value, list):
        return [_clean(one) for one in value]
    return value


def _tidy(line: str, body: Any) -> Any:
    if line == "GET /info":
        swarm_state = {name: body["Swarm"].get(name) for name in ("NodeID", "LocalNodeState", "ControlAvailable")}
        kept = {name: one for name, one in body.items() if name in _INFO}
        return kept | _MACHINE | {"DockerRootDir": "/var/lib/docker", "Swarm": swarm_state, "ID": "LAB1:LAB2:LAB3"}
    if line == "GET /version":
        return {name: body[name] for name in ("Version", "ApiVersion", "MinAPIVersion", "Components")}
    if line == "GET /nodes":
        for node in body:
            node["Description"]["Hostname"] = "lab"
            node["Description"]["Resources"] = {"NanoCPUs": 4 * 10**9, "MemoryBytes": _MACHINE["MemTotal"]}
    return _clean(body)


async def _record(url: str, name: str) -> None:
    exchanges: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="hlr-") as folder:
        path = Path(folder, "docker.sock")
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(url.removeprefix("unix://"))) as session:

            async def forward(request: web.Request) -> web.Response:
                async with session.get(f"http://localhost{request.path_qs}") as answer:
                    body = await answer.json()
                tidied = _tidy(replay.line(request), body)
                exchanges[replay.line(request)] = tidied
                return web.json_response(tidied)

            async with replay.serving(path, forward):
                config = PROVIDER.config(name="case", url=f"unix://{path}")
                async with PROVIDER.connect(config, Deps(source=SourceRef(provider="docker", name="case"))) as agent:
                    found = [one for scope in agent.scopes() for one in await agent.collect(scope)]
    text = json.dumps({line: exchanges[line] for line in sorted(exchanges)}).replace(folder_of(url), "/var/lib/docker")
    case = {
        "config": {"provider": "docker"},
        "http": json.loads(text),
        "expected": [],
    }
    async with replay.connect(case) as agent:
        again = [one for scope in agent.scopes() for one in await agent.collect(scope)]
    assert len(again) == len(found)
    case["expected"] = sorted((one.model_dump(mode="json") for one in again), key=lambda one: one["key"])
    (CASES / name).mkdir(parents=True, exist_ok=True)
    (CASES / name / "case.json").write_text(json.dumps(case, indent=1, ensure_ascii=False) + "\n")


def folder_of(url: str) -> str:
    return f"{url.removeprefix('unix://').removesuffix('/docker.sock')}/data"


async def main() -> None:
    for name, prepare in (("compose_project", compose), ("swarm_manager", swarm)):
        async with docker_engine.spare_engine() as spare, docker_engine.engine(spare.socket) as engine:
            await prepare(engine)
            await _record(spare.url, name)
            if name == "swarm_manager":
                await engine.docker._query_json("swarm/leave", method="POST", params={"force": "1"})


if __name__ == "__main__":
    asyncio.run(main())
