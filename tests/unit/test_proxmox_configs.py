"""Which guest configurations are read when."""

import pytest

from agents.proxmox import wire
from agents.proxmox.configs import Configs

CONFIG = wire.GuestConfig({"digest": "a"})
FIELDS = {
    "name": "web",
    "template": False,
    "tags": "a;b",
    "maxcpu": 2.0,
    "maxmem": 4096.0,
    "maxdisk": 100_000.0,
}


def row(vmid=100, kind="qemu", node="pve1", **fields):
    return wire.GuestRow(vmid, kind, node, "running", **(FIELDS | fields))


def ids(rows):
    return [one.id for one in rows]


def settled(*rows):
    """All of them read; nothing has changed since."""
    configs = Configs()
    configs.begin()
    configs.notice(rows)
    for one in rows:
        configs.read(one.id, CONFIG)
    return configs


def due(configs, *rows, sweep=0):
    configs.begin()
    configs.notice(rows)
    return ids(configs.due(rows, sweep=sweep))


def test_at_first_all_are_read_and_then_none():
    configs = Configs()
    rows = row(100), row(101, "lxc")
    assert due(configs, *rows) == ["qemu/100", "lxc/101"]

    configs.read("qemu/100", CONFIG)
    assert due(configs, *rows) == ["lxc/101"]
    configs.read("lxc/101", CONFIG)
    assert due(configs, *rows) == []
    assert configs.get("qemu/100") is CONFIG


@pytest.mark.parametrize(
    "changed",
    [
        {"node": "pve2"},
        {"name": "api"},
        {"tags": "a"},
        {"lock": "backup"},
        {"pool": "lab"},
        {"template": True},
        {"maxcpu": 4.0},
        {"maxmem": 8192.0},
        {"maxdisk": 200_000.0},
    ],
)
def test_a_row_that_says_something_else_is_a_reason_until_it_was_read(changed):
    configs = settled(row())

    assert due(configs, row(**changed)) == ["qemu/100"]
    assert due(configs, row(**changed)) == ["qemu/100"]
    configs.read("qemu/100", CONFIG)
    assert due(configs, row(**changed)) == []


@pytest.mark.parametrize(
    "changed", [{"cpu": 0.5}, {"mem": 1.0}, {"uptime": 9.0}, {"netin": 5.0}, {"hastate": "started"}]
)
def test_figures_are_no_reason(changed):
    assert due(settled(row()), row(**changed)) == []


def test_what_is_not_broadcast_for_a_while_is_no_reason_and_neither_is_its_return():
    bare = wire.GuestRow(100, "qemu", "pve1", "unknown", tags="a;b")
    configs = settled(row())

    assert due(configs, bare) == []
    assert due(configs, row()) == []
    assert due(configs, row(name="api")) == ["qemu/100"]


def test_a_change_while_nothing_was_broadcast_is_noticed_afterwards():
    bare = wire.GuestRow(100, "qemu", "pve1", "unknown", tags="a;b")
    configs = settled(bare)

    assert due(configs, row()) == ["qemu/100"]


def test_a_size_that_wanders_a_little_is_no_reason_one_that_goes_on_is():
    configs = settled(row(maxdisk=100_000.0))

    assert due(configs, row(maxdisk=101_000.0)) == []
    assert due(configs, row(maxdisk=99_000.0)) == []
    assert due(configs, row(maxdisk=103_000.0)) == ["qemu/100"]


def test_a_guest_that_was_marked_is_read_until_it_succeeds():
    configs = settled(row(100), row(101))
    configs.mark(["qemu/101"])

    assert due(configs, row(100), row(101)) == ["qemu/101"]
    assert due(configs, row(100), row(101)) == ["qemu/101"]
    configs.read("qemu/101", CONFIG)
    assert due(configs, row(100), row(101)) == []


def test_all_can_be_marked():
    configs = settled(row(100), row(101))
    configs.mark_all()

    assert due(configs, row(100), row(101)) == ["qemu/100", "qemu/101"]


def test_the_sweep_reads_the_oldest_and_comes_round():
    rows = [row(vmid) for vmid in (100, 101, 102)]
    configs, swept = settled(*rows), []
    for _ in range(6):
        (one,) = due(configs, *rows, sweep=1)
        configs.read(one, CONFIG)
        swept.append(one)

    assert sorted(swept[:3]) == sorted(swept[3:]) == ["qemu/100", "qemu/101", "qemu/102"]


def test_containers_are_swept_more_often_since_their_edits_leave_no_line():
    rows = [row(100), row(101), row(102, "lxc")]
    configs, swept = settled(*rows), []
    for _ in range(50):
        (one,) = due(configs, *rows, sweep=1)
        configs.read(one, CONFIG)
        swept.append(one)

    assert swept.count("lxc/102") > swept.count("qemu/100") >= 5
    assert swept.count("qemu/101") >= 5


def worked(containers, *, sweep=1):
    """One VM has changed in a cluster of so many containers; return them all, and what was read."""
    rows = [row(100), *(row(200 + number, "lxc") for number in range(containers))]
    configs = settled(*rows)
    configs.keep(ids(rows))
    rows[0] = row(100, tags="new")
    read = []
    for _ in range(6):
        found = due(configs, *rows, sweep=sweep)
        for one in found:
            configs.read(one, CONFIG)
        read.append(found)
    return rows, read


def test_after_a_change_all_containers_are_read_once_a_few_at_a_time_and_then_the_sweep_goes_on():
    rows, read = worked(20)

    assert [len(found) for found in read] == [2, 8, 8, 4, 1, 1]
    assert sorted(read[1] + read[2] + read[3]) == ids(rows[1:])


def test_where_there_are_too_many_containers_or_no_sweep_a_change_is_no_reason_to_read_them():
    assert [len(found) for found in worked(501)[1]] == [2, 1, 1, 1, 1, 1]
    assert [len(found) for found in worked(20, sweep=0)[1]] == [1, 0, 0, 0, 0, 0]
    assert [len(found) for found in worked(500)[1]] == [2, 8, 8, 8, 8, 8]


def test_the_first_reading_of_all_is_nobodys_work():
    configs, rows = Configs(), [row(100 + number, "lxc") for number in range(5)]
    for one in due(configs, *rows, sweep=1):
        configs.read(one, CONFIG)
    configs.keep(ids(rows))

    assert len(due(configs, *rows, sweep=1)) == 1


def test_containers_wait_while_there_is_something_else_to_read_and_are_read_after_the_last_of_it():
    rows = [row(100), *(row(200 + number, "lxc") for number in range(8))]
    configs = settled(*rows)
    configs.keep(ids(rows))
    for _ in range(3):
        configs.mark(["qemu/100"])
        found = due(configs, *rows, sweep=1)
        assert len(found) == 2
        for one in found:
            configs.read(one, CONFIG)

    assert sorted(due(configs, *rows, sweep=1)) == ids(rows[1:])


def test_a_sweep_comes_on_top_of_what_has_a_reason():
    configs = settled(row(100), row(101), row(102))
    configs.mark(["qemu/101"])

    assert sorted(due(configs, row(100), row(101), row(102), sweep=2)) == ["qemu/100", "qemu/101", "qemu/102"]


def test_a_guest_that_was_not_kept_is_new():
    configs = settled(row(100), row(101))
    configs.mark(["qemu/100"])
    configs.keep(["qemu/101"])

    assert configs.get("qemu/100") is None
    assert due(configs, row(101)) == []
    assert due(configs, row(100), row(101)) == ["qemu/100"]


def test_a_number_that_is_another_kind_of_guest_now_is_another_guest():
    configs = settled(row(100))

    assert due(configs, row(100, "lxc")) == ["lxc/100"]
