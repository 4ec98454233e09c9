"""The Proxmox agent while what happened cannot be read: the listing does not depend on it."""

import pytest

from agents import errors
from schemas.events import Trouble
from tests.support.proxmox_lab import lab

pytestmark = pytest.mark.asyncio

BREAKAGES = {
    "it fails": lambda faults, path: faults.status(500, path, reason="unable to read the log"),
    "there is none": lambda faults, path: faults.status(501, path, reason="Method not implemented"),
    "a row without an id": lambda faults, path: faults.answer({"data": [{"node": "pve1", "msg": "x"}]}, path),
    "no list": lambda faults, path: faults.answer({"data": None}, path),
    "a gateway fails": lambda faults, path: faults.status(502, path),
}


@pytest.mark.parametrize("how", BREAKAGES)
async def test_where_the_log_cannot_be_read_the_tasks_tell(how):
    async with lab(sweep=0) as one:
        await one.scan()
        BREAKAGES[how](one.sim.faults, "cluster/log")
        one.world.edit(108, description="unseen")
        assert (await one.scan())["container/108"].spec["description"] == "unseen", "another tells: all is read"
        one.world.destroy(104)
        one.world.pvestatd()
        await one.asked()
        one.hints()

        assert "vm/104" not in await one.scan()
        assert [len(hint.removed) for hint in one.hints()] == [1]
        assert "cluster/log" not in await one.asked(), "it is left alone for a while"
        assert one.gaps() == []


@pytest.mark.parametrize("how", [how for how in BREAKAGES if how != "a gateway fails"])
async def test_where_nobody_tells_what_happened_that_is_a_gap_and_nothing_is_missed(how):
    async with lab(sweep=0) as one:
        before = await one.scan()
        for path in ("cluster/log", "cluster/tasks"):
            BREAKAGES[how](one.sim.faults, path)
        one.world.edit(104, memory=8192)
        for _ in range(2):
            found = await one.scan()
            assert found.keys() == before.keys()
            (gap,) = one.gaps()
            assert not gap.hides
            assert gap.trouble in (Trouble.UNREACHABLE, Trouble.MALFORMED)
            assert "what happened cannot be read" in gap.detail
        one.sim.faults.clear()

        assert (await one.scan())["vm/104"].spec["memory_mib"] == 8192
        assert one.gaps() == []


async def test_while_nobody_answers_at_all_the_reading_fails():
    async with lab() as one:
        await one.scan()
        for path in ("cluster/log", "cluster/tasks"):
            one.sim.faults.status(502, path)

        with pytest.raises(errors.Unreachable):
            await one.scan()
