"""What agents say, made short for tests: one Docker engine called nas, unless told otherwise."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count

from daemon.ingest.messages import Message
from schemas import subjects
from schemas.events import (
    Gap,
    InventoryEvent,
    Observed,
    RemovalReason,
    Removed,
    ScanClosed,
    ScanFailed,
    ScanPart,
    Trouble,
    new_id,
)
from schemas.resources import Key, Kind, Resource, SourceRef, Status, hash_of

NAS = SourceRef(provider="docker", name="nas")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
INTERVAL = 60.0
_numbers = count(1)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def key(name: str, source: SourceRef = NAS, kind: Kind = Kind.CONTAINER) -> str:
    return source.key(kind, name)


def resource(name: str, source: SourceRef = NAS, /, **given: object) -> Resource:
    usual = {"kind": Kind.CONTAINER, "native_id": name, "name": name, "scope": "containers", "status": Status.RUNNING}
    return Resource.model_validate({"provider": source.provider, "source": source.name, **usual, **given})


def observed(name: str | Resource, at: datetime = NOON, /, **given: object) -> Observed:
    what = name if isinstance(name, Resource) else resource(name, **given)
    return Observed(time=at, agent="test", observed_at=at, hash=hash_of(what), resource=what)


def removed(name: str, at: datetime = NOON, reason: RemovalReason = RemovalReason.REPORTED) -> Removed:
    part = Key.parse(name if "/" in name else key(name))
    return Removed.model_validate({"time": at, "agent": "test", "observed_at": at, "reason": reason, **part._asdict()})


def manifest(found: Iterable[Resource]) -> dict[str, str]:
    return {one.key: hash_of(one) for one in found}


def scan(
    found: Iterable[Resource | str], at: datetime = NOON, *, source: SourceRef = NAS, scope: str = "containers",
    parts: int = 1, interval: float = INTERVAL, gaps: Iterable[Gap] = (),
) -> list[InventoryEvent]:  # fmt: skip
    """A complete scan: its manifest in ``parts`` and its close; without the observations."""
    entries = list(manifest(resource(one) if isinstance(one, str) else one for one in found).items())
    said = {"agent": "test", "provider": source.provider, "source": source.name, "scope": scope, "scan": new_id()}
    parts = min(parts, len(entries))
    cut = [dict(entries[number::parts]) for number in range(parts)]
    closed = ScanClosed(
        time=at,
        parts=parts,
        count=len(entries),
        observed_at=at,
        duration_seconds=0.1,
        interval_seconds=interval,
        gaps=tuple(gaps),
        **said,
    )
    return [*(ScanPart(time=at, part=number, manifest=part, **said) for number, part in enumerate(cut)), closed]


def gap(detail: str = "no right", /, **given: object) -> Gap:
    return Gap.model_validate({"trouble": Trouble.UNAUTHORIZED, "detail": detail, **given})


def failed(
    at: datetime = NOON, trouble: Trouble = Trouble.UNREACHABLE, detail: str = "no engine", *, source: SourceRef = NAS,
    scope: str = "containers", failures: int = 1,
) -> ScanFailed:  # fmt: skip
    return ScanFailed(
        time=at, agent="test", provider=source.provider, source=source.name, scope=scope, scan=new_id(),
        trouble=trouble, detail=detail, observed_at=at, duration_seconds=0.1, interval_seconds=INTERVAL,
        failures=failures,
    )  # fmt: skip


def subject_of(event: InventoryEvent) -> str:
    match event:
        case Observed():
            return subjects.inventory(event.resource.key)
        case Removed():
            return subjects.inventory(event.key)
    return subjects.scan(event.provider, event.source, event.scope)


def message(event: InventoryEvent, sequence: int | None = None) -> Message:
    return Message(subject_of(event), event.model_dump_json().encode(), sequence or next(_numbers))


def labelled(name: str, labels: Mapping[str, str]) -> Resource:
    return resource(name, labels=dict(labels))
