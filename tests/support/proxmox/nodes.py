"""The hardware and the software of a plain node, as its endpoints tell of them."""

from typing import Any

Row = dict[str, Any]


def networks(number: int) -> list[Row]:
    manual = {"method": "manual", "method6": "manual", "families": ["inet"], "active": 1, "exists": 1}
    port = {"type": "eth", **manual}
    return [
        {"iface": "nic0", "priority": 3, **port},
        {"iface": "nic1", "priority": 4, **port},
        {
            "iface": "bond0",
            "type": "bond",
            "priority": 5,
            "slaves": "nic0 nic1",
            "bond_mode": "802.3ad",
            "bond_miimon": "100",
            "bond_xmit_hash_policy": "layer2+3",
            "autostart": 1,
            **manual,
        },
        {
            "iface": "vmbr0",
            "type": "bridge",
            "priority": 6,
            **manual,
            "method": "static",
            "address": f"192.0.2.{number}",
            "netmask": "24",
            "cidr": f"192.0.2.{number}/24",
            "gateway": "192.0.2.254",
            "bridge_ports": "bond0",
            "bridge_stp": "off",
            "bridge_fd": "0",
            "bridge_vlan_aware": 1,
            "bridge_vids": "2-4094",
            "autostart": 1,
            "comments": "LAN\n",
        },
        {
            "iface": "vmbr1",
            "type": "bridge",
            "priority": 7,
            **manual,
            "bridge_ports": "",
            "bridge_stp": "off",
            "bridge_fd": "0",
            "autostart": 1,
        },
        {
            "iface": "bond0.30",
            "type": "vlan",
            "priority": 8,
            **manual,
            "vlan-id": "30",
            "vlan-raw-device": "bond0",
            "autostart": 1,
        },
    ]


def disks(number: int) -> list[Row]:
    common = {"gpt": 1, "mounted": 0, "osdid": -1, "osdid-list": None, "health": "PASSED", "vendor": "ATA"}
    return [
        {
            **common,
            "devpath": "/dev/nvme0n1",
            "type": "nvme",
            "model": "Samsung SSD 980 PRO 1TB",
            "serial": f"S5GXNX0R{number:06d}",
            "wwn": f"eui.002538b{number:09x}",
            "size": 1_000_204_886_016,
            "rpm": 0,
            "wearout": 97,
            "used": "LVM",
            "vendor": "unknown",
            "by_id_link": f"/dev/disk/by-id/nvme-Samsung_SSD_980_PRO_1TB_S5GXNX0R{number:06d}",
        },
        {
            **common,
            "devpath": "/dev/sda",
            "type": "hdd",
            "model": "WDC_WD40EFRX",
            "serial": f"WD-WCC7K{number:06d}",
            "wwn": f"0x50014ee2{number:08x}",
            "size": 4_000_787_030_016,
            "rpm": 5400,
            "wearout": "N/A",
            "used": "ZFS",
            "by_id_link": f"/dev/disk/by-id/ata-WDC_WD40EFRX_WD-WCC7K{number:06d}",
        },
    ]


def subscription(number: int) -> Row:
    return {
        "status": "notfound",
        "message": "There is no subscription key",
        "serverid": f"{number:032X}",
        "url": "https://www.proxmox.com/en/proxmox-virtual-environment/pricing",
    }


def updates() -> list[Row]:
    return [
        {
            "Package": "pve-manager",
            "Title": "Proxmox Virtual Environment Management Tools",
            "Description": "This package contains the Proxmox Virtual Environment management tools.",
            "Arch": "all",
            "Section": "admin",
            "Priority": "optional",
            "Origin": "Proxmox",
            "OldVersion": "9.2.11",
            "Version": "9.2.12",
        }
    ]
