"""A secret of a container is nowhere: not on the bus, in the store, in an answer or in a log."""

import json

import pytest
from mcp import Client

from tests.support import leaks
from tests.support.docker_engine import RealEngine
from tests.support.instance import Instance
from tests.support.waiting import until

SECRETS = ("hunter2-and-a-half", "s3cr3t-in-a-url", "tokenvalue-9f8e7d6c5b4a", "labelled-passphrase")
ENVIRONMENT = [
    f"PASSWORD={SECRETS[0]}",
    f"DATABASE_URL=postgres://app:{SECRETS[1]}@db:5432/app",
    f"GITHUB_TOKEN={SECRETS[2]}",
    "COLOUR=green",
]


@pytest.mark.docker
async def test_the_value_of_a_secret_leaves_the_engine_nowhere(homelab: Instance, real: RealEngine):
    name = real.name("secret")
    key = f"docker/local/container/{name}"
    command = ["sh", "-c", f"exec sleep 600 --password={SECRETS[0]}"]
    await real.run(name, Env=ENVIRONMENT, Cmd=command, labels={"backup.passphrase": SECRETS[3]})

    async def known() -> bool:
        return (await homelab.ask("resources", keys=[key], status="running"))["total"] == 1

    await until(known)
    row = (await homelab.json("show", key))["resource"]
    assert "green" in json.dumps(row), "what is no secret is shown"
    assert "redacted" in json.dumps(row)

    everything = {"an answer": await _answers(homelab, key), **await leaks.kept(homelab)}
    assert name.encode() in everything["the bus"]
    assert name.encode() in everything["homelab.duckdb.wal"] + everything["homelab.duckdb"]
    found = [(where, secret) for where, data in everything.items() for secret in SECRETS if secret.encode() in data]
    assert found == []


async def _answers(lab: Instance, key: str) -> bytes:
    async with Client(lab.run.http.mcp) as client:
        shown = await client.call_tool("get_resource", {"key": key})
    over_mcp = shown.model_dump_json()
    listed = await lab.cli("resources", "--json", "--name", key.rpartition("/")[2])
    logged = await lab.cli("sql", f"select * from state_log where key = '{key}'", "--json")
    detailed = await lab.cli("show", key)
    assert key in over_mcp
    return f"{over_mcp}\n{listed.out}\n{logged.out}\n{detailed.out}".encode()
