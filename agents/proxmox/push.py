"""Takes what Proxmox VE's metric server sends: of InfluxDB v2 the part that it uses.  Nothing is kept but the latest.

It only hurries the readings, so nothing waits for it: while it cannot listen, that is said once and tried again.
Whoever sends must know the token; without TLS anybody on the way can read it.
"""

import asyncio
import hmac
import ssl
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import NoReturn

import structlog
from aiohttp import web
from pydantic import SecretStr

from agents.proxmox import line_protocol, wire
from agents.proxmox.config import PushConfig
from agents.proxmox.pushed import Overlay, Pushed
from daemon.runtime.clock import Clock
from daemon.runtime.secrets import SecretUnavailable
from daemon.runtime.supervise import begun
from schemas.resources import SourceRef

SETTLE_SECONDS = 0.2
"""How long a burst is gathered: the nodes push at about the same time."""
BODY_BYTES = 32 * 1024 * 1024
"""Unpacked.  PVE sends up to 25 MB at a time."""
_BODY_SECONDS = 10.0
_KEEP_ALIVE_SECONDS = 30.0
_RETRY_SECONDS = 15.0
_STOP_SECONDS = 1.0
_AT_A_STRETCH = 500
_GZIP = 16 + zlib.MAX_WBITS


class Push:
    """``news`` is called when a push told of something that is not as it was last seen; once for a burst."""

    def __init__(
        self,
        config: PushConfig,
        token: Callable[[], SecretStr],
        source: SourceRef,
        clock: Clock,
        news: Callable[[], None],
    ) -> None:
        self.port: int | None = None
        """Where it listens; None while it does not."""
        self.trouble = ""
        """Why it does not."""
        self.refused_lines = 0
        self._config = config
        self._token = token
        self._expected = ""
        self._source = source
        self._clock = clock
        self._news = news
        self._overlay = Overlay()
        self._settling: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Listen while the block runs, as soon and as long as that is possible."""
        async with begun(f"push {self._source}", self._serve()):
            yield

    def saw(self, rows: wire.ResourceRows, at: datetime) -> None:
        """Take note of a reading that began at ``at``."""
        self._overlay.saw(rows, at)

    def status(self, vmid: int) -> Pushed | None:
        """Return what was pushed of a guest, while that is newer than its row."""
        return self._overlay.status(vmid, self._clock.now())

    async def _serve(self) -> NoReturn:
        while True:
            try:
                await self._listen()
            except (OSError, SecretUnavailable) as error:  # ssl.SSLError is an OSError
                reason = f"cannot listen on {self._config.listen}: {error}"
                if reason != self.trouble:
                    log.warning("push_unavailable", source=str(self._source), reason=reason)
                self.trouble = reason
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> NoReturn:
        self._expected = self._secret()
        app = web.Application(client_max_size=BODY_BYTES)
        app.add_routes([web.get("/health", _health), web.get("/ping", _ping), web.post("/api/v2/write", self._write)])
        runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,  # ours ends where a body gets too large
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            shutdown_timeout=_STOP_SECONDS,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._config.host, self._config.port, ssl_context=_tls(self._config)).start()
            self.port, self.trouble = int(runner.addresses[0][1]), ""
            log.info("push_listens", source=str(self._source), listen=self._config.listen, port=self.port)
            await asyncio.Event().wait()
        finally:
            self.port = None
            await runner.cleanup()
            if self._settling is not None:
                self._settling.cancel()
                self._settling = None
        raise AssertionError("an endless wait has ended")

    async def _write(self, request: web.Request) -> web.Response:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() not in ("token", "bearer") or not self._is_known(given.strip()):
            return web.json_response(
                {"code": "unauthorized", "message": "the token is not the one set here"}, status=401
            )
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = _unpacked(await request.read(), request.headers.get("Content-Encoding", ""))
        except (TimeoutError, ConnectionError):
            return web.json_response({"code": "request timeout", "message": "the rest did not come"}, status=408)
        except _BadBody as error:
            return web.json_response({"code": "invalid", "message": str(error)}, status=error.status)
        await self._take(body.decode(errors="replace"))
        return web.Response(status=204)

    def _is_known(self, given: str) -> bool:
        """The secret may have been renewed since it was fetched."""
        if _same(given, self._expected):
            return True
        with suppress(SecretUnavailable):
            self._expected = self._secret()
        return _same(given, self._expected)

    def _secret(self) -> str:
        token = self._token().get_secret_value().strip()
        if not token:
            raise SecretUnavailable(f"{self._config.token}: it is empty, and everybody knows that one")
        return token

    async def _take(self, text: str) -> None:
        """A line that cannot be read is counted, and costs the others nothing."""
        lines, refused = list[line_protocol.Line](), 0
        for number, line in enumerate(line_protocol.parse(text), start=1):
            if line is None:
                refused += 1
            else:
                lines.append(line)
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)  # a long batch must not keep the others waiting
        if refused and not self.refused_lines:
            log.warning("push_lines_refused", source=str(self._source), count=refused)
        self.refused_lines += refused
        if self._overlay.take(lines, self._clock.now()) and self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._settled)

    def _settled(self) -> None:
        self._settling = None
        self._news()


class _BadBody(Exception):
    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding.lower() in ("", "identity"):
        return body
    if encoding.lower() != "gzip":
        raise _BadBody("only gzip is known here", 415)
    unpacking = zlib.decompressobj(wbits=_GZIP)
    try:
        unpacked = unpacking.decompress(body, BODY_BYTES)
    except zlib.error as error:
        raise _BadBody("this is not gzip", 400) from error
    if unpacking.unconsumed_tail:
        raise _BadBody("this is too large", 413)
    if not unpacking.eof:
        raise _BadBody("this has no end", 400)
    return unpacked


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())


def _tls(config: PushConfig) -> ssl.SSLContext | None:
    if config.cert is None or config.key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.cert, config.key, password="")  # else it asks for one on the terminal
    except OSError as error:
        raise OSError(f"{config.cert} or {config.key}: {error}") from error
    return context


async def _health(_: web.Request) -> web.Response:
    """Proxmox VE asks for it when a metric server is added."""
    return web.json_response({"name": "homelab", "message": "ready for queries and writes", "status": "pass"})


async def _ping(_: web.Request) -> web.Response:
    return web.Response(status=204)


log = structlog.get_logger(__name__)
