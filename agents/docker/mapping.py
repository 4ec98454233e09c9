"""A container's inspection as a resource.

Pure.  ``spec`` has always the same entries, each in one form whatever the engine's version wrote: what somebody
configured.  What the engine chose by itself (addresses, free host ports, the image's digest) stands elsewhere.
"""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from agents.docker import identity, redaction, wire
from agents.docker.moments import moment
from schemas.resources import Health, Kind, Relation, Resource, Size, SourceRef, Status

SCOPE = "containers"
_STATUS: Final[Mapping[str, Status]] = {
    "running": Status.RUNNING,
    "exited": Status.STOPPED,
    "stopped": Status.STOPPED,
    "created": Status.STOPPED,
    "configured": Status.STOPPED,
    "initialized": Status.STOPPED,
    "paused": Status.PAUSED,
    "restarting": Status.PENDING,
    "removing": Status.PENDING,
    "stopping": Status.PENDING,
    "dead": Status.FAILED,
}
_HEALTH: Final[Mapping[str, Health]] = {"healthy": Health.OK, "unhealthy": Health.FAILING}
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_BILLION = 10**9


def container(source: SourceRef, found: wire.Container, native_ids: Mapping[str, str]) -> Resource:
    """``native_ids`` (container id -> native id) has this container and those it may share a network with."""
    labels = found.config.labels
    project = labels.get(identity.PROJECT)
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.CONTAINER,
        native_id=native_ids[found.id],
        name=found.name.lstrip("/") or identity.short(found.id),
        native_kind="container",
        scope=SCOPE,
        status=_STATUS.get(found.state.status, Status.UNKNOWN),
        native_status=_native_status(found.state),
        health=_health(found.state),
        parent=source.key(Kind.STACK, project) if project else None,
        relations=_relations(source, found),
        labels=redaction.mapping(labels),
        size=_size(found.host_config),
        addresses=_addresses(found.network_settings),
        created_at=moment(found.created),
        incarnation=found.id,
        spec=spec(found, native_ids),
        native=_native(found),
    )


def spec(found: wire.Container, native_ids: Mapping[str, str]) -> dict[str, JsonValue]:
    config, host = found.config, found.host_config
    return {
        "image": config.image,
        "command": [*redaction.command(_words(config.cmd))],
        "entrypoint": [*redaction.command(_words(config.entrypoint))],
        "env": {**redaction.environment(config.env)},
        "working_dir": config.working_dir,
        "user": config.user,
        "hostname": _hostname(found),
        "healthcheck": [*redaction.command(config.healthcheck.test)],
        "restart_policy": _restart_policy(host.restart_policy),
        "network_mode": _shared(host.network_mode or "bridge", native_ids),
        "networks": _networks(found.network_settings),
        "ports": [*_ports(host)],
        "publish_all_ports": host.publish_all_ports,
        "mounts": [*_mounts(found)],
        "cpus": _cpus(host),
        "cpu_shares": host.cpu_shares or None,
        "cpuset": host.cpuset_cpus or None,
        "memory_bytes": _positive(host.memory),
        "memory_reservation_bytes": _positive(host.memory_reservation),
        "pids_limit": _positive(host.pids_limit),
        "privileged": host.privileged,
        "read_only": host.readonly_rootfs,
        "init": host.init,
        "auto_remove": host.auto_remove,
        "cap_add": [*sorted(_capability(one) for one in host.cap_add)],
        "cap_drop": [*sorted(_capability(one) for one in host.cap_drop)],
        "security_opt": [*sorted(host.security_opt)],
        "devices": [*sorted(_device(one) for one in host.devices)],
        "device_requests": [*sorted(_device_request(one) for one in host.device_requests)],
        "dns": [*host.dns],
        "extra_hosts": [*sorted(host.extra_hosts)],
        "pid_mode": _shared(host.pid_mode, native_ids) or None,
        "ipc_mode": _shared(host.ipc_mode, native_ids) or None,
        "runtime": host.runtime or None,
    }


def _native_status(state: wire.ContainerState) -> str:
    if _STATUS.get(state.status) is Status.STOPPED and state.status not in ("created", "configured", "initialized"):
        return f"{state.status} ({state.exit_code})"
    return state.status


def _health(state: wire.ContainerState) -> Health:
    """Only a running container with a check has one; ``starting`` is not yet known."""
    if state.health is None or _STATUS.get(state.status) is not Status.RUNNING:
        return Health.UNKNOWN
    return _HEALTH.get(state.health.status, Health.UNKNOWN)


def _relations(source: SourceRef, found: wire.Container) -> tuple[Relation, ...]:
    edges = {("attached", source.key(Kind.NETWORK, name)) for name in found.network_settings.networks if name}
    edges |= {("uses", source.key(Kind.VOLUME, m.name)) for m in found.mounts if m.type == "volume" and m.name}
    if found.image:
        edges.add(("made_from", source.key(Kind.IMAGE, identity.image(found.image))))
    return tuple(Relation(type=type_, key=key) for type_, key in sorted(edges))


def _size(host: wire.HostConfig) -> Size:
    gpus = sum(_gpus(one) for one in host.device_requests if one.count >= 0)
    return Size(cpu_cores=_cpus(host), memory_bytes=_positive(host.memory), gpus=gpus or None)


def _gpus(request: wire.DeviceRequest) -> int:
    """``--gpus all`` has the count -1 and says no number."""
    is_gpu = any("gpu" in capabilities for capabilities in request.capabilities) or request.driver == "nvidia"
    return max(request.count, len(request.device_ids)) if is_gpu else 0


def _addresses(settings: wire.NetworkSettings) -> tuple[str, ...]:
    ends = settings.networks.values()
    return tuple(sorted({address for end in ends for address in (end.ip_address, end.ipv6_address) if address}))


def _native(found: wire.Container) -> dict[str, JsonValue]:
    started, finished = moment(found.state.started_at), moment(found.state.finished_at)
    facts: dict[str, JsonValue] = {
        "id": found.id,
        "image_id": identity.image(found.image),
        "exit_code": found.state.exit_code,
        "restart_count": found.restart_count,
        "started_at": started.isoformat() if started else None,
        "finished_at": finished.isoformat() if finished else None,
        "oom_killed": found.state.oom_killed or None,
        "error": redaction.text(found.state.error) or None,
        "ports": [*_chosen_ports(found)] or None,
        "volumes": [*sorted(m.name for m in found.mounts if _is_anonymous(m))] or None,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def _hostname(found: wire.Container) -> str | None:
    """Return what somebody set: by itself it is the short id, or the host's own name in the host's network."""
    given = found.config.hostname
    by_itself = found.id.startswith(given) or found.host_config.network_mode == "host"
    return None if by_itself else given


def _restart_policy(policy: wire.RestartPolicy) -> str:
    if policy.name == "on-failure" and policy.maximum_retry_count:
        return f"on-failure:{policy.maximum_retry_count}"
    return policy.name or "no"


def _shared(mode: str, native_ids: Mapping[str, str]) -> str:
    """Name the container whose namespace is shared by its native id: its id changes with each re-creation."""
    if mode == "default":
        return "bridge"
    kind, _, container_id = mode.partition(":")
    return f"container:{native_ids.get(container_id, container_id)}" if kind == "container" else mode


def _networks(settings: wire.NetworkSettings) -> dict[str, JsonValue]:
    """Return name -> the static addresses that were asked for: a list, for an empty mapping would be nothing at all."""
    return {name: _static(end.ipam) for name, end in sorted(settings.networks.items()) if name}


def _static(ipam: wire.EndpointIpam) -> list[JsonValue]:
    return [given for given in (ipam.ipv4, ipam.ipv6) if given]


def _ports(host: wire.HostConfig) -> list[str]:
    """Return what is published, as Compose writes it; a host port left to the engine is not named."""
    published = {
        ":".join(part for part in (_host_ip(bound.host_ip), _host_port(bound.host_port), port) if part)
        for port, bindings in host.port_bindings.items()
        for bound in bindings or (wire.PortBinding(),)
    }
    return sorted(published)


def _host_ip(address: str) -> str:
    return "" if address in ("", "0.0.0.0", "::") else address  # noqa: S104 - read, not bound


def _host_port(port: str) -> str:
    return "" if port == "0" else port


def _chosen_ports(found: wire.Container) -> list[str]:
    asked = found.host_config.port_bindings
    chosen = {
        f"{bound.host_port}:{port}"
        for port, bindings in found.network_settings.ports.items()
        for bound in bindings or ()
        if not any(_host_port(binding.host_port) == bound.host_port for binding in asked.get(port) or ())
    }
    return sorted(chosen)


def _mounts(found: wire.Container) -> list[dict[str, JsonValue]]:
    """Return them sorted; an anonymous volume has no name that would survive."""
    rows: list[tuple[str, str, str, bool]] = [
        ("volume", "" if _is_anonymous(m) else m.name, m.destination, m.rw)
        if m.type == "volume"
        else (m.type or "bind", m.source, m.destination, m.rw)
        for m in found.mounts
    ]
    rows += [("tmpfs", "", path, True) for path in found.host_config.tmpfs]
    return [
        {"type": type_, "source": origin or None, "target": path, "read_only": not rw}
        for type_, origin, path, rw in sorted(set(rows), key=lambda row: (row[2], row))
    ]


def _is_anonymous(mount: wire.Mount) -> bool:
    return mount.type == "volume" and _ANONYMOUS.fullmatch(mount.name) is not None


def _cpus(host: wire.HostConfig) -> float | None:
    if host.nano_cpus > 0:
        return host.nano_cpus / _BILLION
    if host.cpu_quota > 0:
        return round(host.cpu_quota / (host.cpu_period or 100_000), 6)
    return None


def _positive(number: int) -> int | None:
    """Zero and -1 are "no limit", in one engine or the other."""
    return number if number > 0 else None


def _capability(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _device(device: wire.Device) -> str:
    return f"{device.path_on_host}:{device.path_in_container}:{device.cgroup_permissions}"


def _device_request(request: wire.DeviceRequest) -> str:
    wanted = ",".join(request.device_ids) or ("all" if request.count < 0 else str(request.count))
    capabilities = ",".join(sorted({one for group in request.capabilities for one in group}))
    return f"{request.driver}:{wanted}:{capabilities}"


def _words(command: tuple[str, ...] | str) -> tuple[str, ...]:
    return tuple(command.split()) if isinstance(command, str) else command
