"""What can go wrong between the agent and a cluster, on order: for paths, for entry nodes, so many times or for good.

``path`` is a pattern as a shell's (`nodes/pve2/*`), without leading slash; ``node`` the node that is asked; ``times``
None: until ``clear()``. Each method returns the fault; ``fault.clear()`` ends it alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any, Literal

Kind = Literal["status", "truncated", "html", "body", "reset", "slow", "drip", "hang"]
Door = Literal["open", "silent", "closed"]
REASONS = {
    401: "Authentication failed!",
    500: "got no worker upid - start worker failed",
    503: "Service Unavailable",
    595: "No route to host",
    596: "Connection timed out",
    597: "Connection reset by peer",
    599: "Too many redirections",
}
BODILESS = {401, 595, 596, 597, 599}
HTML = b"<html><head><title>Welcome</title></head><body><h1>It works behind a proxy</h1></body></html>"


@dataclass
class Fault:
    kind: Kind
    path: str
    node: str | None
    times: int | None
    owner: "Faults" = field(repr=False)
    status: int = 200
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    seconds: float = 0.0
    hits: int = 0

    def clear(self) -> None:
        self.owner.remove(self)


class Faults:
    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: list[Fault] = []
        self._refused: set[str] = set()
        self._silent: set[str] = set()
        self.doors: list[Callable[[], None]] = []
        """What to call when nodes refuse or accept again."""

    def status(
        self,
        status: int,
        path: str = "*",
        *,
        reason: str = "",
        node: str | None = None,
        times: int | None = None,
        retry_after: int | None = None,
    ) -> Fault:
        """This status, with the reason phrase and the body (or none) that such a one has."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        reason = reason or REASONS.get(status, "Error")
        return self._add("status", path, node, times, status=status, reason=reason, headers=headers)

    def truncate(self, path: str = "*", *, node: str | None = None, times: int | None = None) -> Fault:
        """200 with the first half of the JSON, correctly framed."""
        return self._add("truncated", path, node, times)

    def html(self, path: str = "*", *, node: str | None = None, times: int | None = None) -> Fault:
        """200 with the page of somebody's reverse proxy."""
        return self._add("html", path, node, times)

    def answer(self, body: Any, path: str = "*", *, node: str | None = None, times: int | None = None) -> Fault:
        """200 with this as the whole JSON document, envelope and all."""
        return self._add("body", path, node, times, body=body)

    def reset(self, path: str = "*", *, node: str | None = None, times: int | None = None) -> Fault:
        """The connection breaks in the middle of the body."""
        return self._add("reset", path, node, times)

    def slow(self, seconds: float, path: str = "*", *, node: str | None = None, times: int | None = None) -> Fault:
        """Right, but only after so long; other faults on the same request still act."""
        return self._add("slow", path, node, times, seconds=seconds)

    def drip(self, seconds: float, path: str = "*", *, node: str | None = None, times: int | None = None) -> Fault:
        """Right, in twenty pieces over so long a time."""
        return self._add("drip", path, node, times, seconds=seconds)

    def hang(self, path: str = "*", *, node: str | None = None, times: int | None = None) -> Fault:
        """Taken and never answered."""
        return self._add("hang", path, node, times)

    def refuse(self, *nodes: str) -> None:
        """These nodes (all, if none is named) take no connection; open ones break. Ends with `accept`."""
        self._shut(refused=set(nodes) or {"*"})

    def silence(self, *nodes: str) -> None:
        """These nodes (all, if none is named) take connections and say nothing at all, as behind a firewall."""
        self._shut(silent=set(nodes) or {"*"})

    def accept(self) -> None:
        self._shut()

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
        self._shut()

    def remove(self, fault: Fault) -> None:
        with self._lock:
            self._faults = [each for each in self._faults if each is not fault]

    def take(self, path: str, node: str) -> list[Fault]:
        """Those that act on this request: the delays, and the first of the others."""
        with self._lock:
            acting: list[Fault] = []
            for fault in self._faults:
                fits = fnmatchcase(path, fault.path) and fault.node in {None, node}
                spent = fault.times is not None and fault.hits >= fault.times
                if not fits or spent or (fault.kind != "slow" and any(each.kind != "slow" for each in acting)):
                    continue
                fault.hits += 1
                acting.append(fault)
            return acting

    def door(self, node: str) -> Door:
        if self._refused & {"*", node}:
            return "closed"
        return "silent" if self._silent & {"*", node} else "open"

    def _add(self, kind: Kind, path: str, node: str | None, times: int | None, **more: Any) -> Fault:
        fault = Fault(kind, path, node, times, self, **more)
        with self._lock:
            self._faults.append(fault)
        return fault

    def _shut(self, *, refused: frozenset[str] | set[str] = frozenset(), silent: set[str] | None = None) -> None:
        self._refused, self._silent = set(refused), silent or set()
        for changed in self.doors:
            changed()
