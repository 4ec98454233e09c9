"""A hole in the samples is filled with what the nodes kept: the newest hole, a part at a time, nothing else."""

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from agents.errors import Malformed, Unreachable
from agents.proxmox import rrd, wire
from agents.proxmox.rrd import Backfill
from agents.proxmox.troubles import Denied
from schemas.resources import SourceRef
from tests.support.events import NOON, after
from tests.unit.test_proxmox_usage import container, guest, node, storage

LAB = SourceRef(provider="proxmox", name="lab")
EPOCH_NOON = int(NOON.timestamp())
HOUR, DAY = 3600, 86_400
FIGURES = {
    "cpu": 0.25, "maxcpu": 4, "mem": 1000.0, "maxmem": 4000, "disk": 50.0, "netin": 10.0, "netout": 20.0,
    "diskread": 30.0, "diskwrite": 40.0, "memused": 7.0, "rootused": 8.0, "used": 30.0, "total": 120.0, "loadavg": 1,
}  # fmt: skip


class Nodes:
    """Answers for each path with rows of a step, the last one at ``last`` (seconds after noon); keeps count."""

    def __init__(self, *, step=60, last=0, count=60):
        self.figures = dict(FIGURES)
        self.rows_of = {}
        self.failing = {}
        self.asked = []
        self.at_once = self.most_at_once = 0
        self.moments = [last - step * back for back in reversed(range(count))]
        self.hangs = False

    async def rows(self, path, model, /, **query):
        self.asked.append((path, query["timeframe"], query["cf"]))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await (asyncio.Event().wait() if self.hangs else asyncio.sleep(0))
        finally:
            self.at_once -= 1
        if path in self.failing:
            raise self.failing[path]
        raw = [{"time": EPOCH_NOON + moment, **self.figures} for moment in self.moments]
        return [model.model_validate(row) for row in self.rows_of.get(path, raw)]

    @property
    def paths(self):
        return [path for path, _, _ in self.asked]


def rows(*more):
    return wire.resources([node(), *more])


def backfill(nodes, sampled_at=None):
    return Backfill(nodes, LAB, sampled_at)


async def filled(found):
    """All of a hole, call after call."""
    samples = []
    while part := await found.samples():
        samples += part
    return samples


def by_key(samples):
    return {one.key.removeprefix("proxmox/lab/"): one for one in samples}


def times(samples, key="vm/100", metric="cpu_ratio"):
    return [(one.at - NOON).total_seconds() for one in samples if one.key.endswith(key) and one.metric == metric]


def values(samples, key, at):
    return {one.metric: one.value for one in samples if one.key.endswith(key) and one.at == after(at)}


async def test_what_was_missed_while_nobody_measured_is_filled_in_with_the_meaning_of_the_samples_of_now():
    nodes = Nodes()
    found = backfill(nodes, after(-600))

    found.saw(rows(guest(), container(), storage(), storage("nas", shared=1)), NOON)
    samples = await filled(found)

    assert values(samples, "vm/100", -60) == {
        "cpu_ratio": 0.25, "memory_used_bytes": 1000, "network_receive_bytes_per_second": 10,
        "network_transmit_bytes_per_second": 20, "disk_read_bytes_per_second": 30, "disk_write_bytes_per_second": 40,
    }  # fmt: skip
    assert values(samples, "container/200", -60)["cpu_ratio"] == 1.0
    assert values(samples, "container/200", -60)["disk_used_bytes"] == 50
    assert values(samples, "node/pve1", -60) == {"cpu_ratio": 0.25, "memory_used_bytes": 7, "disk_used_bytes": 8}
    for key in ("storage/pve1/local", "storage/nas"):
        assert values(samples, key, -60) == {"used_bytes": 30, "used_ratio": 0.25, "total_bytes": 120}
    assert set(nodes.asked) == {
        (path, "hour", "AVERAGE")
        for path in (
            "nodes/pve1/rrddata", "nodes/pve1/storage/local/rrddata", "nodes/pve1/storage/nas/rrddata",
            "nodes/pve1/qemu/100/rrddata", "nodes/pve1/lxc/200/rrddata",
        )
    }  # fmt: skip


async def test_only_what_lies_wholly_in_the_hole_is_filled_in():
    """A row's time is the end of the minute that it stands for."""
    found = backfill(Nodes(last=60), after(-270))

    found.saw(rows(guest()), after(30))

    assert times(await filled(found)) == [-180, -120, -60, 0]


async def test_there_is_nothing_to_fill_in_where_nothing_is_missing():
    nodes = Nodes()
    new, old = backfill(nodes), backfill(nodes, after(-170))

    for found in (new, old):
        for seconds in (0, 10, 20, 190):
            found.saw(rows(guest()), after(seconds))
            assert await found.samples() == []
    assert nodes.asked == []


async def test_a_source_that_could_not_be_reached_for_a_while_leaves_a_hole_too():
    nodes = Nodes(last=600)
    found = backfill(nodes)

    found.saw(rows(guest()), NOON)
    found.saw(rows(guest()), after(300))

    assert times(await filled(found)) == [60, 120, 180, 240]
    assert await found.samples() == []


async def test_only_the_newest_hole_is_filled():
    nodes = Nodes(last=600)
    found = backfill(nodes, after(-3000))
    found.saw(rows(guest()), NOON)

    found.saw(rows(guest(101)), after(300))
    samples = await filled(found)

    assert times(samples, "vm/101") == [60, 120, 180, 240]
    assert not times(samples)


async def test_a_newer_hole_that_is_found_while_the_last_of_an_older_one_is_read_is_not_forgotten():
    nodes = Nodes(last=600)
    found = backfill(nodes, after(-600))
    found.saw(rows(), NOON)

    async with asyncio.TaskGroup() as group:
        group.create_task(found.samples())
        await asyncio.sleep(0)
        found.saw(rows(guest()), after(300))

    assert times(await filled(found)) == [60, 120, 180, 240]


async def test_a_hole_of_hours_is_filled_with_means_over_five_minutes():
    nodes = Nodes(count=1440)
    nodes.rows_of["nodes/pve1/qemu/100/rrddata"] = [
        {"time": EPOCH_NOON - 3 * HOUR + 60 * minute, "mem": 10.0 + minute, "cpu": 0.5 if minute % 2 else None}
        for minute in range(180)
    ]
    found = backfill(nodes, after(-2 * HOUR))

    found.saw(rows(guest()), NOON)
    samples = await filled(found)

    assert set(nodes.asked) == {(path, "day", "AVERAGE") for path in nodes.paths}
    assert times(samples)[:2] == [-2 * HOUR + 300, -2 * HOUR + 600]
    assert times(samples)[-1] == -60
    assert values(samples, "vm/100", -2 * HOUR + 300) == {"cpu_ratio": 0.5, "memory_used_bytes": 73.0}
    assert len(times(samples, "node/pve1")) == 24


async def test_where_a_day_is_kept_by_the_half_hour_that_is_what_there_is():
    found = backfill(Nodes(step=1800, last=-600, count=70), after(-2 * HOUR))

    found.saw(rows(guest()), NOON)

    assert times(await filled(found)) == [-2 * HOUR + 3000, -2 * HOUR + 4800, -600]


async def test_no_more_than_a_day_is_filled_in():
    found = backfill(Nodes(step=1800, count=120), after(-10 * DAY))

    found.saw(rows(guest()), NOON)

    assert times(await filled(found))[0] == -DAY + 1800


async def test_what_was_not_known_is_left_out_and_so_is_the_time_in_which_a_guest_did_not_run():
    nodes = Nodes()
    nodes.rows_of["nodes/pve1/lxc/200/rrddata"] = [
        {"time": EPOCH_NOON - 180, "maxcpu": 4, "disk": 50},
        {"time": EPOCH_NOON - 120, **FIGURES, "cpu": None, "netin": "NaN"},
        {"time": EPOCH_NOON - 60},
        {"time": EPOCH_NOON},
    ]
    found = backfill(nodes, after(-600))

    found.saw(rows(container()), NOON)
    samples = [one for one in await filled(found) if "container" in one.key]

    assert {(one.at - NOON).total_seconds() for one in samples} == {-120}
    assert not {"cpu_ratio", "network_receive_bytes_per_second"} & {one.metric for one in samples}
    assert "disk_used_bytes" in {one.metric for one in samples}


@pytest.mark.parametrize("kept", [[], [{"time": EPOCH_NOON - 60, **FIGURES}]])
async def test_rows_that_do_not_say_for_how_long_they_stand_are_not_used(kept):
    nodes = Nodes()
    nodes.rows_of["nodes/pve1/qemu/100/rrddata"] = kept
    found = backfill(nodes, after(-600))

    found.saw(rows(guest()), NOON)

    assert times(await filled(found)) == []


async def test_nobody_is_asked_about_what_does_not_run_or_cannot_be_reached():
    nodes = Nodes()
    found = backfill(nodes, after(-600))

    found.saw(
        wire.resources([
            node(), node("pve2", status="offline"), node("pve3", status="unknown"),
            guest(100, up=0, status="stopped"), guest(101, node="pve2"), guest(102, node="pve3"),
            storage(status="unknown"), storage("nas", "pve2", shared=1), storage("nas", shared=1),
        ]),
        NOON,
    )  # fmt: skip
    await filled(found)

    assert nodes.paths == ["nodes/pve1/rrddata", "nodes/pve1/storage/nas/rrddata"]


async def test_a_part_at_a_time_is_asked_for_and_two_at_once():
    nodes = Nodes()
    found = backfill(nodes, after(-600))
    found.saw(rows(*(guest(100 + number) for number in range(249))), NOON)

    parts = []
    while part := await found.samples():
        parts.append(len({one.key for one in part}))

    assert parts == [100, 100, 50]
    assert nodes.most_at_once == 2
    assert len(nodes.asked) == len(set(nodes.asked)) == 250


async def test_above_a_thousand_guests_nothing_is_filled_in_and_the_reason_is_told():
    nodes = Nodes()
    found = backfill(nodes, after(-600))

    with capture_logs() as logs:
        found.saw(rows(*(guest(100 + number) for number in range(1001))), NOON)

    assert await found.samples() == []
    assert nodes.asked == []
    (line,) = logs
    assert (line["log_level"], line["reason"]) == ("warning", "1001 guests run: more than 1000 are not asked about")


async def test_what_could_not_be_read_is_asked_again_later_three_times_at_most():
    nodes = Nodes()
    path = "nodes/pve1/qemu/100/rrddata"
    nodes.failing[path] = Unreachable("not now")
    found = backfill(nodes, after(-600))
    found.saw(rows(guest(), guest(101)), NOON)

    first = await found.samples()
    del nodes.failing[path]
    second = await found.samples()
    assert (times(first, "vm/100"), bool(times(first, "vm/101"))) == ([], True)
    assert {one.key for one in second} == {"proxmox/lab/vm/100"}

    nodes.failing[path] = Unreachable("never")
    found.saw(rows(guest()), after(600))
    for _ in range(5):
        await found.samples()
    assert nodes.paths.count(path) == 2 + 3


@pytest.mark.parametrize("error", [Denied("no", path="/vms/100", privilege="VM.Audit"), Malformed("what?")])
async def test_what_is_refused_is_not_asked_again_and_keeps_nobody_from_the_rest(error):
    nodes = Nodes()
    nodes.failing["nodes/pve1/qemu/100/rrddata"] = error
    found = backfill(nodes, after(-600))
    found.saw(rows(guest(), guest(101)), NOON)

    samples = await filled(found)

    assert by_key(samples).keys() == {"node/pve1", "vm/101"}
    assert nodes.paths.count("nodes/pve1/qemu/100/rrddata") == 1


async def test_a_node_that_does_not_answer_holds_up_the_samples_of_now_for_a_moment_only(monkeypatch):
    monkeypatch.setattr(rrd, "_SECONDS", 0.05)
    nodes = Nodes()
    nodes.hangs = True
    found = backfill(nodes, after(-600))
    found.saw(rows(guest(), guest(101)), NOON)

    assert await found.samples() == []
    nodes.hangs = False
    assert by_key(await filled(found)).keys() == {"node/pve1", "vm/100", "vm/101"}


async def test_the_last_hour_is_asked_by_the_day_when_its_turn_comes_late():
    nodes = Nodes()
    found = backfill(nodes, after(-50 * 60))
    found.saw(rows(guest()), NOON)
    for seconds in range(0, 600, 100):
        found.saw(rows(guest()), after(seconds))

    samples = await filled(found)

    assert {timeframe for _, timeframe, _ in nodes.asked} == {"day"}
    assert timedelta(seconds=times(samples)[1] - times(samples)[0]) == timedelta(minutes=1)
