"""The bus, made the same way by every process and every test: connecting, streams, publishing.

A service waits for its server for ever, a person's command gives up in two seconds and says what to do.  A refused
subject is logged once; closing never hangs.
"""

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from nats.errors import Error as NatsError
from pydantic import ValidationError

from daemon.runtime import roles
from daemon.runtime.connection import BadCreds, BusClosed, BusDenied, BusError, BusUnavailable, Connection
from daemon.runtime.publisher import Denied, Publisher, Rejected, TooLarge
from daemon.runtime.streams import ensure, latest
from schemas.running import Login

__all__ = (
    "BadCreds",
    "BusClosed",
    "BusDenied",
    "BusError",
    "BusUnavailable",
    "Connection",
    "Denied",
    "Publisher",
    "Rejected",
    "TooLarge",
    "connect",
    "ensure",
    "latest",
    "login_from_creds",
)

_PATIENCE = 2.0
"""Seconds a person's command waits for a connection."""
_CLOSING = 2.0
_RETRY = 0.25
_PING = 5


@asynccontextmanager
async def connect(
    url: str, *, name: str, login: Login | None = None, creds: Path | None = None, patient: bool = True
) -> AsyncIterator[Connection]:
    """Connect, with ``login`` or a file of credentials.

    Raises ``BusDenied`` or ``BadCreds``, and ``BusUnavailable`` unless patient.
    """
    login = login or (login_from_creds(creds) if creds else None)
    connection = Connection(url)
    try:
        await _open(connection, url, name=name, login=login, creds=None if login else creds, patient=patient)
        connection.established()
        yield connection
    finally:
        await _close(connection)


async def _open(
    connection: Connection, url: str, *, name: str, login: Login | None, creds: Path | None, patient: bool
) -> None:
    try:
        async with asyncio.timeout(None if patient else _PATIENCE):
            await connection.connect(
                url,
                name=name,
                user=login.user if login else None,
                password=login.password if login else None,
                user_credentials=str(creds) if creds else None,
                inbox_prefix=_inbox(url, login),
                max_reconnect_attempts=-1 if patient else 1,
                reconnect_time_wait=_RETRY,  # type: ignore[arg-type]  # a float works and is meant
                connect_timeout=_PING if patient else 1,
                ping_interval=_PING,
                error_cb=connection.on_error,
                disconnected_cb=connection.on_lost,
                reconnected_cb=connection.on_recovered,
                closed_cb=connection.on_closed,
            )
    except (TimeoutError, OSError, NatsError) as error:
        raise BusUnavailable(
            f"no NATS server answers at {connection.address} ({connection.trouble or error or 'time out'}): "
            "start one with `homelab up`, or name another address"
        ) from error


def _inbox(url: str, login: Login | None) -> str:
    user = login.user if login else urlsplit(url).username
    return roles.inbox(user) if user else "_INBOX"


async def _close(connection: Connection) -> None:
    """Send what is buffered and close; a server that neither answers nor reads is cut off."""
    try:
        if connection.is_connected:
            async with asyncio.timeout(_CLOSING):
                await connection.flush(timeout=1)
    except (TimeoutError, OSError, NatsError):
        connection.cut()
    with suppress(TimeoutError, OSError, NatsError):
        async with asyncio.timeout(_CLOSING):
            await connection.close()
    connection.ended.set()
    connection.up.set()


def login_from_creds(path: Path) -> Login | None:
    """Read ``user`` and ``password`` from JSON or YAML; None for a NATS ``.creds`` file: the client reads it itself."""
    try:
        text = path.expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadCreds(f"{path}: {getattr(error, 'strerror', None) or 'is not text'}") from error
    if "BEGIN NATS USER JWT" in text:
        if importlib.util.find_spec("nkeys") is None:
            raise BadCreds(f"{path}: a .creds file needs the package nkeys: pip install nkeys")
        return None
    try:
        return Login.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise BadCreds(f"{path}: is neither a NATS .creds file nor JSON or YAML with user and password") from error
