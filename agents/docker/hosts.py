"""The engine itself as a resource: what it is and how it is set up, no count of what it runs.  Pure."""

from pydantic import JsonValue

from agents.docker import redaction, wire
from schemas.resources import Health, Kind, Resource, Size, SourceRef, Status

SCOPE = "engine"
NATIVE_ID = "engine"


def engine(source: SourceRef, info: wire.Info, version: wire.Version) -> Resource:
    """Podman makes up another id at each question, so only Docker's tells one engine from the next."""
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.HOST,
        native_id=NATIVE_ID,
        name=info.name,
        native_kind="podman" if version.is_podman else "docker",
        scope=SCOPE,
        status=Status.RUNNING,
        native_status="answers",
        health=Health.OK,
        labels=redaction.mapping(dict(label.partition("=")[::2] for label in info.labels)),
        size=Size(cpu_cores=float(info.cpus) or None, memory_bytes=info.mem_total or None),
        incarnation="" if version.is_podman else info.id,
        revision=info.server_version,
        spec=_spec(info, version),
    )


def _spec(info: wire.Info, version: wire.Version) -> dict[str, JsonValue]:
    return {
        "version": info.server_version,
        "api_version": version.api_version,
        "os": info.operating_system,
        "os_type": info.os_type,
        "kernel": info.kernel_version,
        "architecture": info.architecture,
        "storage_driver": info.driver,
        "logging_driver": info.logging_driver,
        "cgroup_driver": info.cgroup_driver,
        "cgroup_version": info.cgroup_version,
        "default_runtime": info.default_runtime,
        "runtimes": [*sorted(info.runtimes)],
        "root_dir": info.docker_root_dir,
        "security_options": [*sorted(info.security_options)],
        "live_restore": info.live_restore_enabled,
        "swarm": {"state": info.swarm.local_node_state, "manager": info.swarm.control_available},
    }
