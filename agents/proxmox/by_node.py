"""One question to each node, for a scope that is made of what each has."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from agents.errors import AgentError, Throttled, Unauthorized
from agents.proxmox import gaps, wire
from agents.proxmox.abreast import each
from agents.proxmox.memory import Memory
from agents.proxmox.troubles import Denied
from schemas.events import Gap, Trouble
from schemas.resources import Kind

Answer = TypeVar("Answer")


class Answers(NamedTuple, Generic[Answer]):
    found: dict[str, Answer]
    """Node -> what it has."""
    gaps: list[Gap]
    """One for each node that did not tell."""
    failed: list[AgentError]
    """Why nodes did not that may tell soon."""


class ByNode(Generic[Answer]):
    """``fresh``: so old may be what a node told when only the others are to be asked."""

    def __init__(
        self, memory: Memory, scope: str, kind: Kind, question: Callable[[str], Awaitable[Answer]], fresh: timedelta
    ) -> None:
        self._memory = memory
        self._scope = scope
        self._kind = kind
        self._question = question
        self._fresh = fresh
        self._told: dict[str, tuple[datetime, Answer]] = {}

    async def ask(self, rows: Sequence[wire.NodeRow]) -> Answers[Answer]:
        """Ask the nodes that are not off.  That some do not answer is a gap; that none does is raised."""
        memory, now = self._memory, self._memory.clock.now()
        off = [row.node for row in rows if row.status == "offline"]
        there = [row.node for row in rows if row.status != "offline"]
        told = {node: self._told[node] for node in there if node in self._told and self._is_fresh(node, now)}
        if not memory.mends(self._scope):
            told = {}
        asked = [node for node in there if node not in told]
        outcomes = dict(zip(asked, await each(asked, lambda node: attempt(self._question(node))), strict=True))
        failed = {node: error for node, error in outcomes.items() if isinstance(error, AgentError)}
        told |= {node: (now, answer) for node, answer in outcomes.items() if not isinstance(answer, AgentError)}
        self._told = told
        if failed and not told:
            raise min(failed.values(), key=lambda error: not isinstance(error, Denied))
        found = [self._hidden(node, error) for node, error in failed.items()]
        return Answers(
            {node: self._told[node][1] for node in there if node in told},
            found + [self._off(node) for node in off],
            [error for node, error in failed.items() if node not in memory.silent],
        )

    def _is_fresh(self, node: str, now: datetime) -> bool:
        return timedelta(0) <= now - self._told[node][0] < self._fresh

    def _hidden(self, node: str, error: AgentError) -> Gap:
        what = f"what {node} has of kind {self._kind} cannot be read"
        return gaps.because(error, what, kinds=(self._kind,), parent=self._memory.source.key(Kind.NODE, node))

    def _off(self, node: str) -> Gap:
        return Gap(
            trouble=Trouble.UNREACHABLE,
            detail=f"{node} is offline: what it has of kind {self._kind} cannot be read",
            kinds=(self._kind,),
            parent=self._memory.source.key(Kind.NODE, node),
        )


async def attempt(asking: Awaitable[Answer]) -> Answer | AgentError:
    """Return the answer or why there is none; raise what concerns all questions."""
    try:
        return await asking
    except Denied as error:
        return error
    except (Throttled, Unauthorized):
        raise
    except AgentError as error:
        return error
