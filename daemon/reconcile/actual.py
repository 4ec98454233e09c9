"""What the store knows of one resource now, as it is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from pydantic import JsonValue

from schemas.resources import Key, Presence

STATUS = "status"
PARENT = "parent"
INCARNATION = "incarnation"
FIELDS = (
    "name", STATUS, "health", PARENT, INCARNATION, "revision", "addresses", "size", "labels", "spec", "native",
)  # fmt: skip
"""What a path may begin with."""


@dataclass(frozen=True)
class Actual:
    """``fields`` has of ``FIELDS`` what is known; ``pools`` are the paths it is a member of itself.

    ``is_orphan``: its parent is gone.  ``twins`` are the keys under which the same incarnation is present, too.
    """

    key: str
    presence: Presence
    fields: Mapping[str, JsonValue] = field(default_factory=dict)
    observed_at: datetime | None = None
    scan: str | None = None
    pools: frozenset[str] = frozenset()
    is_orphan: bool = False
    twins: tuple[str, ...] = ()
    backed_up_at: datetime | None = None
    """When the newest backup of it was made that is known as a thing of its own."""
    has_unread_backups: bool = False
    """There may be newer ones where nobody could look the last time."""

    @cached_property
    def part(self) -> Key:
        return Key.parse(self.key)

    @property
    def source(self) -> str:
        return f"{self.part.provider}/{self.part.source}"

    @property
    def parent(self) -> str | None:
        parent = self.fields.get(PARENT)
        return parent if isinstance(parent, str) else None

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        return "" if value is None else str(value)
