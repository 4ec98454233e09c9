"""The questions about what should be: expectations, deviations' care, pools, snapshots, templates."""

from typing import Literal

from pydantic import AwareDatetime, Field, JsonValue

from schemas.answers import MAX_PAGE, PAGE, Answer, Page
from schemas.base import Message
from schemas.deviations import Deviation
from schemas.expectations import Expectation
from schemas.operator import OperatorState, State
from schemas.resources import Size
from schemas.selectors import Selector

MAX_DOCUMENTS = 20_000


class Place(Message):
    """Where a document stands; line counts from 1, 0 is unknown."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Document(Message):
    """One manifest as read: ``manifest`` is its JSON form, valid for ``schemas.manifests.Manifest``.

    ``lines`` says where its fields stand (``spec.fields.status`` -> line), as far as anybody may ask.
    """

    place: Place = Place()
    manifest: dict[str, JsonValue]
    lines: dict[str, int] = Field(default_factory=dict)
    origin: str = Field(default="", description="where it differs from the query's")


class Declaration(Message):
    """A document that is in force."""

    name: str = Field(description="<Kind>/<metadata.name>")
    origin: str = Field(description="`folder:<path>`, `file:<path>` or `api`: what is applied and withdrawn as a whole")
    place: Place = Place()
    key: str | None = None
    selector: str | None = None
    matches: int = Field(default=0, description="resources it means now")
    manifest: dict[str, JsonValue]
    applied_at: AwareDatetime


class Fault(Message):
    """Something wrong with what was to be applied, or a warning."""

    place: Place = Place()
    path: str = ""
    text: str

    def __str__(self) -> str:
        where = ": ".join(part for part in (str(self.place), self.path) if part)
        return f"{where}: {self.text}" if where else self.text


class ExpectationsQuery(Message):
    selector: Selector = Selector()
    of: Literal["declarations", "keys"] = "keys"
    origin: str | None = None
    limit: int = Field(default=PAGE, ge=1, le=MAX_PAGE)
    cursor: str | None = None


class ExpectationsAnswer(Page):
    """``items`` per key (of=keys), ``declarations`` as applied (of=declarations)."""

    items: tuple[Expectation, ...] = ()
    declarations: tuple[Declaration, ...] = ()
    operator_states: tuple[OperatorState, ...] = ()
    faults: tuple[Fault, ...] = Field(default=(), description="of watched folders: what they say now is not in force")


class ExpectApplyQuery(Message):
    """All documents are applied, or none.  With ``prune`` what ``origin`` had before and has no more is withdrawn."""

    documents: tuple[Document, ...] = Field(max_length=MAX_DOCUMENTS)
    origin: str = "api"
    prune: bool = False
    dry_run: bool = False


class Applied(Message):
    name: str
    change: Literal["created", "changed", "unchanged", "withdrawn"]
    matches: int = 0
    place: Place = Place()


class ExpectApplyAnswer(Answer):
    applied: tuple[Applied, ...] = ()
    faults: tuple[Fault, ...] = Field(default=(), description="any of these and nothing was applied")
    warnings: tuple[Fault, ...] = ()


class ExpectWithdrawQuery(Message):
    names: tuple[str, ...] = Field(default=(), description="<Kind>/<name> of declarations")
    keys: tuple[str, ...] = Field(default=(), description="resources whose adoption is to be forgotten")
    dry_run: bool = False


class ExpectWithdrawAnswer(Answer):
    withdrawn: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class DeviationActQuery(Message):
    """``accept``: what is becomes what should be.  ``mute`` needs an end; both ``mute`` and ``ack`` a reason."""

    id: str
    act: Literal["ack", "mute", "unmute", "accept"]
    until_at: AwareDatetime | None = None
    reason: str = ""
    by: str = ""


class DeviationActAnswer(Answer):
    deviation: Deviation


class OperatorStateQuery(Message):
    target: str
    cluster: str | None = Field(default=None, description="that has the resource which `target` names")
    state: State | None = Field(default=None, description="None clears")
    until_at: AwareDatetime | None = None
    reason: str = ""
    by: str = ""


class OperatorStateAnswer(Answer):
    states: tuple[OperatorState, ...] = Field(description="in force for the target now")


class Property(Message):
    """One dimension of a pool or resource, and where it comes from."""

    name: str
    value: JsonValue
    origin: str = Field(description="the pool's path or the resource's key that says it")


class PoolRow(Message):
    path: str
    type: str = ""
    description: str = ""
    declared: bool = Field(description="by a manifest: change it there")
    place: str = Field(default="", description="file:line of the manifest")
    unmanaged: bool = False
    properties: tuple[Property, ...] = ()
    selectors: tuple[str, ...] = ()
    members: int = Field(description="with the pools below")
    running: int = 0
    drifting: int = 0
    capacity: Size = Size()
    used_cpu_cores: float | None = Field(default=None, description="from the newest samples")
    used_memory_bytes: float | None = None


class PoolsQuery(Message):
    path: str | None = Field(default=None, description="this pool and those below")
    members: bool = Field(default=False, description="list the keys of the pool at `path`")
    limit: int = Field(default=PAGE, ge=1, le=MAX_PAGE)
    cursor: str | None = None


class PoolsAnswer(Page):
    items: tuple[PoolRow, ...]
    members: tuple[str, ...] = ()


class PoolChangeQuery(Message):
    path: str
    act: Literal["put", "delete", "add", "remove"] = "put"
    type: str | None = None
    description: str | None = None
    properties: dict[str, JsonValue] | None = Field(default=None, description="a null value removes the property")
    selectors: tuple[str, ...] | None = None
    unmanaged: bool | None = None
    keys: tuple[str, ...] = Field(default=(), description="for add and remove: members by hand")


class PoolChangeAnswer(Answer):
    changed: tuple[str, ...] = ()


class SnapshotRow(Message):
    name: str
    seq: int = Field(description="of state_log: the picture is what was true after it")
    at: AwareDatetime
    note: str = ""
    by: str = ""
    resources: int = 0
    lost: int = Field(default=0, description="of these, how many the log can tell no longer; only of one that is named")
    counts: dict[str, int] = Field(
        default_factory=dict, description="`<provider>/<source> <kind>` -> how many; only of one that is named"
    )


class SnapshotsQuery(Message):
    name: str | None = None


class SnapshotsAnswer(Page):
    items: tuple[SnapshotRow, ...]


class SnapshotChangeQuery(Message):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    act: Literal["create", "delete"] = "create"
    note: str = ""
    by: str = ""


class SnapshotChangeAnswer(Answer):
    snapshot: SnapshotRow | None = None


class SnapshotDiffQuery(Message):
    older: str
    newer: str | None = Field(default=None, description="None is now")
    selector: Selector = Selector()
    limit: int = Field(default=PAGE, ge=1, le=MAX_PAGE)
    cursor: str | None = None


class KeyDiff(Message):
    key: str
    name: str
    change: Literal["appeared", "gone", "changed", "replaced"]
    paths: dict[str, tuple[JsonValue, JsonValue]] = Field(default_factory=dict, description="path -> (older, newer)")


class SnapshotDiffAnswer(Page):
    items: tuple[KeyDiff, ...]


class SnapshotExportQuery(Message):
    name: str | None = Field(default=None, description="None is now")
    selector: Selector = Selector()
    limit: int = Field(default=PAGE, ge=1, le=MAX_PAGE)
    cursor: str | None = None


class SnapshotExportAnswer(Page):
    """``manifests`` are documents that `expect apply` takes back; the file name is a proposal."""

    manifests: tuple[tuple[str, dict[str, JsonValue]], ...]


class TemplateQuery(Message):
    key: str
    cluster: str | None = None


class TemplateAnswer(Answer):
    key: str
    manifest: dict[str, JsonValue]
    variables: dict[str, JsonValue] = Field(description="name -> the value it had in this resource")
    confidence: float = Field(ge=0, le=1, description="computed from `facts`")
    facts: dict[str, JsonValue] = Field(description="days in sync, deviations, siblings alike...")
