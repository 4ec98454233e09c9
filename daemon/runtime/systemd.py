"""Telling systemd how we are: one datagram each, nothing when not under systemd or when it does not listen."""

import socket
from contextlib import suppress

from daemon.runtime.secrets import environment


def notify(*state: str) -> None:
    """Send ``READY=1``, ``STOPPING=1``, ``WATCHDOG=1`` or ``STATUS=...``."""
    address = environment().get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto("\n".join(state).encode(), address)
