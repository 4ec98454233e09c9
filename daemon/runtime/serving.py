"""How a process that stays is run: on asyncio's own loop, with rare garbage collection.

With many resources in hand Python's default of looking for garbage took a fifth of ingest's time.

Not on uvloop, though an answer would come a tenth sooner: it raises ``RuntimeError`` where a broken connection is
written to, which nats-py takes for the end of the loop; after a killed server the bus never came back.
"""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

_COLLECT = (5_000, 20, 50)


def run(process: Coroutine[Any, Any, None]) -> None:
    """Run ``process`` to its end, as ``asyncio.run`` does."""
    gc.freeze()  # what is imported stays
    gc.set_threshold(*_COLLECT)
    asyncio.run(process)
