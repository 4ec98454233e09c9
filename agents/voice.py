"""What one source says on the bus.  At most 64 messages in flight; a scan's close follows all it closes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from daemon.runtime.clock import Clock
from schemas import subjects
from schemas.events import (
    Envelope,
    Gap,
    MetricsBatch,
    Observed,
    Removed,
    Sample,
    ScanClosed,
    ScanFailed,
    ScanPart,
    Trouble,
)
from schemas.resources import Key, Resource, SourceRef

IN_FLIGHT = 64
PART_ENTRIES = 5000
PART_BYTES = 700_000
RESOURCE_BYTES = 700_000
"""Well under the server's max_payload, and what an answer or a terminal can still show."""
SCAN_TTL = timedelta(hours=1)
SAMPLES_PER_BATCH = 1000
_DETAIL = 1000
_WORD = 200


class Publish(Protocol):
    async def __call__(self, subject: str, data: bytes, *, msg_id: str, ttl: timedelta | None = None) -> None:
        """Return when the bus has stored the message."""
        ...


@dataclass(slots=True)
class Voice:
    source: SourceRef
    agent: str
    """The process that speaks: `docker/nas@host:pid`."""
    publish: Publish
    clock: Clock
    cut: set[str] = field(default_factory=set)
    """Keys of what did not fit, so that each is told once."""

    def fit(self, resource: Resource) -> Resource:
        """Return ``resource``, without its details if it is too large for a message."""
        size = len(resource.model_dump_json().encode())
        if size < RESOURCE_BYTES:
            return resource
        if resource.key not in self.cut:
            self.cut.add(resource.key)
            log.warning("resource_cut", key=resource.key, bytes=size, reason="too large for one message")
        bare: dict[str, object] = {name: {"truncated": True} for name in ("spec", "native")}
        bare |= {name: getattr(resource, name)[:_WORD] for name in ("name", "native_kind", "native_status", "revision")}
        return resource.model_copy(update=bare | {"labels": {}, "relations": (), "addresses": ()})

    async def observed(self, news: Sequence[tuple[Resource, str]], *, observed_at: datetime) -> None:
        """Publish what is new or changed, and return when the bus has all of it."""
        remaining = iter(news)

        async def worker() -> None:
            for resource, hashed in remaining:
                event = Observed(
                    time=self.clock.now(), agent=self.agent, observed_at=observed_at, hash=hashed, resource=resource
                )
                await self._publish(subjects.inventory(resource.key), event)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(IN_FLIGHT, len(news))):
                group.create_task(worker())

    async def removed(self, key: str, *, observed_at: datetime) -> None:
        part = Key.parse(key)
        event = Removed.model_validate(
            {"time": self.clock.now(), "agent": self.agent, "observed_at": observed_at, **part._asdict()}
        )
        await self._publish(subjects.inventory(key), event)

    async def closed(
        self, scope: str, manifest: dict[str, str], *, scan: str, observed_at: datetime, duration: float,
        interval: timedelta, gaps: Sequence[Gap] = (),
    ) -> None:  # fmt: skip
        """Publish the manifest of a complete scan in parts, then its close with what it could not see."""
        said = {"agent": self.agent, "provider": self.source.provider, "source": self.source.name, "scope": scope,
                "scan": scan}  # fmt: skip
        subject = subjects.scan(self.source.provider, self.source.name, scope)
        parts = list(_parts(manifest))
        for number, part in enumerate(parts):
            await self._publish(
                subject,
                ScanPart(id=f"{scan}.{number}", time=self.clock.now(), part=number, manifest=part, **said),
                ttl=SCAN_TTL,
            )
        closed = ScanClosed(
            id=f"{scan}.closed", time=self.clock.now(), parts=len(parts), count=len(manifest), observed_at=observed_at,
            duration_seconds=max(0.0, duration), interval_seconds=interval.total_seconds(), gaps=tuple(gaps), **said,
        )  # fmt: skip
        await self._publish(subject, closed, ttl=SCAN_TTL)

    async def failed(
        self, scope: str, trouble: Trouble, detail: str, *, scan: str, observed_at: datetime, duration: float,
        interval: timedelta, failures: int, next_at: datetime | None,
    ) -> None:  # fmt: skip
        event = ScanFailed(
            id=f"{scan}.failed", time=self.clock.now(), agent=self.agent, provider=self.source.provider,
            source=self.source.name, scope=scope, scan=scan, trouble=trouble, detail=detail[:_DETAIL],
            observed_at=observed_at, duration_seconds=max(0.0, duration), interval_seconds=interval.total_seconds(),
            failures=failures, next_at=next_at,
        )  # fmt: skip
        await self._publish(subjects.scan(self.source.provider, self.source.name, scope), event, ttl=SCAN_TTL)

    async def samples(self, measured: Sequence[Sample]) -> None:
        subject = subjects.metrics(self.source.provider, self.source.name)
        for start in range(0, len(measured), SAMPLES_PER_BATCH):
            batch = MetricsBatch(
                time=self.clock.now(), agent=self.agent, provider=self.source.provider, source=self.source.name,
                samples=tuple(measured[start : start + SAMPLES_PER_BATCH]),
            )  # fmt: skip
            await self._publish(subject, batch)

    async def _publish(self, subject: str, event: Envelope, *, ttl: timedelta | None = None) -> None:
        await self.publish(subject, event.model_dump_json().encode(), msg_id=event.id, ttl=ttl)


def _parts(manifest: dict[str, str]) -> list[dict[str, str]]:
    """Cut a manifest so that each part stays well under ``max_payload``; an empty one has no part."""
    parts: list[dict[str, str]] = []
    part: dict[str, str] = {}
    size = 0
    for key, hashed in manifest.items():
        if part and (len(part) == PART_ENTRIES or size > PART_BYTES):
            parts.append(part)
            part, size = {}, 0
        part[key] = hashed
        size += len(key.encode()) + len(hashed) + 8
    return [*parts, part] if part else parts


log = structlog.get_logger(__name__)
