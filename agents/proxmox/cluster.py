"""The cluster itself, and what high availability is told to do, as resources.  Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from agents.proxmox import parse, redaction
from agents.proxmox.wire import ClusterRow
from agents.proxmox.wire_slow import HaGroup, HaResource, HaRule
from schemas.resources import Health, Kind, Relation, Resource, SourceRef, Status

SCOPE: Final = "cluster"
_NATIVE_ID: Final = "cluster"
_CRM: Final[Mapping[str, Status]] = {
    "started": Status.RUNNING,
    "stopped": Status.STOPPED,
    "disabled": Status.STOPPED,
    "ignored": Status.UNKNOWN,
    "queued": Status.PENDING,
    "starting": Status.PENDING,
    "request_start": Status.PENDING,
    "request_start_balance": Status.PENDING,
    "request_stop": Status.PENDING,
    "migrate": Status.PENDING,
    "relocate": Status.PENDING,
    "freeze": Status.PENDING,
    "fence": Status.FAILED,
    "recovery": Status.FAILED,
    "error": Status.FAILED,
}
_HEALTH: Final[Mapping[Status, Health]] = {
    Status.RUNNING: Health.OK,
    Status.STOPPED: Health.OK,
    Status.FAILED: Health.FAILING,
}


def key(source: SourceRef) -> str:
    return source.key(Kind.CLUSTER, _NATIVE_ID)


def cluster(
    source: SourceRef, rows: Sequence[ClusterRow], versions: Mapping[str, str], labels: Mapping[str, str]
) -> Resource:
    """``versions`` are those of the nodes as far as they are known; a host by itself has no row of a cluster.

    It runs as long as it answers: without quorum it still does, and what is lacking is its health.
    """
    itself = next((row for row in rows if row.type == "cluster"), None)
    nodes = [row for row in rows if row.type == "node"]
    quorate = itself is None or itself.quorate
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.CLUSTER,
        native_id=_NATIVE_ID,
        name=itself.name if itself else next((row.name for row in nodes), source.name),
        native_kind="cluster" if itself else "standalone",
        scope=SCOPE,
        status=Status.RUNNING,
        native_status=("quorate" if quorate else "no quorum") if itself else "standalone",
        health=_health(nodes, set(versions.values()), quorate=quorate),
        labels=dict(labels),
        spec={
            "nodes": [*sorted(row.name for row in nodes)],
            "expected_nodes": (itself.nodes if itself else None) or len(nodes),
        },
        native={
            "nodes_online": sum(row.online for row in nodes),
            "offline": [*sorted(row.name for row in nodes if not row.online)],
            "versions": {**versions},
        },
    )


def _health(nodes: Sequence[ClusterRow], versions: set[str], *, quorate: bool) -> Health:
    if not quorate:
        return Health.FAILING
    return Health.OK if all(row.online for row in nodes) and len(versions) <= 1 else Health.DEGRADED


def ha_resource(source: SourceRef, row: HaResource, crm_state: str | None, guests: Mapping[int, str]) -> Resource:
    """``crm_state`` is what the manager says of it, where it can be read; ``guests``: number -> key."""
    status = _CRM.get(crm_state or "", Status.UNKNOWN)
    kind, _, vmid = row.sid.partition(":")
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.RULE,
        native_id=f"ha/resource/{row.sid}",
        name=row.sid,
        native_kind="ha-resource",
        scope=SCOPE,
        status=status,
        native_status=crm_state or "",
        health=_HEALTH.get(status, Health.UNKNOWN),
        parent=key(source),
        relations=_of([vmid], guests),
        spec={
            "guest": int(vmid) if vmid.isdecimal() else row.sid,
            "guest_type": kind,
            "state": wish(row),
            "group": row.group or None,
            "failback": row.failback,
            "max_restart": row.max_restart,
            "max_relocate": row.max_relocate,
            "comment": redaction.text(row.comment) or None,
        },
    )


def wish(row: HaResource) -> str:
    """Return the state that a guest is to be kept in; ``enabled`` is an old word for ``started``."""
    return "started" if row.state == "enabled" else row.state


def ha_group(source: SourceRef, row: HaGroup) -> Resource:
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.RULE,
        native_id=f"ha/group/{row.group}",
        name=row.group,
        native_kind="ha-group",
        scope=SCOPE,
        status=Status.RUNNING,
        parent=key(source),
        spec={
            "nodes": _priorities(row.nodes),
            "restricted": row.restricted,
            "nofailback": row.nofailback,
            "comment": redaction.text(row.comment) or None,
        },
    )


def ha_rule(source: SourceRef, row: HaRule, guests: Mapping[int, str]) -> Resource:
    resources = parse.names(row.resources)
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.RULE,
        native_id=f"ha/rule/{row.rule}",
        name=row.rule,
        native_kind="ha-rule",
        scope=SCOPE,
        status=Status.STOPPED if row.disable else Status.RUNNING,
        native_status="disabled" if row.disable else "enabled",
        parent=key(source),
        relations=_of([one.partition(":")[2] for one in resources], guests),
        spec={
            "type": row.type or None,
            "resources": [*resources],
            "nodes": _priorities(row.nodes),
            "strict": row.strict,
            "affinity": row.affinity or None,
            "comment": redaction.text(row.comment) or None,
        },
    )


def _of(vmids: Sequence[str], guests: Mapping[int, str]) -> tuple[Relation, ...]:
    known = (guests.get(int(vmid)) for vmid in vmids if vmid.isdecimal())
    return tuple(Relation(type="of", key=guest) for guest in sorted({guest for guest in known if guest}))


def _priorities(text: str) -> dict[str, JsonValue]:
    """``pve1:2,pve2``: a node that has no number has 0."""
    pairs = (name.partition(":") for name in parse.names(text))
    return {node: int(priority) if priority.isdecimal() else 0 for node, _, priority in pairs}
