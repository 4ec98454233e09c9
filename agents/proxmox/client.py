"""Everything that is asked of one cluster: a path in, a value or models out, one of ``troubles``' errors otherwise.

Any node answers for the whole cluster.  The one that answered last is asked first; where it cannot answer, the others
are tried once each, in the order they are written in, and all of it together stays within the source's ``timeout``.
A node that is asked instead of another says first which cluster it is of: a listing is only believed while at least
one of the nodes that were known is in it.  All questions are GETs: to ask again does no harm.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar

import orjson
from pydantic import JsonValue, SecretStr, TypeAdapter, ValidationError

from agents.errors import AgentError, Throttled, Unauthorized, Unreachable
from agents.proxmox import lost, troubles, wire
from agents.proxmox.config import ProxmoxConfig
from agents.proxmox.connection import AT_ONCE, Way
from agents.proxmox.entry import Entry
from agents.proxmox.threads import Threads
from daemon.runtime.clock import Clock
from daemon.runtime.secrets import SecretUnavailable

UNREACHABLE_FOR = timedelta(seconds=30)
"""So long a node that could not answer is asked last."""
_MARGIN = 0.25
"""Seconds by which the time-outs of the sockets, which know more, come before ours."""
_HALF_A_SECOND = timedelta(milliseconds=500)
"""What a date to the second leaves out, on average."""
_LISTING = "cluster/resources"
_SECRET = re.compile(r"[A-Za-z0-9._~+/-]+")
Model = TypeVar("Model")


@dataclass(frozen=True, slots=True)
class _Reply:
    url: str
    data: JsonValue


class _Nodes:
    """The entry nodes, and which is asked first."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.last = urls[0]
        """The one that answered last."""
        self._urls = urls
        self._lost_until: dict[str, datetime] = {}

    def in_order(self, now: datetime) -> list[str]:
        return sorted(self._urls, key=lambda url: (self._lost_until.get(url, now) > now, url != self.last))

    def lost(self, url: str, now: datetime, wait: timedelta = UNREACHABLE_FOR) -> None:
        self._lost_until[url] = now + wait


class Api:
    """One cluster.  Connects with the first question; the secret is fetched then, and anew after a refusal."""

    def __init__(self, config: ProxmoxConfig, token: Callable[[], SecretStr], clock: Clock) -> None:
        self.requests = 0
        """Questions put so far, to whichever node."""
        self._members: frozenset[str] = frozenset()
        self._vouched = ""
        """The url whose node is known to be of this cluster."""
        self._config = config
        self._token = token
        self._clock = clock
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._threads = Threads()
        self._nodes = _Nodes(config.urls)
        self._entries: dict[str, Entry] = {}
        self._shapes: dict[Any, TypeAdapter[Any]] = {}
        self._skew: timedelta | None = None

    @property
    def entry(self) -> str:
        """The url that answered last."""
        return self._nodes.last

    @property
    def skew(self) -> timedelta | None:
        """How far the clock of the node that answered last is ahead of ours, to the second."""
        return self._skew

    def is_of(self, members: Iterable[str]) -> None:
        """These are nodes of the cluster; a listing that has none of them is another's.  Each listing says it anew."""
        self._members = frozenset(members)

    def pass_over(self) -> None:
        """Ask the node that answered last after all others, for as long as one that could not answer."""
        self._nodes.lost(self.entry, self._clock.now())

    async def raw(self, path: str, /, **query: str | int) -> JsonValue:
        """Return the ``data`` of ``path`` (``cluster/resources``: no leading slash), whatever it is."""
        return (await self._ask(path, query)).data

    async def rows(self, path: str, model: type[Model], /, **query: str | int) -> list[Model]:
        """Return a list of which every row is a ``model``, or raise ``Malformed``."""
        found: list[Model] = self._shaped(path, list[model], await self._ask(path, query))  # type: ignore[valid-type]
        return found

    async def one(self, path: str, model: type[Model], /, **query: str | int) -> Model:
        found: Model = self._shaped(path, model, await self._ask(path, query))
        return found

    async def close(self) -> None:
        """Close at once: what still waits for an answer gets ``Unreachable``."""
        self._threads.stop(Unreachable(f"the connection to {self.entry} is closed"))
        self._forget()

    def _shaped(self, path: str, shape: Any, reply: _Reply) -> Any:  # noqa: ANN401 - one of ``shape``
        if shape not in self._shapes:
            self._shapes[shape] = TypeAdapter(shape)
        try:
            return self._shapes[shape].validate_python(reply.data)
        except ValidationError as error:
            raise troubles.of_shape(reply.url, path, error) from error

    async def _ask(self, path: str, query: Mapping[str, str | int]) -> _Reply:
        async with self._gate:
            deadline = _time() + self._config.timeout.total_seconds() + _MARGIN
            failures: dict[str, troubles.EntryLost | Throttled] = {}
            urls = self._nodes.in_order(self._clock.now())
            for url, others in zip(urls, range(len(urls), 0, -1), strict=True):
                left = deadline - _time()
                until = _time() + (left / others if troubles.cluster_wide(path) else left)
                try:
                    if self._members and url != self._vouched and path != _LISTING:
                        await self._ask_at(url, _LISTING, {}, left / others)
                    return await self._ask_at(url, path, query, until - _time())
                except troubles.EntryLost as error:
                    self._nodes.lost(url, self._clock.now())
                    failures[url] = error
                except Throttled as error:
                    self._nodes.lost(url, self._clock.now(), error.retry_after)
                    failures[url] = error
                except troubles.Denied:
                    raise
                except Unauthorized:
                    self._forget()  # the secret or a certificate may be renewed by the next time
                    raise
            raise self._none_answers(failures)

    async def _ask_at(self, url: str, path: str, query: Mapping[str, str | int], seconds: float) -> _Reply:
        entry = self._entry_at(url)
        self.requests += 1
        whole = self._config.timeout.total_seconds()
        read = max(seconds - _MARGIN, _MARGIN)
        way = Way(connect_seconds=min(read, whole / len(self._config.urls)), read_seconds=read)
        asking = partial(entry.get, path, query, way, self._clock.now())
        try:
            async with asyncio.timeout(seconds):
                answer = await self._threads.run(asking)
        except TimeoutError:
            raise troubles.of_silence(url, path, read, connected=not way.connecting) from None
        self._nodes.last = url
        self._skew = _ahead(answer.headers.get("Date", ""), self._clock.now())
        data = _data(url, path, answer.body)
        if path == _LISTING:
            self._recognize(url, wire.node_names(data))
        return _Reply(url, data)

    def _recognize(self, url: str, nodes: frozenset[str]) -> None:
        if not nodes:
            return  # what has another shape is refused where it is read
        if self._members and self._members.isdisjoint(nodes):
            raise troubles.of_another_cluster(url, nodes, self._members)
        self._members, self._vouched = nodes, url

    def _none_answers(self, failures: Mapping[str, troubles.EntryLost | Throttled]) -> AgentError:
        """In the order the urls are written in: the same outage has the same text, whichever was asked first."""
        ordered = [failures[url] for url in self._config.urls]
        busy = [error for error in ordered if isinstance(error, Throttled)]
        if busy:
            return min(busy, key=lambda error: error.retry_after)
        return ordered[0] if len(ordered) == 1 else troubles.NobodyAnswers(lost.every(ordered))

    def _entry_at(self, url: str) -> Entry:
        if url not in self._entries:
            pinned = self._config.fingerprints[self._config.urls.index(url)]
            self._entries[url] = Entry(self._config, url, pinned, self._secret())
        return self._entries[url]

    def _secret(self) -> SecretStr:
        try:
            secret = self._token()
        except SecretUnavailable as error:
            raise Unauthorized(f"the token's secret cannot be had: {error}") from error
        if not _SECRET.fullmatch(secret.get_secret_value()):
            raise Unauthorized(
                f"what {self._config.token_secret} leads to is not the secret of a token: it has to be"
                " the secret alone, without user@realm!name= before it"
            )
        return secret

    def _forget(self) -> None:
        for entry in self._entries.values():
            entry.close()
        self._entries.clear()


def _time() -> float:
    return asyncio.get_running_loop().time()


def _data(url: str, path: str, body: bytes) -> JsonValue:
    try:
        answer: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise troubles.of_text(url, path, body) from error
    if not isinstance(answer, dict) or "data" not in answer:
        raise troubles.of_text(url, path, body)
    return answer["data"]


def _ahead(date: str, now: datetime) -> timedelta | None:
    try:
        at = parsedate_to_datetime(date)
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or UTC) + _HALF_A_SECOND - now
