"""Everything that is asked of one engine: a path in, a wire model out, one of our errors otherwise.

The connection is aiodocker's; reading goes through its session, since its own calls hide the cause of an error and
its event stream neither says that it broke nor closes.  No time-out here but the one for connecting: deadlines are
the caller's, and a cancelled request drops its connection.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from json import JSONDecodeError, loads
from typing import Final, TypeVar
from urllib.parse import quote

import aiodocker
import aiohttp
from pydantic import BaseModel, TypeAdapter, ValidationError

from agents.docker import tls, troubles, wire, wire_stats, wire_swarm
from agents.docker.config import DockerConfig
from agents.errors import AgentError, Malformed, Unauthorized, Unreachable

NEWEST = (1, 51)
"""The newest API version that was read with these models; a newer engine is asked to speak this one."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=10)
_LINE_LIMIT = 4 * 1024 * 1024
Answer = TypeVar("Answer")
Model = TypeVar("Model", bound=BaseModel)


class Events:
    """The engine's event stream, one by one.  Ends with ``Unreachable``, never silently."""

    def __init__(self, config: DockerConfig, response: aiohttp.ClientResponse) -> None:
        self._config = config
        self._content = response.content
        self._rest = b""

    async def next(self) -> wire.Event:
        """Return the next event; safe to cancel: what was read stays for the next call."""
        while b"\n" not in self._rest:
            if len(self._rest) > _LINE_LIMIT:
                raise Malformed(f"{self._config.url} sent an event without end")
            self._rest += await self._read()
        line, _, self._rest = self._rest.partition(b"\n")
        if not line.strip():
            return wire.Event()
        try:
            return wire.Event.model_validate_json(line)
        except ValidationError as error:
            raise troubles.of_shape(self._config, "/events", error) from error

    async def _read(self) -> bytes:
        try:
            chunk = await self._content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"the event stream of {self._config.url} broke: is the engine restarting?") from error
        if not chunk:
            raise Unreachable(f"the event stream of {self._config.url} ended: is the engine stopping?")
        return chunk


class Engine:
    """One engine.  Connects with the first question, and anew after a refusal."""

    def __init__(self, config: DockerConfig) -> None:
        self._config = config
        self._docker: aiodocker.Docker | None = None
        self._version: wire.Version | None = None

    async def version(self) -> wire.Version:
        """Ask for the version, and speak it from now on."""
        found = await self._get("/version", wire.Version, prefix="")
        self._version = found
        return found

    async def info(self) -> wire.Info:
        return await self._get("/info", wire.Info)

    async def containers(self, *, running: bool = False) -> tuple[wire.ContainerRow, ...]:
        return await self._get("/containers/json", wire.CONTAINERS, {} if running else {"all": "1"})

    async def container(self, container_id: str) -> wire.Container:
        """Raise ``Vanished`` where it is gone."""
        return await self._get(f"/containers/{quote(container_id)}/json", wire.Container)

    async def stats(self, container_id: str) -> wire_stats.Stats:
        """Raise ``Vanished`` where it no longer runs.  ``one-shot`` answers at once, without a second reading."""
        params = {"stream": "false", "one-shot": "true"}
        return await self._get(f"/containers/{quote(container_id)}/stats", wire_stats.Stats, params)

    async def images(self) -> tuple[wire.Image, ...]:
        return await self._get("/images/json", wire.IMAGES)

    async def volumes(self) -> tuple[wire.Volume, ...]:
        return (await self._get("/volumes", wire.Volumes)).volumes or ()

    async def networks(self) -> tuple[wire.Network, ...]:
        return await self._get("/networks", wire.NETWORKS)

    async def cluster(self) -> wire_swarm.Cluster:
        return await self._get("/swarm", wire_swarm.Cluster)

    async def services(self) -> tuple[wire_swarm.Service, ...]:
        return await self._get("/services", wire_swarm.SERVICES)

    async def tasks(self) -> tuple[wire_swarm.Task, ...]:
        return await self._get("/tasks", wire_swarm.TASKS)

    async def nodes(self) -> tuple[wire_swarm.Node, ...]:
        return await self._get("/nodes", wire_swarm.NODES)

    async def spoken(self) -> wire.Version:
        """Return the version asked for at first, which decides how the engine is spoken to."""
        return self._version or await self.version()

    @asynccontextmanager
    async def events(self, since: int | None) -> AsyncIterator[Events]:
        """Follow the engine's events; ``since`` is the ``timeNano`` of the last one seen.  Entered once it stands."""
        params = {} if since is None else {"since": f"{since // 10**9}.{since % 10**9:09d}"}
        await self.version()
        response = await self._request("/events", params, await self._prefix())
        try:
            yield Events(self._config, response)
        finally:
            response.close()

    async def close(self) -> None:
        docker, self._docker, self._version = self._docker, None, None
        if docker is not None:
            connector = docker.connector
            with suppress(aiohttp.ClientError, OSError):
                await docker.close()
            await connector.close()

    async def _get(
        self,
        path: str,
        shape: TypeAdapter[Answer] | type[Model],
        params: Mapping[str, str] | None = None,
        prefix: str | None = None,
    ) -> Answer | Model:
        speaking = await self._prefix() if prefix is None else prefix
        response = await self._request(path, params or {}, speaking)
        try:
            async with response:
                body = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise troubles.of_connection(self._config, error) from error
        try:
            return shape.validate_json(body) if isinstance(shape, TypeAdapter) else shape.model_validate_json(body)
        except ValidationError as error:
            raise troubles.of_shape(self._config, path, error) from error

    async def _prefix(self) -> str:
        return f"/v{_spoken(self._config, await self.spoken())}"

    async def _request(self, path: str, params: Mapping[str, str], prefix: str) -> aiohttp.ClientResponse:
        try:
            docker = self._connected()
            response = await docker.session.get(f"{self._config.base_url}{prefix}{path}", params=params)
        except (aiohttp.ClientError, OSError) as error:
            raise await self._lost(troubles.of_connection(self._config, error)) from error
        if response.status == HTTPStatus.OK:
            return response
        async with response:
            message = _message(await response.content.read(_LINE_LIMIT))
        retry_after = response.headers.get("Retry-After", "")
        raise troubles.of_answer(self._config, path, response.status, retry_after, message)

    def _connected(self) -> aiodocker.Docker:
        if self._docker is None:
            self._docker = aiodocker.Docker(
                url=self._config.base_url, connector=_connector(self._config), timeout=_TIMEOUT
            )
        return self._docker

    async def _lost(self, error: AgentError) -> AgentError:
        """Whoever answers next may be another version, or want the renewed certificate."""
        self._version = None
        if isinstance(error, Unauthorized):
            await self.close()
        return error


def _connector(config: DockerConfig) -> aiohttp.BaseConnector:
    if config.socket is not None:
        return aiohttp.UnixConnector(config.socket)
    context: ssl.SSLContext | bool = True if config.tls is None else tls.context(config.tls)
    return aiohttp.TCPConnector(ssl=context, socket_factory=tls.kept_alive)


def _spoken(config: DockerConfig, version: wire.Version) -> str:
    if len(version.api) < len(NEWEST):
        raise Malformed(f"{config.url} speaks an API version that is none: {version.api_version[:20]!r}")
    return ".".join(str(part) for part in min(version.api, NEWEST))


def _message(body: bytes) -> str:
    """Return what a Docker engine says in an error; another server's page is not repeated."""
    with suppress(JSONDecodeError, UnicodeDecodeError):
        answer = loads(body)
        if isinstance(answer, dict) and isinstance(answer.get("message"), str):
            return str(answer["message"])
    return ""
