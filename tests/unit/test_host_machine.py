"""What is read of one machine's files, and what becomes of it, beyond the recorded cases."""

import os
import re
from datetime import UTC, datetime

import pytest

from agents.errors import Malformed, Unauthorized, Unreachable
from agents.host import client, counters, disks, filesystems, interfaces, mapping, samples
from agents.host.config import HostConfig, token
from agents.host.files import Root
from agents.host.filesystems import Mount
from schemas.resources import SourceRef

NODE = "host/case/node/n"
SOURCE = SourceRef(provider="host", name="case")


@pytest.fixture
def machine(tmp_path):
    """A function that writes files and gives the root that they lie under."""

    def write(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return Root(tmp_path)

    return write


def mounted(point="/srv", source="/dev/sdb1", fstype="ext4", options=("rw",), device="8:17"):
    return Mount(point=point, source=source, fstype=fstype, options=options, device=device, is_local=True)


def as_nobody(read, *arguments):
    """Call as a user without rights, whoever runs the tests."""
    if os.geteuid() != 0:
        return read(*arguments)
    os.seteuid(65534)
    try:
        return read(*arguments)
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("hostname", "name"),
    [
        ("atlas", "atlas"),
        ("PVE-1.lan", "pve-1-lan"),
        ("büro nas", "b-ro-nas"),
        ("_x_", "x"),
        ("...", "host"),
        ("", "host"),
        ("a" * 70, "a" * 63),
        ("a" * 62 + ".b", "a" * 62),
    ],
)
def test_a_host_name_becomes_a_source_name(hostname, name):
    assert token(hostname) == name
    assert HostConfig(name=name).name == name


def test_without_a_word_a_machine_is_named_after_itself():
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", HostConfig().name)


def test_the_machine_id_is_published_as_a_hash_that_outlives_a_new_host_name(machine):
    raw = "0123456789abcdef0123456789abcdef"
    first = client.identity(machine({"etc/machine-id": raw + "\n", "proc/sys/kernel/hostname": "a\n"}))
    second = client.identity(machine({"proc/sys/kernel/hostname": "b\n"}))

    assert first == second
    assert re.fullmatch(r"[0-9a-f]{12}", first)
    assert first not in raw


@pytest.mark.parametrize("written", ["", "uninitialized\n", "0" * 32, "short"])
def test_a_machine_without_an_id_goes_by_its_host_name(machine, written):
    root = machine({"etc/machine-id": written, "proc/sys/kernel/hostname": "pi\n"})

    assert client.identity(root) == "pi"


def test_a_file_that_may_not_be_read_is_a_matter_of_privilege(machine):
    root = machine({"proc/cpuinfo": "processor : 0"})
    (root.path / "proc/cpuinfo").chmod(0o600)
    (root.path / "proc").chmod(0o700)

    with pytest.raises(Unauthorized, match="run the agent as a user who may"):
        as_nobody(root.required, "proc/cpuinfo")
    with pytest.raises(Unauthorized, match="run the agent as a user who may"):
        as_nobody(root.required_names, "proc")
    assert as_nobody(root.text, "proc/cpuinfo") == ""


def test_a_file_that_is_not_there_is_an_unreachable_machine(machine):
    with pytest.raises(Unreachable, match="/proc/cpuinfo"):
        machine({}).required("proc/cpuinfo")


def test_bytes_that_are_no_text_do_not_break_a_reading(machine):
    root = machine({})
    (root.path / "x").write_bytes(b"a\xffb")

    assert root.required("x") == "a\ufffdb"


def test_cores_are_counted_per_package(machine):
    blocks = [f"processor\t: {i}\nphysical id\t: {i // 4}\ncore id\t\t: {i % 4 // 2}\n" for i in range(8)]
    root = machine(
        {"proc/cpuinfo": "\n".join(blocks), "proc/meminfo": "MemTotal: 1 kB\n", "proc/sys/kernel/hostname": "x"}
    )
    (root.path / "sys/block").mkdir(parents=True)

    found = client.machine(root)

    assert (found.cores, found.threads) == (4, 8)


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"sys/class/dmi/id/sys_vendor": "QEMU\n"}, "qemu"),
        ({"sys/class/dmi/id/product_name": "KVM\n", "sys/class/dmi/id/sys_vendor": "Red Hat\n"}, "kvm"),
        ({"sys/class/dmi/id/sys_vendor": "Microsoft Corporation\n"}, "none"),
        ({"sys/class/dmi/id/sys_vendor": "Microsoft Corporation\n", "proc/cpuinfo": "flags : hypervisor"}, "microsoft"),
        ({"proc/cpuinfo": "flags\t\t: fpu hypervisor lm"}, "vm-other"),
        ({"proc/cpuinfo": "flags\t\t: fpu hypervisor", "sys/hypervisor/type": "xen\n"}, "xen"),
        ({"proc/cpuinfo": "flags\t\t: fpu lm"}, "none"),
    ],
)
def test_virtualisation_is_named_as_systemd_does(machine, files, word):
    root = machine({"proc/meminfo": "MemTotal: 1 kB\n", "proc/sys/kernel/hostname": "x", "sys/block/.keep": ""})
    machine({**files, "proc/cpuinfo": "processor : 0\n" + files.get("proc/cpuinfo", "")})

    assert client.machine(root).virtualisation == word


def test_a_virtual_vga_is_no_gpu_and_device_nodes_stand_in_where_pci_is_hidden(machine):
    base = {"proc/cpuinfo": "processor : 0", "proc/meminfo": "MemTotal: 1 kB\n", "proc/sys/kernel/hostname": "x"}
    vga = "sys/bus/pci/devices/0000:00:02.0"
    root = machine({**base, "sys/block/.keep": "", f"{vga}/class": "0x030000", f"{vga}/vendor": "0x1234"})
    assert client.machine(root).gpus == ()

    audio = "sys/bus/pci/devices/0000:01:00.1"
    machine({f"{audio}/class": "0x040300", f"{audio}/vendor": "0x10de"})
    assert client.machine(root).gpus == ()

    machine({"dev/nvidia0": "", "dev/nvidia1": "", "dev/nvidiactl": ""})
    assert client.machine(root).gpus == ("nvidia0", "nvidia1")


def test_two_disks_that_claim_one_id_stay_two(machine):
    root = machine({f"sys/block/sd{letter}/{name}": "100" for letter in "ab" for name in ("size", "device/wwid")})

    assert [disk.id for disk in disks.disks(root)] == ["100@sda", "100@sdb"]


@pytest.mark.parametrize("name", ["loop0", "ram0", "zram0", "dm-0", "sr0", "fd0", "nbd0", "zd0"])
def test_what_is_no_disk_is_left_out(machine, name):
    assert disks.disks(machine({f"sys/block/{name}/size": "100"})) == []


@pytest.mark.parametrize(
    ("device", "disk"),
    [
        ("/dev/sda1", "sda"),
        ("/dev/sda", "sda"),
        ("/dev/nvme0n1p2", "nvme0n1"),
        ("/dev/nvme0n1", "nvme0n1"),
        ("/dev/nvme10n1p2", "nvme10n1"),
        ("/dev/mmcblk0p1", "mmcblk0"),
        ("/dev/md0", "md0"),
        ("/dev/md127p1", "md127"),
        ("/dev/mapper/vg-root", ""),
        ("tank/media", ""),
        ("", ""),
    ],
)
def test_a_partition_names_its_disk(device, disk):
    assert mapping.disk_name(device) == disk


def test_a_file_system_on_a_partition_is_on_its_disk(machine):
    found = disks.disks(
        machine({"sys/block/sdb/size": "100", "sys/block/sdb/sdb1/partition": "1", "sys/block/sdb/sdb1/dev": "8:17\n"})
    )

    storage = mapping.storage(SOURCE, NODE, mounted(source="/dev/mapper/luks", device="8:17"), found)

    assert [relation.key for relation in storage.relations] == ["host/case/disk/sdb"]


@pytest.mark.parametrize(
    ("line", "points"),
    [
        ("30 1 8:1 / /a\\040b rw - ext4 /dev/sda1 rw", ["/a b"]),
        ("30 1 8:1 /sub /srv rw - ext4 /dev/sda1 rw", []),
        ("30 1 0:30 /@home /home rw - btrfs /dev/sda1 rw,subvol=/@home", ["/home"]),
        ("30 1 8:1 /ostree/deploy / rw - xfs /dev/sda1 rw", ["/"]),
        ("30 1 0:40 / /tmp rw - tmpfs tmpfs rw", []),
        ("30 1 0:40 / /run/user/1/gvfs rw - fuse.gvfsd-fuse gvfsd-fuse rw", []),
        ("30 1 0:40 / /mnt/far rw - fuse.sshfs me@far:/srv rw", ["/mnt/far"]),
        ("30 1 0:40 / /mnt/usb rw - fuseblk /dev/sdc1 rw", ["/mnt/usb"]),
        ("30 1 0:40 / /var/lib/docker/x rw - ext4 /dev/sda1 rw", []),
        ("30 1 8:1 / /a rw - ext4 /dev/sda1 rw\n31 30 8:2 / /a ro - ext4 /dev/sda2 rw", ["/a"]),
    ],
)
def test_only_what_lies_on_a_device_or_a_server_is_storage(machine, line, points):
    root = machine({"proc/1/mountinfo": line + "\n", "proc/filesystems": "nodev\ttmpfs\nnodev\tfuse\nnodev\tfuseblk\n"})

    assert [mount.point for mount in filesystems.mounts(root, ["/var/lib/docker/*"])] == points


def test_of_two_on_one_point_the_later_is_seen(machine):
    lines = "30 1 8:1 / /a rw - ext4 /dev/sda1 rw\n31 30 8:2 / /a ro - xfs /dev/sda2 rw\n"

    (mount,) = filesystems.mounts(machine({"proc/1/mountinfo": lines}))

    assert (mount.fstype, mount.source) == ("xfs", "/dev/sda2")


def test_a_file_server_is_never_asked_how_large_it_is(machine):
    """Asking a server that is down would never return."""
    root = machine({"proc/1/mountinfo": "30 1 0:9 / / rw - nfs4 nas:/export rw\n"})

    assert [mount.size_bytes for mount in filesystems.mounts(root)] == [None]


@pytest.mark.parametrize(
    ("option", "published"),
    [
        ("password=hunter2", "password=***"),
        ("passwd=hunter2", "passwd=***"),
        ("secret=AQD", "secret=***"),
        ("credentials=/etc/smb.login", "credentials=***"),
        ("vers=3.1.1", "vers=3.1.1"),
        ("rw", "rw"),
    ],
)
def test_a_mount_option_that_may_be_a_secret_is_hidden(option, published):
    found = mapping.storage(SOURCE, NODE, mounted(options=(option,)), ())

    assert found.spec["options"] == [published]


@pytest.mark.parametrize(
    ("source", "published"),
    [
        ("https://me:hunter2@dav.example/x", "https://***@dav.example/x"),
        ("//me:hunter2/p@ss@nas/share", "//***@nas/share"),
        ("me:hunter2@h:/x", "***@h:/x"),
        ("nas:/export@home", "nas:/export@home"),
        ("[2001:db8::1]:/export@home", "[2001:db8::1]:/export@home"),
        ("me@far:/srv", "me@far:/srv"),
    ],
)
def test_a_password_in_a_device_is_hidden(source, published):
    assert mapping.storage(SOURCE, NODE, mounted(source=source), ()).spec["device"] == published


def test_an_interface_that_went_while_it_was_read_is_left_out(machine):
    root = machine({"sys/class/net/bonding_masters": "", "sys/class/net/eth0/flags": "0x1003\n"})
    (root.path / "sys/class/net/veth9").mkdir()

    assert [row.name for row in interfaces.interfaces(root, {})] == ["eth0"]


def test_link_local_addresses_say_nothing():
    found = mapping.addresses({"eth0": ["192.0.2.1", "fe80::1%eth0", "2001:db8::1"], "lo": []})

    assert found == {"eth0": ["192.0.2.1", "2001:db8::1"], "lo": []}


def reading(seconds=0.0, busy=0, total=0, disk=None, network=None):
    return counters.Reading(
        seconds=seconds,
        cpu_busy=busy,
        cpu_all=total,
        machine={"load_1m": 0.5},
        storages={"/": {"used_bytes": 10.0}},
        disk_bytes={"d": disk} if disk else {},
        network_bytes={"eth0": network} if network else {},
    )


def measured(before, after):
    found = samples.samples(SOURCE, NODE, before, after, datetime(2026, 1, 1, tzinfo=UTC))
    return {(sample.key, sample.metric): sample.value for sample in found}


def test_the_first_measurement_has_no_rates():
    assert measured(None, reading(busy=5, total=10, disk=(1, 1))) == {
        (NODE, "load_1m"): 0.5,
        ("host/case/storage//", "used_bytes"): 10.0,
    }


def test_rates_are_differences_over_time():
    found = measured(
        reading(seconds=10, busy=100, total=200, disk=(0, 512), network=(1000, 0)),
        reading(seconds=20, busy=150, total=400, disk=(1024, 512), network=(6000, 10)),
    )

    assert found[NODE, "cpu_ratio"] == 0.25
    assert found["host/case/disk/d", "disk_read_bytes_per_second"] == 102.4
    assert found["host/case/disk/d", "disk_write_bytes_per_second"] == 0
    assert found["host/case/interface/eth0", "network_receive_bytes_per_second"] == 500
    assert found["host/case/interface/eth0", "network_transmit_bytes_per_second"] == 1


def test_a_counter_that_began_anew_gives_no_rate():
    found = measured(reading(seconds=1, network=(1000, 5)), reading(seconds=2, network=(10, 6)))

    assert ("host/case/interface/eth0", "network_receive_bytes_per_second") not in found
    assert found["host/case/interface/eth0", "network_transmit_bytes_per_second"] == 1


@pytest.mark.parametrize("text", ["", "intr 1 2 3\n", "cpu a b c\n", "cpu 1 2\n"])
def test_processor_times_of_another_shape_are_malformed(machine, text):
    root = machine({"proc/stat": text})

    with pytest.raises(Malformed, match="/proc/stat"):
        counters.read(root, 0.0, (), ())


def test_waiting_for_a_disk_is_idle_and_guests_count_once(machine):
    root = machine({"proc/stat": "cpu  10 1 4 60 20 2 2 1 10 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n"})

    assert counters.cpu_times(root) == (20, 100)


def test_the_hottest_sensible_sensor_is_the_temperature(machine):
    chip = "sys/class/hwmon/hwmon0"
    root = machine(
        {f"{chip}/temp1_input": "41000\n", f"{chip}/temp2_input": "63500\n", f"{chip}/fan1_input": "99000\n"}
    )
    machine({f"{chip}/temp3_input": "255000\n"})

    assert counters.temperature(root) == 63.5


def test_a_machine_without_chips_has_its_thermal_zones(machine):
    assert counters.temperature(machine({"sys/class/thermal/thermal_zone0/temp": "48312\n"})) == 48.312
    assert counters.temperature(machine({"sys/class/thermal/thermal_zone0/temp": "n/a\n"})) is None


def test_a_bridge_that_takes_its_members_address_and_speed_has_not_changed(machine):
    def seen(address, speed):
        folder = "sys/class/net/docker0"
        root = machine({
            f"{folder}/flags": "0x1003\n", f"{folder}/uevent": "DEVTYPE=bridge\n", f"{folder}/operstate": "up\n",
            f"{folder}/address": address, f"{folder}/speed": speed,
        })  # fmt: skip
        (row,) = interfaces.interfaces(root, {})
        return mapping.interface(SOURCE, NODE, row)

    assert seen("02:42:aa:00:00:01\n", "10000\n") == seen("5e:11:22:33:44:55\n", "-1\n")
