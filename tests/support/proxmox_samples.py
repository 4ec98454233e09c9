"""Answers of Proxmox VE 8.4 and 9.1 as they come, for the tests: one of each kind, to be changed as needed.

Each call makes a new one, so that a test may write into it.
"""

from typing import Any

Json = dict[str, Any]

UUID = "5a3e8b1c-0f5d-4c6e-9a57-2f5b8f1c7d10"
GIB = 2**30


def vm_row(vmid: int = 100, **more: Any) -> Json:
    return {
        "id": f"qemu/{vmid}", "type": "qemu", "vmid": vmid, "node": "pve1", "status": "running", "name": f"vm{vmid}",
        "template": 0, "tags": "prod;web", "uptime": 86400, "maxcpu": 4, "cpu": 0.0123, "maxmem": 8 * GIB,
        "mem": 3 * GIB, "memhost": 4 * GIB, "maxdisk": 32 * GIB, "disk": 0, "netin": 123456, "netout": 654321,
        "diskread": 1234567, "diskwrite": 7654321, **more,
    }  # fmt: skip


def ct_row(vmid: int = 101, **more: Any) -> Json:
    return {
        "id": f"lxc/{vmid}", "type": "lxc", "vmid": vmid, "node": "pve2", "status": "running", "name": f"ct{vmid}",
        "template": 0, "uptime": 3600, "maxcpu": 2, "cpu": 0.5, "maxmem": 2 * GIB, "mem": GIB, "maxdisk": 8 * GIB,
        "disk": 3 * GIB, "netin": 1, "netout": 2, "diskread": 3, "diskwrite": 4, **more,
    }  # fmt: skip


def bare_row(vmid: int = 102, **more: Any) -> Json:
    """A guest of which pvestatd has not yet told, or not for five minutes."""
    return {"id": f"qemu/{vmid}", "type": "qemu", "vmid": vmid, "node": "pve1", "status": "unknown", **more}


def node_row(name: str = "pve1", **more: Any) -> Json:
    return {
        "id": f"node/{name}", "type": "node", "node": name, "status": "online", "level": "", "cgroup-mode": 2,
        "uptime": 1234567, "cpu": 0.07, "maxcpu": 16, "mem": 20 * GIB, "maxmem": 64 * GIB, "disk": 10 * GIB,
        "maxdisk": 94 * GIB, **more,
    }  # fmt: skip


def storage_row(name: str = "local-lvm", node: str = "pve1", **more: Any) -> Json:
    return {
        "id": f"storage/{node}/{name}", "type": "storage", "storage": name, "node": node, "plugintype": "lvmthin",
        "shared": 0, "content": "images,rootdir", "status": "available", "disk": 100 * GIB, "maxdisk": 400 * GIB,
        **more,
    }  # fmt: skip


def pool_row(name: str = "lab") -> Json:
    return {"id": f"/pool/{name}", "type": "pool", "pool": name, "cpu": 0.1, "maxcpu": 4, "mem": 1, "maxmem": 2}


def sdn_row(node: str = "pve1", *, pve: int = 9) -> Json:
    if pve < 9:
        name = {"id": f"sdn/{node}/localnetwork", "type": "sdn", "sdn": "localnetwork"}
    else:
        name = {"id": f"network/{node}/zone/localnetwork", "type": "network", "network": "localnetwork"}
        name |= {"network-type": "zone"}
    return {"node": node, "status": "ok", **name}


def vm_config(**more: Any) -> Json:
    return {
        "agent": "1,fstrim_cloned_disks=1", "balloon": 2048, "boot": "order=scsi0;ide2;net0", "cores": 2,
        "cpu": "x86-64-v2-AES", "description": "The web server\nsecond line\n",
        "digest": "0f5d7b0d39a4dd0c5f6b8a8b8c4f6d1f6f2e7a10", "ide2": "local:iso/debian-13.iso,media=cdrom,size=631M",
        "memory": "8192", "meta": "creation-qemu=9.2.0,ctime=1731400000", "name": "web",
        "net0": "virtio=BC:24:11:AA:BB:01,bridge=vmbr0,firewall=1,tag=20", "numa": 0, "onboot": 1, "ostype": "l26",
        "scsi0": "local-lvm:vm-100-disk-0,iothread=1,size=32G", "scsihw": "virtio-scsi-single",
        "smbios1": f"uuid={UUID}", "sockets": 2, "tags": "prod;web",
        "vmgenid": "b6f0d9c1-4a9e-4a40-8f0c-2a6a3a5d1e77", **more,
    }  # fmt: skip


def ct_config(**more: Any) -> Json:
    return {
        "arch": "amd64", "cores": 2, "digest": "9d4c5f6b8a8b8c4f6d1f6f2e7a100f5d7b0d39a4",
        "features": "keyctl=1,nesting=1",
        "hostname": "dns", "memory": 2048, "onboot": 1, "ostype": "debian",
        "net0": "name=eth0,bridge=vmbr0,gw=10.0.0.1,hwaddr=BC:24:11:CC:DD:01,ip=10.0.0.53/24,type=veth",
        "rootfs": "local-lvm:vm-101-disk-0,size=8G", "swap": 512, "unprivileged": 1, **more,
    }  # fmt: skip


def cluster_status(*, online: int = 2, quorate: int = 1) -> list[Json]:
    itself = {"type": "cluster", "id": "cluster", "name": "lab", "nodes": 3, "quorate": quorate, "version": 3}
    nodes = [
        {
            "type": "node", "id": f"node/pve{number}", "name": f"pve{number}", "nodeid": number, "level": "",
            "ip": f"10.0.0.{number}", "local": int(number == 1), "online": int(number <= online),
        }
        for number in (1, 2, 3)
    ]  # fmt: skip
    return [itself, *nodes]


def standalone_status() -> list[Json]:
    return [
        {"type": "node", "id": "node/solo", "name": "solo", "nodeid": 0, "ip": "10.0.0.9", "local": 1, "online": 1,
         "level": ""},
    ]  # fmt: skip


def node_status(**more: Any) -> Json:
    return {
        "uptime": 1234567, "cpu": 0.07, "wait": 0.01, "idle": 0, "loadavg": ["0.10", "0.20", "0.30"],
        "kversion": "Linux 6.14.8-2-pve #1 SMP PREEMPT_DYNAMIC PMX 6.14.8-2 (2025-07-22T10:04Z)",
        "current-kernel": {"sysname": "Linux", "release": "6.14.8-2-pve", "version": "#1 SMP", "machine": "x86_64"},
        "boot-info": {"mode": "efi", "secureboot": 0}, "pveversion": "pve-manager/9.0.5/9c5600b249dbfd2f",
        "cpuinfo": {"cpus": 16, "cores": 8, "sockets": 1, "model": "AMD Ryzen 7 5700G", "mhz": "3800.000", "hvm": "1"},
        "memory": {"free": 1, "total": 64 * GIB, "used": 2, "available": 3}, "ksm": {"shared": 0},
        "rootfs": {"free": 1, "total": 94 * GIB, "used": 2, "avail": 3}, "swap": {"free": 0, "total": 0, "used": 0},
        **more,
    }  # fmt: skip


def storage_definitions() -> list[Json]:
    return [
        {"storage": "local-lvm", "type": "lvmthin", "content": "rootdir,images", "vgname": "pve", "thinpool": "data",
         "digest": "x"},
        {"storage": "nas", "type": "nfs", "content": "backup,iso", "server": "10.0.0.20", "export": "/tank/pve",
         "path": "/mnt/pve/nas", "shared": 1, "prune-backups": "keep-weekly=4,keep-daily=7", "digest": "x"},
        {"storage": "pbs", "type": "pbs", "content": "backup", "server": "10.0.0.21", "datastore": "main",
         "username": "pve@pbs!token", "shared": 1, "fingerprint": "AA:BB", "digest": "x"},
    ]  # fmt: skip


def snapshot_rows() -> list[Json]:
    return [
        {"name": "before", "snaptime": 1731500000, "vmstate": 1, "description": "before the upgrade\n"},
        {"name": "after", "snaptime": 1731600000, "vmstate": 0, "description": "", "parent": "before"},
        {"name": "current", "description": "You are here!", "digest": "x", "running": 1, "parent": "after"},
    ]  # fmt: skip


def network_rows() -> list[Json]:
    return [
        {"iface": "eno1", "type": "eth", "exists": 1, "active": 1, "method": "manual", "method6": "manual",
         "families": ["inet"], "priority": 3},
        {"iface": "vmbr0", "type": "bridge", "active": 1, "autostart": 1, "method": "static", "method6": "manual",
         "address": "10.0.0.1", "cidr": "10.0.0.1/24", "netmask": "24", "gateway": "10.0.0.254", "bridge_fd": "0",
         "bridge_ports": "eno1", "bridge_stp": "off", "bridge_vids": "2-4094", "bridge_vlan_aware": 1, "priority": 4,
         "comments": "the lab\n", "families": ["inet"]},
        {"iface": "vmbr0.20", "type": "vlan", "autostart": 1, "method": "manual", "method6": "manual",
         "vlan-id": "20", "vlan-raw-device": "vmbr0", "priority": 5},
    ]  # fmt: skip


def disk_rows() -> list[Json]:
    return [
        {"devpath": "/dev/nvme0n1", "type": "nvme", "model": "Samsung SSD 990 PRO 2TB", "vendor": "unknown",
         "serial": "S7KHNJ0X000001", "wwn": "eui.0025384331", "size": 2000398934016, "used": "LVM", "health": "PASSED",
         "wearout": 97, "gpt": 1, "mounted": 0, "osdid": -1, "osdid-list": None, "rpm": 0,
         "by_id_link": "/dev/disk/by-id/nvme-Samsung"},
        {"devpath": "/dev/sda", "type": "hdd", "model": "WDC WD40EFRX", "vendor": "ATA     ", "serial": "WD-1",
         "wwn": "0x50014ee2", "size": 4000787030016, "used": "ZFS", "health": "FAILED", "wearout": "N/A", "gpt": 1,
         "osdid": "-1", "rpm": 5400},
        {"devpath": "/dev/sdb", "type": "unknown", "model": "unknown", "vendor": "unknown", "serial": "unknown",
         "wwn": "unknown", "size": 1000, "health": "UNKNOWN", "wearout": "N/A", "gpt": 0, "osdid": -1, "rpm": -1},
    ]  # fmt: skip


def backup_rows() -> list[Json]:
    return [
        {"volid": "nas:backup/vzdump-qemu-100-2026_11_18-02_00_00.vma.zst", "content": "backup", "format": "vma.zst",
         "subtype": "qemu", "vmid": 100, "ctime": 1795312800, "size": 5 * GIB, "notes": "web"},
        {"volid": "nas:backup/vzdump-qemu-100-2026_11_19-02_00_00.vma.zst", "content": "backup", "format": "vma.zst",
         "subtype": "qemu", "vmid": "100", "ctime": "1795399200", "size": str(6 * GIB), "protected": 1},
        {"volid": "nas:backup/vzdump-lxc-101-2026_11_19-02_10_00.tar.zst", "content": "backup", "format": "tar.zst",
         "subtype": "lxc", "vmid": 101, "ctime": 1795399800, "size": GIB},
    ]  # fmt: skip


def pbs_rows() -> list[Json]:
    return [
        {"volid": "pbs:backup/vm/100/2026-11-20T02:00:00Z", "content": "backup", "format": "pbs-vm", "subtype": "qemu",
         "vmid": 100, "ctime": 1795485600, "size": 32 * GIB, "verification": {"state": "ok", "upid": "UPID:x"},
         "encrypted": "AA:BB"},
        {"volid": "pbs:backup/host/pve1/2026-11-20T03:00:00Z", "content": "backup", "format": "pbs-host",
         "ctime": 1795489200, "size": 10},
    ]  # fmt: skip


def backup_jobs() -> list[Json]:
    return [
        {"id": "backup-1", "type": "vzdump", "enabled": 1, "schedule": "02:00", "storage": "nas", "mode": "snapshot",
         "all": 1, "exclude": "105,103", "prune-backups": {"keep-last": "3", "keep-daily": "7"}, "next-run": 1795572000,
         "notes-template": "{{guestname}}", "comment": "nightly"},
        {"id": "backup-2", "type": "vzdump", "enabled": 0, "dow": "sat", "starttime": "03:00", "storage": "pbs",
         "mode": "stop", "vmid": "101,100", "prune-backups": "keep-daily=7,keep-last=3"},
    ]  # fmt: skip


def replication_jobs() -> list[Json]:
    return [
        {"id": "100-0", "type": "local", "guest": 100, "jobnum": 0, "target": "pve2", "source": "pve1",
         "schedule": "*/15", "rate": "10"},
    ]  # fmt: skip
