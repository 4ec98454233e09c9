"""A real nats-server from the real ``nats.conf``, on a free port, with its own store and known users."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from daemon.runtime.server import EmbeddedServer
from schemas.resources import SourceRef


class Server(EmbeddedServer):
    """``.url``, ``.logins`` by role, ``.agents`` by source; nobody restarts it but the test."""

    async def kill(self) -> None:
        """End it as a power cut would."""
        process = self._running()
        process.kill()
        await process.wait()

    def signal(self, number: int) -> None:
        self._running().send_signal(number)

    async def restart(self) -> None:
        """Start it again where it was."""
        await self.stop()
        await self.start()


@asynccontextmanager
async def nats_server(store: Path, *, sources: Iterable[SourceRef] = (), port: int = 0) -> AsyncIterator[Server]:
    async with Server(store, port=port, sources=sources, patience=2) as server:
        yield server
