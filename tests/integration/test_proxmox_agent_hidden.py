"""The Proxmox agent where what belongs to something else is left out with it: what is not shown is not gone."""

import pytest

from schemas.events import Trouble
from schemas.resources import Kind
from tests.support.proxmox_lab import agent_of, lab

pytestmark = pytest.mark.asyncio

JOB = "proxmox/lab/schedule/replication/101-0"


async def test_the_replication_jobs_of_a_guest_that_may_not_be_seen_any_more_are_hidden_with_it():
    async with lab() as one:
        one.world.add_replication(101, "pve1")
        one.world.add_replication(102, "pve3")
        await one.all()
        one.world.allow(one.sim.token_id, "/vms/101", "NoAccess")
        one.cycle()
        held = one.last()

        await one.scan()
        assert (await one.scan("schedules")).keys() == {"schedule/replication/102-0"}
        (gap,) = one.gaps("schedules")
        assert (gap.trouble, gap.keys) == (Trouble.UNAUTHORIZED, (JOB,))
        await one.scan("schedules")
        assert one.gaps("schedules") == [gap]
        async with agent_of(one.sim, one.clock, last=held) as again:
            await again.collect(one.scope("resources"))
            await again.collect(one.scope("schedules"))
            assert list(again.gaps(one.scope("schedules"))) == [gap]
        one.world.disallow(one.sim.token_id, "/vms/101")
        await one.scan()
        assert len(await one.scan("schedules")) == 2
        assert one.gaps("schedules") == []


async def test_a_replication_job_that_was_removed_is_gone():
    async with lab() as one:
        one.world.add_replication(101, "pve1")
        await one.all()
        one.world.replications.clear()

        assert await one.scan("schedules") == {}
        assert one.gaps("schedules") == []


@pytest.mark.parametrize("how", ["hidden", "disabled"])
async def test_a_storage_that_is_not_listed_takes_nobodys_newest_backup_away(how):
    async with lab() as one:
        one.world.back_up(101, "local")
        one.cycle()
        one.world.back_up(101, "pbs")
        one.world.back_up(102, "pbs")
        before = {key: row for key, row in (await one.all()).items() if row.kind is Kind.BACKUP}
        told = (await one.scan())["container/102"].native["newest_backup_at"]
        held = one.last()
        if how == "hidden":
            one.world.allow(one.sim.token_id, "/storage/pbs", "NoAccess")
        else:
            one.world.storages["pbs"].enabled = False
        one.cycle(61)
        await one.scan()

        assert await one.scan("backups") == before
        (gap,) = one.gaps("backups")
        assert (gap.kinds, gap.parent) == ((Kind.BACKUP,), "proxmox/lab/storage/pbs")
        assert gap.optional is (how == "disabled")
        assert ("it is disabled" in gap.detail) is (how == "disabled")
        assert (await one.scan())["container/102"].native["newest_backup_at"] == told
        async with agent_of(one.sim, one.clock, last=held) as again:
            await again.collect(one.scope("resources"))
            found = {row.key.removeprefix("proxmox/lab/"): row for row in await again.collect(one.scope("backups"))}
        assert found == before


async def test_a_storage_that_was_removed_has_no_backups_any_more():
    async with lab() as one:
        one.world.back_up(102, "pbs")
        await one.all()
        one.world.remove_storage("pbs")
        one.cycle(61)
        await one.scan()

        assert await one.scan("backups") == {}
        assert one.gaps("backups") == []
        assert (await one.scan())["container/102"].native["newest_backup_at"] is None


@pytest.mark.parametrize(
    ("key", "path", "status", "reason"),
    [
        ("vm/101", "nodes/pve2/qemu/101/config", 596, "Connection timed out"),
        ("vm/101", "nodes/pve2/qemu/101/config", 500, "got timeout"),
        ("storage/pbs", "nodes/*/storage/pbs/status", 596, "Connection timed out"),
        ("pool/lab", "pools", 501, "Method 'GET /pools' not implemented"),
    ],
)
async def test_what_is_not_listed_and_cannot_be_asked_for_is_not_known_to_be_gone(key, path, status, reason):
    async with lab() as one:
        await one.all()
        if key == "vm/101":
            one.world.forget(one.world.guests[101])
            one.world.touch()
        elif key == "storage/pbs":
            one.world.remove_storage("pbs")
        else:
            one.world.remove_pool("lab")
        one.sim.faults.status(status, path, reason=reason)
        for _ in range(2):
            one.cycle()
            await one.scan()
            (gap,) = [gap for gap in one.gaps() if gap.hides]
            assert (gap.trouble, gap.keys) == (Trouble.UNREACHABLE, (f"proxmox/lab/{key}",))
            assert [hint for hint in one.hints() if hint.removed] == []
        one.sim.faults.clear()

        assert key not in await one.scan()
        assert one.gaps() == []


async def test_while_a_storage_was_never_read_nobody_is_said_to_have_no_backup():
    async with lab() as one:
        one.world.back_up(101, "local")
        one.world.back_up(102, "pbs")
        broken = one.sim.faults.status(500, "nodes/*/storage/pbs/content", reason="storage 'pbs' is not online")
        await one.all()

        found = await one.scan()
        assert [key for key in ("vm/101", "container/102") if "newest_backup_at" in found[key].native] == []
        one.sim.faults.remove(broken)
        await one.scan("backups")
        found = await one.scan()
        assert found["container/102"].native["newest_backup_at"] is not None
        assert found["vm/104"].native["newest_backup_at"] is None
