"""Tests wait for a state, with a bound; never for a time."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool] | bool], *, seconds: float = 10) -> None:
    """Return when ``condition`` holds; fail after ``seconds``."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    async with asyncio.timeout_at(deadline):
        while True:
            if loop.time() > deadline:  # the cancellation was dropped: 3.11's `wait_for` can
                raise TimeoutError
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.005)
