"""What may be asked of the daemon, and what it answers: one pair of models per question.

Every answer says which sources it came from and how fresh they are, so that "not in the list" can be told from
"could not be read".  Lists are paged; ``next_cursor`` goes back as ``cursor`` for the next page.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime, Field, JsonValue

from schemas.answers import MAX_PAGE, PAGE, Answer, Page, QuestionClass
from schemas.base import Message
from schemas.deviations import Deviation, DeviationType, Severity
from schemas.events import Trouble
from schemas.expected_queries import (
    DeviationActAnswer,
    DeviationActQuery,
    ExpectApplyAnswer,
    ExpectApplyQuery,
    ExpectationsAnswer,
    ExpectationsQuery,
    ExpectWithdrawAnswer,
    ExpectWithdrawQuery,
    OperatorStateAnswer,
    OperatorStateQuery,
    PoolChangeAnswer,
    PoolChangeQuery,
    PoolsAnswer,
    PoolsQuery,
    SnapshotChangeAnswer,
    SnapshotChangeQuery,
    SnapshotDiffAnswer,
    SnapshotDiffQuery,
    SnapshotExportAnswer,
    SnapshotExportQuery,
    SnapshotsAnswer,
    SnapshotsQuery,
    TemplateAnswer,
    TemplateQuery,
)
from schemas.health import SourceHealth
from schemas.operator import OperatorState
from schemas.resources import Health, Kind, Presence, Relation, Status
from schemas.selectors import Selector

# --- sources ---------------------------------------------------------------------------------------------------------


class GapRow(Message):
    """What the last complete scan of a scope could not see."""

    trouble: Trouble
    detail: str
    kinds: tuple[Kind, ...] = Field(default=(), description="what it hides; with no keys either, only details lack")
    parent: str | None = Field(default=None, description="it hides only what is in this")
    keys: tuple[str, ...] = Field(default=(), description="the first of those that it hides and names")
    key_count: int = 0
    privilege: str = Field(default="", description="the right that is missing, at `path`")
    path: str = ""
    optional: bool = Field(default=False, description="the source counts as whole without it")


class ScopeRow(Message):
    scope: str
    status: str = Field(description="ok, partial (a gap hides something), failed, denied, held, late or new")
    resources: int
    observed_at: AwareDatetime | None = None
    last_attempt_at: AwareDatetime | None = None
    duration_seconds: float | None = None
    interval_seconds: float | None = None
    failures: int = 0
    trouble: str | None = None
    detail: str = ""
    held_scans: int = 0
    held_missing: int = 0
    hidden: int = Field(default=0, description="known resources that gaps hide")
    gaps: tuple[GapRow, ...] = ()


class SourceRow(Message):
    provider: str
    source: str
    status: str
    detail: str = ""
    resources: int
    observed_at: AwareDatetime | None = None
    age_seconds: float | None = None
    next_scan_at: AwareDatetime | None = None
    late_messages: int = 0
    agent: str | None = None
    agent_version: str | None = None
    heartbeat_at: AwareDatetime | None = None
    capabilities: tuple[str, ...] = ()
    scopes: tuple[ScopeRow, ...] = ()
    unwell: tuple[str, ...] = Field(default=(), description="what is not well in it, worst first")
    health: SourceHealth | None = Field(default=None, description="figures; only where one source is asked for")


class SourcesQuery(Message):
    provider: str | None = None
    source: str | None = None


class SourcesAnswer(Page):
    items: tuple[SourceRow, ...]


# --- resources -------------------------------------------------------------------------------------------------------


class ResourcesQuery(Selector):
    text: str | None = Field(default=None, description="a part of the key, name or address, any case")
    managed: bool | None = None
    drifting: bool | None = None
    include_gone: bool = False
    fields: tuple[str, ...] = Field(default=(), description="columns to return; none is the usual ones, `*` is all")
    limit: int = Field(default=PAGE, ge=1, le=MAX_PAGE)
    cursor: str | None = None


class ResourcesAnswer(Page):
    items: tuple[dict[str, JsonValue], ...]


class ResourceRow(Message):
    """A row of the view ``resources``: the names are the columns."""

    key: str
    provider: str
    source: str
    kind: Kind
    native_id: str
    name: str
    native_kind: str
    scope: str
    status: Status
    native_status: str
    health: Health
    presence: Presence
    parent: str | None
    relations: tuple[Relation, ...]
    labels: dict[str, str]
    addresses: tuple[str, ...]
    cpu_cores: float | None
    memory_bytes: int | None
    disk_bytes: int | None
    gpus: int | None
    created_at: AwareDatetime | None
    incarnation: str
    revision: str
    spec: dict[str, JsonValue]
    native: dict[str, JsonValue]
    hash: str
    first_seen_at: AwareDatetime
    observed_at: AwareDatetime
    changed_at: AwareDatetime
    managed: bool
    drift: int = Field(description="open deviations")


class ResourceQuery(Message):
    key: str = Field(description="the key, or a name or vmid that tells which")
    cluster: str | None = Field(default=None, description="the cluster, or other source, that has it")
    events: int = Field(default=10, ge=0, le=200)


class EventRow(Message):
    """A row of ``state_log``."""

    seq: int
    at: AwareDatetime
    side: Literal["expected", "actual"]
    op: str
    key: str
    provider: str
    source: str
    kind: str
    name: str
    incarnation: str
    status: str
    presence: str
    changed: tuple[str, ...]
    cause: str
    spec: dict[str, JsonValue] | None = None


class ResourceAnswer(Answer):
    resource: ResourceRow
    deviations: tuple[Deviation, ...] = ()
    expected: dict[str, JsonValue] | None = Field(default=None, description="path -> expected value; None: unmanaged")
    events: tuple[EventRow, ...] = ()


class RelationsQuery(Message):
    key: str
    cluster: str | None = None
    depth: int = Field(default=1, ge=1, le=4)


class RelationEdge(Message):
    from_key: str
    type: str
    to_key: str
    name: str = ""
    status: str = ""
    presence: str = ""


class RelationsAnswer(Answer):
    key: str
    edges: tuple[RelationEdge, ...]


# --- events, deviations, metrics -------------------------------------------------------------------------------------


class EventsQuery(Message):
    key: str | None = None
    provider: str | None = None
    source: str | None = None
    kind: Kind | None = None
    op: str | None = None
    side: Literal["expected", "actual"] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    after_seq: int | None = Field(default=None, description="oldest first from here; else newest first")
    limit: int = Field(default=PAGE, ge=1, le=MAX_PAGE)
    cursor: str | None = None
    with_spec: bool = False


class EventsAnswer(Page):
    items: tuple[EventRow, ...]


class DeviationsQuery(Message):
    id: str | None = Field(default=None, description="one deviation, also a resolved one; its first characters do")
    key: str | None = None
    provider: str | None = None
    source: str | None = None
    kind: Kind | None = None
    type: DeviationType | None = None
    severity: Severity | None = Field(default=None, description="this one and above")
    history: bool = Field(default=False, description="resolved ones too")
    quiet: bool = Field(default=True, description="also muted ones, under maintenance, or consequences")
    limit: int = Field(default=PAGE, ge=1, le=MAX_PAGE)
    cursor: str | None = None


class DeviationsAnswer(Page):
    items: tuple[Deviation, ...]


class MetricsQuery(Message):
    key: str
    cluster: str | None = None
    metric: str | None = None
    since: AwareDatetime | None = Field(default=None, description="one hour ago if not given")
    until: AwareDatetime | None = None
    resolution: Literal["raw", "5m", "1h", "auto"] = "auto"
    max_points: int = Field(default=200, ge=1, le=5000, description="per metric")


class Point(Message):
    at: AwareDatetime
    value: float = Field(description="the mean, where points were rolled up")
    low: float | None = None
    high: float | None = None


class Series(Message):
    metric: str
    points: tuple[Point, ...]


class MetricsAnswer(Answer):
    key: str
    resolution: str
    series: tuple[Series, ...]


# --- the whole -------------------------------------------------------------------------------------------------------


class OverviewQuery(Message):
    changes: int = Field(default=10, ge=0, le=100)


class KindCount(Message):
    provider: str
    source: str
    kind: str
    total: int
    running: int
    not_running: int
    unknown: int


class OverviewAnswer(Answer):
    summary: str = Field(description="one sentence: is everything as it should be?")
    counts: tuple[KindCount, ...]
    open_deviations: dict[str, int] = Field(description="by severity; quiet ones are not counted")
    quiet: dict[str, int] = Field(default_factory=dict, description="open, but not to worry about: why -> how many")
    expected: int = Field(default=0, description="resources with an expected state")
    operator_states: tuple[OperatorState, ...] = ()
    worst: tuple[Deviation, ...] = ()
    recent: tuple[EventRow, ...] = ()
    unwell: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="source -> what is not well in it")


class StatusQuery(Message):
    pass


class StatusAnswer(Answer):
    """How the daemon itself is."""

    version: str
    started_at: AwareDatetime
    pid: int
    ingest_state: str = Field(description="live, catching_up, waiting_for_bus or stopped: and why in detail")
    ingest_detail: str = ""
    ingest_sequence: int
    ingest_lag_messages: int
    last_message_at: AwareDatetime | None = None
    quarantined: int
    late_messages: int
    resources: int
    open_deviations: dict[str, int]
    store_bytes: int
    store_path: str
    bus_url: str
    bus_reconnects: int
    expectation_faults: tuple[str, ...] = Field(default=(), description="why a watched folder is not in force")


# --- intent ----------------------------------------------------------------------------------------------------------


class AdoptQuery(Selector):
    cluster: str | None = Field(default=None, description="the source, as `source`; keys may then be names or vmids")
    dry_run: bool = False


class Adopted(Message):
    key: str
    fields: dict[str, JsonValue]
    changed: bool = Field(description="false: it was already expected so")


class AdoptAnswer(Answer):
    adopted: tuple[Adopted, ...]
    skipped: dict[str, str] = Field(description="key -> why")
    total: int = 0


class RefreshQuery(Message):
    provider: str | None = None
    source: str | None = Field(default=None, description="a name, or <provider>/<name>; default: all")
    scope: str | None = None
    wait_seconds: float = Field(default=10, ge=0, le=120, description="how long to wait for the scans to be stored")


class RefreshAnswer(Answer):
    refreshed: tuple[str, ...]
    failed: dict[str, str] = Field(default_factory=dict)


class ReleaseQuery(Message):
    source: str = Field(description="a name, or <provider>/<name>")


class ReleaseAnswer(Answer):
    released: tuple[str, ...] = Field(description="scopes whose hold was lifted")


# --- SQL -------------------------------------------------------------------------------------------------------------


class SqlQuery(Message):
    sql: str = Field(min_length=1, max_length=100_000)
    max_rows: int = Field(default=1000, ge=1, le=100_000)
    timeout_seconds: float | None = Field(default=None, gt=0, le=120)


class SqlAnswer(Message):
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[JsonValue, ...], ...]
    truncated: bool = False
    as_of: AwareDatetime = Field(description="when the snapshot was taken")
    elapsed_ms: float
    hint: str = Field(default="", description="how to ask for less, where the answer was cut")


# --- the list of questions -------------------------------------------------------------------------------------------


class ErrorAnswer(Message):
    """Also in the headers ``Nats-Service-Error-Code`` and ``Nats-Service-Error``."""

    code: str = Field(
        description="bad_query, not_found, ambiguous, unreachable (the cluster cannot be read), refused, unavailable, "
        "busy, timeout, too_large or failed"
    )
    error: str
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    name: str
    question_class: QuestionClass
    query: type[Message]
    answer: type[Message]
    about: str


def _q(name: str, where: QuestionClass, query: type[Message], answer: type[Message], about: str) -> Question:
    return Question(name, where, query, answer, about)


_R, _I = QuestionClass.READ, QuestionClass.INTENT
QUESTIONS: dict[str, Question] = {
    question.name: question
    for question in (
        _q("overview", _R, OverviewQuery, OverviewAnswer, "Is everything as it should be?"),
        _q("status", _R, StatusQuery, StatusAnswer, "How is the daemon itself?"),
        _q("sources", _R, SourcesQuery, SourcesAnswer, "What is watched, and how fresh is it?"),
        _q("resources", _R, ResourcesQuery, ResourcesAnswer, "Which resources are there?"),
        _q("resource", _R, ResourceQuery, ResourceAnswer, "All about one resource."),
        _q("relations", _R, RelationsQuery, RelationsAnswer, "What is it part of, and what depends on it?"),
        _q("events", _R, EventsQuery, EventsAnswer, "What changed?"),
        _q("deviations", _R, DeviationsQuery, DeviationsAnswer, "What differs from what should be?"),
        _q("metrics", _R, MetricsQuery, MetricsAnswer, "How much does it use?"),
        _q("adopt", _I, AdoptQuery, AdoptAnswer, "Make the present state the expected one."),
        _q("refresh", _I, RefreshQuery, RefreshAnswer, "Read sources now."),
        _q("release", _I, ReleaseQuery, ReleaseAnswer, "Let a held mass absence take effect."),
        _q("expectations", _R, ExpectationsQuery, ExpectationsAnswer, "What should be, and who says so?"),
        _q("pools", _R, PoolsQuery, PoolsAnswer, "Which pools are there, with what in them?"),
        _q("snapshots", _R, SnapshotsQuery, SnapshotsAnswer, "Which named pictures are there?"),
        _q("snapshot_diff", _R, SnapshotDiffQuery, SnapshotDiffAnswer, "What changed between two pictures?"),
        _q("snapshot_export", _R, SnapshotExportQuery, SnapshotExportAnswer, "A picture as manifests."),
        _q("template", _R, TemplateQuery, TemplateAnswer, "A manifest with variables, made from a resource."),
        _q("expect_apply", _I, ExpectApplyQuery, ExpectApplyAnswer, "Declare what should be."),
        _q("expect_withdraw", _I, ExpectWithdrawQuery, ExpectWithdrawAnswer, "Expect it no longer."),
        _q("deviation_act", _I, DeviationActQuery, DeviationActAnswer, "Acknowledge, mute or accept a deviation."),
        _q("operator_state", _I, OperatorStateQuery, OperatorStateAnswer, "Say that something is on purpose."),
        _q("pool_change", _I, PoolChangeQuery, PoolChangeAnswer, "Make, change or delete a pool."),
        _q("snapshot_change", _I, SnapshotChangeQuery, SnapshotChangeAnswer, "Name the picture of now, or forget one."),
        _q("query", QuestionClass.SQL, SqlQuery, SqlAnswer, "Ask in SQL, on a snapshot of the store."),
    )
}
