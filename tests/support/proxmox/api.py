"""The API without its wire: a request in, status, reason, headers and body out."""

import gzip
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.support.proxmox import (
    cluster_views,
    commands,
    estate_views,
    guest_views,
    ha_views,
    node_views,
    resources,
    rights,
    routes,
    rrd_views,
    storage_views,
    task_views,
)
from tests.support.proxmox.calls import Call, Part, Refusal
from tests.support.proxmox.world import World

VIEWS = (cluster_views, commands, estate_views, guest_views, ha_views, node_views, rrd_views, storage_views, task_views)
"""What answers: importing these has put their paths into the table of routes."""


@dataclass
class Answer:
    status: int
    reason: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    packed: bytes | None = None
    """The same body gzipped, if that was done before."""

    def gzipped(self) -> bytes:
        self.packed = self.packed or gzip.compress(self.body, 1)
        return self.packed


class Api:
    def __init__(self, world: World) -> None:
        self.world = world
        self._version = -1
        self._granted: object = None
        self._rights: dict[str, rights.Rights] = {}
        self._resources: dict[tuple[str, ...], tuple[float, Answer]] = {}

    def answer(self, method: str, path: str, query: dict[str, str], authorization: str, entry: str) -> Answer:
        with self.world.lock:
            self.world.settle()
            try:
                return self._answer(method, path, query, authorization, entry)
            except Refusal as refusal:
                return refused(refusal)

    def _answer(self, method: str, path: str, query: dict[str, str], authorization: str, entry: str) -> Answer:
        world = self.world
        token = rights.token_of(world, authorization)
        if token is None:
            raise Refusal(401, "Authentication failed!" if authorization else "No ticket", body=False)
        route, parts = routes.find(method, path, world.release)
        call = Call(world, entry, self._rights_of(token.id), parts, query)
        if path != "cluster/resources":
            return _done(routes.run(route, call))
        key = (token.id, entry, query.get("type", ""))
        expires, answer = self._resources.get(key, (0.0, None))
        if answer is None or expires < world.now():
            answer = _done(routes.run(route, call))
            self._resources[key] = (resources.expires(call), answer)
        return answer

    def _rights_of(self, who: str) -> rights.Rights:
        if self._version != self.world.version:
            self._version = self.world.version
            self._resources = {}
            if self._granted != (granted := rights.granted(self.world)):
                self._granted, self._rights = granted, {}
        if who not in self._rights:
            self._rights[who] = rights.Rights(self.world, who)
        return self._rights[who]


def refused(refusal: Refusal) -> Answer:
    if not refusal.body:
        return Answer(refusal.status, refusal.reason, b"")
    if refusal.plain:
        return Answer(refusal.status, refusal.reason, refusal.reason.encode(), {"Content-Type": "text/plain"})
    document: dict[str, Any] = {"data": None, "message": f"{refusal.reason}\n"}
    if refusal.errors:
        document["errors"] = refusal.errors
    return Answer(refusal.status, refusal.reason, orjson.dumps(document))


def _done(data: Any) -> Answer:
    document = {"data": data.rows, "total": data.total} if isinstance(data, Part) else {"data": data}
    return Answer(200, "OK", orjson.dumps(document))
