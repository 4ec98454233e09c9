"""The Proxmox agent while the cluster changes between two of its questions: what it lists in the end is what counts."""

import asyncio

import orjson
import pytest

from agents.runner import Runner
from agents.voice import Voice
from schemas.events import Removed, ScanClosed, parse_inventory
from schemas.resources import Kind
from tests.support.proxmox.api import Api
from tests.support.proxmox_lab import SOURCE, Lab, lab

pytestmark = pytest.mark.asyncio


def stale(one: Lab, *paths: str) -> None:
    """The next answers to these are those of now, whatever happens until then."""
    for path in paths:
        said = Api(one.world).answer(
            "GET", path, {"max": "50"} if path.endswith("log") else {},
            f"PVEAPIToken={one.sim.token_id}={one.sim.secret}", next(iter(one.world.nodes)),
        )  # fmt: skip
        one.sim.faults.answer(orjson.loads(said.body), path, times=1)


def guests(found):
    return {key for key in found if key.split("/")[0] in ("vm", "container", "template")}


def removed(one: Lab) -> list[tuple[Kind, str]]:
    return sorted(gone for hint in one.hints() for gone in hint.removed)


async def test_what_is_destroyed_while_another_guest_is_looked_for_is_reported_too():
    async with lab(sweep=0) as one:
        await one.scan()
        one.world.edit(101, description="read me")
        stale(one, "cluster/resources", "cluster/log")
        for vmid in (101, 103, 105, 106, 108):
            one.world.destroy(vmid)

        found = await one.scan()

        assert guests(found) == {"template/100", "container/102", "vm/104", "vm/107"}
        assert removed(one) == [
            (Kind.CONTAINER, "105"), (Kind.CONTAINER, "108"), (Kind.VM, "101"), (Kind.VM, "103"), (Kind.VM, "106"),
        ]  # fmt: skip
        await one.scan()
        assert removed(one) == []


async def test_a_guest_that_is_destroyed_after_it_was_listed_anew_is_not_shown_once_more():
    async with lab(sweep=0) as one:
        await one.scan()
        one.world.edit(101, description="read me")
        stale(one, "cluster/resources", "cluster/log")
        one.world.destroy(101)
        one.sim.faults.answer({"data": orjson.loads(_listing(one))["data"]}, "cluster/resources", times=1)
        one.world.destroy(103)

        found = await one.scan()

        assert guests(found) & {"vm/101", "vm/103"} == set()
        assert removed(one) == [(Kind.VM, "101"), (Kind.VM, "103")]


def _listing(one: Lab) -> bytes:
    token = f"PVEAPIToken={one.sim.token_id}={one.sim.secret}"
    return Api(one.world).answer("GET", "cluster/resources", {}, token, "pve1").body


async def test_a_number_that_is_used_again_while_another_guest_is_looked_for_is_another_guest_at_once():
    async with lab(sweep=0) as one:
        before = await one.scan()
        one.world.destroy(103)
        one.world.edit(101, description="read me")
        stale(one, "cluster/resources", "cluster/log")
        one.world.destroy(101)
        fresh = one.world.create("qemu", vmid=103, node="pve3", name="other", running=False)

        found = (await one.scan())["vm/103"]

        assert (found.name, found.parent) == ("other", "proxmox/lab/node/pve3")
        assert found.incarnation == one.world.truth()[103]["uuid"] != before["vm/103"].incarnation
        assert found.native_status == fresh.state


async def test_what_cannot_be_read_is_not_asked_twice_where_a_guest_is_looked_for():
    async with lab(sweep=0) as one:
        await one.scan()
        one.world.edit(101, description="read me")
        one.world.edit(104, description="me too")
        one.sim.faults.status(596, "nodes/*/qemu/104/config")
        stale(one, "cluster/resources", "cluster/log")
        one.world.migrate(101, "pve3")
        await one.asked()

        found = await one.scan()

        assert (found["vm/101"].parent, found["vm/101"].spec["description"]) == ("proxmox/lab/node/pve3", "read me")
        asked = [path for path in await one.asked() if path.endswith("/config")]
        assert sorted(asked) == [
            "nodes/pve2/qemu/101/config", "nodes/pve2/qemu/104/config", "nodes/pve3/qemu/101/config",
        ]  # fmt: skip


async def test_snapshots_that_their_guests_do_not_list_any_more_are_reported():
    async with lab() as one:
        for vmid in (101, 103, 104, 106, 107):
            one.world.snapshot(vmid, "hourly-1")
        await one.all()
        one.hints()
        for vmid in (101, 103, 104, 106, 107):
            one.world.snapshot(vmid, "hourly-2")
            one.world.delete_snapshot(vmid, "hourly-1")
        await one.scan()
        one.hints()

        found = await one.scan("snapshots")

        assert set(found) == {f"snapshot/{vmid}/hourly-2" for vmid in (101, 103, 104, 106, 107)}
        assert removed(one) == [(Kind.SNAPSHOT, f"{vmid}/hourly-1") for vmid in (101, 103, 104, 106, 107)]


async def test_snapshots_of_a_guest_that_was_destroyed_are_reported_and_those_of_one_that_went_without_a_word_are_not():
    async with lab() as one:
        for vmid in (101, 103):
            one.world.snapshot(vmid, "before")
        await one.all()
        one.world.destroy(101)
        one.world.forget(one.world.guests[103])
        one.world.touch()
        await one.scan()
        one.hints()

        assert await one.scan("snapshots") == {}
        assert removed(one) == [(Kind.SNAPSHOT, "101/before")]

        one.world.create("qemu", vmid=101, node="pve1")
        one.world.snapshot(101, "after")
        await one.all()
        one.world.forget(one.world.guests[101])
        one.world.touch()
        await one.scan()
        one.hints()

        assert await one.scan("snapshots") == {}
        assert removed(one) == [], "its number was destroyed once; that says nothing of this one"


async def test_snapshots_of_a_guest_that_cannot_be_asked_are_not_reported():
    async with lab() as one:
        one.world.snapshot(101, "before")
        one.world.snapshot(102, "before")
        before = await one.all()
        for vmid in (101, 102):
            one.world.delete_snapshot(vmid, "before")
        await one.scan()
        one.hints()
        one.sim.faults.status(596, "nodes/*/qemu/101/snapshot")

        found = await one.scan("snapshots")

        assert found == {"snapshot/101/before": before["snapshot/101/before"]}
        assert removed(one) == [(Kind.SNAPSHOT, "102/before")]


async def test_snapshots_are_said_to_be_removed_before_the_reading_without_them_ends():
    said = []

    async def publish(subject, data, *, msg_id, ttl=None):
        said.append(parse_inventory(data))

    async def obey():
        async for hint in one.agent.hints():
            runner.hinted(hint)

    async with lab() as one:
        one.world.snapshot(101, "before")
        runner = Runner(SOURCE, one.agent, Voice(SOURCE, "test", publish, one.clock), one.clock)
        runner._refresh_plans()
        watch = asyncio.create_task(obey())
        for scope in ("resources", "snapshots"):
            await runner.scan(runner.plans[scope])
        one.world.delete_snapshot(101, "before")
        await runner.scan(runner.plans["resources"])
        said.clear()
        await runner.scan(runner.plans["snapshots"])
        watch.cancel()

    assert [event.native_id for event in said if isinstance(event, Removed)] == ["101/before"]
    assert isinstance(said[-1], ScanClosed)
