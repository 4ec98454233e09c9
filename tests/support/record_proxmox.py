"""Make the contract cases of the proxmox provider anew: ``python -m tests.support.record_proxmox``.

What is recorded are answers of the simulator, which is held to the facts and to the official schema.  Look at the
difference before committing it: a changed expectation is a changed behaviour.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from tests.contract.replay import proxmox as replay
from tests.support.proxmox import World, furnish
from tests.support.proxmox.api import Api

CASES = Path(__file__).parents[1] / "contract" / "cases" / "proxmox"
SECRET = replay.SECRETS[0]
NOW = 1_795_176_000
"""2026-11-20, 12:00 UTC"""
TOKEN, TOKEN_SECRET = "monitor@pve!homelabd", "11111111-2222-3333-4444-555555555555"


def cluster() -> World:
    """PVE 9: three nodes, one of them off; a token that may read, but not see backups."""
    world = World(release=9, now=lambda: NOW, seed=9)
    for name in ("pve1", "pve2", "pve3"):
        world.add_node(name)
    furnish(world)
    for who in ("monitor@pve", TOKEN):
        world.disallow(who, "/", "BackupReader")
    world.add_zone("lab", "vlan", bridge="vmbr0")
    world.add_vnet("vnet20", "lab", tag=20)
    quiet: dict[str, Any] = {"quiet": True}
    world.create("qemu", vmid=100, node="pve1", name="debian-13", tags=("template",), running=False, **quiet)
    world.template(100)
    world.clone(100, 101, name="web")
    world.start(101)
    world.tag(101, "web", "front")
    world.create("lxc", vmid=102, node="pve2", name="dns", storage="local-zfs", env=f"DB_PASSWORD={SECRET}", **quiet)
    world.create("qemu", vmid=103, node="pve2", name="router", bridge="vnet20", pool="lab", **quiet)
    world.edit(103, args=f"-object secret,id=x,data=1 -vnc :1,password={SECRET}")
    world.create("qemu", vmid=104, node="pve3", name="old", running=False, **quiet)
    world.snapshot(103, "before")
    world.pause(103)
    world.manage(101, "started")
    world.add_ha_rule("web-stays", resources="vm:101", nodes="pve1:2,pve2", strict=1)
    world.add_backup_job("nightly", schedule="02:00", storage="pbs", all=1)
    world.add_replication(102, "pve1")
    world.pvestatd()
    world.kill("pve3")
    return world


def standalone() -> World:
    """PVE 8, one host by itself; a token that sees backups, too."""
    world = World(release=8, name=None, now=lambda: NOW, seed=8)
    world.add_node("pve")
    furnish(world)
    world.create("qemu", vmid=100, node="pve", name="nas", tags=("storage",), quiet=True)
    world.create("lxc", vmid=101, node="pve", name="media", storage="local-zfs", quiet=True)
    world.edit(101, env=f"API_TOKEN={SECRET}")
    world.snapshot(101, "clean", "as installed")
    world.back_up(100, "pbs")
    world.back_up(101, "local", protected=True)
    world.manage(100, "started")
    world.add_ha_group("all", "pve")
    world.add_backup_job("weekly", schedule="sun 03:00", storage="local", vmid="100,101")
    world.pvestatd()
    return world


NEEDED = {
    "cluster": ["cluster/sdn/zones"],
    "standalone": ["nodes/pve/network", "nodes/pve/disks/list", "nodes/pve/lxc/101/snapshot"],
}
EVERYWHERE = [
    *("access/permissions", "cluster/resources", "cluster/status", "cluster/ha/resources"),
    *("cluster/ha/status/current", "cluster/backup", "cluster/replication"),
]


async def _record(name: str, world: World) -> None:
    exchanges: dict[str, Any] = {}
    api, entry = Api(world), next(iter(world.nodes))

    async def forward(request: web.BaseRequest) -> web.Response:
        path, token = request.path.removeprefix(replay.BASE), f"PVEAPIToken={TOKEN}={TOKEN_SECRET}"
        answer = api.answer("GET", path, dict(request.query), token, entry)
        said = {"data": orjson.loads(answer.body)["data"]} if answer.status == 200 else None
        exchanges[replay.line(request)] = said or {"status": answer.status, "reason": answer.reason}
        return web.Response(body=answer.body, status=answer.status, reason=answer.reason)

    case: dict[str, Any] = {
        "config": {"provider": "proxmox", "token_id": TOKEN, "token_secret": "env:CASE", "region": "attic"},
        "needed": sorted(EVERYWHERE + NEEDED[name.partition("_")[0]]),
    }
    async with replay.serving(forward) as url:
        config = replay._config(case, url)
        async with replay.PROVIDER.connect(config, replay._deps({})) as agent:
            for _ in range(3):
                for scope in agent.scopes():
                    await agent.collect(scope)
    case["http"] = {line: exchanges[line] for line in sorted(exchanges)}
    async with replay.connect(case) as agent:
        found = [one for scope in agent.scopes() for one in await agent.collect(scope)]
    case["expected"] = sorted((one.model_dump(mode="json") for one in found), key=lambda one: one["key"])
    (CASES / name).mkdir(parents=True, exist_ok=True)
    (CASES / name / "case.json").write_text(json.dumps(case, indent=1, ensure_ascii=False) + "\n")


async def main() -> None:
    await _record("cluster_9", cluster())
    await _record("standalone_8", standalone())


if __name__ == "__main__":
    asyncio.run(main())
