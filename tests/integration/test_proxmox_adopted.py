"""A cluster as it is was adopted: what of its usual life is told as drift, and what is not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any

import pytest

from daemon.api.intents import Intents
from daemon.ingest import apply
from daemon.reconcile.loop import Reconciler
from daemon.store.cursors import Cursor
from daemon.store.database import Database
from schemas import queries as q
from schemas.deviations import Transition
from schemas.resources import Kind
from tests.support import events
from tests.support.proxmox import standard
from tests.support.proxmox_lab import SOURCE, Clock, Lab, lab
from tests.support.store import STREAM_MADE


class Adopted:
    """``cluster`` is the simulated one; ``drift`` what its readings opened."""

    def __init__(self, cluster: Lab, database: Database) -> None:
        self.cluster, self.database = cluster, database
        self.world = cluster.world
        self.reconciler = Reconciler(database, cluster.clock)
        self._numbers = count(1)
        self._told: dict[str, str] = {}

    async def adopt(self) -> None:
        await self.read()
        intents = Intents(self.database, self.cluster.clock, None, self.reconciler)  # type: ignore[arg-type]
        for chosen in (q.AdoptQuery(source="proxmox/lab"), q.AdoptQuery(kind=Kind.BACKUP)):
            assert (await intents.adopt(chosen)).adopted
        assert await self._judged() == []

    async def read(self) -> list[str]:
        """Read all scopes, after what pvestatd tells; return what was opened since, as ``type key path``."""
        self.cluster.cycle(2000)  # facts of nodes are read anew after a quarter of an hour
        await self.cluster.all()
        await self.cluster.all()  # what one scope learns another tells
        for scope in self.cluster.agent.scopes():
            await self._say(scope.name)
        return await self._judged()

    async def _say(self, scope: str) -> None:
        found = list(self.cluster.published[scope].values())
        at = self.cluster.clock.now()
        hashes = events.manifest(found)
        said: list[Any] = [events.removed(key, at) for key in self._removed() & self._told.keys()]
        said += [events.observed(one, at) for one in found if self._told.get(one.key) != hashes[one.key]]
        said += events.scan(found, at, source=SOURCE, scope=scope, interval=86400, gaps=self.cluster.gaps(scope))
        self._told |= hashes
        batch = [events.message(one, next(self._numbers)) for one in said]
        cursor = Cursor("INVENTORY", STREAM_MADE, batch[-1].sequence)
        applied = await self.database.write(partial(apply.apply, batch=batch, cursor=cursor, now=at))
        self.reconciler.mark(applied.keys, applied.sources)

    def _removed(self) -> set[str]:
        hints = self.cluster.hints()
        return {SOURCE.key(kind, native_id) for hint in hints for kind, native_id in hint.removed}

    async def _judged(self) -> list[str]:
        told = []
        while not self.reconciler.is_idle:
            settled = (await self.reconciler.cycle()).settled
            told += [one for what, one in (*settled.transitions, *settled.quietly) if what is Transition.OPENED]
        return [f"{one.type} {one.key.removeprefix('proxmox/lab/')} {one.path}".strip() for one in told]


@asynccontextmanager
async def adopted(tmp_path) -> AsyncIterator[Adopted]:
    clock = Clock()
    world = standard(guests=6, nodes=3, now=clock.seconds)
    world.manage(101)
    world.manage(105)
    world.back_up(103)
    world.snapshot(103, "before")
    world.add_backup_job("nightly", storage="pbs", all=1, comment="each night")
    async with lab(world, clock) as cluster, Database.open(tmp_path / "store.duckdb", clock) as database:
        made = Adopted(cluster, database)
        await made.adopt()
        yield made


@pytest.fixture
async def known(tmp_path):
    async with adopted(tmp_path) as made:
        yield made


def upgraded(world):
    for node in world.nodes.values():
        node.version, node.kernel = "9.3.1", "6.19.1-1-pve"
    world.touch()


UNEVENTFUL = {
    "nothing at all": lambda world: None,
    "an upgrade of the nodes": upgraded,
    "a backup": lambda world: world.back_up(103),
    "a backup elsewhere": lambda world: world.back_up(103, "local"),
    "the first backup of a guest": lambda world: world.back_up(104),
    "a snapshot": lambda world: world.snapshot(104, "evening"),
    "a snapshot that goes": lambda world: world.delete_snapshot(103, "before"),
    "a lock": lambda world: world.set_lock(104, "backup"),
    "a lock of a container": lambda world: world.set_lock(102, "backup"),
    "a guest that is kept available is brought elsewhere": lambda world: world.migrate(101, "pve3"),
    "a container that is kept available is brought elsewhere": lambda world: world.migrate(105, "pve1"),
    "a reboot between two readings": lambda world: (world.stop(103), world.start(103)),
}


async def test_what_a_cluster_does_in_the_course_of_things_is_no_drift(known):
    for what, happens in UNEVENTFUL.items():
        happens(known.world)
        assert (what, await known.read()) == (what, [])


DRIFT = {
    "a guest that somebody moved": (lambda world: world.migrate(103, "pve2"), ["moved vm/103 parent"]),
    "another name": (lambda world: world.rename(103, "nas"), ["changed vm/103 name"]),
    "another name of a container": (lambda world: world.rename(102, "dns"), ["changed container/102 name"]),
    "a tag": (lambda world: world.tag(103, "new"), ["changed vm/103 spec.tags"]),
    "more memory": (lambda world: world.edit(103, memory=4096), ["changed vm/103 spec.memory_mib"]),
    "a larger disk": (lambda world: world.resize(103, "scsi0"), ["changed vm/103 spec.disks.scsi0.size_bytes"]),
    "another disk": (lambda world: world.add_disk(103), ["changed vm/103 spec.disks.scsi1"]),
    "a guest that was stopped": (lambda world: world.stop(103), ["stopped vm/103 status"]),
    "another note": (
        lambda world: world.backup_jobs["nightly"].update(comment="at noon") or world.touch(),
        ["changed schedule/vzdump/nightly spec.comment"],
    ),
    "a guest that is kept available no more": (lambda world: world.unmanage(101), ["changed vm/101 spec.ha"]),
}


async def test_what_somebody_did_is_told_once(known):
    for what, (happens, told) in DRIFT.items():
        happens(known.world)
        assert (what, await known.read()) == (what, told)
