"""What is served over HTTP: MCP, health and metrics.

MCP is for those who hold the token; where none is set, only for programs of this machine: a web page that talks to
loopback behind its user's back is refused by its Host and Origin.  Health and metrics say nothing about resources.
"""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import prometheus_client
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daemon.mcp.listening import Exposed

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
INDEX = """\
homelab
/mcp      the MCP server (streamable HTTP)
/healthz  the process lives
/readyz   the inventory is live
/metrics  Prometheus metrics
"""


class Health(NamedTuple):
    ready: bool
    detail: str = ""


def http_app(
    mcp_server: MCPServer[Any],
    *,
    health: Callable[[], Health],
    registry: prometheus_client.CollectorRegistry,
    gauge: Callable[[], Awaitable[None]] | None = None,
    token: str | None,
    allowed_hosts: Iterable[str] = (),
) -> Starlette:
    """Put the parts together; one app is served once.

    ``gauge`` is called before figures are told.  ``allowed_hosts`` are accepted beside loopback.  Without them a token
    alone opens the door, from anywhere.  Raises ``Exposed`` for a token that is empty: everybody holds that one.
    """
    if token is not None and not token.strip():
        raise Exposed("http.token is empty: put a token there (such as the output of `openssl rand -hex 32`)")
    mcp_server.streamable_http_app(transport_security=_security(token, tuple(allowed_hosts)))
    streams = Streams(mcp_server.session_manager.handle_request)

    async def index(_: Request) -> Response:
        return PlainTextResponse(INDEX)

    async def alive(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> Response:
        state = health()
        return PlainTextResponse(
            f"{state.detail or ('ready' if state.ready else 'not ready')}\n", status_code=200 if state.ready else 503
        )

    async def metrics(_: Request) -> Response:
        if gauge is not None:
            await gauge()
        return Response(
            prometheus_client.generate_latest(registry), headers={"content-type": prometheus_client.CONTENT_TYPE_LATEST}
        )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with mcp_server.session_manager.run():
            yield

    app = Starlette(
        lifespan=lifespan,
        routes=[
            Route("/mcp", Guard(streams, token) if token else streams),
            Route("/healthz", alive),
            Route("/readyz", ready),
            Route("/metrics", metrics),
            Route("/", index),
        ],
    )
    app.state.end_streams = streams.end
    return app


def _security(token: str | None, allowed: tuple[str, ...]) -> TransportSecuritySettings:
    if token and not allowed:
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    hosts = [host for name in (*LOOPBACK, *allowed) for host in (name, f"{name}:*")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts],
    )


class Guard:
    """Lets through who presents the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._expected):
            await self._app(scope, receive, send)
            return
        why = ', error="invalid_token"' if given else ""
        challenge = {"www-authenticate": f'Bearer realm="homelab"{why}'}
        await PlainTextResponse("a bearer token is required\n", 401, challenge)(scope, receive, send)


class Streams:
    """Knows the requests under way, so that event streams, which have no end, end when we stop."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: set[anyio.CancelScope] = set()
        self._ending = False

    def end(self) -> None:
        self._ending = True
        for scope in self._open:
            scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = {"start": False, "end": False}

        async def noting(message: Message) -> None:
            sent["start"] = True
            sent["end"] = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        with anyio.CancelScope() as under_way:
            if self._ending:
                under_way.cancel()
            self._open.add(under_way)
            try:
                await self._app(scope, receive, noting)
            finally:
                self._open.discard(under_way)
        if not sent["start"]:
            await PlainTextResponse("stopping\n", 503)(scope, receive, send)
        elif not sent["end"]:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
