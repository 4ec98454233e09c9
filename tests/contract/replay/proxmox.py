"""A Proxmox VE node that repeats a recording, whole or broken in one way, over TLS on a port of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import orjson
from aiohttp import web
from pydantic import SecretStr

from agents import errors
from agents.contract import Agent, Deps
from agents.proxmox import PROVIDER
from schemas.resources import SourceRef
from tests.support.proxmox import certificates

BREAKAGES = {
    "refused": errors.Unreachable,
    "hangs": errors.Unreachable,
    "server error": errors.Unreachable,
    "no node": errors.Unreachable,
    "unauthorized": errors.Unauthorized,
    "forbidden": errors.Unauthorized,
    "too many": errors.Throttled,
    "malformed": errors.Malformed,
    "not json": errors.Malformed,
}
SECRETS = ("s3cret-value-that-must-not-travel",)
BASE = "/api2/json/"
SOURCE = SourceRef(provider="proxmox", name="case")
Answer = Callable[[], web.Response]
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def requests(case: dict[str, Any]) -> list[str]:
    """Return the requests without which there is no listing.  Without any other one less is known of what is listed,
    or a gap tells what is missing: see the tests of the agent."""
    return sorted(case["needed"])


@asynccontextmanager
async def connect(
    case: dict[str, Any], *, breakage: str | None = None, failing: str | None = None, deps: Deps | None = None
) -> AsyncIterator[Agent]:
    """Yield an agent of the source ``proxmox/case`` that talks to the recording.

    It ran before: it knows what the bus last held of it.
    """
    given = deps or _deps(await _before(case))
    handler = _handler(case["http"], breakage, failing)
    async with (
        serving(handler, listens=breakage != "refused") as url,
        PROVIDER.connect(_config(case, url), given) as agent,
    ):
        yield agent


_BEFORE: dict[bytes, dict[str, Any]] = {}


async def _before(case: dict[str, Any]) -> dict[str, Any]:
    recording = orjson.dumps(case["http"])
    if recording not in _BEFORE:
        _BEFORE[recording] = await _read(case)
    return _BEFORE[recording]


async def _read(case: dict[str, Any]) -> dict[str, Any]:
    async with (
        serving(_handler(case["http"], None, None)) as url,
        PROVIDER.connect(_config(case, url), _deps({})) as agent,
    ):
        found = [one for _ in range(2) for scope in agent.scopes() for one in await agent.collect(scope)]
    return {one.key: one for one in found}


def _config(case: dict[str, Any], url: str) -> Any:
    trust = {"url": url, "ca": certificates.shared().ca}
    return PROVIDER.config.model_validate({"name": "case", **case["config"], **trust})


def _deps(last: dict[str, Any]) -> Deps:
    known = {key: one.incarnation for key, one in last.items()}
    kept = {key: one for key, one in last.items() if one.kind in PROVIDER.remembers}
    return Deps(SOURCE, secret=lambda _: SecretStr("11111111-2222-3333-4444-555555555555"), known=known, last=kept)


@asynccontextmanager
async def serving(handler: Handler, *, listens: bool = True) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handler, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        if listens:
            await web.SockSite(runner, bound, ssl_context=certificates.shared().context()).start()
        try:
            yield f"https://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            await runner.cleanup()


def _handler(exchanges: dict[str, Any], breakage: str | None, failing: str | None) -> Handler:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked = line(request)
        if breakage == "hangs":
            await asyncio.Event().wait()
        if breakage in _BROKEN:
            return _BROKEN[breakage]()
        if asked == failing:
            return _refused(500, "got no worker upid - start worker failed")
        found = exchanges.get(asked)
        if found is None:
            return _refused(501, f"Method 'GET /{asked}' not implemented")
        return web.json_response({"data": found["data"]}) if "data" in found else _refused(**found)

    return answer


def _refused(status: int, reason: str, **headers: str) -> web.Response:
    return web.json_response({"data": None, "message": f"{reason}\n"}, status=status, reason=reason, headers=headers)


_BROKEN: dict[str, Answer] = {
    "server error": lambda: _refused(500, "got no worker upid - start worker failed"),
    "no node": lambda: web.Response(status=595, reason="No route to host"),
    "unauthorized": lambda: web.Response(status=401, reason="Authentication failed!"),
    "forbidden": lambda: _refused(403, "Permission check failed (/, Sys.Audit)"),
    "too many": lambda: _refused(503, "Service Unavailable", **{"Retry-After": "7"}),
    "malformed": lambda: web.json_response({"data": [{"unexpected": "row"}]}),
    "not json": lambda: web.Response(text="<html>It works!</html>", content_type="text/html"),
}


def line(request: web.BaseRequest) -> str:
    """Return ``cluster/log?max=50``: the request as a recording names it."""
    query = urlencode(sorted(request.query.items()))
    return f"{request.path.removeprefix(BASE)}{f'?{query}' if query else ''}"
