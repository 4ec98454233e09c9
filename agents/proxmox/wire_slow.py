"""What a cluster answers about what changes seldom: definitions, networks, disks, backups, jobs, high availability."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from agents.proxmox.figures import Flag, Number, Whole, flag
from agents.proxmox.wire import Wire

MaybeFlag = Annotated[bool | None, BeforeValidator(flag)]


class CpuInfo(Wire):
    model: str = ""
    cpus: Whole = None
    cores: Whole = None
    sockets: Whole = None


class Amount(Wire):
    total: Whole = None


class Kernel(Wire):
    release: str = ""
    machine: str = ""


class BootInfo(Wire):
    mode: str = ""
    secureboot: MaybeFlag = None


class NodeStatus(Wire):
    """``nodes/N/status``: live."""

    pveversion: str = ""
    kversion: str = ""
    uptime: Number = None
    cpu: Number = None
    cpuinfo: CpuInfo = CpuInfo()
    memory: Amount = Amount()
    rootfs: Amount = Amount()
    current_kernel: Kernel = Field(default=Kernel(), alias="current-kernel")
    boot_info: BootInfo = Field(default=BootInfo(), alias="boot-info")


class Subscription(Wire):
    status: str = ""


class Update(Wire):
    """A package of ``nodes/N/apt/update`` that can be brought up to date."""

    package: str = Field(default="", alias="Package")


_SETTINGS = frozenset(
    {"path", "server", "server2", "export", "share", "subdir", "domain", "smbversion", "options", "port", "username"}
    | {"pool", "data-pool", "fs-name", "monhost", "krbd", "vgname", "thinpool", "base", "portal", "target", "volume"}
    | {"datastore", "namespace", "fingerprint", "mountpoint", "is_mountpoint", "mkdir", "create-base-path", "transport"}
    | {"create-subdirs", "content-dirs", "sparse", "blocksize", "format", "preallocation", "prune-backups", "bwlimit"}
    | {"max-protected-backups", "saferemove", "snapshot-as-volume-chain", "iscsiprovider"}
)
"""What is taken of a storage's own settings.  Never a password, key or keyring, nor what is not known."""


class StorageDefinition(Wire):
    storage: str
    type: str = ""
    content: str = ""
    shared: Flag = False
    disable: Flag = False
    nodes: str = ""
    settings: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:  # noqa: ANN401 - whatever the cluster said
        if not isinstance(value, dict):
            return value
        return {**value, "settings": {name: value[name] for name in value.keys() & _SETTINGS}}


class PoolDefinition(Wire):
    poolid: str
    comment: str = ""


class HaResource(Wire):
    """``sid`` is ``vm:<vmid>`` or ``ct:<vmid>``."""

    sid: str
    state: str = "started"
    group: str = ""
    comment: str = ""
    failback: MaybeFlag = None
    max_restart: Whole = None
    max_relocate: Whole = None


class HaState(Wire):
    """A row of ``cluster/ha/status/current``."""

    type: str = ""
    sid: str = ""
    crm_state: str = ""


class HaGroup(Wire):
    """Before PVE 9.  ``nodes`` is ``pve1:2,pve2``: a higher number is preferred."""

    group: str
    nodes: str = ""
    restricted: Flag = False
    nofailback: Flag = False
    comment: str = ""


class HaRule(Wire):
    """Since PVE 9."""

    rule: str
    type: str = ""
    resources: str = ""
    nodes: str = ""
    strict: Flag = False
    affinity: str = ""
    disable: Flag = False
    comment: str = ""


class SnapshotRow(Wire):
    """The last one, ``current``, is none."""

    name: str
    snaptime: Whole = None
    vmstate: Flag = False
    description: str = ""
    parent: str = ""
    snapstate: str = ""


class NetworkRow(Wire):
    """An interface of a node: bridge, bond, VLAN, card.  Lists are texts with spaces."""

    iface: str
    type: str = "unknown"
    active: Flag = False
    autostart: Flag = False
    method: str = ""
    method6: str = ""
    cidr: str = ""
    address: str = ""
    gateway: str = ""
    cidr6: str = ""
    address6: str = ""
    gateway6: str = ""
    mtu: Whole = None
    comments: str = ""
    bridge_ports: str = ""
    bridge_vlan_aware: Flag = False
    bridge_vids: str = ""
    slaves: str = ""
    bond_mode: str = ""
    bond_primary: str = Field(default="", alias="bond-primary")
    bond_xmit_hash_policy: str = ""
    vlan_id: Whole = Field(default=None, alias="vlan-id")
    vlan_raw_device: str = Field(default="", alias="vlan-raw-device")
    ovs_bridge: str = ""
    ovs_ports: str = ""
    ovs_bonds: str = ""
    ovs_tag: Whole = None
    ovs_options: str = ""


class ZoneRow(Wire):
    zone: str
    type: str = ""
    bridge: str = ""
    tag: Whole = None
    vlan_protocol: str = Field(default="", alias="vlan-protocol")
    mtu: Whole = None
    nodes: str = ""
    peers: str = ""
    controller: str = ""
    vrf_vxlan: Whole = Field(default=None, alias="vrf-vxlan")
    vxlan_port: Whole = Field(default=None, alias="vxlan-port")
    exitnodes: str = ""
    ipam: str = ""
    dhcp: str = ""
    dns: str = ""
    dnszone: str = ""


class VnetRow(Wire):
    vnet: str
    zone: str = ""
    tag: Whole = None
    alias: str = ""
    vlanaware: Flag = False
    isolate_ports: Flag = Field(default=False, alias="isolate-ports")


class DiskRow(Wire):
    """A row of ``nodes/N/disks/list``; ``wearout`` is what is left, in percent, or ``N/A``."""

    devpath: str
    type: str = ""
    model: str = ""
    vendor: str = ""
    serial: str = ""
    wwn: str = ""
    size: Whole = None
    used: str = ""
    health: str = ""
    wearout: Number = None
    rpm: Whole = None
    parent: str = ""


class Verification(Wire):
    state: str = ""


class Volume(Wire):
    """A row of a storage's content."""

    volid: str
    content: str = ""
    format: str = ""
    subtype: str = ""
    vmid: Whole = None
    size: Whole = None
    ctime: Whole = None
    notes: str = ""
    protected: Flag = False
    encrypted: str = ""
    verification: Verification = Verification()


class BackupJob(Wire):
    """Lists of guests are texts with commas; ``prune_backups`` is a mapping, or a text in older versions."""

    id: str
    type: str = "vzdump"
    enabled: Flag = True
    schedule: str = ""
    starttime: str = ""
    dow: str = ""
    storage: str = ""
    mode: str = ""
    compress: str = ""
    all: Flag = False
    vmid: str = ""
    pool: str = ""
    exclude: str = ""
    node: str = ""
    comment: str = ""
    protected: Flag = False
    repeat_missed: Flag = Field(default=False, alias="repeat-missed")
    notes_template: str = Field(default="", alias="notes-template")
    prune_backups: JsonValue = Field(default="", alias="prune-backups")


class ReplicationJob(Wire):
    id: str
    guest: Whole = None
    target: str = ""
    source: str = ""
    schedule: str = "*/15"
    rate: Number = None
    disable: Flag = False
    comment: str = ""
    remove_job: str = ""
