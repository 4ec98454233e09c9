"""What a source is said to have.

A key is ``<provider>/<source>/<kind>/<native id>``: never an address or the node a guest sits on.
Presence, status and health are three axes; only the daemon knows presence.
"""

from enum import StrEnum
from typing import Annotated, NamedTuple, Self

from pydantic import AwareDatetime, Field, JsonValue, computed_field

from schemas.base import Message, Token, content_hash

KEY_PARTS = 4


class Kind(StrEnum):
    """The kinds there are; each has its sentence in ``schemas/README.md``."""

    NODE = "node"
    VM = "vm"
    CONTAINER = "container"
    POD = "pod"
    SERVICE = "service"
    WORKLOAD = "workload"
    STACK = "stack"
    FUNCTION = "function"
    DATABASE = "database"
    BUCKET = "bucket"
    VOLUME = "volume"
    STORAGE = "storage"
    NETWORK = "network"
    LOADBALANCER = "loadbalancer"
    ADDRESS = "address"
    IMAGE = "image"
    SNAPSHOT = "snapshot"
    TEMPLATE = "template"
    NAMESPACE = "namespace"
    CLUSTER = "cluster"
    HOST = "host"
    UNIT = "unit"
    DISK = "disk"
    INTERFACE = "interface"
    POOL = "pool"
    BACKUP = "backup"
    SCHEDULE = "schedule"
    RULE = "rule"


class Status(StrEnum):
    """Power or run state, normalised; ``native_status`` is the provider's own word."""

    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"
    PENDING = "pending"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Health(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    FAILING = "failing"
    UNKNOWN = "unknown"


class Presence(StrEnum):
    PRESENT = "present"
    SUSPECT = "suspect"
    GONE = "gone"
    UNKNOWN = "unknown"
    INELIGIBLE = "ineligible"


class BadKey(ValueError):
    """A text that is not ``<provider>/<source>/<kind>/<native id>``."""


class Key(NamedTuple):
    provider: str
    source: str
    kind: str
    native_id: str

    def __str__(self) -> str:
        return "/".join(self)

    @classmethod
    def parse(cls, text: str) -> Self:
        parts = text.split("/", KEY_PARTS - 1)
        if len(parts) != KEY_PARTS or not all(parts):
            raise BadKey(f"{text!r} is not <provider>/<source>/<kind>/<native id>")
        return cls(*parts)


class SourceRef(Message):
    """One configured connection to a provider, written ``<provider>/<name>``."""

    provider: Token
    name: Token

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        provider, _, name = text.partition("/")
        return cls(provider=provider, name=name)

    def key(self, kind: Kind, native_id: str) -> str:
        return str(Key(self.provider, self.name, kind, native_id))


class Size(Message):
    """What a resource is given (not what it uses), in units common to all providers."""

    cpu_cores: float | None = Field(default=None, ge=0, description="cores; 0.5 is half of one")
    memory_bytes: int | None = Field(default=None, ge=0)
    disk_bytes: int | None = Field(default=None, ge=0)
    gpus: int | None = Field(default=None, ge=0)


class Relation(Message):
    """An edge to another resource: ``uses`` a volume, ``attached`` to a network, ``made_from`` an image..."""

    type: str
    key: str


class Resource(Message):
    """One thing a source has now.

    ``spec`` is stable configuration, what drift is about; ``native`` holds small extra facts.  Nothing that
    changes at each poll (uptime, usage, counters) and no secret may stand in either.
    """

    provider: Token
    source: Token
    kind: Kind
    native_id: Annotated[str, Field(min_length=1, max_length=400)]
    name: str
    native_kind: str = ""
    scope: str = "all"
    status: Status = Status.UNKNOWN
    native_status: str = ""
    health: Health = Health.UNKNOWN
    parent: str | None = Field(default=None, description="the key of what this sits in or on")
    relations: tuple[Relation, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    size: Size = Size()
    addresses: tuple[str, ...] = ()
    created_at: AwareDatetime | None = None
    incarnation: str = Field(default="", description="differs when the thing was made anew under the same key")
    revision: str = Field(default="", description="the provider's own version counter or digest, if any")
    spec: dict[str, JsonValue] = Field(default_factory=dict)
    native: dict[str, JsonValue] = Field(default_factory=dict)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def key(self) -> str:
        return f"{self.provider}/{self.source}/{self.kind}/{self.native_id}"

    @property
    def ref(self) -> SourceRef:
        return SourceRef(provider=self.provider, name=self.source)


def hash_of(resource: Resource) -> str:
    """Return the content hash: equal for equal content, whatever the order of keys."""
    return content_hash(resource.model_dump(mode="json"))
