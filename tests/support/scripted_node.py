"""An entry node that answers as it is told, byte by byte, over TLS: for what no well-behaved server would send."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from tests.support.proxmox import certificates


@dataclass(frozen=True)
class Asked:
    """``path`` is without the base, with the query."""

    path: str
    headers: dict[str, str]
    number: int
    """Of the requests on this connection; the first is 1."""


class Wire:
    """What a script does with a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def gone(self) -> None:
        """Return when the client has closed the connection."""
        while await self._reader.read(1000):
            pass

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self._writer.write(part)
        await self._writer.drain()

    def reset(self) -> None:
        """Send RST instead of an orderly end."""
        plain = self._writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def end(self) -> None:
        self._writer.close()


Script = Callable[[Asked, Wire], Awaitable[None]]


def http(status: str = "200 OK", body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}", "", "")
    return "\r\n".join(lines).encode() + body


def answering(*answers: bytes) -> Script:
    """One answer after the other, on whatever connection; the last for ever."""
    left = list(answers)

    async def script(_: Asked, wire: Wire) -> None:
        await wire.send(left.pop(0) if len(left) > 1 else left[0])

    return script


def data(value: object, *headers: str) -> bytes:
    return http("200 OK", json.dumps({"data": value}).encode(), *headers)


async def silent(_: Asked, wire: Wire) -> None:
    await wire.gone()


class ScriptedNode:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.connections = 0
        self.open = 0
        self.url = ""

    @property
    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        wire = Wire(reader, writer)
        try:
            for number in range(1, 1000):
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
                headers = {name: value.strip() for name, _, value in (line.partition(":") for line in head[1:-1])}
                asked = Asked(head[0].split()[1].partition("/api2/json/")[2], headers, number)
                self.asked.append(asked)
                await self.script(asked, wire)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.transport.abort()


@asynccontextmanager
async def scripted(
    script: Script | None = None, made: certificates.Certificates | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[ScriptedNode]:
    node = ScriptedNode(script or answering(data([])))
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):  # asyncio's own callback would complain
            await node.serve(reader, writer)

    server = await asyncio.start_server(serve, host, 0, ssl=(made or certificates.shared()).context())
    port = server.sockets[0].getsockname()[1]
    node.url = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    yield node
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.wait_closed()


def closed_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
