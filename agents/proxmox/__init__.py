"""Proxmox VE clusters: nodes, guests, storages, networks, disks, backups, jobs, and what high availability is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from agents.contract import Deps, Provider
from agents.proxmox.agent import SCOPES, ProxmoxAgent
from agents.proxmox.client import Api
from agents.proxmox.config import ProxmoxConfig
from agents.proxmox.environment import discover
from schemas.resources import Kind


@asynccontextmanager
async def connect(config: ProxmoxConfig, deps: Deps) -> AsyncIterator[ProxmoxAgent]:
    """The first question connects; entering does nothing that can fail."""
    api = Api(config, lambda: deps.secret(config.token_secret), deps.clock)
    try:
        agent = ProxmoxAgent(config, api, deps)
        async with agent.listening():
            yield agent
    finally:
        await api.close()


PROVIDER = Provider(
    name="proxmox",
    config=ProxmoxConfig,
    kinds=frozenset().union(*(scope.kinds for scope in SCOPES)),
    connect=connect,
    interval=timedelta(seconds=10),
    deadline=timedelta(seconds=120),
    sample_interval=timedelta(seconds=60),
    slowest=timedelta(0),  # one scope asks for all: see ``recovery``
    remembers=frozenset(
        {Kind.NODE, Kind.VM, Kind.CONTAINER, Kind.TEMPLATE, Kind.STORAGE, Kind.POOL, Kind.BACKUP, Kind.NETWORK}
    ),
    discover=discover,
)
