"""The Proxmox agent in the real loop: what went wrong is told once, and over as soon as it is over, in every scope.

Only ``resources`` is read all the time here: the others have their own intervals of minutes and hours, so whatever
they tell after the first reading they were hurried to.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from agents.proxmox import PROVIDER
from agents.runner import Cadence, Runner
from agents.voice import Voice
from schemas.events import ScanClosed, ScanFailed, Trouble, parse_inventory
from schemas.resources import Health, Kind, Status
from tests.support.proxmox import standard
from tests.support.proxmox_lab import SOURCE, Lab, lab
from tests.support.waiting import until

INTERVAL = timedelta(milliseconds=100)
SOON = 10.0
"""Seconds: many intervals on a busy machine, and few of what the slow scopes would wait by themselves."""
ALL = {"cluster", "resources", "snapshots", "networks", "schedules", "disks", "backups"}
OF_RESOURCES = {"access/permissions", "cluster/resources"}


@dataclass
class Watched:
    one: Lab
    runner: Runner
    last: dict[str, ScanClosed | ScanFailed] = field(default_factory=dict)
    """Scope -> how its last reading ended."""
    ended: Counter[str] = field(default_factory=Counter)

    async def publish(self, subject: str, data: bytes, **_: object) -> None:
        event = parse_inventory(data)
        if isinstance(event, ScanClosed | ScanFailed):
            self.last[event.scope] = event
            self.ended[event.scope] += 1

    def failed(self) -> set[str]:
        return {scope for scope, event in self.last.items() if isinstance(event, ScanFailed)}

    def details(self, scope: str) -> list[str]:
        event = self.last[scope]
        return [event.detail] if isinstance(event, ScanFailed) else [gap.detail for gap in event.gaps]

    def is_whole(self) -> bool:
        return self.last.keys() == ALL and not any(self.details(scope) for scope in ALL)

    async def all_read(self) -> None:
        """Ask for every scope, and wait until each has been tried."""
        before = self.ended.copy()
        self.runner.due()
        await until(lambda: all(self.ended[scope] > before[scope] for scope in ALL))

    async def soon(self, condition: Callable[[], bool]) -> None:
        await until(condition, seconds=SOON)

    async def readings(self, count: int = 2) -> None:
        before = self.ended["resources"]
        await until(lambda: self.ended["resources"] >= before + count)


@asynccontextmanager
async def watched(one: Lab) -> AsyncIterator[Watched]:
    cadence = Cadence(interval=INTERVAL, deadline=timedelta(seconds=20), slowest=PROVIDER.slowest, jitter=0.0)
    found = Watched(one, Runner(SOURCE, one.agent, Voice(SOURCE, "test", _nowhere, one.clock), one.clock, cadence))
    found.runner.voice = Voice(SOURCE, "test", found.publish, one.clock)

    async def obey() -> None:
        async for hint in one.agent.hints():
            found.runner.hinted(hint)

    tasks = [asyncio.create_task(found.runner.run()), asyncio.create_task(obey())]
    try:
        await until(found.is_whole)
        yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _nowhere(subject: str, data: bytes, **_: object) -> None:
    raise AssertionError(subject)


# --- nothing can be asked --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("break_it", "trouble"),
    [
        (lambda faults: faults.status(401), Trouble.UNAUTHORIZED),
        (lambda faults: faults.refuse(), Trouble.UNREACHABLE),
        (lambda faults: faults.hang(), Trouble.UNREACHABLE),
        (lambda faults: faults.reset(), Trouble.UNREACHABLE),
        (lambda faults: faults.status(595), Trouble.UNREACHABLE),
        (lambda faults: faults.status(503, retry_after=0), Trouble.THROTTLED),
    ],
    ids=["revoked", "refused", "hung", "reset", "595", "throttled"],
)
async def test_while_nothing_can_be_asked_one_scope_asks_and_all_are_back_with_it(break_it, trouble):
    async with lab(timeout="0.5s") as one, watched(one) as loop:
        with capture_logs() as logs:
            break_it(one.sim.faults)
            await loop.soon(lambda: "resources" in loop.failed())
            one.sim.requests.clear()
            await loop.all_read()
            await loop.readings()
            asked = {request.path for request in one.sim.requests}
            assert loop.failed() == ALL
            assert {event.trouble for event in loop.last.values()} == {trouble}
            assert len({loop.details(scope)[0] for scope in ALL}) == 1
            one.sim.faults.clear()
            await loop.soon(loop.is_whole)

        assert asked <= OF_RESOURCES
        told = [line["event"] for line in logs if line["event"].startswith("source_")]
        assert told == ["source_lost", "source_recovered"]


@pytest.mark.parametrize(
    "break_it",
    [
        lambda faults: faults.truncate(),
        lambda faults: faults.answer({"data": None}),
        lambda faults: faults.status(500),
    ],
    ids=["truncated", "null", "500"],
)
async def test_scopes_that_were_lost_for_different_texts_are_back_together(break_it):
    async with lab() as one, watched(one) as loop:
        break_it(one.sim.faults)
        await loop.soon(lambda: "resources" in loop.failed())
        await loop.all_read()
        assert len(loop.failed()) >= 4
        one.sim.faults.clear()

        await loop.soon(loop.is_whole)


async def test_nothing_is_asked_for_old_samples_while_nothing_can_be_asked():
    async with lab() as one, watched(one) as loop:
        one.cycle(600)
        await loop.readings()
        one.sim.faults.status(401)
        await loop.soon(lambda: "resources" in loop.failed())
        one.sim.requests.clear()

        await one.agent.samples()

        assert one.sim.count("rrddata") == 0
        one.sim.faults.clear()
        await loop.soon(loop.is_whole)
        await one.agent.samples()
        assert one.sim.count("rrddata") > 0


# --- one scope, or a part of it --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("cluster", "cluster/status", 403),
        ("cluster", "cluster/ha/status/current", 500),
        ("networks", "cluster/sdn/zones", 403),
        ("networks", "nodes/pve2/network", 596),
        ("schedules", "cluster/backup", 403),
        ("disks", "nodes/*/disks/list", 500),
        ("disks", "nodes/pve2/disks/list", 403),
        ("backups", "nodes/*/storage/pbs/content", 596),
        ("backups", "nodes/*/content", 500),
        ("snapshots", "nodes/*/snapshot", 596),
    ],
)
async def test_what_one_scope_could_not_read_it_reads_as_soon_as_it_can_be(scope, path, status):
    async with lab() as one:
        one.world.snapshot(101, "before")
        one.world.snapshot(103, "before")
        one.world.back_up(101)
        async with watched(one) as loop:
            fault = one.sim.faults.status(status, path)
            one.agent._memory.snapshotted |= {101, 103}
            loop.runner.due(scope)
            await loop.soon(lambda: bool(loop.details(scope)))
            count = loop.last[scope].count if isinstance(loop.last[scope], ScanClosed) else 0
            await loop.readings()
            assert [other for other in ALL if loop.details(other)] == [scope]
            fault.clear()

            await loop.soon(loop.is_whole)

            assert loop.last[scope].count >= count


async def test_what_could_be_read_is_not_asked_for_again_with_what_could_not():
    async with lab() as one, watched(one) as loop:
        one.sim.faults.status(500, "nodes/pve2/disks/list")
        one.sim.faults.status(500, "nodes/*/storage/pbs/content")
        for scope in ("disks", "backups"):
            loop.runner.due(scope)
        await loop.soon(lambda: bool(loop.details("disks") and loop.details("backups")))
        listed = loop.last["disks"].count
        one.sim.requests.clear()
        before = loop.ended["disks"], loop.ended["backups"]
        await loop.soon(lambda: loop.ended["disks"] > before[0] + 2 and loop.ended["backups"] > before[1] + 2)

        asked = {request.path for request in one.sim.requests if request.path.endswith(("disks/list", "content"))}
        assert {path.partition("/storage/")[2] for path in asked} == {"", "pbs/content"}
        assert {path for path in asked if "disks" in path} == {"nodes/pve2/disks/list"}
        assert loop.last["disks"].count == listed
        one.sim.faults.clear()
        await loop.soon(loop.is_whole)
        assert loop.last["disks"].count > listed


async def asked_by(one, scope):
    """Return what a reading of ``scope`` asks for."""
    await one.asked()
    known, before = len(one.sim.requests), one.agent._memory.api.requests
    await one.scan(scope)
    await until(lambda: len(one.sim.requests) - known >= one.agent._memory.api.requests - before)
    return [request.path for request in one.sim.requests[known:]]


async def hinted(one, scope):
    """Say whether the next reading of ``resources`` hurries ``scope``."""
    one.hints()
    await one.scan()
    return scope in [hint.scope for hint in one.hints()]


async def test_what_is_old_is_asked_for_with_what_is_lacking():
    async with lab() as one:
        await one.all()
        one.sim.faults.status(500, "nodes/pve2/disks/list")
        await one.scan("disks")
        for seconds, asked in ((60, {"pve2"}), (600, {"pve1", "pve2", "pve3"})):
            one.cycle(seconds)
            await until(lambda: hinted(one, "disks"))
            assert {path.split("/")[1] for path in await asked_by(one, "disks")} == asked


async def test_a_backup_that_was_made_meanwhile_is_found_with_what_was_lacking():
    async with lab() as one:
        await one.all()
        one.sim.faults.status(500, "nodes/*/storage/pbs/content")
        await one.scan("backups")
        await until(lambda: hinted(one, "backups"))
        one.world.back_up(101, "local")
        one.cycle()
        await one.scan()

        assert "backup/101" in await one.scan("backups")

        await until(lambda: hinted(one, "backups"))
        assert {path.split("/")[3] for path in await asked_by(one, "backups") if path.endswith("content")} == {"pbs"}


@pytest.mark.parametrize(
    ("scope", "path", "whole"), [("disks", "nodes/pve2/disks/list", 3), ("backups", "nodes/*/pbs/content", 4)]
)
async def test_a_person_who_asks_for_a_scope_gets_all_of_it(scope, path, whole):
    async with lab() as one:
        await one.all()
        one.sim.faults.status(500, path)
        await one.scan(scope)
        await until(lambda: hinted(one, scope))
        await one.scan(scope)

        assert len([asked for asked in await asked_by(one, scope) if asked.startswith("nodes/")]) == whole


# --- nodes, storages, rights -----------------------------------------------------------------------------------------


async def test_what_is_told_of_a_node_that_goes_and_comes_back_is_true_at_once():
    async with lab(nodes=("pve1",)) as one, watched(one) as loop:
        one.world.kill("pve2")
        one.cycle()
        await loop.soon(
            lambda: all(any("pve2 is offline" in told for told in loop.details(of)) for of in ("networks", "disks"))
        )
        one.world.revive("pve2")
        one.cycle()

        await loop.soon(loop.is_whole)


async def test_a_node_that_joins_is_read_at_once():
    async with lab() as one, watched(one) as loop:
        before = loop.last["disks"].count, loop.last["networks"].count
        one.world.add_node("pve4")
        one.cycle()

        await loop.soon(lambda: loop.last["disks"].count > before[0] and loop.last["networks"].count > before[1])


async def test_a_node_that_passes_nothing_on_is_waited_for_by_one_scope():
    async with lab() as one:
        one.world.snapshot(101, "before")
        async with watched(one) as loop:
            memory = one.agent._memory
            one.sim.faults.status(596, "nodes/pve2/*")
            one.world.edit(101, tags="asked")
            await loop.soon(lambda: any("pve2" in told for told in loop.details("resources")))
            memory.facts.expire()
            memory.snapshotted.add(101)
            await loop.all_read()
            told = {scope: [text for text in loop.details(scope) if "pve2" in text] for scope in ALL}
            assert {scope for scope, texts in told.items() if texts} == ALL - {"schedules"}
            await loop.readings()
            one.sim.requests.clear()
            await loop.readings(5)

            asked = {request.path for request in one.sim.requests if request.path.startswith("nodes/pve2/")}
            assert {path.rpartition("/")[2] for path in asked} == {"config"}
            one.sim.faults.clear()
            await loop.soon(loop.is_whole)


async def test_a_storage_that_can_be_read_again_is_at_once():
    async with lab() as one:
        one.world.back_up(101, "pbs")
        async with watched(one) as loop:
            one.world.break_storage("pbs")
            one.cycle(301)
            one.cycle()
            await loop.soon(lambda: any("pbs" in told for told in loop.details("backups")))
            one.world.mend_storage("pbs")
            one.cycle()

            await loop.soon(loop.is_whole)


@pytest.mark.parametrize(
    "lacking", ["VM.Audit", "Sys.Audit", "Datastore.Audit", "SDN.Audit", "Pool.Audit", "Datastore.AllocateSpace"]
)
async def test_what_is_missing_for_want_of_a_right_is_told_and_over_with_it(lacking):
    privileges = {
        *("VM.Audit", "Sys.Audit", "Datastore.Audit", "SDN.Audit", "Pool.Audit", "Sys.Syslog"),
        *("Datastore.AllocateSpace", "VM.Backup"),
    }
    async with lab() as one:
        one.world.snapshot(101, "before")
        one.world.back_up(101)
        one.world.add_role("Reduced", *(privileges - {lacking}))
        async with watched(one) as loop:
            before = {scope: event.count for scope, event in loop.last.items()}
            grant(one, "Reduced")
            one.cycle(301 if lacking in ("SDN.Audit", "Datastore.AllocateSpace") else 10)  # of these no row tells
            await loop.soon(lambda: any(lacking in told for scope in ALL for told in loop.details(scope)))
            words = lacking, "hidden", "pveum acl modify"
            await loop.soon(
                lambda: all(any(word in told for word in words) for scope in ALL for told in loop.details(scope))
            )
            grant(one, "PVEAuditor", "Syslog", "BackupReader")
            one.cycle(10 if lacking != "Datastore.AllocateSpace" else 301)  # one that is optional is not waited for

            await loop.soon(loop.is_whole)

            assert {scope: event.count for scope, event in loop.last.items()} == before


@pytest.mark.parametrize(
    ("scope", "lacking", "kind"),
    [
        ("networks", "SDN.Audit", Kind.NETWORK),
        ("backups", "VM.Backup", Kind.BACKUP),
        ("schedules", "VM.Audit", Kind.SCHEDULE),
    ],
)
async def test_a_scope_whose_rows_are_left_out_without_a_word_looks_its_rights_up(scope, lacking, kind):
    async with lab() as one:
        one.world.back_up(101)
        one.world.add_replication(101, "pve1")
        before = await one.all()
        assert {key for key, row in before.items() if row.scope == scope}
        privileges = {"VM.Audit", "Sys.Audit", "SDN.Audit", "Datastore.AllocateSpace", "VM.Backup", "Sys.Syslog"}
        one.world.add_role("Reduced", *(privileges - {lacking}))
        grant(one, "Reduced")

        await one.scan(scope)

        assert kind in {kind for gap in one.gaps(scope) if gap.privilege == lacking for kind in gap.kinds}


async def test_what_is_read_every_quarter_of_an_hour_is_read_when_the_rights_are_other_ones():
    async with lab() as one:
        await one.all()
        one.world.add_role("Updates", "Sys.Modify")
        one.world.allow(one.sim.token_id, "/", "Updates")
        one.world.allow(one.sim.token_id.partition("!")[0], "/", "Updates")
        one.cycle(301)
        assert await hinted(one, "cluster")

        assert "nodes/pve1/apt/update" in await asked_by(one, "cluster")


async def test_the_sweep_goes_on_while_a_right_is_missing():
    async with lab() as one:
        one.world.add_role("Reduced", "VM.Audit", "Sys.Audit", "Datastore.Audit", "Pool.Audit")
        grant(one, "Reduced")
        await one.all()
        one.world.edit(102, description="found")
        for _ in range(12):
            found = await one.scan()

        assert found["container/102"].spec["description"] == "found"
        assert {gap.privilege for gap in one.gaps("networks")} == {"SDN.Audit"}


async def test_a_storage_that_is_hidden_is_told_as_that_of_its_backups():
    async with lab() as one:
        one.world.back_up(101, "pbs")
        await one.all()
        one.world.allow(one.sim.token_id, "/storage/pbs", "NoAccess")
        one.cycle()
        assert await hinted(one, "backups")
        await one.scan("backups")

        (gap,) = [gap for gap in one.gaps("backups") if gap.parent == "proxmox/lab/storage/pbs"]
        assert (gap.trouble, gap.kinds) == (Trouble.UNAUTHORIZED, (Kind.BACKUP,))
        assert "the storage is hidden" in gap.detail


def grant(one, *roles):
    one.world.disallow(one.sim.token_id, "/")
    for role in roles:
        one.world.allow(one.sim.token_id, "/", role)


async def test_rights_that_are_taken_are_noticed_before_anything_is_said_of_what_they_hide():
    async with lab() as one:
        before = await one.scan()
        one.world.add_role("Blind", "VM.Audit", "Datastore.Audit", "SDN.Audit", "Sys.Syslog")
        grant(one, "Blind")
        for _ in range(2):
            one.cycle()
            found = await one.scan()

            assert found["vm/103"] is before["vm/103"], "its pool is not to be seen any more, which is none of its own"
            assert found["node/pve1"].health is Health.UNKNOWN
            assert found["node/pve1"].size == before["node/pve1"].size


# --- a node whose pvestatd hangs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("tells", [True, False])
async def test_what_qemu_says_of_a_guest_is_not_overruled_by_a_list_that_knows_less(tells):
    words = {101: "paused", 104: "internal-error", 107: "suspended"}
    async with lab() as one:
        for vmid, word in words.items():
            one.world.guests[vmid].state = word
        one.world.touch()
        one.cycle()
        before = {vmid: (await one.scan())[f"vm/{vmid}"] for vmid in words}
        assert {vmid: found.native_status for vmid, found in before.items()} == words
        one.world.hang_pvestatd("pve2")
        if not tells:
            rows = [{"vmid": vmid, "status": "running"} for vmid in words]
            one.sim.faults.answer({"data": rows}, "nodes/pve2/qemu")
        for seconds in (60, 10, 600, 10):
            one.cycle(seconds)
            found = await one.scan()
            assert {vmid: found[f"vm/{vmid}"] for vmid in words} == before


async def test_what_changes_while_pvestatd_hangs_is_what_qemu_says():
    async with lab() as one:
        one.world.pause(107)
        one.cycle()
        await one.scan()
        one.world.hang_pvestatd("pve2")
        one.cycle(60)
        await one.scan()
        one.world.resume(107)
        one.world.pause(101)
        one.cycle()

        found = await one.scan()

        assert (found["vm/107"].status, found["vm/101"].status) == (Status.RUNNING, Status.PAUSED)


async def test_a_node_that_cannot_be_asked_in_full_says_less():
    async with lab() as one:
        await one.scan()
        one.world.hang_pvestatd("pve2")
        one.world.power_off(101)
        one.sim.faults.status(596, "nodes/pve2/qemu", times=1)
        one.cycle(60)

        found = await one.scan()

        assert (found["vm/101"].status, found["node/pve2"].status) == (Status.STOPPED, Status.RUNNING)


# --- the same gap has the same text ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "break_it",
    [
        lambda faults: faults.status(500, "nodes/*/config", reason="got timeout"),
        lambda faults: faults.status(595, "nodes/pve2/*"),
        lambda faults: faults.html("nodes/pve2/*"),
    ],
    ids=["500", "595", "html"],
)
async def test_a_fault_that_lasts_is_told_once_whichever_guests_and_nodes_are_asked(break_it):
    async with lab() as one:
        one.world.snapshot(101, "before")
        one.world.snapshot(103, "before")
        async with watched(one) as loop:
            break_it(one.sim.faults)
            one.agent._memory.snapshotted |= {101, 103, 104}
            for vmid in range(101, 109):
                one.world.edit(vmid, tags="other")
            await loop.all_read()
            await loop.readings(2)
            with capture_logs() as logs:
                for vmid in (106, 103):
                    one.world.edit(vmid, description="more")
                    await loop.readings(2)
                one.agent._memory.snapshotted.add(107)
                await loop.all_read()

            assert [line for line in logs if line["event"].startswith("gap_")] == []
            told = {text for scope in ALL for text in loop.details(scope)}
            assert any("guests on pve2" in text for text in told)
            assert not [text for text in told if "/config" in text or "/snapshot" in text]
            one.sim.faults.clear()
            await loop.soon(loop.is_whole)


async def test_one_broken_configuration_is_named():
    async with lab(sweep=0) as one:
        await one.scan()
        one.sim.faults.status(500, "nodes/pve2/qemu/104/config", reason="unable to parse value of 'net0'")
        one.world.edit(104, tags="other")

        await one.scan()

        assert [gap.detail for gap in one.gaps()] == [
            "the configuration of qemu/104 is shown as last known: 500: unable to parse value of 'net0'"
        ]


async def test_broken_configurations_do_not_keep_others_of_their_node_from_being_read():
    world = standard(guests=40, nodes=1)
    machines = [vmid for vmid, guest in world.guests.items() if guest.type == "qemu"]
    broken, whole = machines[:10], machines[10:]
    async with lab(world, sweep=0) as one:
        await one.scan()
        for vmid in broken:
            one.sim.faults.status(500, f"nodes/*/{vmid}/config", reason="unable to parse value of 'net0'")
        for vmid in machines:
            one.world.edit(vmid, description="other")
        await one.scan()

        found = await one.scan()

        assert {found[f"vm/{vmid}"].spec["description"] for vmid in whole} == {"other"}
        assert "guests on pve1" in one.gaps()[0].detail
