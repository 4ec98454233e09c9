"""A recorded difference between expectation and observation, with a life cycle and evidence."""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field, JsonValue

from schemas.base import Message
from schemas.events import Envelope


class DeviationType(StrEnum):
    MISSING = "missing"
    UNMANAGED = "unmanaged"
    CHANGED = "changed"
    STOPPED = "stopped"
    MOVED = "moved"
    REPLACED = "replaced"
    DUPLICATE = "duplicate"
    ORPHANED = "orphaned"
    STALE_BACKUP = "stale_backup"
    MASS_ABSENCE = "mass_absence"
    UNREACHABLE = "unreachable"


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Difference(Message):
    """What the pure diff finds; ``path`` is empty where the whole resource is meant."""

    key: str
    type: DeviationType
    path: str = ""
    expected: JsonValue = None
    actual: JsonValue = None
    severity: Severity

    @property
    def identity(self) -> tuple[str, str, str]:
        return (self.key, self.type, self.path)


class Deviation(Difference):
    """``actual`` and ``severity`` are as last seen.

    ``resolved_by`` is ``self``, ``operator``, ``expected_changed`` or ``gone``.
    """

    id: str
    auto_correctable: bool = False
    corrective_action: str | None = None
    detected_at: AwareDatetime
    first_scan: str | None = None
    last_seen_at: AwareDatetime
    scans_seen: int = 1
    resolved_at: AwareDatetime | None = None
    resolved_by: str | None = None
    evidence: dict[str, JsonValue] = Field(default_factory=dict)
    acknowledged_at: AwareDatetime | None = None
    acknowledged_by: str | None = None
    muted_until: AwareDatetime | None = None
    note: str = ""
    quiet: str = Field(default="", description="why it is not announced; empty: it is")
    root_cause: str | None = Field(default=None, description="the id of the deviation that explains this one")
    reopened: int = 0
    announced_at: AwareDatetime | None = Field(default=None, description="when it was last told as opened; None: never")


class Transition(StrEnum):
    OPENED = "opened"
    CHANGED = "changed"
    RESOLVED = "resolved"
    REOPENED = "reopened"


class DeviationEvent(Envelope):
    type: Literal["deviation"] = "deviation"
    transition: Transition
    deviation: Deviation
