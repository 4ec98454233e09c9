"""The state of a world and what every change needs of it: the lock, the time, the log, the tasks."""

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import wraps
from random import Random
from typing import Any, TypeVar

from tests.support.proxmox.broadcasts import Broadcasts
from tests.support.proxmox.model import Acl, Backup, Guest, HaResource, Node, Pool, Row, Storage, Task, Token

Method = TypeVar("Method", bound=Callable[..., Any])
LOG_BYTES = 128 * 1024


def change(method: Method) -> Method:
    """A method that changes the world: one at a time, and what was cached of it is void."""

    @wraps(method)
    def changing(self: "State", *arguments: Any, **named: Any) -> Any:
        with self.lock:
            self.version += 1
            return method(self, *arguments, **named)

    return changing  # type: ignore[return-value]


class State:
    """``release`` is 8 or 9; ``now`` tells the time (epoch seconds), ``advance`` moves it on."""

    def __init__(
        self, *, release: int = 9, name: str | None = "lab", seed: int = 0, now: Callable[[], float] = time.time
    ) -> None:
        self.lock = threading.RLock()
        self.version = 0
        self.release = release
        self.pve_version = "9.2.11" if release == 9 else "8.4.14"
        self.name = name
        self.random = Random(seed)
        self._now = now
        self._offset = 0.0
        self.nodes: dict[str, Node] = {}
        self.guests: dict[int, Guest] = {}
        self.storages: dict[str, Storage] = {}
        self.backups: list[Backup] = []
        self.pools: dict[str, Pool] = {}
        self.ha: dict[str, HaResource] = {}
        self.ha_groups: dict[str, Row] = {}
        self.ha_rules: dict[str, Row] = {}
        self.zones: dict[str, Row] = {}
        self.vnets: dict[str, Row] = {}
        self.backup_jobs: dict[str, Row] = {}
        self.replications: dict[str, Row] = {}
        self.options: Row = {"keyboard": "en-us"}
        self.tokens: dict[str, Token] = {}
        self.groups: dict[str, set[str]] = {}
        self.roles: dict[str, frozenset[str]] = {}
        self.acls: list[Acl] = []
        self.minority: frozenset[str] = frozenset()
        self.broadcasts = Broadcasts()
        self.minority_broadcasts = Broadcasts()
        self.log_entries: deque[Row] = deque()
        self._log_bytes = 0
        self._pids = 1000
        self.config_version = 1
        self.doors: list[Callable[[], None]] = []
        """What to call when a node goes or comes, for the servers that play the nodes."""

    def now(self) -> float:
        return self._now() + self._offset

    @change
    def advance(self, seconds: float) -> None:
        self._offset += seconds

    @change
    def touch(self) -> None:
        """After a change made by hand and not by a method: answers made before are void."""

    def pool_of(self, vmid: int) -> str | None:
        return next((pool.name for pool in self.pools.values() if vmid in pool.guests), None)

    def free_vmid(self) -> int:
        vmid = 100
        while vmid in self.guests:
            vmid += 1
        return vmid

    def log(
        self, node: str, message: str, *, user: str = "root@pam", severity: int = 6, tag: str = "pvedaemon"
    ) -> None:
        """One line of the cluster log; the oldest go when the ring is full (fact 29)."""
        where = self.nodes[node]
        where.logged += 1
        self.version += 1
        entry = {
            "uid": where.logged,
            "time": int(self.now() + where.skew),
            "pri": severity,
            "tag": tag,
            "pid": 900 + where.number,
            "node": node,
            "user": user,
            "msg": message,
            "id": f"{where.logged}:{node}",
        }
        self.log_entries.appendleft(entry)
        self._log_bytes += _logged_bytes(entry)
        while self._log_bytes > LOG_BYTES:
            self._log_bytes -= _logged_bytes(self.log_entries.pop())

    def begin(self, node: str, kind: str, id_: str | int = "", *, who: str = "root@pam") -> Task:
        """A task that runs; the others learn of its start at once, of its end with pvestatd (fact 27)."""
        where = self.nodes[node]
        self._pids += 1
        started = int(self.now() + where.skew)
        pstart = int(started - where.booted_at) * 100 % 2**32
        user, _, token = who.partition("!")
        upid = f"UPID:{node}:{self._pids:08X}:{pstart:08X}:{started:08X}:{kind}:{id_}:{who}:"
        task = Task(upid, node, self._pids, pstart, started, kind, str(id_), user, token or None)
        where.active.insert(0, task)
        self.log(node, f"starting task {upid}", user=who)
        self.told(node).tell_tasks(where)
        return task

    def end(self, task: Task, status: str = "OK") -> str:
        where = self.nodes[task.node]
        where.active.remove(task)
        where.tasks.insert(0, task)
        del where.tasks[1000:]
        task.ended_at = int(self.now() + where.skew)
        task.status = status
        task.lines.append("TASK OK" if status == "OK" else f"TASK ERROR: {status}")
        who = f"{task.user}!{task.token}" if task.token else task.user
        self.log(task.node, f"end task {task.upid} {status}", user=who, severity=6 if status == "OK" else 3)
        return task.upid

    def did(self, node: str, kind: str, id_: str | int = "") -> str:
        return self.end(self.begin(node, kind, id_))

    def told(self, node: str) -> Broadcasts:
        """What the nodes on this node's side of the cluster have told each other."""
        return self.minority_broadcasts if node in self.minority else self.broadcasts


def _logged_bytes(entry: Row) -> int:
    return 48 + len(entry["msg"]) + len(entry["node"]) + len(entry["user"]) + len(entry["tag"])
