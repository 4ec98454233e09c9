"""A Swarm as its manager tells it: the cluster, its nodes, services, and the newest task of each slot.

Pure.  A service is known by its name, a node by its id, a task by its slot (or its node, where every node has one).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import JsonValue

from agents.docker import redaction
from agents.docker import wire_swarm as wire
from agents.docker.moments import moment
from schemas.resources import Health, Kind, Relation, Resource, Size, SourceRef, Status

SCOPE = "swarm"
CLUSTER_ID = "swarm"
_BILLION = 10**9
_NEVER = datetime.min.replace(tzinfo=UTC)
_TASK_STATUS: Final[Mapping[str, Status]] = {
    "running": Status.RUNNING,
    "complete": Status.STOPPED,
    "shutdown": Status.STOPPED,
    "remove": Status.STOPPED,
    "failed": Status.FAILED,
    "rejected": Status.FAILED,
    "orphaned": Status.FAILED,
}
_NODE_STATUS: Final[Mapping[str, Status]] = {
    "ready": Status.RUNNING,
    "down": Status.FAILED,
    "disconnected": Status.FAILED,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """What a manager answered, all together."""

    cluster: wire.Cluster
    services: Sequence[wire.Service]
    tasks: Sequence[wire.Task]
    nodes: Sequence[wire.Node]
    network_names: Mapping[str, str]


def resources(source: SourceRef, picture: Picture) -> list[Resource]:
    names = {service.id: service.spec.name for service in picture.services}
    newest = _newest(picture.tasks, names)
    return [
        _cluster(source, picture.cluster),
        *(_node(source, node) for node in picture.nodes),
        *(_service(source, service, newest.values(), picture.network_names) for service in picture.services),
        *(_task(source, native_id, task, names) for native_id, task in sorted(newest.items())),
    ]


def _cluster(source: SourceRef, found: wire.Cluster) -> Resource:
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.CLUSTER,
        native_id=CLUSTER_ID,
        name=found.spec.name or CLUSTER_ID,
        native_kind="swarm",
        scope=SCOPE,
        status=Status.RUNNING,
        labels=redaction.mapping(found.spec.labels),
        created_at=moment(found.created_at),
        incarnation=found.id,
    )


def _node(source: SourceRef, found: wire.Node) -> Resource:
    told = found.description
    address = found.status.addr if found.status.addr not in ("", "0.0.0.0") else ""  # noqa: S104 - read, not bound
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.NODE,
        native_id=found.id,
        name=told.hostname or found.id,
        native_kind="swarm node",
        scope=SCOPE,
        status=_NODE_STATUS.get(found.status.state, Status.UNKNOWN),
        native_status=found.status.state,
        health=Health.OK if found.status.state == "ready" else Health.FAILING,
        parent=source.key(Kind.CLUSTER, CLUSTER_ID),
        labels=redaction.mapping({**told.engine.labels, **found.spec.labels}),
        size=_size(told.resources),
        addresses=(address,) if address else (),
        created_at=moment(found.created_at),
        incarnation=found.id,
        spec={
            "role": found.spec.role,
            "availability": found.spec.availability,
            "engine_version": told.engine.engine_version,
            "os": told.platform.os,
            "architecture": told.platform.architecture,
        },
        native={"leader": found.manager_status.leader if found.manager_status else False},
    )


def _service(
    source: SourceRef, found: wire.Service, tasks: Iterable[wire.Task], network_names: Mapping[str, str]
) -> Resource:
    ours = [task for task in tasks if task.service_id == found.id and task.desired_state == "running"]
    running = sum(task.status.state == "running" for task in ours)
    replicated = found.spec.mode.replicated
    wanted = replicated.replicas if replicated else len(ours)
    template = found.spec.task_template
    networks = sorted({network_names.get(one.target, one.target) for one in template.networks})
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.SERVICE,
        native_id=found.spec.name,
        name=found.spec.name,
        native_kind=_mode(found.spec.mode),
        scope=SCOPE,
        status=Status.RUNNING if running else Status.PENDING if wanted else Status.STOPPED,
        native_status=f"{running}/{wanted}",
        health=_service_health(running, wanted),
        parent=source.key(Kind.CLUSTER, CLUSTER_ID),
        relations=tuple(Relation(type="attached", key=source.key(Kind.NETWORK, name)) for name in networks),
        labels=redaction.mapping(found.spec.labels),
        size=_size(template.resources.limits),
        created_at=moment(found.created_at),
        incarnation=found.id,
        spec=_service_spec(found.spec, networks),
        native={"image_digest": template.container_spec.image.partition("@")[2]},
    )


def _mode(mode: wire.ServiceMode) -> str:
    jobs = {"replicated-job": mode.replicated_job, "global-job": mode.global_job, "global": mode.global_}
    return next((name for name, found in jobs.items() if found is not None), "replicated")


def _service_health(running: int, wanted: int) -> Health:
    if not wanted:
        return Health.UNKNOWN
    return Health.OK if running >= wanted else Health.DEGRADED if running else Health.FAILING


def _service_spec(spec: wire.ServiceSpec, networks: Sequence[str]) -> dict[str, JsonValue]:
    template = spec.task_template
    made = template.container_spec
    ports = sorted(
        f"{p.published_port}:{p.target_port}/{p.protocol}:{p.publish_mode}" for p in spec.endpoint_spec.ports
    )
    mounts = sorted((m.target, m.type, m.source, m.read_only) for m in made.mounts)
    return {
        "mode": _mode(spec.mode),
        "replicas": spec.mode.replicated.replicas if spec.mode.replicated else None,
        "image": made.image.partition("@")[0],
        "command": [*redaction.command(made.command)],
        "args": [*redaction.command(made.args)],
        "env": {**redaction.environment(made.env)},
        "user": made.user,
        "mounts": [
            {"type": type_, "source": origin or None, "target": path, "read_only": read_only}
            for path, type_, origin, read_only in mounts
        ],
        "ports": [*ports],
        "networks": [*networks],
        "endpoint_mode": spec.endpoint_spec.mode or None,
        "constraints": [*sorted(template.placement.constraints)],
        "cpus": template.resources.limits.nano_cpus / _BILLION or None,
        "memory_bytes": template.resources.limits.memory_bytes or None,
    }


def _newest(tasks: Iterable[wire.Task], names: Mapping[str, str]) -> dict[str, wire.Task]:
    """Return native id -> its newest task: Swarm keeps a few ended ones of each slot."""
    newest: dict[str, wire.Task] = {}
    for task in sorted(tasks, key=lambda one: (moment(one.created_at) or _NEVER, one.id)):
        service = names.get(task.service_id)
        if service and (task.slot or task.node_id):
            newest[f"{service}.{task.slot or task.node_id}"] = task
    return newest


def _task(source: SourceRef, native_id: str, task: wire.Task, names: Mapping[str, str]) -> Resource:
    on_node = (Relation(type="runs_on", key=source.key(Kind.NODE, task.node_id)),) if task.node_id else ()
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.POD,
        native_id=native_id,
        name=native_id,
        native_kind="task",
        scope=SCOPE,
        status=_TASK_STATUS.get(task.status.state, Status.PENDING),
        native_status=task.status.state,
        parent=source.key(Kind.SERVICE, names[task.service_id]),
        relations=on_node,
        size=_size(task.spec.resources.limits),
        created_at=moment(task.created_at),
        incarnation=task.id,
        spec={"image": task.spec.container_spec.image.partition("@")[0], "desired_state": task.desired_state},
        native={"error": redaction.text(task.status.err)} if task.status.err else {},
    )


def _size(given: wire.Resources) -> Size:
    return Size(cpu_cores=given.nano_cpus / _BILLION or None, memory_bytes=given.memory_bytes or None)
