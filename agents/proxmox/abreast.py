"""Many questions to one cluster, some of them at a time."""

from asyncio import TaskGroup
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from agents.proxmox.connection import AT_ONCE

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


async def each(
    asked: Iterable[Asked], answer: Callable[[Asked], Awaitable[Answer]], *, at_once: int = AT_ONCE
) -> list[Answer]:
    """Return the answers in order; the first error ends the others and is raised alone."""
    remaining = iter(enumerate(asked))
    found: dict[int, Answer] = {}

    async def worker() -> None:
        for place, question in remaining:
            found[place] = await answer(question)

    try:
        async with TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(worker())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [found[place] for place in sorted(found)]
