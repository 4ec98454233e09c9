"""The connections that ``requests`` makes for us: broken when a call is given up, and trusting what the source says."""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from agents.proxmox import threads

AT_ONCE = 8
"""Questions at a time to one cluster; a node has three workers, and the web interface needs some of them."""


@dataclass(slots=True)
class Way:
    """How far a question has come, and how long each step may take."""

    connect_seconds: float
    read_seconds: float
    fresh: bool = False
    """a new connection was made for it"""
    connecting: bool = False
    answered: bool = False
    """its answer has begun"""

    @property
    def stale(self) -> bool:
        """A connection that had been kept was gone before it carried anything back."""
        return not (self.fresh or self.answered or threads.given_up())


class _Here(threading.local):
    way = Way(0, 0)


_here = _Here()


def current() -> Way:
    return _here.way


def begin(way: Way) -> None:
    """Let the connection that this thread uses from now on tell ``way`` how far it has come."""
    _here.way = way


class Connection(HTTPSConnection):
    def connect(self) -> None:
        way = _here.way
        way.fresh = way.connecting = True
        super().connect()
        way.connecting = False
        self.is_verified = True  # verify: false was chosen by a person; urllib3 would warn at each connection

    def request(self, *words: Any, **options: Any) -> None:  # noqa: ANN401 - urllib3's own
        threads.hold(self._break)
        super().request(*words, **options)

    def _break(self) -> None:
        with suppress(OSError):
            if self.sock is not None:  # an SSLSocket's own shutdown would end the encryption below a reader's feet
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class Pool(HTTPSConnectionPool):
    ConnectionCls = Connection


class Adapter(HTTPAdapter):
    """Takes trust from ``tls.trust`` alone: neither the environment nor the bundle of ``requests`` has a say."""

    def __init__(self, trust: Mapping[str, Any]) -> None:
        self._trust = dict(trust)
        super().__init__(pool_connections=1, pool_maxsize=AT_ONCE)
        self.poolmanager.pool_classes_by_scheme = {"https": Pool}

    def cert_verify(self, conn: object, url: str, verify: object, cert: object) -> None:
        """Do nothing: it would set another bundle."""

    def build_connection_pool_key_attributes(
        self,
        request: PreparedRequest,
        verify: bool | str | None,  # noqa: ARG002 - the adapter's interface
        cert: object = None,  # noqa: ARG002
    ) -> tuple[Any, Any]:
        host, _ = super().build_connection_pool_key_attributes(request, verify=False)
        return host, self._trust
