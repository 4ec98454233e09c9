"""Backup and replication jobs as resources.  Pure."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from agents.proxmox import cluster, parse, redaction
from agents.proxmox.wire_slow import BackupJob, ReplicationJob
from schemas.resources import Kind, Relation, Resource, SourceRef, Status

SCOPE: Final = "schedules"


def backup_job(source: SourceRef, row: BackupJob, guests: Mapping[int, str], storages: Mapping[str, str]) -> Resource:
    """``guests``: number -> key, ``storages``: name -> key, as far as they are known."""
    edges = {("of", guests[vmid]) for vmid in parse.numbers(row.vmid) if vmid in guests}
    if row.storage in storages:
        edges.add(("uses", storages[row.storage]))
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.SCHEDULE,
        native_id=f"vzdump/{row.id}",
        name=_name(row),
        native_kind="vzdump",
        scope=SCOPE,
        status=Status.RUNNING if row.enabled else Status.STOPPED,
        native_status="enabled" if row.enabled else "disabled",
        parent=cluster.key(source),
        relations=tuple(Relation(type=type_, key=key) for type_, key in sorted(edges)),
        spec={
            "schedule": row.schedule or f"{row.dow} {row.starttime}".strip() or None,
            "storage": row.storage or None,
            "mode": row.mode or None,
            "compress": row.compress or None,
            "all": row.all,
            "guests": [*parse.numbers(row.vmid)],
            "pool": row.pool or None,
            "exclude": [*parse.numbers(row.exclude)],
            "node": row.node or None,
            "keep": _keep(row.prune_backups),
            "protected": row.protected,
            "repeat_missed": row.repeat_missed,
            "notes_template": redaction.text(row.notes_template) or None,
            "comment": redaction.text(row.comment) or None,
        },
    )


def replication_job(source: SourceRef, row: ReplicationJob, guests: Mapping[int, str]) -> Resource:
    """Where it replicates from is where the guest is: no configuration."""
    guest = guests.get(row.guest) if row.guest is not None else None
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.SCHEDULE,
        native_id=f"replication/{row.id}",
        name=_name(row),
        native_kind="replication",
        scope=SCOPE,
        status=Status.STOPPED if row.disable else Status.RUNNING,
        native_status="disabled" if row.disable else "enabled",
        parent=cluster.key(source),
        relations=(Relation(type="of", key=guest),) if guest else (),
        spec={
            "guest": row.guest,
            "target": row.target or None,
            "schedule": row.schedule,
            "rate_mbytes": row.rate,
            "remove_job": row.remove_job or None,
            "comment": redaction.text(row.comment) or None,
        },
    )


def _name(row: BackupJob | ReplicationJob) -> str:
    return redaction.text(row.comment).partition("\n")[0].strip() or row.id


def _keep(told: JsonValue) -> dict[str, JsonValue]:
    """``keep-last=3,keep-daily=7``, or the same as a mapping in newer versions."""
    pairs = told if isinstance(told, dict) else parse.properties(str(told or ""))
    return {
        str(name).removeprefix("keep-"): int(str(count)) if str(count).isdecimal() else str(count)
        for name, count in pairs.items()
    }
