"""One question to each node, for a scope that is made of what each has."""

from collections.abc import Awaitable, Callable, Sequence
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


async def ask(
    memory: Memory, rows: Sequence[wire.NodeRow], kind: Kind, question: Callable[[str], Awaitable[Answer]]
) -> Answers[Answer]:
    """Ask the nodes that are not off.  That some do not answer is a gap; that none does is raised."""
    off = [row.node for row in rows if row.status == "offline"]
    asked = [row.node for row in rows if row.status != "offline"]
    outcomes = dict(zip(asked, await each(asked, lambda node: attempt(question(node))), strict=True))
    failed = {node: error for node, error in outcomes.items() if isinstance(error, AgentError)}
    if failed and len(failed) == len(asked):
        raise min(failed.values(), key=lambda error: not isinstance(error, Denied))
    told = {node: answer for node, answer in outcomes.items() if not isinstance(answer, AgentError)}
    found = [hidden(memory, node, kind, error) for node, error in failed.items()]
    found += [
        Gap(
            trouble=Trouble.UNREACHABLE,
            detail=f"{node} is offline: what it has of kind {kind} cannot be read",
            kinds=(kind,),
            parent=memory.source.key(Kind.NODE, node),
        )
        for node in off
    ]
    return Answers(told, found)


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


def hidden(memory: Memory, node: str, kind: Kind, error: AgentError) -> Gap:
    what = f"what {node} has of kind {kind} cannot be read"
    return gaps.because(error, what, kinds=(kind,), parent=memory.source.key(Kind.NODE, node))
