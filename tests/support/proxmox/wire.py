"""One request on the wire: what is sent for it and how, faults included.

aiohttp and not an ASGI server, for Proxmox says things in the reason phrase and in how it ends a connection.
"""

import asyncio
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

import orjson
from aiohttp import web

from tests.support.proxmox.api import Answer, Api, refused
from tests.support.proxmox.calls import Refusal
from tests.support.proxmox.faults import BODILESS, HTML, Fault, Faults
from tests.support.proxmox.world import World

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


class Wire:
    """``delay_401`` in seconds; ``requests`` is the record of all that was asked, in the order of the answers."""

    def __init__(self, world: World, faults: Faults, *, delay_401: float) -> None:
        self.requests: list[Request] = []
        self._delay_401 = delay_401
        self._world = world
        self._faults = faults
        self._api = Api(world)
        self._connections: WeakKeyDictionary[Any, Connection] = WeakKeyDictionary()
        self._connected = 0

    async def handle(self, request: web.BaseRequest, entry: str) -> web.StreamResponse:
        """It is on record before the asker can know of the answer; 0 when none is given."""
        path = request.path.removeprefix(BASE)
        status = 0
        connection = self._connection(request)
        try:
            if not self.there(entry) or self._faults.door(entry) != "open":
                return _broken(request, web.Response())
            faults = self._faults.take(path, entry)
            for fault in faults:
                if fault.kind == "slow":
                    await asyncio.sleep(fault.seconds)
            fault = next((fault for fault in faults if fault.kind != "slow"), None)
            answer = await self._answer(request, path, entry, fault)
            status = 0 if fault and fault.kind == "reset" else answer.status
        finally:
            record = Request(request.method, path, request.query_string, status, entry, connection.number)
            self.requests.append(record)
        return await self._send(request, answer, entry, fault)

    def there(self, node: str) -> bool:
        """Is it in the cluster, and is its power on."""
        known = self._world.nodes.get(node)
        return known is not None and known.online

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
            await asyncio.sleep(self._delay_401)
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
            query |= {
                name: str(int(value) if value in {True, False} else value) for name, value in orjson.loads(body).items()
            }
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
        response.headers["Date"] = formatdate(self._world.now() + self._world.nodes[entry].skew, usegmt=True)
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


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _broken(request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
    """The connection is gone; what aiohttp does with the response reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return response
