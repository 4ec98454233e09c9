"""What the kernel says by itself: a mount table that changed, a link or an address that came or went.

Only *that* something changed is taken from it; what there is now is read anew, and the regular reading stands behind.
"""

import asyncio
import contextlib
import select
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from agents.errors import Unreachable

_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR, _RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100


async def changes(mount_table: Path) -> AsyncIterator[str]:
    """Yield ``disks`` or ``interfaces`` whenever the kernel reports a change of theirs."""
    loop = asyncio.get_running_loop()
    changed: dict[str, None] = {}  # a set that keeps its order
    woken = asyncio.Event()

    def note(what: str) -> None:
        changed[what] = None
        woken.set()

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_mounts(loop, mount_table, lambda: note("disks")))
            stack.enter_context(_netlink(loop, lambda: note("interfaces")))
        except OSError as error:
            raise Unreachable(f"the kernel's messages cannot be had: {error.strerror}") from error
        while True:
            await woken.wait()
            woken.clear()
            while changed:
                what = next(iter(changed))
                del changed[what]
                yield what


@contextlib.contextmanager
def _mounts(loop: asyncio.AbstractEventLoop, mount_table: Path, note: Callable[[], None]) -> Iterator[None]:
    """The table is always readable and raises an exception when it changes, hence an epoll of its own."""
    with mount_table.open("rb") as table, select.epoll() as poll:
        poll.register(table, select.EPOLLPRI)  # (an error is always reported; both are cleared by the report)

        def changed() -> None:
            poll.poll(0)
            note()

        loop.add_reader(poll.fileno(), changed)
        try:
            yield
        finally:
            loop.remove_reader(poll.fileno())


@contextlib.contextmanager
def _netlink(loop: asyncio.AbstractEventLoop, note: Callable[[], None]) -> Iterator[None]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE) as link:
        link.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR))

        def changed() -> None:
            with contextlib.suppress(
                OSError
            ):  # BlockingIOError: all read; ENOBUFS: some were lost, which is a change too
                while link.recv(65536):
                    pass
            note()

        loop.add_reader(link.fileno(), changed)
        try:
            yield
        finally:
            loop.remove_reader(link.fileno())
