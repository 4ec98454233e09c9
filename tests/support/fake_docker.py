"""An engine that says what a test tells it to, and remembers what it was asked: for moments a real one cannot hold."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.contract.replay import docker as replay

VERSION = {"Version": "20.10.24", "ApiVersion": "1.41"}
INFO = {"ID": "A:B", "Name": "lab", "ServerVersion": "20.10.24"}


class FakeDocker:
    """``answers`` is request -> body, ``failures`` request -> status; ``gates`` hold a request back."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, Any] = {
            "GET /version": VERSION,
            "GET /info": INFO,
            "GET /containers/json?all=1": [],
            "GET /containers/json": [],
            "GET /images/json": [],
            "GET /networks": [],
            "GET /volumes": {"Volumes": []},
        }
        self.failures: dict[str, int] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.asked: list[str] = []
        self.paths: list[str] = []
        self.reached = asyncio.Event()
        self._streams: set[asyncio.Queue[bytes | None]] = set()

    def contain(self, *names: str, **ids: str) -> None:
        """Let it have these containers, each with its name as id unless ``name=id`` says another."""
        rows = {**{name: name.ljust(64, "0") for name in names}, **ids}
        self.answers["GET /containers/json?all=1"] = [
            {"Id": container_id, "Names": [f"/{name}"], "State": "running"} for name, container_id in rows.items()
        ]
        for name, container_id in rows.items():
            self.answers[f"GET /containers/{container_id}/json"] = {
                "Id": container_id,
                "Name": f"/{name}",
                "Created": "2026-01-01T00:00:00Z",
                "State": {"Status": "running"},
                "Config": {"Image": "nginx:1"},
                "HostConfig": {},
            }

    def count(self, part: str) -> int:
        return sum(part in line for line in self.asked)

    def say(self, *events: dict[str, Any]) -> None:
        self.send(b"".join(json.dumps(event).encode() + b"\n" for event in events))

    def send(self, raw: bytes) -> None:
        for stream in self._streams:
            stream.put_nowait(raw)

    def end_streams(self) -> None:
        for stream in self._streams:
            stream.put_nowait(None)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        line = replay.line(request)
        self.asked.append(line)
        self.paths.append(request.path)
        self.reached.set()
        if request.path.endswith("/events"):
            return await self._stream(request)
        body = json.dumps(self.answers.get(line))
        if line in self.gates:
            await self.gates[line].wait()
        if line in self.failures or line not in self.answers:
            return web.json_response({"message": "no"}, status=self.failures.get(line, 404))
        return web.Response(text=body, content_type="application/json")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._streams.add(queue)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            while (raw := await queue.get()) is not None:
                await response.write(raw)
        finally:
            self._streams.discard(queue)
        return response


def event(type_: str, action: str, actor: str = "", *, nano: int = 1, **attributes: str) -> dict[str, Any]:
    return {"Type": type_, "Action": action, "Actor": {"ID": actor, "Attributes": attributes}, "timeNano": nano}


@asynccontextmanager
async def fake_docker(folder: Path) -> AsyncIterator[FakeDocker]:
    path = folder / "fake.sock"
    fake = FakeDocker(f"unix://{path}")
    async with replay.serving(path, fake.answer):
        try:
            yield fake
        finally:
            fake.end_streams()
