"""MCP over real HTTP, with health and metrics beside it."""

import asyncio
import socket
import statistics
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from prometheus_client import CollectorRegistry, Gauge

from daemon.api.bus_answers import BusAnswers
from daemon.mcp import http, listening, server
from daemon.runtime import bus
from tests.support.answers import KEY, FakeAnswers, served
from tests.support.nats_server import nats_server

TOKEN = "correct horse battery staple"
ASK = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
}


@dataclass
class Site:
    url: str
    web: httpx2.AsyncClient
    fake: FakeAnswers
    serving: asyncio.Task
    health: http.Health

    async def hello(self, **headers: str) -> httpx2.Response:
        return await self.web.post(f"{self.url}/mcp", json=HELLO, headers=ASK | headers)


@asynccontextmanager
async def site(*, token: str | None = None, allowed_hosts: Iterable[str] = (), answers=None) -> AsyncIterator[Site]:
    fake = FakeAnswers()
    registry = CollectorRegistry()
    Gauge("homelab_ingest_lag", "messages behind", registry=registry).set(7)
    listener = listening.bind("127.0.0.1", 0, guarded=token is not None)
    app = http.http_app(
        server.build(answers or fake, version="0.1.0", writes=True),
        health=lambda: running.health,
        registry=registry,
        token=token,
        allowed_hosts=allowed_hosts,
    )
    async with httpx2.AsyncClient(timeout=5) as web:
        serving = asyncio.get_running_loop().create_task(listening.serve_http(app, listener))
        running = Site(listener.url, web, fake, serving, http.Health(ready=True))
        try:
            yield running
        finally:
            serving.cancel()
            await asyncio.wait([serving], timeout=5)
            assert serving.done()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_of_either_era_is_served(mode: str):
    async with site() as home, Client(f"{home.url}/mcp", mode=mode) as client:
        assert "get_overview" in {tool.name for tool in (await client.list_tools()).tools}
        found = await client.call_tool("search_resources", {"provider": "docker"})
        assert found.structured_content["total"] == 2
        assert (await client.call_tool("get_resource", {"key": "nope"})).is_error
        assert "web" in (await client.read_resource(f"homelab://resource/{KEY}")).contents[0].text


async def test_the_whole_way_from_an_agent_over_the_bus_and_back(tmp_path: Path):
    fake = FakeAnswers()
    async with (
        nats_server(tmp_path / "nats") as running,
        bus.connect(running.url, name="daemon", login=running.logins["daemon"], patient=False) as daemon,
        bus.connect(running.url, name="mcp", login=running.logins["viewer"], patient=False) as viewer,
        served(daemon, fake),
        site(answers=BusAnswers(viewer)) as home,
        Client(f"{home.url}/mcp") as client,
    ):
        took = []
        for _ in range(60):
            started = time.perf_counter()
            found = await client.call_tool("search_resources", {"provider": "docker"})
            took.append(time.perf_counter() - started)
        print(f"HTTP, MCP and bus together: {len(took) / sum(took):.0f} calls/s")
        assert statistics.median(took) < 0.035  # a delayed acknowledgement would make it 0.04
        assert found.structured_content["total"] == 2
        refused = await client.call_tool("refresh_source", {})
        assert "you may not ask" in refused.content[0].text


async def test_with_a_token_only_its_holder_is_served():
    async with site(token=TOKEN) as home:
        nobody = await home.hello()
        assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, 'Bearer realm="homelab"')
        for wrong in ("Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer", TOKEN, "Bearer ü"):
            answer = await home.web.post(f"{home.url}/mcp", json=HELLO, headers={"authorization": wrong.encode()})
            assert answer.status_code == 401, wrong
        assert "invalid_token" in (await home.hello(authorization="Bearer wrong")).headers["www-authenticate"]
        assert (await home.web.get(f"{home.url}/mcp")).status_code == 401
        assert (await home.hello(authorization=f"Bearer {TOKEN}")).status_code == 200
        async with httpx2.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}) as web:
            transport = streamable_http_client(f"{home.url}/mcp", http_client=web)
            async with Client(transport) as client:
                assert not (await client.call_tool("get_overview", {})).is_error
        assert (await home.hello(authorization=f"Bearer {TOKEN}", host="lab.example:8420")).status_code == 200


@pytest.mark.parametrize("token", ["", " \n"])
def test_an_empty_token_opens_nothing(token: str):
    mcp_server = server.build(FakeAnswers(), version="0.1.0", writes=False)
    with pytest.raises(listening.Exposed, match="empty"):
        http.http_app(mcp_server, health=lambda: http.Health(ready=True), registry=CollectorRegistry(), token=token)


async def test_without_a_token_a_web_page_cannot_reach_it():
    async with site() as home:
        assert (await home.hello()).status_code == 200
        assert (await home.hello(host="evil.example")).status_code == 421
        assert (await home.hello(host="localhost.evil.example:8420")).status_code == 421
        assert (await home.hello(origin="http://evil.example")).status_code == 403
        assert (await home.hello(origin="http://localhost:3000")).status_code == 200
        modern = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
        assert (await home.hello(host="evil.example", **modern)).status_code == 421


async def test_hosts_that_are_allowed_are_served_beside_loopback_and_others_are_not():
    async with site(token=TOKEN, allowed_hosts=["lab.example"]) as home:
        bearer = {"authorization": f"Bearer {TOKEN}"}
        assert (await home.hello(host="lab.example:8420", origin="https://lab.example", **bearer)).status_code == 200
        assert (await home.hello(host="evil.example", **bearer)).status_code == 421


async def test_health_says_whether_the_inventory_is_live():
    async with site() as home:
        assert (await home.web.get(f"{home.url}/healthz")).status_code == 200
        assert (await home.web.get(f"{home.url}/readyz")).status_code == 200
        home.health = http.Health(ready=False, detail="catching_up: 1200 messages behind")
        behind = await home.web.get(f"{home.url}/readyz")
        assert (behind.status_code, behind.text) == (503, "catching_up: 1200 messages behind\n")
        assert (await home.web.get(f"{home.url}/healthz")).status_code == 200


async def test_metrics_are_what_the_registry_holds_and_the_index_names_all():
    async with site(token=TOKEN) as home:
        metrics = await home.web.get(f"{home.url}/metrics")
        assert "homelab_ingest_lag 7.0" in metrics.text
        assert metrics.headers["content-type"].startswith("text/plain; version=")
        index = (await home.web.get(home.url)).text
        assert all(path in index for path in ("/mcp", "/healthz", "/readyz", "/metrics"))
        assert (await home.web.get(f"{home.url}/nope")).status_code == 404


@pytest.mark.parametrize("held", ["stream", "call"])
async def test_it_stops_soon_whatever_is_still_open(held: str):
    async with site() as home:
        session = (await home.hello()).headers["mcp-session-id"]
        headers = ASK | {"mcp-session-id": session, "mcp-protocol-version": "2025-06-18"}
        home.fake.gates["overview"] = asyncio.Event()
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "get_overview", "arguments": {}}}
        method, body = ("GET", None) if held == "stream" else ("POST", call)
        async with home.web.stream(method, f"{home.url}/mcp", headers=headers, json=body) as stream:
            assert stream.status_code == 200
            started = time.monotonic()
            home.serving.cancel()
            await asyncio.wait([home.serving], timeout=5)
            assert home.serving.cancelled()
            assert time.monotonic() - started < 1.5
            async for _ in stream.aiter_bytes():
                pass
        with pytest.raises(httpx2.ConnectError):
            await home.web.get(home.url)


async def test_a_port_that_is_taken_is_named_with_the_way_out():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(listening.PortTaken, match=f"port {port} on 127.0.0.1 is taken.*http.port"):
            listening.bind("127.0.0.1", port, guarded=False)


async def test_two_of_us_cannot_take_one_port():
    first = listening.bind("127.0.0.1", 0, guarded=False)
    try:
        with pytest.raises(listening.PortTaken):
            listening.bind("127.0.0.1", first.port, guarded=False)
    finally:
        first.close()
    listening.bind("127.0.0.1", first.port, guarded=False).close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_beyond_loopback_nothing_listens_without_a_token(host: str):
    with pytest.raises(listening.Exposed, match=r"http\.token"):
        listening.bind(host, 0, guarded=False)


def test_what_is_no_address_of_ours_is_told():
    with pytest.raises(listening.CannotListen, match=r"192\.0\.2\.1"):
        listening.bind("192.0.2.1", 0, guarded=True)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_loopback_needs_no_token(host: str):
    listener = listening.bind(host, 0, guarded=False)
    assert listener.url.endswith(f":{listener.port}")
    listener.close()
