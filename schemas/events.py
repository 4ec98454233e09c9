"""What agents say on the bus.

A scan is one complete reading of a scope: first an ``observed`` for each resource that changed, then the
manifest (key -> content hash) of the whole scope in ``scan_part``s, then ``scan_closed``.  Only a closed scan may cause
absence.  A scope that cannot be read says ``scan_failed`` and nothing more: unknown is not absent.
"""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import AwareDatetime, Field, TypeAdapter

from schemas.base import Message, Token
from schemas.resources import Kind, Resource, SourceRef

SCHEMA_VERSION = 1


class Trouble(StrEnum):
    """Why a scope could not be read; each has its own reaction in the runner."""

    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    UNAUTHORIZED = "unauthorized"
    MALFORMED = "malformed"
    DEFECT = "defect"


def new_id() -> str:
    return uuid4().hex


class Envelope(Message):
    """``id`` makes a repeated publish harmless (``Nats-Msg-Id``); ``agent`` says which process spoke."""

    id: str = Field(default_factory=new_id, min_length=1, max_length=100)
    time: AwareDatetime
    agent: str
    schema_version: int = SCHEMA_VERSION


class Observed(Envelope):
    """A resource is new or differs from what was last published of it."""

    type: Literal["observed"] = "observed"
    observed_at: AwareDatetime
    hash: str = Field(min_length=16, max_length=16)
    resource: Resource


class RemovalReason(StrEnum):
    REPORTED = "reported"
    """the provider itself said that the thing was removed"""
    ABSENT = "absent"
    """the daemon judged it gone: complete scans no longer had it"""


class Removed(Envelope):
    """A resource is no more, as the provider said (``reported``) or as the daemon judged (``absent``)."""

    type: Literal["removed"] = "removed"
    observed_at: AwareDatetime
    provider: Token
    source: Token
    kind: Kind
    native_id: str = Field(min_length=1, max_length=400)
    name: str = ""
    reason: RemovalReason = RemovalReason.REPORTED

    @property
    def key(self) -> str:
        return f"{self.provider}/{self.source}/{self.kind}/{self.native_id}"


class ScanMessage(Envelope):
    provider: Token
    source: Token
    scope: str = Field(min_length=1, max_length=200)
    scan: str = Field(min_length=1, max_length=100, description="the same in all messages of one scan")

    @property
    def ref(self) -> SourceRef:
        return SourceRef(provider=self.provider, name=self.source)


class ScanPart(ScanMessage):
    type: Literal["scan_part"] = "scan_part"
    part: int = Field(ge=0)
    manifest: dict[str, str] = Field(description="key -> content hash")


class Gap(Message):
    """A part of a scope that a scan, complete but for it, could not read: what it hides is not absent."""

    trouble: Trouble = Field(description="unauthorized makes what it hides ineligible; any other, unknown")
    detail: str = Field(max_length=1000, description="what is not seen, why, and what to do")
    kinds: tuple[Kind, ...] = Field(default=(), description="what it hides; none: only details are missing")
    parent: str | None = Field(default=None, description="it hides only what has this parent (a key)")
    keys: tuple[str, ...] = Field(default=(), max_length=1000, description="it hides only these")
    privilege: str = ""
    path: str = Field(default="", description="where the privilege is missing")
    optional: bool = Field(default=False, description="many leave it unread on purpose: the source counts as whole")

    @property
    def hides(self) -> bool:
        """Whether anything may be missing from the listing because of it."""
        return bool(self.kinds or self.keys)


class ScanClosed(ScanMessage):
    type: Literal["scan_closed"] = "scan_closed"
    parts: int = Field(ge=0)
    count: int = Field(ge=0, description="entries in all parts together")
    observed_at: AwareDatetime = Field(description="when the reading began: nothing in it is older")
    duration_seconds: float = Field(ge=0)
    interval_seconds: float = Field(gt=0, description="how often this scope is read; late after three of them")
    gaps: tuple[Gap, ...] = Field(default=(), max_length=100)


class ScanFailed(ScanMessage):
    type: Literal["scan_failed"] = "scan_failed"
    trouble: Trouble
    detail: str = Field(max_length=2000)
    observed_at: AwareDatetime
    duration_seconds: float = Field(ge=0)
    interval_seconds: float = Field(gt=0)
    failures: int = Field(ge=1, description="in a row")
    next_at: AwareDatetime | None = None


InventoryEvent = Observed | Removed | ScanPart | ScanClosed | ScanFailed
_inventory: TypeAdapter[InventoryEvent] = TypeAdapter(Annotated[InventoryEvent, Field(discriminator="type")])


def parse_inventory(data: bytes) -> InventoryEvent:
    """Return the event in ``data``; raises ``pydantic.ValidationError``."""
    return _inventory.validate_json(data)


class Sample(Message):
    """One measured value.  ``metric`` names what and unit: ``cpu_ratio``, ``memory_used_bytes``, ``load_1m``..."""

    key: str
    metric: str = Field(min_length=1, max_length=100)
    value: float = Field(allow_inf_nan=False)
    at: AwareDatetime


class MetricsBatch(Envelope):
    type: Literal["metrics"] = "metrics"
    provider: Token
    source: Token
    samples: tuple[Sample, ...]


class ScopeState(Message):
    """One scope in a heartbeat."""

    scope: str
    last_scan_at: AwareDatetime | None = None
    next_scan_at: AwareDatetime | None = None
    resources: int = 0
    trouble: Trouble | None = None


class Heartbeat(Message):
    """What the KV bucket ``agents`` holds for each source while its agent lives."""

    provider: Token
    source: Token
    agent: str
    version: str
    started_at: AwareDatetime
    at: AwareDatetime
    pid: int
    hostname: str
    paused: bool = False
    capabilities: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    scopes: tuple[ScopeState, ...] = ()
