"""What a row and a configuration mean: all that is set up in ``spec``, in one form, and nothing that is secret."""

import json
from datetime import UTC, datetime

import pytest

from agents.proxmox import guests, wire
from schemas.resources import Health, Kind, SourceRef, Status
from tests.support import proxmox_samples as samples

SOURCE = SourceRef(provider="proxmox", name="lab")
GIB = 2**30


def guest(row, config, **extras):
    found = wire.resources([samples.node_row(), row]).guests[0]
    read = None if config is None else wire.GuestConfig.model_validate(config)
    return guests.guest(SOURCE, found, read, guests.GuestExtras(**extras))


def vm(row=None, **config):
    return guest(samples.vm_row(**(row or {})), samples.vm_config(**config))


def ct(row=None, **config):
    return guest(samples.ct_row(**(row or {})), samples.ct_config(**config))


def test_a_vm_is_known_by_its_number_and_sits_on_its_node():
    found = vm()

    assert (found.key, found.name, found.native_kind) == ("proxmox/lab/vm/100", "web", "qemu")
    assert (found.parent, found.scope) == ("proxmox/lab/node/pve1", "resources")
    assert found.labels == {"prod": "", "web": ""}
    assert found.created_at is None
    assert found.revision == ""


def test_a_container_is_known_by_its_number_and_sits_on_its_node():
    found = ct()

    assert (found.key, found.name, found.native_kind) == ("proxmox/lab/container/101", "dns", "lxc")
    assert (found.parent, found.labels) == ("proxmox/lab/node/pve2", {})


@pytest.mark.parametrize("say", [{"row": {"template": 1}}, {"template": 1}])
@pytest.mark.parametrize(("of", "native"), [(vm, "qemu"), (ct, "lxc")])
def test_a_template_is_one_whichever_says_so_first(of, native, say):
    found = of(**say)

    assert (found.kind, found.native_kind) == (Kind.TEMPLATE, native)


def test_a_guest_without_a_name_is_named_as_proxmox_does():
    unnamed_vm, unnamed_ct = samples.vm_config(), samples.ct_config()
    del unnamed_vm["name"], unnamed_ct["hostname"]

    assert guest(samples.bare_row(105), unnamed_vm).name == "VM 105"
    assert guest(samples.ct_row(106, name=None), unnamed_ct).name == "CT106"


@pytest.mark.parametrize(
    ("word", "status", "health"),
    [
        ("running", Status.RUNNING, Health.UNKNOWN),
        ("stopped", Status.STOPPED, Health.UNKNOWN),
        ("paused", Status.PAUSED, Health.UNKNOWN),
        ("suspended", Status.PAUSED, Health.UNKNOWN),
        ("prelaunch", Status.PENDING, Health.UNKNOWN),
        ("inmigrate", Status.PENDING, Health.UNKNOWN),
        ("shutdown", Status.STOPPED, Health.UNKNOWN),
        ("watchdog", Status.FAILED, Health.FAILING),
        ("io-error", Status.FAILED, Health.FAILING),
        ("internal-error", Status.FAILED, Health.FAILING),
        ("guest-panicked", Status.FAILED, Health.FAILING),
        ("unknown", Status.UNKNOWN, Health.UNKNOWN),
        ("postmigrate", Status.UNKNOWN, Health.UNKNOWN),
    ],
)
def test_a_state_has_its_status_and_keeps_proxmoxs_word(word, status, health):
    found = vm(row={"status": word})

    assert (found.status, found.native_status, found.health) == (status, word, health)


def test_what_the_node_itself_says_goes_before_an_old_row():
    found = guest(samples.vm_row(status="running"), samples.vm_config(), live_status="stopped")

    assert (found.status, found.native_status) == (Status.STOPPED, "stopped")


def test_nobody_knows_of_a_guest_whose_node_does_not_answer():
    """For five minutes its row goes on saying that it runs."""
    found = guest(samples.vm_row(status="running"), samples.vm_config(), node_online=False)

    assert found.status is Status.UNKNOWN


def test_a_guest_that_high_availability_gave_up_is_failing():
    found = vm(row={"hastate": "error"})

    assert (found.health, found.native["ha_state"]) == (Health.FAILING, "error")


def test_small_facts_stand_apart_from_the_configuration():
    at = datetime(2026, 11, 19, 2, tzinfo=UTC)
    found = guest(samples.vm_row(lock="backup"), samples.vm_config(), newest_backup_at=at)

    assert found.native == {
        "lock": "backup",
        "newest_backup_at": "2026-11-19T02:00:00+00:00",
        "uuid": samples.UUID,
        "meta_ctime": 1731400000,
    }


def test_what_is_configured_elsewhere_is_in_the_spec_too():
    found = guest(samples.vm_row(pool="lab/web"), samples.vm_config(), ha_wish="started")

    assert (found.spec["pool"], found.spec["ha"]) == ("lab/web", "started")


def test_the_size_is_what_a_guest_is_given():
    size = vm(efidisk0="local-lvm:vm-100-disk-1,size=4M", scsi1="local-lvm:vm-100-cloudinit,media=cdrom,size=4M",
              unused0="local-lvm:vm-100-disk-7", virtio3="local-lvm:vm-100-disk-3,size=1T").size  # fmt: skip

    assert (size.cpu_cores, size.memory_bytes, size.disk_bytes) == (4, 8 * GIB, 32 * GIB + 2**40)


@pytest.mark.parametrize(
    ("config", "cores"), [({}, 4), ({"vcpus": 3}, 3), ({"sockets": None, "cores": None}, 1), ({"cores": "8"}, 16)]
)
def test_the_cores_of_a_vm_are_those_it_starts_with(config, cores):
    assert vm(**config).size.cpu_cores == cores


@pytest.mark.parametrize(
    ("config", "cores"), [({}, 2), ({"cpulimit": "0.5"}, 0.5), ({"cpulimit": 0}, 2), ({"cores": None}, None)]
)
def test_the_cores_of_a_container_are_its_limit(config, cores):
    assert ct(**config).size.cpu_cores == cores


def test_the_disks_of_a_container_are_those_on_a_storage():
    found = ct(mp0="nas:101/vm-101-disk-1.raw,mp=/srv,size=2G", mp1="/mnt/films,mp=/films,size=1T")

    assert found.size.disk_bytes == 10 * GIB
    assert found.spec["mounts"]["mp0"]["path"] == "/srv"
    assert found.spec["mounts"]["mp1"] == {
        "storage": None, "volume": "/mnt/films", "path": "/films", "size_bytes": 2**40, "options": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"), [("4096", 4096), ("current=4096", 4096), (4096, 4096), (None, 512), ("", 512)]
)
def test_the_memory_of_a_vm_is_a_number_of_mebibytes(text, expected):
    assert vm(memory=text).spec["memory_mib"] == expected


def test_the_spec_always_has_the_same_entries():
    full = vm(args="-x", acpi=0, ciuser="me", tpmstate0="a:b,size=4M", hostpci0="mapping=gpu", lock="backup", numa=1)
    assert vm().spec.keys() == full.spec.keys() == guest(samples.vm_row(), {"digest": "d"}).spec.keys()

    full = ct(mp0="a:b,mp=/x", lxc=[["a", "b"]], env="A=1", dev0="/dev/dri", tty=4)
    assert ct().spec.keys() == full.spec.keys() == guest(samples.ct_row(), {"digest": "d"}).spec.keys()


def test_a_switch_that_is_not_set_is_as_if_it_were_set_to_what_that_means():
    explicit = {"protection": 0, "template": 0, "hotplug": "network,disk,usb", "ciupgrade": 1, "numa": 0, "cpulimit": 0}

    assert vm(**explicit).spec == vm(numa=None).spec
    assert ct(protection=0, console=1, tty=2, debug=0, cpulimit=0).spec == ct().spec


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"net0": "virtio=BC:24:11:AA:BB:01,bridge=b,tag=20"}, {"net0": "tag=20,bridge=b,virtio=bc:24:11:aa:bb:01"}),
        ({"net0": "virtio=BC:24:11:AA:BB:01"}, {"net0": "model=virtio,macaddr=BC:24:11:AA:BB:01,firewall=0"}),
        ({"scsi0": "a:b,ssd=1,size=1G,cache=none"}, {"scsi0": "file=a:b,cache=none,size=1024M,ssd=1"}),
        ({"tags": "web;Prod"}, {"tags": "prod;web;prod"}),
        ({"agent": "1"}, {"agent": "enabled=1"}),
        ({"cpu": "host,flags=+aes"}, {"cpu": "flags=+aes,cputype=host"}),
        ({"startup": "1,up=30"}, {"startup": "up=30,order=1"}),
        ({"hostpci0": "0000:01:00.0,pcie=1"}, {"hostpci0": "pcie=1,host=0000:01:00.0"}),
        ({"vga": "qxl,memory=32,clipboard=vnc"}, {"vga": "qxl,clipboard=vnc,memory=32"}),
        ({"ipconfig0": "ip=10.0.0.5/24,gw=10.0.0.1"}, {"ipconfig0": "gw=10.0.0.1,ip=10.0.0.5/24"}),
        ({"rng0": "source=/dev/urandom,max_bytes=1024"}, {"rng0": "max_bytes=1024,source=/dev/urandom"}),
        ({"cores": 4}, {"cores": "4"}),
        ({"acpi": 0}, {"acpi": "0"}),
        ({}, {"acpi": None, "net5": None, "vcpus": None}),
        ({"description": "x\n"}, {"description": "x"}),
    ],
)  # fmt: skip
def test_one_setting_has_one_form(one, other):
    assert json.dumps(vm(**one).spec, sort_keys=True) == json.dumps(vm(**other).spec, sort_keys=True)


@pytest.mark.parametrize(
    ("option", "value", "path", "expected"),
    [
        ("onboot", 0, "onboot", False),
        ("template", 1, "template", True),
        ("tags", "b;a", "tags", ["a", "b"]),
        ("protection", 1, "protection", True),
        ("ostype", "win11", "ostype", "win11"),
        ("arch", "aarch64", "arch", "aarch64"),
        ("cpu", "host,hidden=1", "cpu.type", "host"),
        ("cpu", "host,hidden=1", "cpu.options.hidden", "1"),
        ("sockets", None, "cpu.sockets", 1),
        ("cores", None, "cpu.cores", 1),
        ("vcpus", 2, "cpu.vcpus", 2),
        ("vcpus", 0, "cpu.vcpus", None),
        ("cpulimit", "1.5", "cpu.limit", 1.5),
        ("cpuunits", "2048", "cpu.units", 2048),
        ("numa", 1, "cpu.numa", True),
        ("affinity", "0-3", "cpu.affinity", "0-3"),
        ("balloon", 0, "balloon_mib", 0),
        ("balloon", None, "balloon_mib", None),
        ("machine", "q35,viommu=intel", "machine", "q35,viommu=intel"),
        ("bios", "ovmf", "bios", "ovmf"),
        ("scsihw", "lsi", "scsihw", "lsi"),
        ("agent", "0", "agent.enabled", False),
        ("agent", None, "agent.enabled", False),
        ("hotplug", "0", "hotplug", []),
        ("hotplug", "1", "hotplug", ["disk", "network", "usb"]),
        ("hotplug", "usb,cpu", "hotplug", ["cpu", "usb"]),
        ("vga", "none", "vga", "none"),
        ("startup", "order=2,up=30,down=60", "startup", {"order": 2, "up": 30, "down": 60}),
        ("usb0", "host=1-2,usb3=1", "usb.usb0", {"host": "1-2", "usb3": "1"}),
        ("numa", 0, "cpu.numa", False),
        ("sshkeys", "", "cloud_init.ssh_keys", 0),
        ("ciuser", "me", "cloud_init.user", "me"),
        ("usb0", "spice", "usb.usb0.host", "spice"),
        ("hostpci0", "mapping=gpu", "hostpci.hostpci0.mapping", "gpu"),
        ("serial0", "socket", "serial.serial0", "socket"),
        ("unused0", "a:b", "unused.unused0", "a:b"),
        ("efidisk0", "a:b,efitype=4m,size=4M", "efidisk.options.efitype", "4m"),
        ("tpmstate0", "a:b,size=4M,version=v2.0", "tpm.size_bytes", 2**22),
        ("args", "-smp 4", "args", "-smp 4"),
        ("hookscript", "local:snippets/x", "hookscript", "local:snippets/x"),
        ("citype", "nocloud", "cloud_init.type", "nocloud"),
        ("nameserver", "10.0.0.1", "cloud_init.nameserver", "10.0.0.1"),
        ("ciupgrade", 0, "cloud_init.upgrade", False),
        ("searchdomain", "lab", "cloud_init.searchdomain", "lab"),
        ("cicustom", "user=a:b", "cloud_init.custom", "user=a:b"),
    ],
)
def test_an_option_of_a_vm_has_its_place(option, value, path, expected):
    spec = vm(**{option: value}).spec

    assert at(spec, path) == expected
    assert spec["other"] == {}


@pytest.mark.parametrize(
    ("option", "value", "path", "expected"),
    [
        ("onboot", None, "onboot", False),
        ("tags", "b;a", "tags", ["a", "b"]),
        ("protection", "1", "protection", True),
        ("ostype", "alpine", "ostype", "alpine"),
        ("arch", "arm64", "arch", "arm64"),
        ("unprivileged", 0, "unprivileged", False),
        ("unprivileged", "1", "unprivileged", True),
        ("template", 1, "template", True),
        ("features", "nesting=1,fuse=1", "features", {"nesting": "1", "fuse": "1"}),
        ("cores", "4", "cores", 4),
        ("env", "A=1", "env.A", "1"),
        ("cpulimit", "2", "cpulimit", 2),
        ("cpuunits", 100, "cpuunits", 100),
        ("memory", None, "memory_mib", 512),
        ("swap", 0, "swap_mib", 0),
        ("swap", None, "swap_mib", 512),
        ("timezone", "host", "timezone", "host"),
        ("nameserver", "10.0.0.1", "nameserver", "10.0.0.1"),
        ("searchdomain", "lab", "searchdomain", "lab"),
        ("console", 0, "console", False),
        ("tty", 0, "tty", 0),
        ("cmode", "shell", "cmode", "shell"),
        ("debug", 1, "debug", True),
        ("hookscript", "a:b", "hookscript", "a:b"),
        ("startup", "3", "startup.order", 3),
        ("dev0", "/dev/dri/renderD128,gid=104", "devices.dev0", {"path": "/dev/dri/renderD128", "gid": "104"}),
        ("unused0", "a:b", "unused.unused0", "a:b"),
        ("entrypoint", "/init", "entrypoint", "/init"),
        (
            "rootfs",
            "a:b,size=8G,acl=1",
            "rootfs",
            {"storage": "a", "volume": "b", "path": "/", "size_bytes": 2**33, "options": {"acl": "1"}},
        ),
        ("mp3", "a:b,mp=/srv,backup=1,ro=1", "mounts.mp3.options", {"backup": "1", "ro": "1"}),
        (
            "net3",
            "name=eth3,bridge=vmbr0,ip6=fd00::3/64,gw6=fd00::1,host-managed=1",
            "networks.net3.gateway6",
            "fd00::1",
        ),
        ("net3", "name=eth3,bridge=vmbr0,host-managed=1", "networks.net3.host_managed", True),
        ("hostname", None, "hostname", None),
        ("rootfs", None, "rootfs", None),
    ],
)
def test_an_option_of_a_container_has_its_place(option, value, path, expected):
    spec = ct(**{option: value}).spec

    assert at(spec, path) == expected
    assert spec["other"] == {}


def at(spec, path):
    for name in path.split("."):
        spec = spec[name]
    return spec


def test_the_order_of_boot_devices_is_kept():
    assert vm(boot="order=net0;scsi0").spec["boot_order"] == ["net0", "scsi0"]
    assert vm(boot="cdn").spec["boot_order"] == ["c", "d", "n"]
    assert vm(boot=None).spec["boot_order"] == []


@pytest.mark.parametrize(
    "written_by_itself",
    [
        {"digest": "other"}, {"lock": "backup"}, {"vmgenid": "other"}, {"parent": "snap"}, {"vmstate": "a:b"},
        {"runningmachine": "pc-q35-9.0"}, {"runningcpu": "kvm64"}, {"running-nets-host-mtu": "net0=1500"},
        {"special-sections": {"cloudinit": {"name": "web"}}}, {"snaptime": 1}, {"meta": "ctime=1"},
        {"smbios1": "uuid=11111111-2222-4333-8444-555555555555"},
    ],
)  # fmt: skip
def test_what_proxmox_writes_there_by_itself_is_not_configuration(written_by_itself):
    assert vm(**written_by_itself).spec == vm().spec


def test_a_disk_says_where_it_is_and_how_it_is_attached():
    found = vm(
        ide2="none,media=cdrom", sata1="local-lvm:vm-100-cloudinit,media=cdrom", scsi1="/dev/disk/by-id/ata-1,ssd=1"
    )
    disks = found.spec["disks"]

    assert disks["scsi0"] == {
        "storage": "local-lvm", "volume": "vm-100-disk-0", "size_bytes": 32 * GIB, "media": "disk",
        "options": {"iothread": "1"},
    }  # fmt: skip
    assert (disks["ide2"]["storage"], disks["ide2"]["volume"], disks["ide2"]["media"]) == (None, "none", "cdrom")
    assert disks["sata1"]["media"] == "cloudinit"
    assert (disks["scsi1"]["storage"], disks["scsi1"]["volume"]) == (None, "/dev/disk/by-id/ata-1")


def test_a_card_says_where_it_is_plugged_in():
    text = (
        "virtio=BC:24:11:AA:BB:01,bridge=vmbr0,firewall=1,tag=20,rate=12.5,mtu=1400,link_down=1,queues=4,trunks=30;10"
    )
    assert vm(net0=text).spec["networks"]["net0"] == {
        "model": "virtio", "mac": "BC:24:11:AA:BB:01", "bridge": "vmbr0", "vlan": 20, "trunks": ["10", "30"],
        "firewall": True, "rate_mbytes": 12.5, "mtu": 1400, "link_down": True, "queues": 4,
    }  # fmt: skip
    assert ct().spec["networks"]["net0"] == {
        "name": "eth0", "type": "veth", "mac": "BC:24:11:CC:DD:01", "bridge": "vmbr0", "vlan": None, "trunks": [],
        "firewall": False, "rate_mbytes": None, "mtu": None, "link_down": False, "ip": "10.0.0.53/24",
        "gateway": "10.0.0.1", "ip6": None, "gateway6": None, "host_managed": False,
    }  # fmt: skip


def test_static_addresses_are_those_of_a_guest_and_leased_ones_are_not():
    found = vm(ipconfig0="ip=10.0.0.5/24,gw=10.0.0.1,ip6=auto", ipconfig1="ip=dhcp,ip6=fd00::5/64")
    assert found.addresses == ("10.0.0.5", "fd00::5")

    assert ct().addresses == ("10.0.0.53",)
    assert ct(net0="name=eth0,bridge=vmbr0,ip=dhcp,ip6=auto").addresses == ()


def test_cloud_init_shows_that_there_is_a_password_and_how_many_keys():
    keys = "ssh-ed25519%20AAAA%20a%0A%23%20old%0Assh-ed25519%20BBBB%20b%0A"
    found = vm(ciuser="admin", cipassword="**********", sshkeys=keys, ipconfig0="ip=dhcp")

    assert found.spec["cloud_init"] == {
        "user": "admin", "has_password": True, "ssh_keys": 2, "ipconfig": {"ipconfig0": {"ip": "dhcp"}},
        "nameserver": None, "searchdomain": None, "upgrade": True, "type": None, "custom": None,
    }  # fmt: skip
    assert "***" not in found.model_dump_json()
    assert "AAAA" not in found.model_dump_json()


def test_no_secret_is_published():
    secret = "hunter2hunter2"
    shown = [
        vm(args=f"-vnc :7,password={secret}", cipassword=secret, description=f"password: {secret}", quark_token=secret),
        vm(smbios1=f"uuid={samples.UUID},serial=1", watchdog=f"model=i6300esb,secret={secret}"),
        ct(env=f"DB_PASSWORD={secret}\0MODE=fast\0URL=https://me:{secret}@db/x", entrypoint=f"/init --token {secret}"),
        ct(lxc=[["lxc.environment", f"API_KEY={secret}"], ["lxc.mount.entry", "/a a none bind 0 0"]]),
    ]

    assert all(secret not in one.model_dump_json() for one in shown)
    assert shown[2].spec["env"] == {"DB_PASSWORD": "<redacted>", "MODE": "fast", "URL": "https://me:<redacted>@db/x"}
    assert ct(lxc=[["lxc.environment", "MODE"], ["odd"], "odd"]).spec["lxc"] == ["lxc.environment = MODE"]
    assert shown[3].spec["lxc"] == ["lxc.environment = API_KEY=<redacted>", "lxc.mount.entry = /a a none bind 0 0"]


def test_what_people_wrote_is_kept_up_to_a_length():
    assert vm().spec["description"] == "The web server\nsecond line"
    assert len(vm(description="x" * 10_000).spec["description"]) == 4096


def test_an_option_nobody_knows_is_shown_as_it_is_written():
    found = vm(acpi=0, keyboard="de", numa0="cpus=0-1,memory=2048", smbios1=f"uuid={samples.UUID},base64=1,sku=QQ==")

    assert found.spec["other"] == {
        "acpi": "0", "keyboard": "de", "numa0": "cpus=0-1,memory=2048", "smbios1": "base64=1,sku=QQ==",
    }  # fmt: skip
    assert ct(quark=1).spec["other"] == {"quark": "1"}


def edges(resource):
    return {(one.type, one.key.removeprefix("proxmox/lab/")) for one in resource.relations}


def test_a_guest_points_at_what_it_uses():
    config = samples.vm_config(
        scsi0="nas:9000/base-9000-disk-0.qcow2/100/vm-100-disk-0.qcow2,size=1G",
        net1="virtio=BC:24:11:00:00:02,bridge=blue",
        efidisk0="local-zfs:vm-100-disk-1,size=4M", unused0="old:vm-100-disk-2",
    )  # fmt: skip
    extras = {"shared_storages": frozenset({"nas"}), "vnets": frozenset({"blue"})}

    assert edges(guest(samples.vm_row(pool="lab"), config, **extras)) == {
        ("uses", "storage/nas"), ("uses", "storage/pve1/local"), ("uses", "storage/pve1/local-zfs"),
        ("attached", "network/pve1/vmbr0"), ("attached", "network/sdn/vnet/blue"),
        ("made_from", "template/9000"), ("member", "pool/lab"),
    }  # fmt: skip
    assert edges(ct(mp0="/mnt/films,mp=/films", mp1="tank:subvol-101-disk-1,mp=/srv")) == {
        ("uses", "storage/pve2/local-lvm"), ("uses", "storage/pve2/tank"), ("attached", "network/pve2/vmbr0"),
    }  # fmt: skip


def test_a_guest_whose_configuration_was_never_read_says_what_its_row_says():
    found = guest(samples.vm_row(tags="Web"), None)

    assert (found.key, found.name, found.status) == ("proxmox/lab/vm/100", "vm100", Status.RUNNING)
    assert (found.labels, found.spec, found.incarnation) == ({"web": ""}, {}, "")
    assert found.native["config"] == "unread"


def test_without_a_configuration_a_guest_stays_what_it_was_last_known_to_be():
    at = datetime(2026, 11, 19, 2, tzinfo=UTC)
    last = guest(samples.vm_row(lock="backup"), samples.vm_config())
    row = samples.vm_row(status="stopped", node="pve3", pool="lab")
    found = guest(row, None, last=last, newest_backup_at=at)

    assert found.spec == last.spec | {"pool": "lab"}
    assert (found.incarnation, found.size, found.labels, found.name) == (
        last.incarnation,
        last.size,
        last.labels,
        "web",
    )
    assert (found.status, found.parent) == (Status.STOPPED, "proxmox/lab/node/pve3")
    assert found.native == {
        "uuid": samples.UUID, "meta_ctime": 1731400000, "newest_backup_at": "2026-11-19T02:00:00+00:00",
    }  # fmt: skip


def test_the_same_answers_are_the_same_resource():
    assert vm() == vm()
    assert ct() == ct()
