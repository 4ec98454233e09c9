"""One NATS connection that says once what it lost and what it may not do."""

import asyncio
import re
from typing import Protocol
from urllib.parse import urlsplit
from weakref import WeakSet

import structlog
from nats.aio.client import Client

log = structlog.get_logger(__name__)

_VIOLATION = re.compile(r'permissions violation for (\w+) (?:to|with) "?([^"\s]+)', re.IGNORECASE)


class BusError(Exception):
    """The bus cannot be used.  The text names the address and what to do, never a password."""


class BusUnavailable(BusError):
    """Nobody answered at the address."""


class BusDenied(BusError):
    """The server does not know these credentials."""


class BadCreds(BusError):
    """A credentials file that cannot be used."""


class BusClosed(BusError):
    """The connection has ended for good: by us, or because the server withdrew our credentials."""


class Listener(Protocol):
    def refused(self, subject: str) -> None:
        """The server refused a publish; ``subject`` is in lower case."""

    def lost(self) -> None:
        """The connection broke or ended: what is unanswered now will not be answered."""


class Connection(Client):
    """A client that says once what it lost and what it may not do.  ``stats["reconnects"]`` counts."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.address = _without_password(url)
        self.listeners: WeakSet[Listener] = WeakSet()
        self.up = asyncio.Event()
        """Set while connected, and when closed: whoever waits for it looks at ``is_closed``."""
        self.ended = asyncio.Event()
        self.trouble: Exception | None = None
        self._known_violations: set[str] = set()
        self._was_up = False

    async def flush(self, timeout: int = 10) -> None:  # noqa: ASYNC109 - the client's own signature
        """As the client's, whose ping overtakes what still waits to be written: that goes out first."""
        await self._flush_pending(force_flush=True)
        await super().flush(timeout)

    async def until_closed(self) -> None:
        """A task that fails when the connection is closed under us; without it a service would live on deaf."""
        await self.ended.wait()
        raise BusClosed(f"the connection to {self.address} was closed: {self.trouble or 'by this process'}")

    def cut(self) -> None:
        """Give up what is buffered and drop the line: a server that does not read would hold up closing for ever."""
        self._pending.clear()
        self._pending_data_size = 0
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    def established(self) -> None:
        self._was_up = True
        self.up.set()

    async def on_error(self, error: Exception) -> None:
        self.trouble = error
        if found := _VIOLATION.search(str(error)):
            self._violation(found[1].lower(), found[2])
        elif not self._was_up:
            if "authorization violation" in str(error).lower():
                raise BusDenied(
                    f"{self.address} refuses these credentials: check the user, or the .creds file"
                ) from error
            log.debug("bus_waiting", url=self.address, error=str(error))
        else:
            log.debug("bus_error", url=self.address, error=str(error))

    def _violation(self, verb: str, subject: str) -> None:
        if f"{verb} {subject}" not in self._known_violations:
            self._known_violations.add(f"{verb} {subject}")
            log.error("bus_refused", verb=verb, subject=subject, url=self.address)
        if verb == "publish":
            for listener in tuple(self.listeners):
                listener.refused(subject)

    async def on_lost(self) -> None:
        self.up.clear()
        for listener in tuple(self.listeners):
            listener.lost()
        if not self.is_closed:
            log.warning("bus_lost", url=self.address)

    async def on_recovered(self) -> None:
        log.info("bus_recovered", url=self.address, reconnects=self.stats["reconnects"])
        self.up.set()

    async def on_closed(self) -> None:
        for listener in tuple(self.listeners):
            listener.lost()
        self.ended.set()
        self.up.set()


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
