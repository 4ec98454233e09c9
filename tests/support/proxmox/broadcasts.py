"""What the nodes tell each other: pvestatd each 10 s, the list of tasks at each start as well (facts 23, 25, 27)."""

from dataclasses import dataclass, field

from tests.support.proxmox import live
from tests.support.proxmox.model import Guest, Node, Row, Storage, Task

OLD = 300
"""Seconds after which what a node told is no longer believed."""


@dataclass
class Broadcasts:
    """Each value with the moment it was told; a guest's by its number alone, so a re-used number shows old values."""

    guests: dict[int, tuple[float, Row]] = field(default_factory=dict)
    nodes: dict[str, tuple[float, Row]] = field(default_factory=dict)
    storages: dict[tuple[str, str], tuple[float, Row]] = field(default_factory=dict)
    tasks: dict[str, list[Row]] = field(default_factory=dict)

    def copy(self) -> "Broadcasts":
        return Broadcasts(dict(self.guests), dict(self.nodes), dict(self.storages), dict(self.tasks))

    def update(self, other: "Broadcasts") -> None:
        self.guests |= {vmid: told for vmid, told in other.guests.items() if told > self.guests.get(vmid, (0.0,))}
        self.nodes |= other.nodes
        self.storages |= other.storages
        self.tasks |= other.tasks

    def tell(self, node: Node, guests: list[Guest], storages: list[Storage], now: float, *, memhost: bool) -> None:
        """One cycle of a node's pvestatd; ``guests`` are those it holds."""
        self.nodes[node.name] = (now, live.node(node, now))
        for guest in guests:
            self.guests[guest.vmid] = (now, live.told(guest, node, now, memhost=memhost))
        for storage in storages:
            if storage.enabled and storage.on(node.name) and node.name not in storage.inactive:
                self.storages[node.name, storage.name] = (now, {"disk": storage.used, "maxdisk": storage.size})
        self.tell_tasks(node)

    def tell_tasks(self, node: Node) -> None:
        self.tasks[node.name] = [task_row(task) for task in (*node.active, *node.tasks[:25])]


def task_row(task: Task) -> Row:
    row: Row = {
        "upid": task.upid,
        "node": task.node,
        "type": task.type,
        "id": task.id,
        "user": task.user,
        "starttime": task.started_at,
    }
    if task.token:
        row["tokenid"] = task.token
    if task.ended_at is None:
        return row | {"pid": task.pid, "saved": "0"}
    return row | {"endtime": task.ended_at, "status": task.status, "saved": "1"}
