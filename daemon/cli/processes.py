"""The commands that stay: `homelab up`, `daemon`, `agent`, `mcp`.  Each loads what it needs when it is called."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli import configured
from daemon.cli.connection import CredsOption, NatsOption, StateOption, Where, connected
from daemon.cli.exits import Exit, Failure, say, told
from daemon.runtime import config, options, secrets
from daemon.runtime.config import BadConfig, Loaded
from daemon.runtime.version import version
from schemas.config import SourceConfig

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="HOMELAB_CONFIG",
        help="The configuration; default: /etc/homelab/homelab.yaml, then ~/.config/homelab/homelab.yaml, then none.",
    ),
]
LevelOption = Annotated[str | None, typer.Option("--log-level", help="debug, info, warning or error.")]
FormatOption = Annotated[str | None, typer.Option("--log-format", help="auto, json or console.")]
HttpPortOption = Annotated[int | None, typer.Option("--http-port", min=0, max=65535, help="0 takes any free one.")]
HttpListenOption = Annotated[str | None, typer.Option("--http-listen", help="Address for HTTP; default: loopback.")]


@told
def up(
    *,
    file: ConfigOption = None,
    state: StateOption = None,
    nats_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the bus that it starts; 0 takes any free one.")
    ] = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
    http_port: HttpPortOption = None,
    http_listen: HttpListenOption = None,
    log_level: LevelOption = None,
    log_format: FormatOption = None,
) -> None:
    """Run everything on this machine: a bus, the daemon, every agent, MCP over HTTP.

    Without a configuration it finds what this machine has and says so.  Ctrl-C ends all of it.

    homelab up
    homelab up --config homelab.yaml --nats-port 0 --http-port 0
    homelab up --nats nats://bus:4222 --creds daemon.json
    """
    from daemon import allinone  # noqa: PLC0415 - it imports everything

    loaded = _checked(configured.loaded(file))
    chosen = options.UpOptions(
        state=state,
        nats_url=nats,
        creds=creds,
        nats_port=nats_port,
        http_port=http_port,
        http_listen=http_listen,
        log_level=log_level,
        log_format=log_format,
        config_file=loaded.file,
    )
    _serve(allinone.up(loaded.config, chosen))


@told
def daemon(
    *,
    file: ConfigOption = None,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
    http_port: HttpPortOption = None,
    http_listen: HttpListenOption = None,
    log_level: LevelOption = None,
    log_format: FormatOption = None,
) -> None:
    """Run the daemon alone, on a bus that somebody else runs: the one writer of the store.

    homelab daemon --nats nats://bus:4222 --creds /etc/homelab/daemon.json
    """
    from daemon import app  # noqa: PLC0415 - heavy

    loaded = _checked(config.load(configured.located(file)))
    chosen = options.DaemonOptions(
        bus=options.BusOptions(nats, creds, state),
        state=state,
        http_port=http_port,
        http_listen=http_listen,
        log_level=log_level,
        log_format=log_format,
    )
    _serve(app.run_daemon(loaded.config, chosen))


@told
def agent(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Sources of the configuration.")],
    file: ConfigOption = None,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Run agents alone, here or on another host, for the sources named.

    homelab agent nas --nats nats://bus:4222 --creds /etc/homelab/agent-docker-nas.json
    """
    from daemon import allinone  # noqa: PLC0415 - it imports everything

    loaded = configured.loaded(file)
    found = allinone.watched(loaded.config)
    for line in allinone.told(found):
        say(line)
    chosen = [index for name in names for index in _indexes(found.sources, name, loaded.file)]
    faults = [fault for index in chosen for fault in config.missing_secrets(loaded, below=f"sources[{index}]")]
    if faults:
        raise BadConfig(faults)
    _serve(allinone.agent(loaded.config, tuple(names), options.BusOptions(nats, creds, state)))


@told
def mcp(
    *,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="As viewer: the AI agent may not even have sources read again.")
    ] = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Serve MCP over standard input and output, for an AI agent that starts it.  Logs go to stderr.

    claude mcp add homelab -- homelab mcp
    """
    asyncio.run(_mcp(Where(state, nats, creds), writes=not read_only))


async def _mcp(where: Where, *, writes: bool) -> None:
    from daemon.mcp import server  # noqa: PLC0415 - heavy
    from daemon.runtime import logs  # noqa: PLC0415

    logs.configure("warning")
    async with connected(where, "operator" if writes else "viewer", patient=True) as answers:
        await server.run_stdio(answers, version=version(), writes=writes)


def _checked(loaded: Loaded) -> Loaded:
    """Refuse to start without a secret: half a picture is worse than a clear word."""
    if faults := config.missing_secrets(loaded):
        raise BadConfig(faults)
    return loaded


def _indexes(sources: Sequence[SourceConfig], name: str, file: Path | None) -> list[int]:
    found = [index for index, source in enumerate(sources) if name in {source.name, f"{source.provider}/{source.name}"}]
    if found:
        return found
    known = ", ".join(f"{source.provider}/{source.name}" for source in sources) or "none"
    raise Failure(f"{file or 'this machine'} has no source {name!r}; there are: {known}", Exit.BAD_CONFIG)


def _serve(process: Coroutine[Any, Any, None]) -> None:
    """Run a process to its end.  What a person can mend is one line; anything else is a bug and keeps its trace."""
    from daemon.runtime import bus, serving, state, supervise  # noqa: PLC0415 - heavy

    try:
        serving.run(process)
    except (bus.BusUnavailable, state.NotRunning) as error:
        raise Failure(str(error), Exit.UNAVAILABLE) from error
    except _mendable() as error:
        raise Failure(str(error)) from error
    except supervise.TaskEnded as error:
        if isinstance(error.__cause__, _mendable()):
            raise Failure(f"{error}: {error.__cause__}") from error
        raise


def _mendable() -> tuple[type[Exception], ...]:
    from daemon.mcp.listening import CannotListen  # noqa: PLC0415 - heavy
    from daemon.runtime import bus, server, state  # noqa: PLC0415
    from daemon.store import database, migrate  # noqa: PLC0415

    return (
        *(bus.BusError, server.ServerFailed, state.StateHeld, state.StateUnusable, secrets.SecretUnavailable),
        *(database.StoreHeld, database.StoreUnavailable, migrate.TooNew, CannotListen),
    )
