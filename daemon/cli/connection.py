"""How a command reaches the daemon: what was said, else ``run.json`` of the instance that runs here.

The role fits the command: a viewer's login to read, an operator's to change intent.
"""

import asyncio
import getpass
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import structlog
import typer

from daemon.api.answers import Answers
from daemon.cli.exits import Exit, Failure
from daemon.runtime import state
from schemas.running import Login, Run

if TYPE_CHECKING:
    from daemon.runtime.connection import Connection

ResultT = TypeVar("ResultT")
Role = Literal["viewer", "operator"]
DEFAULT_URL = "nats://127.0.0.1:4222"
_PANEL = "Which daemon"

StateOption = Annotated[
    Path | None,
    typer.Option("--state", envvar="HOMELAB_STATE", help="Its state directory.", rich_help_panel=_PANEL),
]
NatsOption = Annotated[
    str | None,
    typer.Option("--nats", envvar="HOMELAB_NATS", help="Its bus: nats://HOST:PORT.", rich_help_panel=_PANEL),
]
CredsOption = Annotated[
    Path | None,
    typer.Option(
        "--creds",
        envvar="HOMELAB_CREDS",
        help="A NATS .creds file, or JSON or YAML with user and password.",
        rich_help_panel=_PANEL,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
UtcOption = Annotated[bool, typer.Option("--utc", help="Write times out, in UTC, instead of `3 min ago`.")]


@dataclass(frozen=True, slots=True)
class Where:
    """What was said about where the daemon is."""

    state: Path | None = None
    nats: str | None = None
    creds: Path | None = None


def where_of(context: typer.Context, state: Path | None, nats: str | None, creds: Path | None) -> Where:
    """Options may stand before or after the name of a group's command; either counts for more than the environment."""
    outer = context.obj if isinstance(context.obj, Where) else Where()
    given = Where(state, nats, creds)
    said = {
        name: getattr(given if _is_said(context, name) else outer, name) or getattr(given, name)
        for name in ("state", "nats", "creds")
    }
    return Where(**said)


def _is_said(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


@dataclass(frozen=True, slots=True)
class Address:
    url: str
    login: Login | None = None
    creds: Path | None = None


def find(where: Where, role: Role) -> Address:
    """Return where to connect and as whom; raises ``Failure`` where nothing runs."""
    if where.nats and (where.creds or "@" in where.nats):
        return Address(where.nats, creds=where.creds)
    directory = state.locate(where.state)
    try:
        run = state.find_run(directory)
    except state.NotRunning as error:
        if where.nats or where.creds:
            return Address(where.nats or DEFAULT_URL, creds=where.creds)
        raise Failure(_nothing_runs(directory, error), Exit.UNAVAILABLE) from error
    if where.creds or where.nats not in {None, run.nats.url}:
        return Address(where.nats or run.nats.url, creds=where.creds)
    return Address(run.nats.url, login=_login(run, role))


def _nothing_runs(directory: Path, why: Exception) -> str:
    known = f" ({why})" if "left by" in str(why) or "release" in str(why) else ""
    return (
        f"no homelab daemon is running for {directory}{known}: start one with `homelab up`, "
        "or say where one is with --state DIR, or with --nats URL --creds FILE"
    )


def _login(run: Run, role: Role) -> Login:
    return run.nats.viewer if role == "viewer" else run.nats.operator


@asynccontextmanager
async def connected(where: Where, role: Role = "viewer", *, patient: bool = False) -> AsyncIterator[Answers]:
    """Connect and yield the questions; raises ``Failure`` with 69 where nobody answers, 1 where we are not let in."""
    async with client(where, role, patient=patient) as connection:
        from daemon.api.bus_answers import BusAnswers  # noqa: PLC0415 - after the bus, see load_bus

        yield BusAnswers(connection, who=who())


@asynccontextmanager
async def client(where: Where, role: Role = "viewer", *, patient: bool = False) -> "AsyncIterator[Connection]":
    """Connect.  ``patient``: once it stands, it is made again for ever."""
    address = find(where, role)
    _quiet()
    bus = load_bus(address.url)
    at: dict[str, Any] = {"name": "homelab-cli", "login": address.login, "creds": address.creds}
    try:
        if patient:
            async with bus.connect(address.url, **at, patient=False):
                pass
        async with bus.connect(address.url, **at, patient=patient) as connection:
            yield connection
    except bus.BusUnavailable as error:
        raise Failure(str(error), Exit.UNAVAILABLE) from error
    except bus.BusError as error:
        raise Failure(str(error)) from error


def ask(where: Where, question: Callable[[Answers], Awaitable[ResultT]], role: Role = "viewer") -> ResultT:
    """Ask once."""

    async def run() -> ResultT:
        async with connected(where, role) as answers:
            return await question(answers)

    return asyncio.run(run())


def who() -> str:
    """The name in the audit trail."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


def load_bus(url: str) -> ModuleType:
    """Import the bus, without what nats-py loads for WebSocket addresses alone: a quarter of a short command's time.

    Call it before anything imports nats.
    """
    unneeded = {"aiohttp"} - sys.modules.keys() if not url.startswith("ws") else set()
    sys.modules.update(dict.fromkeys(unneeded))  # type: ignore[arg-type]  # None: not to be had
    try:
        return import_module("daemon.runtime.bus")
    finally:
        for name in unneeded:
            del sys.modules[name]


def _quiet() -> None:
    """What the process kit logs is not for a person who asked one thing; and stdout belongs to the answer."""
    if structlog.is_configured():
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("nats").addHandler(logging.NullHandler())
