"""The machine an agent runs on: the node itself, its disks and file systems, its interfaces, its systemd units."""

import asyncio
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import psutil

from agents.contract import Deps, Hint, Provider, Scope
from agents.host import client, counters, disks, filesystems, interfaces, mapping, samples, systemd, watch
from agents.host.config import HostConfig
from agents.host.files import Root
from daemon.runtime.clock import Clock
from schemas.events import Sample
from schemas.resources import Kind, Resource, SourceRef

_MACHINE = Scope("machine", frozenset({Kind.NODE}))
_DISKS = Scope("disks", frozenset({Kind.DISK, Kind.STORAGE}))
_INTERFACES = Scope("interfaces", frozenset({Kind.INTERFACE}))
_UNITS = Scope("units", frozenset({Kind.UNIT}))


def own_addresses() -> Mapping[str, Sequence[str]]:
    """Return the IP addresses of each interface in the process's own network."""
    families = {socket.AF_INET, socket.AF_INET6}
    return {
        name: [row.address for row in rows if row.family in families] for name, rows in psutil.net_if_addrs().items()
    }


@dataclass(slots=True)
class Host:
    """``systemctl`` is None where systemd cannot be asked; ``_last`` is the reading that rates are taken from."""

    source: SourceRef
    config: HostConfig
    clock: Clock
    root: Root = field(default_factory=Root)
    systemctl: str | None = None
    addresses: Callable[[], Mapping[str, Sequence[str]]] = own_addresses
    _last: counters.Reading | None = field(default=None, init=False)

    def scopes(self) -> Sequence[Scope]:
        has_units = self.systemctl is not None and systemd.is_running(self.root)
        return (_MACHINE, _DISKS, _INTERFACES, _UNITS) if has_units else (_MACHINE, _DISKS, _INTERFACES)

    async def collect(self, scope: Scope) -> Sequence[Resource]:
        if scope.name == _UNITS.name and self.systemctl is not None:
            rows = await systemd.units(self.systemctl, self.config.units_ignore)
            node_key = await asyncio.to_thread(self._node_key)
            return [mapping.unit(self.source, node_key, row) for row in rows]
        return await asyncio.to_thread(self._read, scope.name)

    async def samples(self) -> Sequence[Sample]:
        reading, node_key = await asyncio.to_thread(self._measure)
        before, self._last = self._last, reading
        return samples.samples(self.source, node_key, before, reading, self.clock.now())

    async def hints(self) -> AsyncIterator[Hint]:
        for scope in self.scopes():
            yield Hint(scope.name)
        async for scope_name in watch.changes(self.root.mount_table):
            yield Hint(scope_name)

    def _node_key(self) -> str:
        return self.source.key(Kind.NODE, client.identity(self.root))

    def _read(self, scope: str) -> Sequence[Resource]:
        node_key = self._node_key()
        match scope:
            case _MACHINE.name:
                return [mapping.node(self.source, client.machine(self.root))]
            case _DISKS.name:
                found = disks.disks(self.root)
                mounts = filesystems.mounts(self.root, self.config.filesystems_ignore)
                storages = [mapping.storage(self.source, node_key, row, found) for row in mounts]
                return [*(mapping.disk(self.source, node_key, row) for row in found), *storages]
            case _INTERFACES.name:
                links = interfaces.interfaces(
                    self.root, mapping.addresses(self.addresses()), self.config.interfaces_ignore
                )
                return [mapping.interface(self.source, node_key, row) for row in links]
        raise ValueError(f"the host has no scope {scope!r}")

    def _measure(self) -> tuple[counters.Reading, str]:
        ignored = (self.config.filesystems_ignore, self.config.interfaces_ignore)
        return counters.read(self.root, time.monotonic(), *ignored), self._node_key()


@asynccontextmanager
async def connect(config: HostConfig, deps: Deps) -> AsyncIterator[Host]:
    root = Root() if config.root is None else Root(config.root)
    systemctl = shutil.which("systemctl") if root.is_own else None
    yield Host(source=deps.source, config=config, clock=deps.clock, root=root, systemctl=systemctl)


PROVIDER = Provider(
    name="host",
    config=HostConfig,
    kinds=_MACHINE.kinds | _DISKS.kinds | _INTERFACES.kinds | _UNITS.kinds,
    connect=connect,
    interval=timedelta(seconds=60),
    sample_interval=timedelta(seconds=30),
    discover=lambda: (HostConfig(),),
)
