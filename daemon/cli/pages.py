"""A list whole, though it is answered in pages."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from daemon.api.answers import Refused
from schemas.answers import Answer, Page

_PAGE = 500
"""An answer has a largest size; a page that does not fit is asked for again, half as long."""


class _Listing(Protocol):
    @property
    def limit(self) -> int: ...

    def model_copy(self, *, update: dict[str, Any]) -> Any: ...  # noqa: ANN401 - a query of its own type


QueryT = TypeVar("QueryT", bound=_Listing)
PageT = TypeVar("PageT", bound=Page)


async def every(
    question: Callable[[QueryT], Awaitable[PageT]], query: QueryT, limit: int | None, of: str = "items"
) -> tuple[list[Any], PageT]:
    """Return up to ``limit`` items (None: all) and the first page, which tells the total and the sources."""
    found: list[Any] = []
    first: PageT | None = None
    cursor: str | None = None
    size = _PAGE
    while True:
        wanted = size if limit is None else min(size, limit - len(found))
        try:
            page = await question(query.model_copy(update={"limit": wanted, "cursor": cursor}))
        except Refused as error:
            if error.code != "too_large" or wanted == 1:
                raise
            size = max(1, wanted // 2)
            continue
        first = first or page
        found += getattr(page, of)
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
