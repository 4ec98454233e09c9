"""What rows of ``cluster/resources`` say about what is used, and when they say nothing."""

from datetime import timedelta

import pytest

from agents.proxmox import wire
from agents.proxmox.usage import Usage
from schemas.resources import SourceRef
from tests.support.events import NOON, after

LAB = SourceRef(provider="proxmox", name="lab")
MIB = 2**20


def guest(vmid=100, up=1000, **given):
    usual = {
        "id": f"qemu/{vmid}", "type": "qemu", "vmid": vmid, "node": "pve1", "status": "running", "uptime": up,
        "cpu": 0.25, "maxcpu": 4, "mem": 512 * MIB, "maxmem": 1024 * MIB, "disk": 0, "maxdisk": 99,
        "netin": up * 100, "netout": up * 10, "diskread": up * 1000, "diskwrite": up * 2000,
    }  # fmt: skip
    return usual | given


def container(vmid=200, up=1000, **given):
    return guest(vmid, up, id=f"lxc/{vmid}", type="lxc", **{"disk": 3 * MIB, **given})


def node(name="pve1", up=50_000, **given):
    usual = {
        "id": f"node/{name}", "type": "node", "node": name, "status": "online", "uptime": up,
        "cpu": 0.1, "maxcpu": 16, "mem": 7 * MIB, "maxmem": 64 * MIB, "disk": 5 * MIB, "maxdisk": 20 * MIB,
    }  # fmt: skip
    return usual | given


def storage(name="local", at="pve1", **given):
    usual = {
        "id": f"storage/{at}/{name}", "type": "storage", "storage": name, "node": at, "status": "available",
        "plugintype": "dir", "shared": 0, "disk": 30, "maxdisk": 120,
    }  # fmt: skip
    return usual | given


class Cluster:
    """Reads rows at a moment, and returns what the samples made then say: key and metric -> value."""

    def __init__(self):
        self.usage = Usage(LAB)

    def read(self, seconds, *rows):
        self.usage.saw(wire.resources(list(rows)), after(seconds))
        return self

    def samples(self):
        return {(one.key.removeprefix("proxmox/lab/"), one.metric): one.value for one in self.usage.samples()}

    def times(self):
        return {one.key.removeprefix("proxmox/lab/"): (one.at - NOON).total_seconds() for one in self.usage.samples()}


@pytest.fixture
def cluster():
    return Cluster()


def of(key, samples):
    return {metric: value for (of, metric), value in samples.items() if of == key}


def test_a_vm_a_container_and_a_node_are_measured_in_the_units_of_the_other_providers(cluster):
    found = cluster.read(0, node(), guest(), container()).samples()

    assert of("vm/100", found) == {"cpu_ratio": 0.25, "memory_used_bytes": 512 * MIB}
    assert of("container/200", found) == {"cpu_ratio": 1.0, "memory_used_bytes": 512 * MIB, "disk_used_bytes": 3 * MIB}
    assert of("node/pve1", found) == {
        "cpu_ratio": 0.1, "memory_used_bytes": 7 * MIB, "disk_used_bytes": 5 * MIB,
    }  # fmt: skip


def test_rates_are_over_the_time_that_the_guest_ran_in_between_whenever_the_rows_were_read(cluster):
    cluster.read(0, node(), guest(up=1000)).samples()

    found = cluster.read(3, node(up=50_010), guest(up=1010)).samples()

    assert of("vm/100", found) == {
        "cpu_ratio": 0.25, "memory_used_bytes": 512 * MIB,
        "network_receive_bytes_per_second": 100, "network_transmit_bytes_per_second": 10,
        "disk_read_bytes_per_second": 1000, "disk_write_bytes_per_second": 2000,
    }  # fmt: skip


def test_rates_are_since_samples_were_last_made_however_often_rows_were_read(cluster):
    cluster.read(0, node(), guest(up=1000, netin=0)).samples()
    cluster.read(10, node(up=50_010), guest(up=1010, netin=5000))

    found = cluster.read(20, node(up=50_020), guest(up=1020, netin=6000)).samples()

    assert found["vm/100", "network_receive_bytes_per_second"] == 300


def test_a_row_that_says_what_it_said_before_is_no_measurement(cluster):
    rows = node(), guest(), container(), storage()
    assert cluster.read(0, *rows).samples()

    assert cluster.read(10, *rows).samples() == {}
    assert cluster.samples() == {}


def test_a_row_of_which_only_the_tags_changed_is_no_measurement(cluster):
    cluster.read(0, node(), guest()).samples()

    assert cluster.read(10, node(), guest(tags="web", lock="backup")).samples() == {}


def test_what_was_read_and_not_yet_told_is_told_though_a_later_reading_says_nothing_new(cluster):
    cluster.read(0, node(), guest(), storage()).read(2, node(), guest(), storage())

    assert cluster.times() == {"node/pve1": 0, "vm/100": 0, "storage/pve1/local": 0}


def test_a_guest_that_does_not_run_or_of_which_nothing_was_broadcast_is_not_measured(cluster):
    stopped = guest(101, up=0, status="stopped", cpu=0, mem=0)
    bare = {"id": "qemu/102", "type": "qemu", "vmid": 102, "node": "pve1", "status": "unknown"}

    found = cluster.read(0, node(), stopped, bare).samples()

    assert {key for key, _ in found} == {"node/pve1"}


@pytest.mark.parametrize("status", ["offline", "unknown"])
def test_nothing_of_a_node_that_is_not_online_is_measured(cluster, status):
    found = cluster.read(0, node("pve2"), node(status=status), guest(), storage()).samples()

    assert {key for key, _ in found} == {"node/pve2"}


def test_where_the_figures_of_a_node_are_hidden_its_guests_are_measured_and_not_its_storages_that_may_be_old(cluster):
    hidden = {"id": "node/pve1", "type": "node", "node": "pve1", "status": "online"}

    for seconds in (0, 10):
        cluster.read(seconds, hidden, guest(up=1000 + seconds), storage(disk=seconds))
        assert cluster.times() == {"vm/100": seconds}


def test_a_restart_begins_anew_and_gives_no_rates(cluster):
    cluster.read(0, node(), guest(up=1000)).samples()

    found = cluster.read(10, node(up=50_010), guest(up=4, netin=10**9)).samples()

    assert of("vm/100", found).keys() == {"cpu_ratio", "memory_used_bytes"}


def test_a_restart_between_two_samples_gives_no_rates_though_the_new_run_is_the_longer_one(cluster):
    cluster.read(0, node(), guest(up=5)).samples()
    cluster.read(10, node(up=50_010), guest(up=2))

    found = cluster.read(20, node(up=50_020), guest(up=12)).samples()

    assert of("vm/100", found).keys() == {"cpu_ratio", "memory_used_bytes"}


def test_figures_that_changed_within_a_second_give_no_rates(cluster):
    cluster.read(0, node(), guest(up=1000)).samples()

    found = cluster.read(1, node(), guest(up=1000, cpu=0.5, netin=10**9)).samples()

    assert of("vm/100", found) == {"cpu_ratio": 0.5, "memory_used_bytes": 512 * MIB}


def test_a_counter_that_went_back_gives_no_rate_and_the_others_do(cluster):
    cluster.read(0, node(), guest(up=1000)).samples()

    found = of("vm/100", cluster.read(10, node(up=50_010), guest(up=1010, netin=5)).samples())

    assert "network_receive_bytes_per_second" not in found
    assert found["network_transmit_bytes_per_second"] == 10


def test_a_guest_that_moved_to_another_node_gives_no_rates(cluster):
    cluster.read(0, node(), node("pve2"), guest(up=1000)).samples()

    found = cluster.read(10, node(up=50_010), node("pve2", 50_010), guest(up=1010, node="pve2")).samples()

    assert of("vm/100", found).keys() == {"cpu_ratio", "memory_used_bytes"}


def test_a_guest_whose_node_was_away_begins_anew(cluster):
    cluster.read(0, node(), guest(up=1000)).samples()
    cluster.read(10, node(status="offline"), guest(up=1000)).samples()

    found = cluster.read(600, node(up=50_600), guest(up=1600)).samples()

    assert of("vm/100", found).keys() == {"cpu_ratio", "memory_used_bytes"}


def test_a_figure_that_is_missing_is_left_out(cluster):
    cluster.read(0, node(), guest(up=1000)).samples()

    row = guest(up=1010, cpu=None, netin=None, diskread="NaN")
    found = of("vm/100", cluster.read(10, node(up=50_010, mem=None), row).samples())

    assert found.keys() == {"memory_used_bytes", "network_transmit_bytes_per_second", "disk_write_bytes_per_second"}


def test_a_local_storage_is_measured_on_each_node_and_a_shared_one_once(cluster):
    rows = [storage("nas", at, shared=1, disk=disk) for at, disk in (("pve1", 10), ("pve2", 20), ("pve3", 30))]
    nodes = node("pve1", status="offline"), node("pve2"), node("pve3")

    found = cluster.read(0, *nodes, *rows, storage(at="pve2"), storage(at="pve3")).samples()

    assert of("storage/nas", found) == {"used_bytes": 20, "used_ratio": 20 / 120, "total_bytes": 120}
    assert {key for key, _ in found if "local" in key} == {"storage/pve2/local", "storage/pve3/local"}


def test_a_storage_that_is_filled_no_further_is_still_measured_with_each_broadcast(cluster):
    cluster.read(0, node(), storage()).samples()

    assert of("storage/pve1/local", cluster.read(10, node(up=50_010), storage()).samples())["used_bytes"] == 30


@pytest.mark.parametrize("given", [{"status": "unknown"}, {"maxdisk": 0}, {"maxdisk": None}, {"disk": None}])
def test_a_storage_that_does_not_answer_is_not_measured(cluster, given):
    assert of("storage/pve1/local", cluster.read(0, node(), storage(**given)).samples()) == {}


def test_a_sample_has_the_time_of_the_broadcast_and_not_of_the_reading(cluster):
    cluster.read(2, node(up=50_000), guest(up=1000)).samples()

    assert cluster.read(19, node(up=50_010), guest(up=1010), storage()).times() == {
        "node/pve1": 12, "vm/100": 12, "storage/pve1/local": 12,
    }  # fmt: skip
    assert cluster.read(21, node(up=50_020), guest(up=1020)).times() == {"node/pve1": 21, "vm/100": 21}
    assert cluster.read(40, node(up=50_030), guest(up=1030)).times() == {"node/pve1": 31, "vm/100": 31}


def test_a_clock_that_was_set_does_not_date_samples_into_the_past_or_the_future(cluster):
    cluster.read(0, node(up=50_000)).samples()

    assert cluster.read(3610, node(up=50_010)).times() == {"node/pve1": 3610}
    assert cluster.read(20, node(up=50_020)).times() == {"node/pve1": 20}
    assert cluster.read(30, node(up=5)).times() == {"node/pve1": 30}


def test_a_guest_that_was_broadcast_after_its_node_was_read_has_the_time_of_its_reading(cluster):
    cluster.read(0, node(), guest(up=1000)).samples()

    assert cluster.read(10, node(), guest(up=1010)).times() == {"vm/100": 10}


def test_another_guest_under_the_same_number_is_not_compared_with_the_old_one(cluster):
    cluster.read(0, node(), guest(300, up=1000)).samples()

    found = cluster.read(10, node(up=50_010), container(300, up=1010)).samples()

    assert of("container/300", found).keys() == {"cpu_ratio", "memory_used_bytes", "disk_used_bytes"}


def test_each_reading_of_a_series_is_later_than_the_one_before(cluster):
    told = []
    for seconds, up in ((0, 100), (9, 110), (12, 110), (23, 120), (25, 130), (47, 140), (49, 150)):
        told += [one.at for one in cluster.read(seconds, node(up=up)).usage.samples() if one.metric == "cpu_ratio"]

    assert told == sorted(set(told))
    assert all(timedelta(0) <= at - NOON <= timedelta(seconds=49) for at in told)
