"""The daemon's composition root: the one place where its objects meet.

Entered in the order in which things are needed and left in the reverse one: tasks first, then the bus, then the store.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from daemon.api.applying import Applying
from daemon.api.bus_answers import BusAnswers
from daemon.api.expecting import Expecting
from daemon.api.intents import Intents
from daemon.api.picturing import Picturing
from daemon.api.pooling import Pooling
from daemon.api.reading import Reading
from daemon.api.republish import Republish
from daemon.api.resolving import Resolver
from daemon.api.service import serve
from daemon.api.store_answers import Standing, StoreAnswers
from daemon.ingest import tables
from daemon.ingest.announce import Announcer
from daemon.ingest.apply import Applied
from daemon.ingest.heartbeats import Heartbeats
from daemon.ingest.loop import InventoryIngest
from daemon.ingest.tables import TableIngest
from daemon.reconcile.folders import Folders
from daemon.reconcile.loop import Reconciler
from daemon.runtime import bus, clusters, logs, state, streams, systemd
from daemon.runtime.clock import Clock, SystemClock
from daemon.runtime.connection import Connection
from daemon.runtime.metrics import Metrics
from daemon.runtime.options import DaemonOptions
from daemon.runtime.publisher import Publisher
from daemon.runtime.secrets import environment, resolve
from daemon.runtime.supervise import run_until_signal
from daemon.runtime.version import version
from daemon.scheduler.jobs import Jobs, scheduled
from daemon.store.database import Database
from daemon.store.sandbox.limits import Limits
from daemon.store.sandbox.sandbox import Sandbox
from schemas.config import HomelabConfig
from schemas.running import Login

STORE_FILE = "homelab.duckdb"
SNAPSHOTS = "sql"
_SQL_BYTES = 6 * 1024 * 1024
"""Of an answer in SQL: under the bus's max_payload."""
Tasks = Mapping[str, Callable[[], Coroutine[Any, Any, object]]]
"""What runs for ever, by name; started only when everything stands."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon whose parts stand; ``tasks`` are still to be run."""

    tasks: Tasks
    ingest: InventoryIngest
    metrics: Metrics
    gauge: Callable[[], Awaitable[None]]
    snapshot: Path

    def health(self) -> tuple[bool, str]:
        """Whether the picture is live, and why not."""
        standing = _ingest_state(self.ingest)
        return standing[0] == "live", f"{standing[0]}: {standing[1]}" if standing[1] else standing[0]


@asynccontextmanager
async def assembled(config: HomelabConfig, client: Connection, folder: Path, clock: Clock) -> AsyncIterator[Daemon]:
    """Put a daemon together on an open connection and a state directory that we hold."""
    metrics = Metrics()
    metrics.build.labels(version()).set(1)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(folder / STORE_FILE, clock))
        await streams.ensure(client)
        sandbox = await stack.enter_async_context(_sandbox(config, database, folder / SNAPSHOTS, clock))
        announcer = Announcer(database, Publisher(client))
        reconciler = Reconciler(
            database, clock, announced=announcer.wake, unmanaged=_unmanaged(config), every=config.reconcile_every
        )
        resolver = Resolver(clusters.read(config, environment())[0])
        intents = Intents(database, clock, client, reconciler, resolver)
        republish = Republish(database, intents, clock)
        folders = Folders(database, clock, reconciler)
        folders.watch(config.expectations.folder)

        def done(applied: Applied) -> None:
            reconciler.mark(applied.keys, applied.sources)
            republish.want(applied.republish)
            if applied.letters:
                announcer.wake()

        ingest = InventoryIngest(client, database, clock, metrics, done, republish.want_all)
        answers = StoreAnswers(
            database, clock, Reading(database, clock, resolver), intents,
            expecting=Expecting(database, clock, reconciler, resolver),
            applying=Applying(database, clock, reconciler, folders),
            pooling=Pooling(database, clock, reconciler.mark, resolver),
            picturing=Picturing(database, clock, resolver), sandbox=sandbox,
            standing=partial(_standing, ingest, client),
            version=version(), pid=os.getpid(), started_at=clock.now(),
        )  # fmt: skip
        await stack.enter_async_context(serve(client, answers, version=version(), clock=clock))
        turned_late = partial(reconciler.mark, ())
        jobs = Jobs(
            database, clock, metrics, turned_late, config.retention, partial(_is_live, ingest), reconciler.tick
        )  # fmt: skip
        await stack.enter_async_context(scheduled(jobs))
        tasks: Tasks = {
            "ingest": ingest.run,
            "samples": TableIngest(client, database, clock, "METRICS", tables.metrics).run,
            "audit": TableIngest(client, database, clock, "AUDIT", tables.audited).run,
            "heartbeats": Heartbeats(client, database).run,
            "reconcile": reconciler.run,
            "expectations": folders.run,
            "announce": announcer.run,
            "republish": republish.run,
            "bus": client.until_closed,
        }
        yield Daemon(tasks, ingest, metrics, jobs.gauges, sandbox.snapshot)


def _sandbox(config: HomelabConfig, database: Database, folder: Path, clock: Clock) -> Sandbox:
    folder.mkdir(mode=0o700, exist_ok=True)
    limits = replace(
        Limits(), timeout=config.sql.timeout, max_rows=config.sql.max_rows, memory_mb=config.sql.memory_mb,
        max_bytes=_SQL_BYTES,
    )  # fmt: skip
    return Sandbox(folder, database.copy, lambda: database.version, limits, clock=clock)


def _unmanaged(config: HomelabConfig) -> frozenset[str]:
    """The sources that opted in to having what nobody expects reported."""
    return frozenset(f"{one['provider']}/{one['name']}" for one in config.sources or () if one.get("unmanaged"))


def _is_live(ingest: InventoryIngest) -> bool:
    return _ingest_state(ingest)[0] == "live"


def _ingest_state(ingest: InventoryIngest) -> tuple[str, str]:
    if ingest.progress.stalled:
        return "stopped", ingest.progress.stalled
    if ingest.reader.trouble:
        return "waiting_for_bus", ingest.reader.trouble
    if not ingest.reader.caught_up:
        return "catching_up", f"{ingest.progress.pending} messages to go"
    return "live", ""


def _standing(ingest: InventoryIngest, client: Connection) -> Standing:
    name, detail = _ingest_state(ingest)
    progress = ingest.progress
    return Standing(
        ingest_state=name, ingest_detail=detail, sequence=progress.sequence, lag_messages=progress.pending,
        last_message_at=progress.last_message_at, bus_url=client.address, bus_reconnects=client.stats["reconnects"],
    )  # fmt: skip


@asynccontextmanager
async def http(
    config: HomelabConfig, daemon: Daemon, url: str, login: Login | None, creds: Path | None, *, host: str, port: int
) -> AsyncIterator[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
    """Take the port and yield (URL, what serves it).  MCP over HTTP is a bus client like any other front end."""
    from daemon.mcp.http import Health, http_app  # noqa: PLC0415 - 60 MB that only a serving process needs
    from daemon.mcp.listening import bind, serve_http  # noqa: PLC0415
    from daemon.mcp.server import build  # noqa: PLC0415

    token = resolve(config.http.token).get_secret_value() if config.http.token else None
    listener = bind(host, port, guarded=token is not None)
    async with bus.connect(url, name="homelab-mcp", login=login, creds=creds) as client:
        server = build(BusAnswers(client, who="mcp"), version=version(), writes=True)
        app = http_app(
            server, health=lambda: Health(*daemon.health()), registry=daemon.metrics.registry, gauge=daemon.gauge,
            token=token, allowed_hosts=config.http.allowed_hosts,
        )  # fmt: skip
        yield listener.url, partial(serve_http, app, listener)


async def run_daemon(config: HomelabConfig, options: DaemonOptions) -> None:
    """`homelab daemon`: the daemon alone, on a bus that somebody else runs."""
    logs.configure(options.log_level or config.log.level, options.log_format or config.log.format)
    clock = SystemClock()
    folder = state.directory(options.state)
    creds = options.bus.creds or config.nats.creds
    url = options.bus.url or config.nats.url or f"nats://{config.nats.listen}:{config.nats.port}"
    login = bus.login_from_creds(creds) if creds else None
    jwt = creds if creds and login is None else None
    async with AsyncExitStack() as stack:
        stack.enter_context(state.lock(folder, command="homelab daemon"))
        client = await stack.enter_async_context(bus.connect(url, name="homelab-daemon", login=login, creds=jwt))
        daemon = await stack.enter_async_context(assembled(config, client, folder, clock))
        host, port = options.http_listen or config.http.listen, _given(options.http_port, config.http.port)
        address, serving = await stack.enter_async_context(http(config, daemon, url, login, jwt, host=host, port=port))
        stack.callback(systemd.notify, "STOPPING=1")
        for fault in clusters.read(config, environment())[1]:
            log.warning("environment_fault", fault=str(fault))
        log.info("daemon_starts", version=version(), state=str(folder), bus=client.address, http=address)
        tasks = {**daemon.tasks, "http": serving}
        await run_until_signal(started(tasks), ready=partial(systemd.notify, "READY=1"))


def started(tasks: Tasks) -> dict[str, Coroutine[Any, Any, object]]:
    return {name: work() for name, work in tasks.items()}


def _given(option: int | None, configured: int) -> int:
    return configured if option is None else option


log = structlog.get_logger(__name__)
