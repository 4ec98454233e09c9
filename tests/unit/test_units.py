import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.reconcile import left_out, normal, units


@pytest.mark.parametrize(
    ("told", "count"),
    [
        ("512MiB", 512 * 2**20), ("512M", 512 * 2**20), ("512m", 512 * 2**20), ("1.5G", 3 * 2**29), ("2 GB", 2 * 10**9),
        ("1kB", 1000), ("1Ki", 1024), ("10", 10), ("10b", 10), (5, 5), (None, None), ("lots", "lots"), ("1X", "1X"),
        ("-1G", "-1G"), ("1e3", "1e3"), (["1G"], ["1G"]),
    ],
)  # fmt: skip
def test_a_size_is_a_number_of_bytes(told, count):
    assert units.in_bytes(told) == count


def test_only_sizes_are_read_as_sizes():
    assert normal.are_same("docker", "spec.memory_bytes", "512MiB", 512 * 2**20)
    assert not normal.are_same("docker", "spec.memory_bytes", "512MiB", 512 * 10**6)
    assert not normal.are_same("docker", "spec.user", "1k", 1024)


@given(words=st.lists(st.text(max_size=3), max_size=4), data=st.data())
def test_the_order_of_what_a_provider_sorts_means_nothing(words, data):
    other = data.draw(st.permutations(words))

    assert normal.are_same("docker", "spec.ports", words, other)
    assert normal.are_same("any", "addresses", words, other)
    assert normal.are_same("docker", "spec.command", words, other) is (words == other)


def test_one_time_and_two_times_are_not_the_same():
    assert not normal.are_same("docker", "spec.ports", ["80:80"], ["80:80", "80:80"])


def test_proxmox_tags_and_device_texts_are_compared_by_their_meaning():
    assert normal.are_same("proxmox", "spec.tags", ["Prod", "db"], ["db", "prod"])
    assert normal.are_same("proxmox", "spec.net0", "virtio=AA,bridge=vmbr0", "bridge=vmbr0,virtio=AA")
    assert not normal.are_same("proxmox", "spec.net0", "virtio=AA,bridge=vmbr0", "virtio=AA,bridge=vmbr1")


def test_what_tools_compute_is_left_out():
    labels = {"com.docker.compose.config-hash": "x", "com.docker.compose.project": "shop", "tier": "front"}

    assert left_out.without("docker", "container", "labels", labels) == {
        "com.docker.compose.project": "shop", "tier": "front",
    }  # fmt: skip
    assert left_out.is_left_out("host", "disk", "name")
    assert not left_out.is_left_out("docker", "container", "name")


def test_what_a_cluster_changes_by_itself_or_says_twice_is_left_out():
    spec = {"name": "web", "memory_mib": 2048, "tags": ["a"]}

    assert left_out.without("proxmox", "vm", "spec", spec) == {"memory_mib": 2048, "tags": ["a"]}
    assert left_out.is_left_out("proxmox", "container", "labels")
    assert not left_out.is_left_out("proxmox", "cluster", "labels")
    assert left_out.without("proxmox", "node", "spec", {"kernel": "6.17", "pve_version": "9.2", "threads": 16}) == {
        "threads": 16
    }


@pytest.mark.parametrize(("wish", "may"), [("started", True), ("stopped", True), ("ignored", False), (None, False)])
def test_where_high_availability_brings_a_guest_is_its_own_affair(wish, may):
    assert left_out.may_move("proxmox", "vm", {"ha": wish}) is may
    assert not left_out.may_move("proxmox", "template", {"ha": wish})
    assert not left_out.may_move("docker", "container", {"ha": wish})
