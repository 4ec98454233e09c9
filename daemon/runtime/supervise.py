"""A process is a list of things that never end, and one thing that ends them all.

The first to fail brings the rest down and systemd starts us again; what is wrapped in ``restarting`` fails alone.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger(__name__)

_INSIST = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
Work = Coroutine[None, None, object]


class TaskEnded(RuntimeError):
    """A task that should run for ever came back."""


@asynccontextmanager
async def begun(name: str, work: Work) -> AsyncIterator[Callable[[], Work]]:
    """Run ``work`` from now on, since the start of the others needs it; yield what ends when it does."""
    task = asyncio.create_task(work, name=name)  # noqa: TID251 - the one place

    async def joined() -> object:
        return await task

    try:
        yield joined
    finally:
        await cancel([task])


async def run_until_signal(tasks: Mapping[str, Work], *, ready: Callable[[], None]) -> None:
    """Run ``tasks`` until SIGTERM or SIGINT, then cancel them and wait for their ``finally``.

    ``ready`` is called once a signal can no longer be missed.  The first task to end brings the rest down and
    ``TaskEnded`` is raised from its error.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait(), name="signal")  # noqa: TID251 - the one place
    running = [asyncio.create_task(work, name=name) for name, work in tasks.items()]  # noqa: TID251 - the one place
    try:
        ready()
        await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in running if task.done()]
    finally:
        await cancel([stopped, *running])
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
    for task in ended:
        raise TaskEnded(task.get_name()) from _error(task)


async def cancel(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel and wait, insisting: 3.11's ``wait_for``, all over nats-py, drops a cancellation that meets its result."""
    everything = set(tasks)
    pending = {task for task in everything if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_INSIST)
        if pending:
            log.warning("tasks_stuck", tasks=sorted(task.get_name() for task in pending))
    for task in everything:
        _error(task)


async def restarting(name: str, work: Callable[[], Work]) -> None:
    """Run ``work()`` again whenever it ends or fails, slower and slower; its siblings do not notice."""
    loop = asyncio.get_running_loop()
    pause = _FIRST_PAUSE
    while True:
        began = loop.time()
        try:
            await work()
        except Exception:
            log.exception("task_crashed", task=name, restart_in_seconds=pause)
        else:
            log.error("task_ended", task=name, restart_in_seconds=pause)
        stood = loop.time() - began > _LONGEST_PAUSE
        pause = _FIRST_PAUSE if stood else pause
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _error(task: asyncio.Task[object]) -> BaseException | None:
    """Return what the task failed with; asking also keeps asyncio from complaining that nobody did."""
    return None if task.cancelled() else task.exception()
