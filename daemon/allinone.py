"""`homelab up`, and whatever else needs agents: the only module of the daemon that may import them."""

import asyncio
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from agents import process, registry
from agents.contract import Checks, Deps, Finding, Measures, Scope, Watches
from agents.errors import AgentError
from agents.process import Source
from daemon import app
from daemon.runtime import bus, clusters, logs, roles, secrets, state, systemd
from daemon.runtime.clock import Clock, SystemClock
from daemon.runtime.options import BusOptions, Discovered, FindingProbe, ProbeResult, ScopeProbe, UpOptions
from daemon.runtime.secrets import SecretUnavailable, environment
from daemon.runtime.server import EmbeddedServer
from daemon.runtime.supervise import begun, restarting, run_until_signal
from daemon.runtime.version import version
from schemas.config import HomelabConfig, SourceConfig
from schemas.resources import SourceRef
from schemas.running import HttpRun, Login, NatsRun, Run, SqlRun
from schemas.selection import PROVIDER

_AT_ONCE = 4
"""So many sources are probed at the same time."""


FOUND_HERE = "this machine"


@dataclass(frozen=True, slots=True)
class Access:
    """How the parts of one instance reach the bus: a login per role and per source, or one for all."""

    url: str
    roles: Mapping[str, Login]
    sources: Mapping[SourceRef, Login]
    creds: Path | None = None
    """A NATS ``.creds`` file, where there are no passwords."""

    def login(self, role: str) -> Login | None:
        return self.roles.get(role)

    def source_login(self, ref: SourceRef) -> Login | None:
        return self.sources.get(ref) or self.roles.get("agent")


def provider_models(name: str) -> type[SourceConfig]:
    """Return the configuration model of a provider; raises ``LookupError`` that lists the known ones."""
    model: type[SourceConfig] = registry.provider(name).config
    return model


def discover() -> Discovered:
    """Find what this machine and its environment have, without network or waiting."""
    return watched(HomelabConfig())


def watched(config: HomelabConfig) -> Discovered:
    """Return the sources of a configuration and the clusters of the environment; without it all that is found.

    A source in the file counts for more than one of the same name in the environment.
    """
    if config.sources is not None:
        written = [provider_models(one["provider"]).model_validate(one) for one in config.sources]
        said = _environment(config, [one.name for one in written if one.provider == PROVIDER])
        return replace(said, sources=(*written, *said.sources))
    said = _environment(config)
    others = [name for name in registry.NAMES if name != PROVIDER]  # whose clusters the environment tells
    here = [one for name in others for one in registry.provider(name).discover()]
    origins = {f"{one.provider}/{one.name}": FOUND_HERE for one in here} | dict(said.origins)
    return replace(said, sources=(*here, *said.sources), hints=tuple(_hints(environment())), origins=origins)


def cluster_names() -> tuple[str, ...]:
    """Return the clusters that a configuration may name though it does not describe them."""
    return clusters.names(environment())


def _environment(config: HomelabConfig, described: Sequence[str] = ()) -> Discovered:
    """Read the Proxmox clusters of the environment that are not ``described``, and what it says of choosing one."""
    environ = environment()
    faults = clusters.read(config, environ)[1]
    warnings = tuple(warning for file in secrets.files() for warning in file.warnings)
    if not any(name.startswith("PROXMOX_") for name in environ):
        return Discovered(warnings=warnings)
    from agents.proxmox import environment as proxmox  # noqa: PLC0415 - only who has one pays for it

    found = proxmox.read(environ, described)
    origins = {f"{PROVIDER}/{name}": f"{secrets.origin(one)}: {one}" for name, one in found.variables.items()}
    return Discovered(tuple(found.configs), origins=origins, faults=(*found.faults, *faults), warnings=warnings)


def _hints(environ: Mapping[str, str]) -> Iterable[str]:
    """What else there is on this machine that a source could be made for."""
    kubeconfig = Path(environ.get("KUBECONFIG", "").split(":")[0] or "~/.kube/config").expanduser()
    if kubeconfig.is_file():
        yield f"Kubernetes: {kubeconfig} has contexts; a provider for them comes with a later release"
    if not clusters.names(environ):
        yield "Proxmox VE clusters: list them under `sources:`, or set PROXMOX_API_URL, _TOKEN_ID and _TOKEN_SECRET"
    if "AWS_PROFILE" in environ or "AWS_ACCESS_KEY_ID" in environ or Path("~/.aws/config").expanduser().is_file():
        yield "AWS: credentials are there; a provider for it comes with a later release"
    yield "more Docker or Podman engines, local or remote: list them under `sources:` (see `homelab config init`)"


def sources_of(config: HomelabConfig, names: Sequence[str] = ()) -> list[Source]:
    """Return the sources to run; of them those named, if any are."""
    every = [Source(registry.provider(one.provider), one) for one in watched(config).sources if one.enabled]
    return [source for source in every if not names or {source.config.name, str(source.ref)} & set(names)]


async def up(config: HomelabConfig, options: UpOptions) -> None:
    """`homelab up`: bus, daemon, agents and MCP in one process tree."""
    logs.configure(options.log_level or config.log.level, options.log_format or config.log.format)
    clock = SystemClock()
    folder = state.directory(options.state)
    sources = sources_of(config)
    async with AsyncExitStack() as stack:
        stack.enter_context(state.lock(folder, command="homelab up"))
        _say(_found(config, sources))
        access, bus_tasks = await stack.enter_async_context(_bus(config, options, folder, sources))
        client = await stack.enter_async_context(
            bus.connect(access.url, name="homelab-daemon", login=access.login("daemon"), creds=access.creds)
        )
        daemon = await stack.enter_async_context(app.assembled(config, client, folder, clock))
        host = options.http_listen or config.http.listen
        port = config.http.port if options.http_port is None else options.http_port
        address, serving = await stack.enter_async_context(
            app.http(config, daemon, access.url, access.login("operator"), access.creds, host=host, port=port)
        )
        run = _run(folder, access, address, daemon.snapshot)
        stack.callback(systemd.notify, "STOPPING=1")
        stack.callback(state.remove_run, folder)
        tasks = {**bus_tasks, **daemon.tasks, "http": serving, **_agents(sources, access, clock)}
        await run_until_signal(app.started(tasks), ready=partial(_ready, folder, run))


def _ready(folder: Path, run: Run) -> None:
    state.write_run(folder, run)
    systemd.notify("READY=1")
    log.info("ready", version=run.version, state=run.state, bus=run.nats.url, http=run.http.url)
    _say([f"ready: ask with `homelab status`, `homelab watch`; MCP is at {run.http.mcp}"])


@asynccontextmanager
async def _bus(
    config: HomelabConfig, options: UpOptions, folder: Path, sources: Sequence[Source]
) -> AsyncIterator[tuple[Access, app.Tasks]]:
    """Our own server, or the one that was named."""
    url = options.nats_url or config.nats.url
    if url is not None:
        creds = options.creds or config.nats.creds
        login = bus.login_from_creds(creds) if creds else None
        every = dict.fromkeys(roles.ROLES, login) if login else {}
        yield Access(url, {role: one for role, one in every.items() if one}, {}, None if login else creds), {}
        return
    port = config.nats.port if options.nats_port is None else options.nats_port
    server = EmbeddedServer(folder, host=config.nats.listen, port=port, sources=[source.ref for source in sources])
    async with server, begun("nats-server", server.run()) as kept:
        yield Access(server.url, server.logins, server.agents), {"nats-server": kept}


def _agents(sources: Sequence[Source], access: Access, clock: Clock) -> app.Tasks:
    return {
        f"agent {source.ref}": partial(restarting, f"agent {source.ref}", partial(_agent, source, access, clock))
        for source in sources
    }


async def _agent(source: Source, access: Access, clock: Clock) -> None:
    login = access.source_login(source.ref)
    async with bus.connect(access.url, name=f"homelab-agent {source.ref}", login=login, creds=access.creds) as client:
        user = login.user if login else roles.agent_user(source.ref)
        await process.run(source, client, clock, user=user, version=version())


async def agent(config: HomelabConfig, names: Sequence[str], options: BusOptions) -> None:
    """`homelab agent NAME...`: agents alone, on a bus that somebody else runs."""
    logs.configure(config.log.level, config.log.format)
    sources = sources_of(config, names)
    access = _access(config, options)
    log.info("agents_start", sources=[str(source.ref) for source in sources], bus=access.url)
    await run_until_signal(
        app.started(_agents(sources, access, SystemClock())), ready=partial(systemd.notify, "READY=1")
    )


def _access(config: HomelabConfig, options: BusOptions) -> Access:
    url, creds = options.url or config.nats.url, options.creds or config.nats.creds
    if url is None:
        run = state.find_run(state.locate(options.state))
        return Access(run.nats.url, {"agent": run.nats.agent}, {})
    login = bus.login_from_creds(creds) if creds else None
    return Access(url, {"agent": login} if login else {}, {}, None if login else creds)


async def probe(
    config: HomelabConfig, names: Sequence[str], *, asked: Callable[[], None] = lambda: None
) -> list[ProbeResult]:
    """Ask each source once, a few at the same time; ``asked`` is called after each."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(source: Source) -> ProbeResult:
        async with limit:
            result = await _probe(source)
        asked()
        return result

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(source)) for source in sources_of(config, names)]
    return [task.result() for task in tasks]


async def _probe(source: Source) -> ProbeResult:
    loop = asyncio.get_running_loop()
    began = loop.time()
    ref = source.ref
    try:
        async with source.provider.connect(source.config, Deps(ref)) as connected:
            found = await _checked(connected, source) if isinstance(connected, Checks) else ()
            broken = next((one for one in found if one.trouble is not None), None)
            readable = connected.scopes() if broken is None else ()  # else reading would say the same of each
            scopes = [await _read_once(connected, scope, source) for scope in readable]
            kinds = (("watches", Watches), ("measures", Measures))
            capable = tuple(name for name, kind in kinds if isinstance(connected, kind))
    except (AgentError, SecretUnavailable) as error:
        trouble = str(getattr(error, "trouble", "unauthorized"))
        return ProbeResult(ref.provider, ref.name, loop.time() - began, trouble=trouble, detail=str(error))
    except Exception as error:  # noqa: BLE001 - one source's defect does not hide what the others said
        return ProbeResult(ref.provider, ref.name, loop.time() - began, trouble="defect", detail=_place_of(error))
    findings = tuple(FindingProbe(one.name, one.outcome, one.detail) for one in found)
    trouble, detail = ("", "") if broken is None else (str(broken.trouble), broken.detail)
    return ProbeResult(
        ref.provider, ref.name, loop.time() - began, tuple(scopes), capable, trouble, detail, findings
    )  # fmt: skip


async def _checked(connected: Checks, source: Source) -> Sequence[Finding]:
    deadline = source.cadence.deadline.total_seconds()
    try:
        async with asyncio.timeout(deadline):
            return await connected.check()
    except TimeoutError:
        return [Finding("check", "failed", f"no answer in {deadline:g} s: is it hung?")]


def _place_of(error: Exception) -> str:
    """Where a defect is; its text may hold anything."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: a defect of this program"


async def _read_once(connected: Any, scope: Scope, source: Source) -> ScopeProbe:  # noqa: ANN401 - any Agent
    loop = asyncio.get_running_loop()
    began = loop.time()
    deadline = source.cadence.deadline.total_seconds()
    try:
        async with asyncio.timeout(deadline):
            found = await connected.collect(scope)
    except TimeoutError:
        return ScopeProbe(scope.name, deadline, trouble="unreachable", detail=f"no answer in {deadline:g} s")
    except AgentError as error:
        return ScopeProbe(scope.name, loop.time() - began, trouble=str(error.trouble), detail=str(error))
    counts: dict[str, int] = {}
    for resource in found:
        counts[str(resource.kind)] = counts.get(str(resource.kind), 0) + 1
    return ScopeProbe(scope.name, loop.time() - began, counts)


def _found(config: HomelabConfig, sources: Sequence[Source]) -> Iterable[str]:
    found = watched(config)
    names = ", ".join(str(source.ref) for source in sources) or "nothing"
    yield f"watching {names}" if config.sources is not None else f"no configuration: found and watching {names}"
    yield from (f"  could also watch {hint}" for hint in found.hints)
    yield from told(found)


def told(found: Discovered) -> Iterable[str]:
    """Say what of the environment is not as it should be."""
    yield from (f"warning: {warning}" for warning in found.warnings)
    yield from map(str, found.faults)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stderr.write(f"homelab: {line}\n")


def _run(folder: Path, access: Access, address: str, snapshot: Path) -> Run:
    nobody = Login(user="", password="")
    return Run(
        pid=os.getpid(), version=version(), state=str(folder),
        nats=NatsRun(url=access.url, **{role: access.login(role) or nobody for role in roles.ROLES}),
        http=HttpRun(
            url=address, mcp=f"{address}/mcp", metrics=f"{address}/metrics", health=f"{address}/healthz"
        ),
        sql=SqlRun(snapshot=str(snapshot)),
    )  # fmt: skip


log = structlog.get_logger(__name__)
