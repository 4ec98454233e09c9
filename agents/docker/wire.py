"""What an engine answers: the fields we use and no others, in the API's own shape.

A field that is absent or null takes its default here; one of another type makes the answer malformed.
Docker 20.10 to 29 and Podman 4 to 5 are meant: what one of them leaves out has a default.
"""

from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter, model_validator
from pydantic.alias_generators import to_pascal

from schemas.base import Message


class Wire(Message):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_pascal)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:  # noqa: ANN401 - whatever the engine said
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


class Component(Wire):
    name: str = ""


class Version(Wire):
    version: str
    api_version: str
    min_api_version: str = Field(default="", alias="MinAPIVersion")
    components: tuple[Component, ...] = ()

    @property
    def api(self) -> tuple[int, ...]:
        """The API version as numbers; empty where it is none."""
        parts = self.api_version.split(".")
        return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()

    @property
    def is_podman(self) -> bool:
        return any("podman" in component.name.lower() for component in self.components)


class SwarmCluster(Wire):
    id: str = Field(default="", alias="ID")


class SwarmState(Wire):
    node_id: str = Field(default="", alias="NodeID")
    local_node_state: str = "inactive"
    control_available: bool = False
    cluster: SwarmCluster = SwarmCluster()


class Info(Wire):
    id: str = Field(default="", alias="ID")
    name: str
    server_version: str
    operating_system: str = ""
    os_type: str = Field(default="", alias="OSType")
    architecture: str = ""
    kernel_version: str = ""
    driver: str = ""
    cgroup_driver: str = ""
    cgroup_version: str = ""
    logging_driver: str = ""
    default_runtime: str = ""
    runtimes: dict[str, Any] = Field(default_factory=dict)
    docker_root_dir: str = ""
    security_options: tuple[str, ...] = ()
    live_restore_enabled: bool = False
    experimental: bool | None = Field(default=None, alias="ExperimentalBuild")
    labels: tuple[str, ...] = ()
    cpus: int = Field(default=0, alias="NCPU")
    mem_total: int = 0
    swarm: SwarmState = SwarmState()


class ContainerRow(Wire):
    """One line of the listing.  ``state`` and what else may change without the id tell a stale inspection."""

    id: str
    names: tuple[str, ...] = ()
    state: str = ""
    image: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    ports: tuple[Any, ...] = ()
    network_settings: dict[str, Any] = Field(default_factory=dict)


class HealthState(Wire):
    status: str = ""


class ContainerState(Wire):
    status: str
    exit_code: int = 0
    oom_killed: bool = Field(default=False, alias="OOMKilled")
    error: str = ""
    started_at: str = ""
    finished_at: str = ""
    health: HealthState | None = None


class Healthcheck(Wire):
    test: tuple[str, ...] = ()


class ContainerConfig(Wire):
    hostname: str = ""
    user: str = ""
    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] | str = ()
    entrypoint: tuple[str, ...] | str = ()
    image: str = ""
    working_dir: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    healthcheck: Healthcheck = Healthcheck()


class RestartPolicy(Wire):
    name: str = ""
    maximum_retry_count: int = 0


class PortBinding(Wire):
    host_ip: str = ""
    host_port: str = ""


class Device(Wire):
    path_on_host: str = ""
    path_in_container: str = ""
    cgroup_permissions: str = ""


class DeviceRequest(Wire):
    driver: str = ""
    count: int = 0
    device_ids: tuple[str, ...] = Field(default=(), alias="DeviceIDs")
    capabilities: tuple[tuple[str, ...], ...] = ()


class HostConfig(Wire):
    nano_cpus: int = 0
    cpu_quota: int = 0
    cpu_period: int = 0
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    memory: int = 0
    memory_reservation: int = 0
    pids_limit: int = 0
    network_mode: str = ""
    pid_mode: str = ""
    ipc_mode: str = ""
    runtime: str = ""
    privileged: bool = False
    readonly_rootfs: bool = False
    auto_remove: bool = False
    init: bool = False
    publish_all_ports: bool = False
    restart_policy: RestartPolicy = RestartPolicy()
    port_bindings: dict[str, tuple[PortBinding, ...] | None] = Field(default_factory=dict)
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    device_requests: tuple[DeviceRequest, ...] = ()
    dns: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    tmpfs: dict[str, str] = Field(default_factory=dict)


class Mount(Wire):
    type: str = ""
    name: str = ""
    source: str = ""
    destination: str
    rw: bool = Field(default=True, alias="RW")


class EndpointIpam(Wire):
    ipv4: str = Field(default="", alias="IPv4Address")
    ipv6: str = Field(default="", alias="IPv6Address")


class Endpoint(Wire):
    ip_address: str = Field(default="", alias="IPAddress")
    ipv6_address: str = Field(default="", alias="GlobalIPv6Address")
    ipam: EndpointIpam = Field(default=EndpointIpam(), alias="IPAMConfig")


class NetworkSettings(Wire):
    networks: dict[str, Endpoint] = Field(default_factory=dict)
    ports: dict[str, tuple[PortBinding, ...] | None] = Field(default_factory=dict)


class Container(Wire):
    """``GET /containers/{id}/json``."""

    id: str
    name: str
    created: str = ""
    image: str = ""
    restart_count: int = 0
    state: ContainerState
    config: ContainerConfig
    host_config: HostConfig
    mounts: tuple[Mount, ...] = ()
    network_settings: NetworkSettings = NetworkSettings()


class Image(Wire):
    id: str
    repo_tags: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()
    created: int = 0
    size: int
    labels: dict[str, str] = Field(default_factory=dict)


class Volume(Wire):
    name: str
    driver: str
    created_at: str = ""
    mountpoint: str = ""
    scope: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    options: dict[str, str] = Field(default_factory=dict)


class Volumes(Message):
    """``Volumes`` is null where there is none, but it is always there."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_pascal)
    volumes: tuple[Volume, ...] | None


class IpamPool(Wire):
    subnet: str = ""
    gateway: str = ""
    ip_range: str = Field(default="", alias="IPRange")


class Ipam(Wire):
    driver: str = ""
    config: tuple[IpamPool, ...] = ()


class Network(Wire):
    id: str
    name: str
    created: str = ""
    driver: str
    scope: str = ""
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    ipv6: bool = Field(default=False, alias="EnableIPv6")
    ipam: Ipam = Field(default=Ipam(), alias="IPAM")
    options: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)


class Actor(Wire):
    id: str = Field(default="", alias="ID")
    attributes: dict[str, str] = Field(default_factory=dict)


class Event(Wire):
    type: str = ""
    action: str = ""
    actor: Actor = Actor()
    time_nano: int = Field(default=0, alias="timeNano")


CONTAINERS: TypeAdapter[tuple[ContainerRow, ...]] = TypeAdapter(tuple[ContainerRow, ...])
IMAGES: TypeAdapter[tuple[Image, ...]] = TypeAdapter(tuple[Image, ...])
NETWORKS: TypeAdapter[tuple[Network, ...]] = TypeAdapter(tuple[Network, ...])
