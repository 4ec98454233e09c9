"""A list whole, though it is answered in pages."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from schemas.queries import MAX_PAGE, Answer, Page


class _Listing(Protocol):
    @property
    def limit(self) -> int: ...

    def model_copy(self, *, update: dict[str, Any]) -> Any: ...  # noqa: ANN401 - a query of its own type


QueryT = TypeVar("QueryT", bound=_Listing)
PageT = TypeVar("PageT", bound=Page)


async def every(
    question: Callable[[QueryT], Awaitable[PageT]], query: QueryT, limit: int | None
) -> tuple[list[Any], PageT]:
    """Return up to ``limit`` items (None: all) and the first page, which tells the total and the sources."""
    found: list[Any] = []
    first: PageT | None = None
    cursor: str | None = None
    while True:
        size = MAX_PAGE if limit is None else min(MAX_PAGE, limit - len(found))
        page = await question(query.model_copy(update={"limit": size, "cursor": cursor}))
        first = first or page
        found += getattr(page, "items")  # noqa: B009 - each list has its own type of items
        cursor = page.next_cursor
        if cursor is None or (limit is not None and len(found) >= limit):
            return found, first


def caveats(answer: Answer) -> list[str]:
    """Say which sources could not be read whole, so that nobody takes absence for a fact."""
    return [
        f"{source.source} is {source.status}: {source.detail or 'not read whole'}"
        for source in answer.sources
        if not source.complete
    ]
