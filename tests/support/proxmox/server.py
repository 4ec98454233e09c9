"""The nodes of a world as HTTPS servers on loopback, in a thread of their own.

aiohttp and not an ASGI server, for Proxmox says things in the reason phrase and in how it ends a connection.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

import orjson
from aiohttp import web

from tests.support.proxmox import certificates as tls
from tests.support.proxmox.api import Answer, Api, refused
from tests.support.proxmox.calls import Refusal
from tests.support.proxmox.faults import BODILESS, HTML, Fault, Faults
from tests.support.proxmox.world import SECRET, TOKEN, World

BASE = "/api2/json/"
PER_CONNECTION = 100
"""Requests after which Proxmox ends a connection, as it does after each error (fact 4)."""
LARGEST_BODY = 512 * 1024
WORTH_PACKING = 1024


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """Without the base and the query: nodes/pve1/status."""
    query: str
    status: int
    """0: it got no whole answer."""
    entry: str
    connection: int
    """Which one it came on, counted from 1."""


@dataclass
class Connection:
    number: int
    served: int = 0


class Simulator:
    """``nodes``: those that can be asked, all if not told. ``delay_401``: seconds (Proxmox's are 3)."""

    def __init__(
        self,
        world: World,
        nodes: Iterable[str] | None = None,
        *,
        certificates: tls.Certificates | None = None,
        delay_401: float = 0.0,
        pvestatd: float | None = None,
    ) -> None:
        self.world = world
        self.faults = Faults()
        self.requests: list[Request] = []
        self.token_id, self.secret = TOKEN, SECRET
        self.delay_401 = delay_401
        self._pvestatd = pvestatd
        self._api = Api(world)
        self._certificates = certificates or tls.shared()
        self._ports: dict[str, int] = dict.fromkeys(world.nodes if nodes is None else nodes, 0)
        self._servers: dict[str, asyncio.Server] = {}
        self._connections: WeakKeyDictionary[Any, Connection] = WeakKeyDictionary()
        self._connected = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxmox-simulator", daemon=True)

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(f"https://127.0.0.1:{port}" for port in self._ports.values())

    @property
    def ca(self) -> Path:
        return self._certificates.ca

    @property
    def fingerprint(self) -> str:
        return self._certificates.fingerprint

    def url(self, node: str) -> str:
        return f"https://127.0.0.1:{self._ports[node]}"

    def count(self, part: str = "") -> int:
        """How many requests had this in their path."""
        return sum(part in request.path for request in self.requests)

    def start(self) -> None:
        self._thread.start()
        self._wait(self._open())
        self.world.doors.append(self._move_doors)
        self.faults.doors.append(self._move_doors)

    def stop(self) -> None:
        self.world.doors.remove(self._move_doors)
        self.faults.doors.remove(self._move_doors)
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _wait(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    def _move_doors(self) -> None:
        self._wait(self._doors())

    async def _open(self) -> None:
        self._context = self._certificates.context()
        self._http = {node: self._listener(node) for node in self._ports}
        self._cycles = asyncio.create_task(self._cycle()) if self._pvestatd else None
        await self._doors()

    def _listener(self, node: str) -> web.Server:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            return await self._handle(request, node)

        return web.Server(handler, access_log=None, keepalive_timeout=5, handler_cancellation=True)

    async def _doors(self) -> None:
        """Listen for the nodes that are there, and for no others."""
        for node, port in self._ports.items():
            server = self._servers.get(node)
            if self._accepts(node) and server is None:
                made = await self._loop.create_server(self._http[node], "127.0.0.1", port, ssl=self._context)
                self._servers[node] = made
                self._ports[node] = made.sockets[0].getsockname()[1]
            elif not self._accepts(node) and server is not None:
                del self._servers[node]
                server.close()
                self._abort(node)

    def _accepts(self, node: str) -> bool:
        there = self.world.nodes.get(node)
        return there is not None and there.online and not self.faults.refuses(node)

    def _abort(self, node: str) -> None:
        for connection in self._http[node].connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def _close(self) -> None:
        if self._cycles:
            self._cycles.cancel()
        for server in self._servers.values():
            server.close()
        for node, listener in self._http.items():
            self._abort(node)
            await listener.shutdown(timeout=0.2)

    async def _cycle(self) -> None:
        while True:
            await asyncio.sleep(self._pvestatd or 0)
            self.world.pvestatd()

    async def _handle(self, request: web.BaseRequest, entry: str) -> web.StreamResponse:
        path = request.path.removeprefix(BASE)
        status = 0
        connection = self._connection(request)
        try:
            if not self._accepts(entry):
                return _broken(request, web.Response())
            faults = self.faults.take(path, entry)
            for fault in faults:
                if fault.kind == "slow":
                    await asyncio.sleep(fault.seconds)
            fault = next((fault for fault in faults if fault.kind != "slow"), None)
            answer = await self._answer(request, path, entry, fault)
            response = await self._send(request, answer, entry, fault)
            status = 0 if fault and fault.kind == "reset" else answer.status
            return response
        finally:
            record = Request(request.method, path, request.query_string, status, entry, connection.number)
            self.requests.append(record)

    async def _answer(self, request: web.BaseRequest, path: str, entry: str, fault: Fault | None) -> Answer:
        if fault and fault.kind == "hang":
            await asyncio.Event().wait()
        if fault and fault.kind == "status":
            made = refused(Refusal(fault.status, fault.reason, body=fault.status not in BODILESS))
            made.headers |= fault.headers
            return made
        if fault and fault.kind == "html":
            return Answer(200, "OK", HTML, {"Content-Type": "text/html"})
        if fault and fault.kind == "body":
            return Answer(200, "OK", orjson.dumps(fault.body))
        answer = await self._asked(request, path, entry)
        if answer.status == 401:
            await asyncio.sleep(self.delay_401)
        if fault and fault.kind == "truncated":
            return Answer(answer.status, answer.reason, answer.body[: len(answer.body) // 2])
        return answer

    async def _asked(self, request: web.BaseRequest, path: str, entry: str) -> Answer:
        if (request.content_length or 0) > LARGEST_BODY:
            return refused(Refusal(501, "for data too large", plain=True))
        body = await request.read()
        if body and request.method in {"GET", "DELETE"}:
            return refused(Refusal(501, f"Unexpected content for method '{request.method}'", plain=True))
        query = dict(parse_qsl(request.query_string, keep_blank_values=True))
        if request.content_type == "application/json" and body:
            query |= {name: str(value) for name, value in orjson.loads(body).items()}
        else:
            query |= dict(parse_qsl(body.decode(), keep_blank_values=True))
        return self._api.answer(request.method, path, query, request.headers.get("Authorization", ""), entry)

    async def _send(
        self, request: web.BaseRequest, answer: Answer, entry: str, fault: Fault | None
    ) -> web.StreamResponse:
        body = answer.body
        response = web.StreamResponse(status=answer.status, reason=answer.reason.split("\n", 1)[0])
        if body:
            response.content_type = "application/json"
            response.charset = "UTF-8"
        response.headers.update(answer.headers)
        if len(body) > WORTH_PACKING and "gzip" in request.headers.get("Accept-Encoding", ""):
            body = answer.gzipped()
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Date"] = formatdate(self.world.now() + self.world.nodes[entry].skew, usegmt=True)
        response.headers["Server"] = "pve-api-daemon/3.0"
        connection = self._connection(request)
        connection.served += 1
        if answer.status >= 400 or connection.served >= PER_CONNECTION:
            response.force_close()
        response.content_length = len(body)
        await response.prepare(request)
        if fault and fault.kind == "reset":
            await response.write(body[: len(body) // 2])
            return _broken(request, response)
        await self._write(response, body, fault)
        await response.write_eof()
        return response

    async def _write(self, response: web.StreamResponse, body: bytes, fault: Fault | None) -> None:
        if fault and fault.kind == "drip":
            step = max(len(body) // 20, 1)
            for at in range(0, len(body), step):
                await response.write(body[at : at + step])
                await asyncio.sleep(fault.seconds / 20)
        else:
            await response.write(body)

    def _connection(self, request: web.BaseRequest) -> Connection:
        if request.transport is None:  # gone again already
            return Connection(0)
        known = self._connections.get(request.transport)
        if known is None:
            self._connected += 1
            known = self._connections[request.transport] = Connection(self._connected)
        return known


def _broken(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """The connection is gone; what aiohttp does with the response reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return response


@asynccontextmanager
async def simulated(world: World, nodes: Iterable[str] | None = None, **options: Any) -> AsyncIterator[Simulator]:
    simulator = Simulator(world, nodes, **options)
    simulator.start()
    try:
        yield simulator
    finally:
        simulator.stop()
