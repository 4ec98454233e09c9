"""What happened in the cluster since the last reading, as far as the token is told.

With Sys.Syslog the cluster log tells it within a second, edits of VMs included; else the task list does, if there is
Sys.Audit.  Both forget: when what was there the last time is no longer there, more of it is read, and when that was
not enough either, anything may have happened.  No listing depends on them: where neither can be read, that is a gap,
and what happened is told when one can be read again.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Literal, NamedTuple

from agents.errors import AgentError, Throttled, Unauthorized
from agents.proxmox import gaps, history, wire
from agents.proxmox.abreast import each
from agents.proxmox.client import Api
from agents.proxmox.history import Event, News
from agents.proxmox.rights import Rights
from agents.proxmox.troubles import Denied, concerns_all
from daemon.runtime.clock import Clock
from schemas.events import Gap

FEW, MANY = 50, 1000
REFUSED_FOR = timedelta(minutes=5)
_MARGIN_SECONDS = 600
"""How far the clock of a node may be off ours, and what was published be behind what was read."""
_OVERLAP_SECONDS = 3600
"""A task that has ended is listed by its start: one this long is still caught up with."""


class Happened(NamedTuple):
    events: Sequence[Event] = ()
    unbroken: bool = False
    """Nothing of what is told was missed since the last reading: what is not among ``events`` did not happen."""
    before: Sequence[Event] | None = None
    """All that may have happened between what was published before this began and the first answer; None: not told."""
    lost: bool = False
    """Something may have been missed that is told otherwise."""


class Past:
    def __init__(self, api: Api, clock: Clock, since: datetime | None) -> None:
        """``since``: when what was published before this began was last measured."""
        self._api = api
        self._clock = clock
        self._since = since
        self._refused_until: datetime | None = None
        self._teller: Literal["log", "tasks"] | None = None
        self._log: News[wire.LogRow] = News()
        self._tasks: dict[str, News[wire.TaskRow]] = {}
        self._latest = 0
        """When the latest of all tasks began."""
        self.gaps: Sequence[Gap] = ()
        """Of the last ``news``."""
        self.asked_more = False
        """The last ``news`` took more than one question."""

    async def news(self, rights: Rights) -> Happened:
        self.gaps, self.asked_more, failed = (), False, list[AgentError]()
        for told in self._tellers(rights):
            try:
                found = await told()
            except AgentError as error:
                if isinstance(error, Throttled) or (isinstance(error, Unauthorized) and not isinstance(error, Denied)):
                    raise
                failed.append(error)
            else:
                self._leave_alone(failed)
                return found
        return self._untold(failed)

    def _tellers(self, rights: Rights) -> Iterator[Callable[[], Awaitable[Happened]]]:
        if rights.has("/", "Sys.Syslog") and not self._is_refused():
            yield self._of_log
        if rights.has("/", "Sys.Audit"):
            yield self._of_tasks

    def _leave_alone(self, failed: Sequence[AgentError]) -> None:
        """Another tells what the log does not; to change between them costs a reading of all configurations."""
        if failed:
            self._refused_until = self._clock.now() + REFUSED_FOR

    def _untold(self, failed: Sequence[AgentError]) -> Happened:
        if all(isinstance(error, Denied) for error in failed):
            self._leave_alone(failed)
            self._teller = None
            return Happened()
        if concerns_all(failed[-1]):
            raise failed[-1]
        self.gaps = [gaps.because(failed[-1], "what happened cannot be read: edits are found by the sweep")]
        return Happened()

    def _is_refused(self) -> bool:
        left = self._refused_until - self._clock.now() if self._refused_until else timedelta(0)
        return timedelta(0) < left <= REFUSED_FOR

    async def _of_log(self) -> Happened:
        news = self._log if self._teller == "log" else News[wire.LogRow]()
        rows = await self._api.rows("cluster/log", wire.LogRow, max=FEW if news.begun else MANY)
        if len(rows) >= FEW and news.overflowed(_log_ids(rows)):
            self.asked_more = True
            rows = await self._api.rows("cluster/log", wire.LogRow, max=MANY)
        lost, begun = len(rows) >= FEW and news.overflowed(_log_ids(rows)), news.begun
        self._log = news
        found = self._told("log", [*history.of_log(news.unseen(rows, _log_ids(rows)))], begun=begun, lost=lost)
        return found._replace(before=self._before(rows))

    async def _of_tasks(self) -> Happened:
        begun = self._teller == "tasks"
        known = self._tasks if begun else {}
        rows: defaultdict[str, list[wire.TaskRow]] = defaultdict(list)
        for row in await self._api.rows("cluster/tasks", wire.TaskRow):
            rows[row.node].append(row)
        news = {node: known.get(node) or News[wire.TaskRow](begun=begun) for node in rows}
        full = [node for node in rows if news[node].overflowed(_task_ids(rows[node]))]
        self.asked_more = bool(full)
        for node, more in zip(full, await each(full, self._more_tasks), strict=True):
            rows[node] += more
        lost = any(node in known and news[node].overflowed(_task_ids(rows[node])) for node in full)
        unseen = [row for node in rows for row in news[node].unseen(rows[node], _task_ids(rows[node]))]
        self._latest = max([self._latest, *(row.starttime or 0 for some in rows.values() for row in some)])
        self._tasks = {**known, **news}
        return self._told("tasks", [*history.of_tasks(unseen)], begun=begun, lost=lost)

    async def _more_tasks(self, node: str) -> list[wire.TaskRow]:
        since = max(0, self._latest - _OVERLAP_SECONDS)
        return await self._api.rows(f"nodes/{node}/tasks", wire.TaskRow, source="all", limit=MANY, since=since)

    def _told(self, teller: Literal["log", "tasks"], events: list[Event], *, begun: bool, lost: bool) -> Happened:
        lost = lost or self._teller not in (None, teller)
        self._teller = teller
        return Happened(events, unbroken=begun and not lost, lost=lost)

    def _before(self, rows: Sequence[wire.LogRow]) -> Sequence[Event] | None:
        """Return what the first log tells of the time before it, if it goes back far enough."""
        since, self._since = self._since, None
        times = [row.time for row in rows if row.time is not None]
        if since is None or min(times, default=inf) > (start := since.timestamp() - _MARGIN_SECONDS):
            return None
        return [*history.of_log(row for row in rows if (row.time or inf) >= start)]


def _log_ids(rows: Sequence[wire.LogRow]) -> list[object]:
    """The numbers begin anew when a node's cluster file system does."""
    return [(row.uid, row.node, row.time) for row in rows]


def _task_ids(rows: Sequence[wire.TaskRow]) -> list[object]:
    return [(row.upid, row.endtime is not None) for row in rows]
