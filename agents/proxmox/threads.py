"""Blocking calls, each in a daemon thread of its own: awaited, cancelled at once, and never waited for at exit.

Starting a thread costs a tenth of a millisecond, a request many times that; nothing is kept that would have to be
stopped.  A call that is given up has what it holds broken, so that its thread ends soon; one that cannot be broken
(a name that is looked up, a connection that is being made) ends alone, and nobody hears of it.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")
Outcome = TypeVar("Outcome")


class _Call:
    def __init__(self, fail: Callable[[Exception], None]) -> None:
        self.fail = fail
        self._lock = threading.Lock()
        self._breaks: Callable[[], None] | None = None
        self.given_up = False

    def hold(self, breaks: Callable[[], None] | None) -> None:
        with self._lock:
            self._breaks = breaks
        if self.given_up and breaks is not None:
            breaks()

    def give_up(self) -> None:
        with self._lock:
            self.given_up = True
            breaks = self._breaks
        if breaks is not None:
            breaks()


class _Here(threading.local):
    call: _Call | None = None


_here = _Here()


def hold(breaks: Callable[[], None]) -> None:
    """Say, in a call, how what it waits for from now on can be broken from another thread."""
    if _here.call is not None:
        _here.call.hold(breaks)


def given_up() -> bool:
    """Say, in a call, whether nobody waits for it any more."""
    return _here.call is not None and _here.call.given_up


class Threads:
    def __init__(self) -> None:
        self._running: set[_Call] = set()

    async def run(self, function: Callable[[], Result]) -> Result:
        """Return what ``function`` returns or raise what it raises; cancelling gives it up."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        call = _Call(partial(_settle, future.set_exception, future))
        work = (loop, future, call, function)
        threading.Thread(target=_work, args=work, name="proxmox-asks", daemon=True).start()
        self._running.add(call)
        try:
            return await future
        except asyncio.CancelledError:
            call.give_up()
            raise
        finally:
            self._running.discard(call)

    def stop(self, error: Exception) -> None:
        """Give up whatever runs: whoever awaits it gets ``error``."""
        for call in tuple(self._running):
            call.fail(error)
            call.give_up()


def _work(
    loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Result]", call: _Call, function: Callable[[], Result]
) -> None:
    _here.call = call
    try:
        settle = partial(_settle, future.set_result, future, function())
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits it
        settle = partial(_settle, future.set_exception, future, error)
    call.hold(None)
    with suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
        loop.call_soon_threadsafe(settle)


def _settle(how: Callable[[Outcome], None], future: "asyncio.Future[Result]", outcome: Outcome) -> None:
    if not future.done():
        how(outcome)
