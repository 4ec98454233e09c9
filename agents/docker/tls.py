"""Encrypted and long connections: the client's TLS context, and sockets that notice a peer that is gone."""

import socket
import ssl
from typing import Any

from agents.docker.config import TlsConfig
from agents.errors import Unauthorized

_IDLE_SECONDS = 30


def context(config: TlsConfig) -> ssl.SSLContext:
    """Read the files now; raise ``Unauthorized`` where one cannot be used: a person has to mend it."""
    try:
        made = ssl.create_default_context(cafile=None if config.ca is None else str(config.ca))
        if config.cert is not None and config.key is not None:
            made.load_cert_chain(config.cert, config.key, password=_no_passphrase)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "strerror", None) or type(error).__name__
        files = ", ".join(str(path) for path in (config.ca, config.cert, config.key) if path is not None)
        raise Unauthorized(f"the TLS files cannot be used ({reason}): check {files}") from error
    if not config.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def _no_passphrase() -> str:
    """An encrypted key fails at once instead of asking on the terminal."""
    return ""


def kept_alive(address: tuple[Any, ...]) -> socket.socket:
    """Make a socket that finds out within minutes that nobody is there: an event stream may be silent for days."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_SECONDS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _IDLE_SECONDS)
    return made
