"""What two readings of a container's counters say about the time in between."""

import pytest

from agents.docker import usage, wire_stats


def stats(second=0, **more):
    body = {
        "read": f"2026-01-01T00:00:0{second}Z",
        "cpu_stats": {"cpu_usage": {"total_usage": second * 500_000_000}},
        "memory_stats": {"usage": 1000, "stats": {"total_inactive_file": 300, "inactive_file": 200}},
        "networks": {"eth0": {"rx_bytes": 100 * second, "tx_bytes": 10 * second}, "eth1": {"rx_bytes": 100 * second}},
        "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 40 * second}, {"op": "write"}]},
    }
    return wire_stats.Stats.model_validate(body | more)


def reading(second=0, **more):
    return usage.reading(stats(second, **more))


def test_the_first_reading_gives_no_rate():
    assert usage.metrics(reading(), None) == {"memory_used_bytes": 700.0}


def test_the_second_reading_gives_rates_over_the_time_in_between():
    assert usage.metrics(reading(3), reading(1)) == {
        "memory_used_bytes": 700.0,
        "cpu_ratio": 0.5,
        "network_receive_bytes_per_second": 200.0,
        "network_transmit_bytes_per_second": 10.0,
        "disk_read_bytes_per_second": 40.0,
        "disk_write_bytes_per_second": 0.0,
    }


def test_counters_that_went_back_give_no_rate():
    before = reading(1, cpu_stats={"cpu_usage": {"total_usage": 10**12}})

    assert "cpu_ratio" not in usage.metrics(reading(3), before)


@pytest.mark.parametrize("later", [reading(1), reading(0)])
def test_no_time_in_between_gives_no_rate(later):
    assert usage.metrics(later, reading(1)).keys() == {"memory_used_bytes"}


def test_memory_is_without_the_cache_that_can_be_dropped():
    second_version = {"usage": 1000, "stats": {"inactive_file": 200}}

    assert reading(memory_stats=second_version).memory_used_bytes == 800
    assert reading(memory_stats={"usage": 100, "stats": {"inactive_file": 200}}).memory_used_bytes == 100
    assert reading(memory_stats={}).memory_used_bytes is None


def test_a_container_in_the_hosts_network_has_no_traffic_of_its_own():
    found = usage.metrics(reading(3, networks=None), reading(1, networks=None))

    assert not any(name.startswith("network") for name in found)


def test_podman_says_network_for_networks():
    assert reading(networks=None, network={"eth0": {"rx_bytes": 7, "tx_bytes": 1}}).network_receive_bytes == 7


def test_a_container_that_does_not_run_gives_no_reading():
    assert reading(read="0001-01-01T00:00:00Z") is None
