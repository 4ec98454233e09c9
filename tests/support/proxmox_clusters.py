"""Simulated Proxmox clusters that an instance finds in its environment alone, and what it says of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.instance import Instance
from tests.support.proxmox import TOKEN, Simulator, World, standard
from tests.support.proxmox_story import KINDS, STATUS, Entry, Reading, Story, identity, identity_of, key
from tests.support.waiting import until

SCOPE = "resources"
SECRETS = {"prod": "8a6e0804-2bd0-4672-b79d-d97027f9071a", "lab": "c1f6b2f0-5b6e-4f0e-9a55-0d6f3c1f7e42"}
WRONG = "00c0ffee-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Cluster:
    name: str
    sim: Simulator
    story: Story

    @property
    def world(self) -> World:
        return self.story.world

    @property
    def source(self) -> str:
        return f"proxmox/{self.name}"


@contextmanager
def simulated(name: str, **options: Any) -> Iterator[Cluster]:
    """A cluster that answers, with a token secret of its own; its pvestatds tell what its story lets them tell."""
    world = standard(**options)
    world.add_token(TOKEN, SECRETS[name])
    sim = Simulator(world)
    sim.start()
    try:
        yield Cluster(name, sim, Story(name, world))
    finally:
        sim.stop()


def instance(folder: Path, *clusters: Cluster) -> Instance:
    """One that has no configuration but its environment."""
    said = {"PROXMOX_CLUSTERS": ",".join(one.name for one in clusters)}
    for one in clusters:
        trust = {"prod": {"CA": str(one.sim.ca)}, "lab": {"VERIFY": "false"}}[one.name]
        access = {"API_URL": ",".join(one.sim.urls), "TOKEN_ID": TOKEN, "TOKEN_SECRET": SECRETS[one.name]}
        said |= {f"PROXMOX_CLUSTER_{one.name}_{variable}": value for variable, value in (trust | access).items()}
    return Instance(folder, None, environment=said)


async def are_read(lab: Instance, *clusters: Cluster) -> None:
    """Wait until all of them has been read once; they are not asked before they can have been."""
    await until(lambda: all(one.sim.count("/config") >= len(one.world.guests) for one in clusters), seconds=30)
    await until(partial(_are_read, lab, *clusters), seconds=30)


async def _are_read(lab: Instance, *clusters: Cluster) -> bool:
    found = {row["source"]: row for row in (await lab.ask("sources"))["items"] if row["provider"] == "proxmox"}
    rows = [found.get(cluster.name, {"scopes": ()}) for cluster in clusters]
    return all(len(row["scopes"]) == 7 and row["status"] == "ok" for row in rows)


async def refreshed(lab: Instance, cluster: Cluster, scope: str | None = SCOPE) -> dict[str, str]:
    """Read it now, as `homelab sources refresh` does; return what is wrong with it."""
    query = {"source": cluster.source, "scope": scope, "wait_seconds": 8}
    wrong: dict[str, str] = {}

    async def is_read() -> bool:
        wrong.clear()
        wrong.update((await lab.ask("refresh", "intent", role="operator", **query))["failed"])
        return not any("its agent " in why or "not read again" in why for why in wrong.values())

    await until(is_read, seconds=30)
    return wrong


class Stored(NamedTuple):
    presence: str
    native_kind: str
    name: str
    status: str
    native_status: str
    parent: str | None
    labels: frozenset[str]
    cores: float | None
    memory: int | None
    identity: str
    lock: object = None
    pool: object = None
    ha: object = None
    newest_backup_at: object = None


def true(cluster: Cluster) -> dict[str, Stored]:
    """Return what is to be stored of each guest, by key."""
    with cluster.world.lock:
        truth = cluster.world.truth()
        backups = sorted((one.made_at, one.vmid) for one in cluster.world.backups)
        wishes = {int(sid.partition(":")[2]): one.state for sid, one in cluster.world.ha.items()}
    newest = {vmid: made_at for made_at, vmid in backups}
    return {
        key(cluster.name, one): Stored(
            "present", one["type"], one["name"], STATUS[one["status"]], one["status"],
            f"{cluster.source}/node/{one['node']}", frozenset(one["tags"]), one["cores"], one["memory"], identity(one),
            one["lock"], one["pool"], wishes.get(vmid), newest.get(vmid),
        )
        for vmid, one in truth.items()
    }  # fmt: skip


async def rows(lab: Instance, cluster: Cluster, *kinds: str) -> dict[str, dict[str, Any]]:
    """Return what the store has of these kinds, by key, whole."""
    found: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        query = {"provider": "proxmox", "source": cluster.name, "kind": kind, "limit": 1000, "fields": ["*"]}
        answer = await lab.ask("resources", **query)
        assert answer["total"] == len(answer["items"])
        found |= {row["key"]: row for row in answer["items"]}
    return found


async def stored(lab: Instance, cluster: Cluster) -> dict[str, Stored]:
    return {key: _stored(row) for key, row in (await rows(lab, cluster, *KINDS)).items()}


def _stored(row: dict[str, Any]) -> Stored:
    spec, native = row["spec"], row["native"]
    backup = native.get("newest_backup_at")
    return Stored(
        row["presence"], row["native_kind"], row["name"], row["status"], row["native_status"], row["parent"],
        frozenset(row["labels"]), row["cpu_cores"], row["memory_bytes"], identity_of(row["incarnation"]),
        native.get("lock"), spec["pool"], spec["ha"], backup and datetime.fromisoformat(backup).timestamp(),
    )  # fmt: skip


async def log_of(lab: Instance, cluster: Cluster, *, since: datetime) -> tuple[list[Reading], list[Entry]]:
    """Return the readings there were, one of them begun at or after ``since``, and what the log tells of guests."""
    while True:
        readings = await _readings(lab, cluster, since)
        entries = await _entries(lab, cluster)
        if readings == await _readings(lab, cluster, since):  # no other snapshot came between
            return readings, entries


async def _readings(lab: Instance, cluster: Cluster, since: datetime) -> list[Reading]:
    found: list[Reading] = []
    while not found or found[-1].began < since:
        answer = await sql(
            lab, "SELECT observed_at, observed_at + to_microseconds((duration_seconds * 1e6)::BIGINT) FROM scans"
            f" WHERE source = '{cluster.name}' AND scope = '{SCOPE}' AND outcome = 'complete'"
        )  # fmt: skip
        found = sorted(Reading(*map(datetime.fromisoformat, row)) for row in answer)
    return found


async def _entries(lab: Instance, cluster: Cluster) -> list[Entry]:
    found = await sql(
        lab, 'SELECT seq, "at", op, key, name, incarnation, status, presence, changed, cause, labels, parent, spec_hash'
        f" FROM state_log WHERE side = 'actual' AND source = '{cluster.name}' AND kind IN {KINDS} ORDER BY seq"
    )  # fmt: skip
    return [Entry(seq, datetime.fromisoformat(at), *rest) for seq, at, *rest in found]


async def logged(lab: Instance, cluster: Cluster, *, since: datetime) -> list[tuple[str, str]]:
    """Return (key, op) of all that the log tells of what is in a cluster, since then."""
    query = {"provider": "proxmox", "source": cluster.name, "since": since.isoformat(), "side": "actual", "limit": 1000}
    found = (await lab.ask("events", **query))["items"]
    assert len(found) < query["limit"]
    return [(one["key"], one["op"]) for one in sorted(found, key=itemgetter("seq")) if one["kind"] != "source"]


async def sql(lab: Instance, text: str) -> list[list[Any]]:
    """Ask; the snapshot may be some seconds old."""
    answer = await lab.ask("query", "sql", sql=text)
    assert not answer["truncated"]
    return answer["rows"]
