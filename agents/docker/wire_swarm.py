"""What a Swarm manager answers: the fields we use.  Tokens, keys and the payload of secrets are not among them."""

from typing import Any

from pydantic import Field, TypeAdapter

from agents.docker.wire import Wire


class Versioned(Wire):
    index: int = 0


class NamedSpec(Wire):
    name: str = ""
    labels: dict[str, str] = Field(default_factory=dict)


class Cluster(Wire):
    """``GET /swarm``; its join tokens are not read."""

    id: str = Field(alias="ID")
    created_at: str = ""
    spec: NamedSpec = NamedSpec()


class ServiceMount(Wire):
    type: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = False


class ServiceContainer(Wire):
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    user: str = ""
    mounts: tuple[ServiceMount, ...] = ()


class Resources(Wire):
    nano_cpus: int = Field(default=0, alias="NanoCPUs")
    memory_bytes: int = 0


class ResourceNeeds(Wire):
    limits: Resources = Resources()
    reservations: Resources = Resources()


class Placement(Wire):
    constraints: tuple[str, ...] = ()


class Attachment(Wire):
    target: str = ""


class TaskTemplate(Wire):
    container_spec: ServiceContainer = ServiceContainer()
    resources: ResourceNeeds = ResourceNeeds()
    placement: Placement = Placement()
    networks: tuple[Attachment, ...] = ()


class Replicas(Wire):
    replicas: int = 1


class ServiceMode(Wire):
    replicated: Replicas | None = None
    global_: dict[str, Any] | None = Field(default=None, alias="Global")
    replicated_job: dict[str, Any] | None = None
    global_job: dict[str, Any] | None = None


class ServicePort(Wire):
    protocol: str = ""
    target_port: int = 0
    published_port: int = 0
    publish_mode: str = ""


class EndpointSpec(Wire):
    mode: str = ""
    ports: tuple[ServicePort, ...] = ()


class ServiceSpec(NamedSpec):
    name: str
    task_template: TaskTemplate
    mode: ServiceMode = ServiceMode()
    endpoint_spec: EndpointSpec = EndpointSpec()


class Service(Wire):
    id: str = Field(alias="ID")
    version: Versioned = Versioned()
    created_at: str = ""
    spec: ServiceSpec


class TaskStatus(Wire):
    state: str
    err: str = ""


class Task(Wire):
    id: str = Field(alias="ID")
    created_at: str = ""
    service_id: str = Field(default="", alias="ServiceID")
    node_id: str = Field(default="", alias="NodeID")
    slot: int = 0
    status: TaskStatus
    desired_state: str = ""
    spec: TaskTemplate = TaskTemplate()


class NodeSpec(NamedSpec):
    role: str = ""
    availability: str = ""


class Platform(Wire):
    architecture: str = ""
    os: str = Field(default="", alias="OS")


class NodeEngine(Wire):
    engine_version: str = ""
    labels: dict[str, str] = Field(default_factory=dict)


class NodeDescription(Wire):
    hostname: str = ""
    platform: Platform = Platform()
    resources: Resources = Resources()
    engine: NodeEngine = NodeEngine()


class NodeStatus(Wire):
    state: str
    addr: str = ""


class ManagerStatus(Wire):
    leader: bool = False
    reachability: str = ""
    addr: str = ""


class Node(Wire):
    id: str = Field(alias="ID")
    created_at: str = ""
    spec: NodeSpec
    description: NodeDescription = NodeDescription()
    status: NodeStatus
    manager_status: ManagerStatus | None = None


SERVICES: TypeAdapter[tuple[Service, ...]] = TypeAdapter(tuple[Service, ...])
TASKS: TypeAdapter[tuple[Task, ...]] = TypeAdapter(tuple[Task, ...])
NODES: TypeAdapter[tuple[Node, ...]] = TypeAdapter(tuple[Node, ...])
