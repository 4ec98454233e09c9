"""Many questions to one engine at once, but not all of them."""

from asyncio import Semaphore, TaskGroup
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

AT_ONCE = 16
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


async def each(asked: Iterable[Asked], answer: Callable[[Asked], Awaitable[Answer]]) -> list[Answer]:
    """Return the answers in order; the first error ends the others and is raised alone."""
    gate = Semaphore(AT_ONCE)

    async def one(question: Asked) -> Answer:
        async with gate:
            return await answer(question)

    try:
        async with TaskGroup() as group:
            tasks = [group.create_task(one(question)) for question in asked]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
