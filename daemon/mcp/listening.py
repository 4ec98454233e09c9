"""Listening for HTTP: the port is taken, and known, before anything is served.

Nothing listens beyond loopback without a token.
"""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette

TICK = 1.0
GRACE = 1
"""Seconds that answers under way get at the end."""
STOP = 2.5
BACKLOG = 128


class CannotListen(Exception):
    """The text names the address and the way out."""


class PortTaken(CannotListen):
    """Somebody else listens there."""


class Exposed(CannotListen):
    """Others than this machine could reach it, and nothing would ask them who they are."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket.  Connections wait in its queue until it is served."""

    socket: socket.socket
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def close(self) -> None:
        self.socket.close()


def bind(host: str, port: int, *, guarded: bool) -> Listener:
    """Take the port; 0 takes any free one.  ``guarded``: a token is asked for."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise CannotListen(f"http.listen: {host} is not an address of this machine: {error.strerror}") from error
    if not guarded and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise Exposed(
            f"http.listen: {host} can be reached by others: set http.token (such as file:/etc/homelab/token), "
            "or listen on 127.0.0.1"
        )
    sock = socket.socket(family, kind, protocol)  # asyncio turns Nagle's delays off only where the protocol is named
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"port {port} on {host} is taken: stop what listens there, or take another with --http-port"
                " or http.port (0: any free port)"
            ) from error
        raise CannotListen(f"http.listen: cannot listen on {host}, port {port}: {error.strerror}") from error
    sock.setblocking(False)  # noqa: FBT003 - of the standard library
    return Listener(sock, host, int(sock.getsockname()[1]))


async def serve_http(app: Starlette, listener: Listener) -> None:
    """Serve ``app`` until cancelled; event streams that are open then are ended, within about a second."""
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=GRACE,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[listener.socket]), name="uvicorn")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.stop()
            await asyncio.wait([serving], timeout=STOP)
            raise
        finally:
            listener.close()


class _Server(uvicorn.Server):
    """Signals are the composition root's; streams without an end are ended before uvicorn waits for theirs."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        """Tick once a second; uvicorn's own loop wakes an idle process ten times."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._stopping.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.state.end_streams()  # type: ignore[union-attr]
        await super().shutdown(sockets)
