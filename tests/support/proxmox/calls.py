"""One request to the API, as the code behind a path sees it, and how it says no."""

from dataclasses import dataclass, field

from tests.support.proxmox.model import Guest, Node, Row, Storage
from tests.support.proxmox.rights import Rights
from tests.support.proxmox.world import World


class Refusal(Exception):
    """Not done. ``reason`` stands in the status line; no ``body``: the answer is empty."""

    def __init__(
        self, status: int, reason: str, *, errors: dict[str, str] | None = None, body: bool = True, plain: bool = False
    ) -> None:
        super().__init__(status, reason)
        self.status, self.reason, self.errors, self.body, self.plain = status, reason, errors, body, plain


def denied(path: str = "", *privileges: str) -> Refusal:
    of = f" ({path}, {'|'.join(privileges)})" if path else ""
    return Refusal(403, f"Permission check failed{of}")


def invalid(**errors: str) -> Refusal:
    return Refusal(400, "Parameter verification failed.", errors=errors)


def failed(text: str) -> Refusal:
    return Refusal(500, text)


@dataclass
class Part:
    """Some rows of a longer list; the envelope tells how many there are."""

    rows: list[Row]
    total: int


@dataclass
class Call:
    world: World
    entry: str
    """The node that was asked."""
    rights: Rights
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)

    @property
    def node(self) -> Node:
        return self.world.nodes[self.path["node"]]

    @property
    def now(self) -> float:
        """The world's time, by which all ages are reckoned."""
        return self.world.now()

    @property
    def guest(self) -> Guest:
        """The guest of the path, if it is on this node and of this type (fact 11)."""
        type_, vmid = self.path["type"], int(self.path["vmid"])
        guest = self.world.guests.get(vmid)
        if guest is None or guest.node != self.path["node"] or guest.type != type_:
            folder = "qemu-server" if type_ == "qemu" else "lxc"
            raise failed(f"Configuration file 'nodes/{self.path['node']}/{folder}/{vmid}.conf' does not exist")
        return guest

    @property
    def storage(self) -> Storage:
        name = self.path["storage"]
        storage = self.world.storages.get(name)
        if storage is None:
            raise failed(f"storage '{name}' does not exist")
        if not storage.on(self.path["node"]):
            raise failed(f"storage '{name}' is not available on node '{self.path['node']}'")
        return storage

    def flag(self, name: str) -> bool:
        return self.query.get(name, "0") in {"1", "true", "yes", "on"}

    def whole(self, name: str, default: int) -> int:
        value = self.query.get(name)
        if value is None:
            return default
        if not value.lstrip("-").isdigit():
            raise invalid(**{name: f"type check ('integer') failed - got '{value}'"})
        return int(value)
