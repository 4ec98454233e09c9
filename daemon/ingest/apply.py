"""A batch of inventory messages, folded into the store in one transaction together with the sequence it reaches.

Runs in the writer's thread and knows no bus.  The order of the stream is kept: what observations changed is written
before a scan that follows them is judged.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from daemon.ingest import absence, coverage, fold, messages
from daemon.ingest.absence import Verdict
from daemon.ingest.messages import Message, Unreadable
from daemon.store import cursors, inventory, outbox, quarantine, scans
from daemon.store.cursors import Cursor
from daemon.store.database import Connection
from daemon.store.inventory import LogRow, Row
from daemon.store.quarantine import Refusal
from daemon.store.scans import ScanRow, ScopeKey, ScopeRow
from schemas import subjects
from schemas.base import content_hash
from schemas.events import (
    InventoryEvent,
    Observed,
    RemovalReason,
    Removed,
    ScanClosed,
    ScanFailed,
    ScanPart,
    Trouble,
)
from schemas.resources import Key, SourceRef

AGENT = "daemon"


@dataclass(slots=True)
class Applied:
    """What one batch did: for the reconciler, the metrics, and whoever is to be asked again."""

    sequence: int
    keys: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    """Sources (``<provider>/<name>``) whose state or scope states moved: presence of all their resources may have."""
    republish: set[SourceRef] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    letters: int = 0
    log_entries: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items())) or "nothing"


def apply(con: Connection, batch: Sequence[Message], *, cursor: Cursor, now: datetime) -> Applied:
    """Apply ``batch``; ``cursor`` is where the stream stands after it."""
    work = _Batch(con, now, Applied(sequence=cursor.sequence))
    work.run(batch, cursor.stream)
    cursors.move(con, cursor)
    return work.applied


def refuse(con: Connection, message: Message, reason: str, *, cursor: Cursor, now: datetime) -> Applied:
    """Put ``message`` aside and move past it."""
    quarantine.put(con, [Refusal(now, cursor.stream, message.sequence, message.subject, reason, message.data)])
    cursors.move(con, cursor)
    return Applied(sequence=cursor.sequence, counts=Counter(quarantined=1))


class _Batch:
    def __init__(self, con: Connection, now: datetime, applied: Applied) -> None:
        self.con = con
        self.now = now
        self.applied = applied
        self.rows: dict[str, Row] = {}
        self.stored: set[str] = set()
        """Keys that have a row in the store."""
        self.changed: dict[str, Row] = {}
        self.entries: list[LogRow] = []
        self.scopes: dict[ScopeKey, ScopeRow] = {}
        self.moved: dict[ScopeKey, ScopeRow] = {}
        self.scans: list[ScanRow] = []
        self.parts: dict[str, dict[int, ScanPart]] = {}
        self.late: Counter[SourceRef] = Counter()

    def run(self, batch: Sequence[Message], stream: str) -> None:
        events = self._read(batch, stream)
        self.scopes = scans.scopes(self.con)
        self.rows = inventory.fetch(self.con, {key for event in events if (key := _key(event)) is not None})
        self.stored = set(self.rows)
        for event in events:
            self.applied.counts[event.type] += 1
            self._one(event)
        self._end()

    def _read(self, batch: Sequence[Message], stream: str) -> list[InventoryEvent]:
        read: list[InventoryEvent] = []
        refused: list[Refusal] = []
        for message in batch:
            try:
                read.append(messages.read(message, now=self.now))
            except Unreadable as error:
                refused.append(Refusal(self.now, stream, message.sequence, message.subject, str(error), message.data))
        quarantine.put(self.con, refused)
        self.applied.counts["quarantined"] += len(refused)
        return read

    def _one(self, event: InventoryEvent) -> None:
        match event:
            case Observed():
                scanned_at = self._scanned_at(event.resource.provider, event.resource.source, event.resource.scope)
                self._folded(event, fold.observed(self.rows.get(event.resource.key), event, scanned_at=scanned_at))
            case Removed():
                row = self.rows.get(event.key)
                scanned_at = self._scanned_at(row.provider, row.source, row.scope) if row else None
                self._folded(event, fold.removed(row, event, scanned_at=scanned_at))
            case ScanPart():
                self.parts.setdefault(event.scan, {})[event.part] = event
            case ScanClosed():
                self._closed(event)
            case ScanFailed():
                self._failed(event)

    def _scanned_at(self, provider: str, source: str, scope: str) -> datetime | None:
        found = self.scopes.get((provider, source, scope))
        return found.observed_at if found else None

    def _folded(self, event: Observed | Removed, outcome: fold.Folded) -> None:
        if outcome.late:
            ref = event.resource.ref if isinstance(event, Observed) else SourceRef(
                provider=event.provider, name=event.source)  # fmt: skip
            self.late[ref] += 1
            self.applied.counts["late"] += 1
        if outcome.row is not None:
            self.rows[outcome.row.key] = self.changed[outcome.row.key] = outcome.row
            self.applied.keys.add(outcome.row.key)
        if outcome.entry is not None:
            self.entries.append(outcome.entry)

    def _closed(self, event: ScanClosed) -> None:
        scope = self._scope(event.provider, event.source, event.scope)
        if self._is_old(scope, event):
            return
        parts = {number: part.manifest for number, part in self.parts.pop(event.scan, {}).items()}
        if len(parts) < event.parts:
            parts = scans.take_parts(self.con, event.scan) | parts
        manifest = {key: hashed for part in parts.values() for key, hashed in part.items()}
        row = ScanRow(
            event.scan, event.provider, event.source, event.scope, "complete", event.observed_at,
            event.duration_seconds, resources=event.count,
        )  # fmt: skip
        self.scans.append(row)
        if len(parts) != event.parts or len(manifest) != event.count:
            row.outcome = "incomplete"
            row.detail = f"{len(parts)} of {event.parts} parts came, with {len(manifest)} of {event.count} keys"
            return
        self._flush()
        self._judge(scope, row, event, manifest)

    def _judge(self, scope: ScopeRow, row: ScanRow, event: ScanClosed, manifest: dict[str, str]) -> None:
        known = inventory.known(self.con, event.provider, event.source, event.scope)
        verdict = absence.judge(
            known, manifest, held_scans=scope.held_scans, released=scope.released, gaps=event.gaps
        )  # fmt: skip
        cause = f"scan {event.scan}"
        for keys, presence, op in (
            (verdict.suspect, "suspect", "suspect"),
            (verdict.gone, "gone", "gone"),
            (verdict.returned, "present", "returned"),
        ):
            inventory.set_presence(self.con, keys, presence, op=op, at=event.observed_at, cause=cause)
            self.applied.keys |= keys
            for key in keys & self.rows.keys():
                kept = self.rows[key]
                kept.presence, kept.changed_at = presence, event.observed_at
                kept.reported = kept.reported and presence == "gone"
        self._hide(verdict.moved, scope)
        self._announce_gone({key for key in verdict.gone if not known[key].reported}, event)
        if verdict.disagreeing:
            self.applied.republish.add(event.ref)
        row.missing, row.gone, row.detail = verdict.missing, len(verdict.gone), coverage.detail(event.gaps)
        if verdict.held:
            row.outcome = "held"
            row.detail = f"{verdict.missing} of {len(known)} would be missing at once"
        self._settle(scope, row, event, verdict)

    def _hide(self, moved: Mapping[str, str], scope: ScopeRow) -> None:
        """Let gaps hide keys, or no longer: presence moves, and nothing is written to the log of any of them."""
        inventory.set_hidden(self.con, moved, seen_at=scope.observed_at)
        self.applied.keys |= moved.keys()
        self.rows |= inventory.fetch(self.con, moved.keys() & self.rows.keys())

    def _settle(self, scope: ScopeRow, row: ScanRow, event: ScanClosed, verdict: Verdict) -> None:
        hidden_kinds = coverage.hidden_kinds(event.gaps)
        status = "held" if verdict.held else "partial" if coverage.is_partial(event.gaps) else "ok"
        if scope.status != status or scope.hidden_kinds != hidden_kinds:
            self.applied.sources.add(str(event.ref))
        scope.gaps, scope.hidden, scope.hidden_kinds = coverage.shown(event.gaps), len(verdict.hidden), hidden_kinds
        scope.status, scope.detail = status, row.detail
        scope.last_scan, scope.last_attempt_at = event.scan, event.observed_at
        scope.duration_seconds, scope.interval_seconds, scope.next_at = (
            event.duration_seconds, event.interval_seconds, None,
        )  # fmt: skip
        scope.failures, scope.trouble = 0, None
        held = verdict.held
        scope.held_scans, scope.held_missing = (scope.held_scans + 1, verdict.missing) if held else (0, 0)
        if not held:
            scope.observed_at, scope.resources, scope.released = event.observed_at, event.count, False
        self.moved[scope.provider, scope.source, scope.scope] = scope

    def _failed(self, event: ScanFailed) -> None:
        scope = self._scope(event.provider, event.source, event.scope)
        if self._is_old(scope, event):
            return
        status = "denied" if event.trouble is Trouble.UNAUTHORIZED else "failed"
        if scope.status != status:
            self.applied.sources.add(str(event.ref))
        scope.status, scope.trouble, scope.detail = status, str(event.trouble), event.detail
        scope.last_scan, scope.last_attempt_at, scope.next_at = event.scan, event.observed_at, event.next_at
        scope.interval_seconds, scope.failures = event.interval_seconds, event.failures
        self.moved[scope.provider, scope.source, scope.scope] = scope
        self.scans.append(
            ScanRow(
                event.scan,
                event.provider,
                event.source,
                event.scope,
                "failed",
                event.observed_at,
                event.duration_seconds,
                trouble=str(event.trouble),
                detail=event.detail,
            )
        )

    def _scope(self, provider: str, source: str, scope: str) -> ScopeRow:
        return self.scopes.setdefault((provider, source, scope), ScopeRow(provider, source, scope))

    def _is_old(self, scope: ScopeRow, event: ScanClosed | ScanFailed) -> bool:
        """Whether this scan has been heard already, or a later one has: what is missing must not be missed twice."""
        if event.scan == scope.last_scan:
            return True
        if scope.last_attempt_at is None or event.observed_at >= scope.last_attempt_at:
            return False
        self.late[event.ref] += 1
        self.applied.counts["late"] += 1
        return True

    def _announce_gone(self, keys: set[str], event: ScanClosed) -> None:
        """What we judged gone is said under its subject, so that the bus alone tells the present, too."""
        letters = []
        for key in sorted(keys):
            part = Key.parse(key)
            removed = Removed(
                id=f"{event.scan[:64]}.{content_hash(key)}", time=self.now, agent=AGENT, observed_at=event.observed_at,
                provider=part.provider, source=part.source, kind=part.kind, native_id=part.native_id,
                reason=RemovalReason.ABSENT,
            )  # fmt: skip
            letters.append(outbox.Letter(removed.id, subjects.inventory(key), removed.model_dump_json()))
        outbox.put(self.con, letters)
        self.applied.letters += len(letters)

    def _flush(self) -> None:
        inventory.put(self.con, self.changed.values(), stored=self.stored)
        self.stored |= self.changed.keys()
        inventory.log(self.con, self.entries)
        self.applied.log_entries += len(self.entries)
        self.changed.clear()
        self.entries.clear()

    def _end(self) -> None:
        self._flush()
        for scan, parts in self.parts.items():
            for number, part in parts.items():
                scans.stage_part(self.con, scan, number, self.now, part.manifest)
        scans.add_scans(self.con, self.scans)
        scans.put_scopes(self.con, list(self.moved.values()))
        for ref, count in self.late.items():
            scans.count_late(self.con, ref.provider, ref.name, count)
        if self.moved:
            for provider, source, _ in scans.log_source_changes(self.con, at=self.now, cause="scans"):
                self.applied.sources.add(f"{provider}/{source}")


def _key(event: InventoryEvent) -> str | None:
    match event:
        case Observed():
            return event.resource.key
        case Removed():
            return event.key
    return None
