"""What a cluster is made of: plain mutable records. Times are epoch seconds of the world, sizes bytes."""

from dataclasses import dataclass, field
from typing import Any, Literal

MIB = 2**20
GIB = 2**30

GuestType = Literal["qemu", "lxc"]
Row = dict[str, Any]


@dataclass
class Node:
    name: str
    number: int
    booted_at: float
    version: str
    online: bool = True
    pvestatd: bool = True
    """False: pvestatd hangs, so nothing of this node is told to the others any more."""
    skew: float = 0.0
    """Seconds this node's clock is ahead of the world's."""
    cpus: int = 16
    memory: int = 64 * GIB
    rootfs: int = 100 * GIB
    level: str = ""
    kernel: str = "6.17.2-1-pve"
    networks: list[Row] = field(default_factory=list)
    disks: list[Row] = field(default_factory=list)
    subscription: Row = field(default_factory=dict)
    updates: list[Row] = field(default_factory=list)
    active: list["Task"] = field(default_factory=list)
    tasks: list["Task"] = field(default_factory=list)
    """Those that ended, the latest first."""
    logged: int = 0
    """How many lines it has written to the cluster log: the `uid` of the last."""

    @property
    def ip(self) -> str:
        return f"192.0.2.{self.number}"


@dataclass
class Guest:
    vmid: int
    type: GuestType
    node: str
    config: dict[str, str]
    """The main section of its file, option -> raw text; `lock`, `tags` and `template` are options."""
    pending: dict[str, str | None] = field(default_factory=dict)
    """What waits for a restart; None: the option goes."""
    snapshots: dict[str, dict[str, str]] = field(default_factory=dict)
    state: str = "stopped"
    """running, stopped, and of a VM also QMP's words: paused, prelaunch, suspended, io-error, internal-error."""
    started_at: float | None = None

    @property
    def template(self) -> bool:
        return self.config.get("template") == "1"

    @property
    def alive(self) -> bool:
        return self.state != "stopped"

    @property
    def name(self) -> str:
        if self.type == "qemu":
            return self.config.get("name", f"VM {self.vmid}")
        return self.config.get("hostname", f"CT{self.vmid}")

    @property
    def lock(self) -> str | None:
        return self.config.get("lock")

    @property
    def sid(self) -> str:
        return f"{'vm' if self.type == 'qemu' else 'ct'}:{self.vmid}"


@dataclass
class Storage:
    name: str
    type: str
    content: str = "images,rootdir"
    shared: bool = False
    enabled: bool = True
    nodes: tuple[str, ...] = ()
    """Only these nodes have it; empty: all."""
    size: int = 500 * GIB
    used: int = 100 * GIB
    inactive: set[str] = field(default_factory=set)
    """Nodes where it does not answer."""
    options: Row = field(default_factory=dict)

    def on(self, node: str) -> bool:
        return not self.nodes or node in self.nodes

    @property
    def files(self) -> bool:
        return self.type in {"dir", "nfs", "cifs", "btrfs"}


@dataclass
class Backup:
    """A backup in a storage, with the configuration as it was."""

    volid: str
    storage: str
    node: str
    vmid: int
    type: GuestType
    format: str
    size: int
    made_at: float
    config: dict[str, str]
    notes: str = ""
    protected: bool = False


@dataclass
class Pool:
    name: str
    comment: str = ""
    guests: set[int] = field(default_factory=set)
    storages: set[str] = field(default_factory=set)


@dataclass
class HaResource:
    sid: str
    state: str = "started"
    crm_state: str | None = None
    """What the manager makes of it; None: as asked for."""
    group: str | None = None
    comment: str = ""


@dataclass
class Task:
    upid: str
    node: str
    pid: int
    pstart: int
    started_at: int
    type: str
    id: str
    user: str
    token: str | None
    ended_at: int | None = None
    status: str | None = None
    lines: list[str] = field(default_factory=list)


@dataclass
class Token:
    user: str
    name: str
    secret: str
    privsep: bool = True
    expires_at: float | None = None

    @property
    def id(self) -> str:
        return f"{self.user}!{self.name}"


@dataclass(frozen=True)
class Acl:
    path: str
    who: str
    """A user, a token's full id, or `@group`."""
    role: str
    propagate: bool = True


@dataclass(frozen=True)
class Change:
    """One thing a storm did."""

    kind: str
    vmid: int
    detail: str = ""
