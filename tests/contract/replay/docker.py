"""A Docker engine that repeats a recording, whole or broken in one way, on a socket of its own."""

import re
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from agents import errors
from agents.contract import Agent, Deps
from agents.docker import PROVIDER
from schemas.resources import SourceRef
from tests.support import docker_engine

BREAKAGES = {
    "refused": errors.Unreachable,
    "hangs": errors.Unreachable,
    "server error": errors.Unreachable,
    "unauthorized": errors.Unauthorized,
    "too many": errors.Throttled,
    "malformed": errors.Malformed,
    "not json": errors.Malformed,
}
SECRETS = ("s3cret-value-that-must-not-travel",)
_VERSION = re.compile(r"^/v\d+\.\d+(?=/)")
Answer = Callable[[], web.Response]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def requests(case: dict[str, Any]) -> list[str]:
    """Return the requests a full reading makes; without any one of them there is no complete listing."""
    return sorted(case["http"])


@asynccontextmanager
async def connect(
    case: dict[str, Any], *, breakage: str | None = None, failing: str | None = None, deps: Deps | None = None
) -> AsyncIterator[Agent]:
    """Yield an agent of the source ``docker/case`` that talks to the recording."""
    with tempfile.TemporaryDirectory(prefix="hlr-") as folder:
        path = Path(folder, "docker.sock")
        async with _engine(path, case["http"], breakage, failing):
            config = PROVIDER.config.model_validate({"name": "case", **case["config"], "url": f"unix://{path}"})
            given = deps or Deps(source=SourceRef(provider="docker", name="case"))
            async with PROVIDER.connect(config, given) as agent:
                yield agent


def _engine(
    path: Path, exchanges: dict[str, Any], breakage: str | None, failing: str | None
) -> AbstractAsyncContextManager[None]:
    if breakage == "refused":
        return _nobody(path)
    if breakage == "hangs":
        return docker_engine.hung(path)
    return serving(path, _handler(exchanges, _BROKEN.get(breakage or ""), failing))


@asynccontextmanager
async def _nobody(path: Path) -> AsyncIterator[None]:
    """A socket on which nobody listens."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        yield


@asynccontextmanager
async def serving(path: Path, handler: Handler) -> AsyncIterator[None]:
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    try:
        yield
    finally:
        await runner.cleanup()


def _handler(exchanges: dict[str, Any], broken: Answer | None, failing: str | None) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        asked = line(request)
        if broken is not None:
            return broken()
        if asked == failing:
            return _error(500, "server error")
        if asked not in exchanges:
            return _error(404, "page not found")
        return web.json_response(exchanges[asked])

    return answer


def _error(status: int, message: str, **headers: str) -> web.Response:
    return web.json_response({"message": message}, status=status, headers=headers)


_BROKEN: dict[str, Answer] = {
    "server error": lambda: _error(500, "server error"),
    "unauthorized": lambda: _error(401, "authentication required"),
    "too many": lambda: _error(429, "slow down", **{"Retry-After": "7"}),
    "malformed": lambda: web.json_response({"unexpected": [{"no": "id"}]}),
    "not json": lambda: web.Response(text="<html>It works!</html>", content_type="text/html"),
}


def line(request: web.Request) -> str:
    """Return ``GET /containers/json?all=1``: the request as a recording names it, without the API's version."""
    query = urlencode(sorted(request.query.items()))
    return f"{request.method} {_VERSION.sub('', request.path)}{f'?{query}' if query else ''}"
