"""What a cluster answers, in the API's own shape: what is read with every reading.  The rest is in ``wire_slow``.

The API never checks its answers against its own description: keys we do not know are ignored, numbers may come as
text and booleans as 0 and 1.  What a thing is known by (id, type, number, node) has to be there; a figure that is none
is not known, and no reason to lose the listing.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ConfigDict, JsonValue, RootModel, field_validator, model_validator

from agents.errors import Malformed
from agents.proxmox.figures import Flag, Number, Whole, flag, number, whole
from schemas.base import Message


class Wire(Message):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:  # noqa: ANN401 - whatever the cluster said
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


class GuestRow(NamedTuple):
    """A VM or a container in ``cluster/resources``.  What pvestatd has not yet told is None."""

    vmid: int
    type: str
    """``qemu`` or ``lxc``"""
    node: str
    status: str = "unknown"
    name: str | None = None
    template: bool | None = None
    tags: str = ""
    pool: str | None = None
    lock: str | None = None
    hastate: str | None = None
    uptime: float | None = None
    maxcpu: float | None = None
    cpu: float | None = None
    """0 to 1, of ``maxcpu``"""
    maxmem: float | None = None
    mem: float | None = None
    maxdisk: float | None = None
    disk: float | None = None
    netin: float | None = None
    netout: float | None = None
    diskread: float | None = None
    diskwrite: float | None = None

    @property
    def id(self) -> str:
        return f"{self.type}/{self.vmid}"


class NodeRow(NamedTuple):
    node: str
    status: str = "unknown"
    level: str = ""
    hastate: str | None = None
    uptime: float | None = None
    maxcpu: float | None = None
    cpu: float | None = None
    maxmem: float | None = None
    mem: float | None = None
    maxdisk: float | None = None
    disk: float | None = None


class StorageRow(NamedTuple):
    """A storage as one node has it."""

    storage: str
    node: str
    status: str = "unknown"
    plugintype: str = ""
    shared: bool = False
    content: str = ""
    maxdisk: float | None = None
    disk: float | None = None


class PoolRow(NamedTuple):
    pool: str


class ResourceRows(NamedTuple):
    """What ``cluster/resources`` has for us; SDN rows are read where they are whole."""

    guests: list[GuestRow]
    nodes: list[NodeRow]
    storages: list[StorageRow]
    pools: list[PoolRow]


_GUEST_FIGURES = GuestRow._fields[GuestRow._fields.index("uptime") :]
_NODE_FIGURES = NodeRow._fields[NodeRow._fields.index("uptime") :]
_PLAIN = frozenset({int, type(None)})


def resources(raw: JsonValue) -> ResourceRows:
    """Read an answer of ``cluster/resources`` (5 000 rows in some 10 ms); raises ``Malformed``.

    Every row must say what it is; one of a type that is not ours is left out.  Nodes are listed whatever the rights.
    """
    if not isinstance(raw, list):
        raise Malformed(f"cluster/resources answered {type(raw).__name__}, not a list: is a proxy in between?")
    found = ResourceRows([], [], [], [])
    for row in raw:
        try:
            _sort(row, found)
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(f"cluster/resources has a row that does not say what it is: {error!r}") from error
    if not found.nodes:
        raise Malformed("cluster/resources names no node, which every cluster has")
    return found


def node_names(raw: JsonValue) -> frozenset[str]:
    """Return the nodes that an answer of ``cluster/resources`` names, whatever else is in it."""
    rows = [row for row in raw if isinstance(row, dict) and row.get("type") == "node"] if isinstance(raw, list) else []
    return frozenset(name for row in rows if isinstance(name := row.get("node"), str))


def _sort(row: Any, found: ResourceRows) -> None:  # noqa: ANN401 - whatever the cluster said
    if not isinstance(row, dict):
        raise TypeError(type(row).__name__)
    one, kind = row["id"], row["type"]
    if not one or not isinstance(one, str) or not isinstance(kind, str):
        raise ValueError("id and type are no texts")
    if kind in ("qemu", "lxc"):
        found.guests.append(_guest(row, one, kind))
    elif kind == "node":
        status, level = _texts(row, "status", "level")
        figures = map(number, map(row.get, _NODE_FIGURES))
        found.nodes.append(NodeRow(_name(row, "node"), status, level, _text(row.get("hastate")), *figures))
    elif kind == "storage":
        status, plugin, content = _texts(row, "status", "plugintype", "content")
        shared = flag(row.get("shared")) or False
        figures = map(number, (row.get("maxdisk"), row.get("disk")))
        storage, node = _name(row, "storage"), _name(row, "node")
        found.storages.append(StorageRow(storage, node, status, plugin, shared, content, *figures))
    elif kind == "pool":
        found.pools.append(PoolRow(_name(row, "pool")))


def _guest(row: Mapping[str, Any], one: str, kind: str) -> GuestRow:
    get = row.get
    template = get("template")
    return GuestRow(
        int(row["vmid"] if "vmid" in row else one.partition("/")[2]),
        kind,
        _name(row, "node"),
        str(get("status") or "unknown"),
        _text(get("name")),
        None if template is None else flag(template),
        str(get("tags") or ""),
        _text(get("pool")),
        _text(get("lock")),
        _text(get("hastate")),
        *[value if type(value := get(name)) in _PLAIN else number(value) for name in _GUEST_FIGURES],
    )


def _name(row: Mapping[str, Any], key: str) -> str:
    """Return what a row is known by: a name of digits may come as a number."""
    value = row[key]
    if type(value) is int:
        return str(value)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is no text")
    return value


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _texts(row: Mapping[str, Any], *keys: str) -> list[str]:
    """``status`` is unknown where it is not said; any other is empty."""
    return [str(row.get(key) or ("unknown" if key == "status" else "")) for key in keys]


class GuestConfig(RootModel[dict[str, JsonValue]]):
    """The configuration of a VM or container as it stands in its file: options, most of them property strings."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root")
    @classmethod
    def _is_there(cls, root: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if not root:
            raise ValueError("a configuration has at least a digest")
        return root

    @property
    def digest(self) -> str:
        """SHA-1 of the file: any edit, lock or snapshot changes it.  It says that something changed, not what."""
        return str(self.root.get("digest") or "")

    def text(self, option: str) -> str:
        """Return an option as text; empty where it is not set."""
        value = self.root.get(option, "")
        if isinstance(value, str):
            return value
        return "" if value is None or isinstance(value, dict | list) else str(value)

    def flag(self, option: str, *, default: bool = False) -> bool:
        found = flag(self.root.get(option))
        return default if found is None else found

    def whole(self, option: str) -> int | None:
        return whole(self.root.get(option))

    def number(self, option: str) -> float | None:
        return number(self.root.get(option))


class GuestState(Wire):
    """A row of ``nodes/N/qemu`` or ``nodes/N/lxc``, or an answer of ``status/current``: live, not from pvestatd."""

    vmid: int
    status: str = "unknown"
    qmpstatus: str = ""
    name: str | None = None
    lock: str | None = None
    uptime: Number = None

    @property
    def state(self) -> str:
        """The word that ``cluster/resources`` would say."""
        return self.qmpstatus or self.status


class Version(Wire):
    version: str
    release: str = ""


class ClusterRow(Wire):
    """A row of ``cluster/status``: the cluster itself (not on a standalone host), or a node."""

    type: str
    name: str
    nodes: Whole = None
    quorate: Flag = False
    version: Whole = None
    """Of the cluster: corosync's configuration version."""
    ip: str = ""
    local: Flag = False
    online: Flag = False


class LogRow(Wire):
    """``uid`` is unique per node."""

    uid: int
    node: str
    time: Whole = None
    msg: str = ""


class TaskRow(Wire):
    """A task that has no end is running."""

    upid: str
    node: str = ""
    starttime: Whole = None
    endtime: Whole = None
    status: str | None = None
