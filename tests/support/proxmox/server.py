"""The nodes of a world as HTTPS servers on loopback, in a thread of their own."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

from aiohttp import web

from tests.support.proxmox import certificates as tls
from tests.support.proxmox.faults import Door, Faults
from tests.support.proxmox.wire import Request, Wire
from tests.support.proxmox.world import SECRET, TOKEN, World


class Silence(asyncio.Protocol):
    """Takes a connection and never says a word."""

    def __init__(self, known: WeakSet[asyncio.Transport], *, wanted: Callable[[], bool]) -> None:
        self._known = known
        self._wanted = wanted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._known.add(transport)
        if not self._wanted():
            transport.abort()


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
        self.token_id, self.secret = TOKEN, SECRET
        self._pvestatd = pvestatd
        self._wire = Wire(world, self.faults, delay_401=delay_401)
        self._certificates = certificates or tls.shared()
        self._ports: dict[str, int] = dict.fromkeys(world.nodes if nodes is None else nodes, 0)
        self._servers: dict[str, asyncio.Server] = {}
        self._shown: dict[str, Door] = {}
        self._silent: WeakSet[asyncio.Transport] = WeakSet()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxmox-simulator", daemon=True)

    @property
    def requests(self) -> list[Request]:
        """All that was asked, in the order of the answers."""
        return self._wire.requests

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
        if self._pvestatd:
            self._cycles = asyncio.create_task(self._cycle())
        await self._doors()

    def _listener(self, node: str) -> web.Server:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            return await self._wire.handle(request, node)

        return web.Server(handler, access_log=None, keepalive_timeout=5, handler_cancellation=True)

    async def _doors(self) -> None:
        """Listen for the nodes that are there, and for no others."""
        for node, port in self._ports.items():
            door = self._door(node)
            if self._shown.get(node) == door:
                continue
            self._shown[node] = door
            if old := self._servers.pop(node, None):
                await self._shut(old)
                self._abort(node)
            if door != "closed":
                made = await self._listen(node, port, silent=door == "silent")
                self._servers[node] = made
                self._ports[node] = made.sockets[0].getsockname()[1]

    async def _listen(self, node: str, port: int, *, silent: bool) -> asyncio.Server:
        if silent:
            silence = partial(Silence, self._silent, wanted=lambda: self._shown[node] == "silent")
            return await self._loop.create_server(silence, "127.0.0.1", port)
        return await self._loop.create_server(self._http[node], "127.0.0.1", port, ssl=self._context)

    async def _shut(self, server: asyncio.Server) -> None:
        """Take no more; 3.11 would lose for ever what was taken and has no transport yet when the server closes."""
        for listening in server.sockets:
            self._loop.remove_reader(listening.fileno())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        server.close()

    def _door(self, node: str) -> Door:
        return self.faults.door(node) if self._wire.there(node) else "closed"

    def _abort(self, node: str) -> None:
        for transport in self._silent:
            transport.abort()
        for connection in self._http[node].connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def _close(self) -> None:
        for server in self._servers.values():
            await self._shut(server)
        self._shown = dict.fromkeys(self._ports, "closed")
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:  # cycles, answers that hang, handshakes
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for node, listener in self._http.items():
            self._abort(node)
            await listener.shutdown(timeout=0.2)

    async def _cycle(self) -> None:
        while True:
            await asyncio.sleep(self._pvestatd or 0)
            self.world.pvestatd()


@asynccontextmanager
async def simulated(world: World, nodes: Iterable[str] | None = None, **options: Any) -> AsyncIterator[Simulator]:
    simulator = Simulator(world, nodes, **options)
    simulator.start()
    try:
        yield simulator
    finally:
        simulator.stop()
