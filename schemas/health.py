"""How a source is as a whole, in words that hold for every provider: figures per kind, its machines, what is not well.

It is computed when somebody asks, from what was last seen; what cannot be read now counts as unknown, never as well.
"""

from pydantic import Field

from schemas.base import Message
from schemas.resources import Health, Kind, Presence, Status

MOST_NAMED = 20
"""So many of what is not well are named; the counts tell of all."""
FULL = 0.85
STALE_DAYS = 7


class KindHealth(Message):
    """How many of a kind, and how they are; ``native_kind`` only where a kind has several sorts: schedules, rules."""

    kind: Kind
    native_kind: str = ""
    total: int
    running: int
    stopped: int
    failed: int
    unknown: int
    degraded: int
    failing: int


class Named(Message):
    key: str
    name: str


class Machine(Named):
    """A node, an engine, or the cluster as a whole; ``version`` is the product's."""

    kind: Kind
    status: Status
    native_status: str
    health: Health
    presence: Presence
    version: str = ""


class Fill(Named):
    used_ratio: float


class Unwell(Named):
    kind: Kind
    status: Status
    native_status: str
    health: Health


class BackupHealth(Message):
    """Of guests, where the source keeps backups at all; ``unknown``: nobody could look whether they have one."""

    without: int = 0
    stale: int = 0
    unknown: int = 0
    named_without: tuple[Named, ...] = ()
    named_stale: tuple[Named, ...] = ()


class SourceHealth(Message):
    kinds: tuple[KindHealth, ...] = ()
    machines: tuple[Machine, ...] = ()
    versions: dict[str, int] = Field(default_factory=dict, description="of nodes: version -> how many have it")
    storages: tuple[Fill, ...] = Field(default=(), description="the fullest first: a few, and all that are too full")
    unwell: tuple[Unwell, ...] = Field(default=(), description="but machines: failed, failing or degraded")
    backups: BackupHealth | None = Field(default=None, description="of guests; null: the source keeps none")
