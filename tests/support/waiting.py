"""Tests wait for a state, with a bound; never for a time."""

import asyncio
from collections.abc import Awaitable, Callable

_SHORTEST, _LONGEST = 0.005, 0.2


async def until(condition: Callable[[], Awaitable[bool] | bool], *, seconds: float = 10) -> None:
    """Return when ``condition`` holds; fail after ``seconds``.

    Between two looks it rests for twice as long as one took: what is waited for needs the processor, too.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    async with asyncio.timeout_at(deadline):
        while True:
            if loop.time() > deadline:  # the cancellation was dropped: 3.11's `wait_for` can
                raise TimeoutError
            began = loop.time()
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(min(max(_SHORTEST, 2 * (loop.time() - began)), _LONGEST))
