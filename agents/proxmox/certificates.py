"""The certificate that a node shows now, and whether it is one that we trust.  Blocks: called in a thread."""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from agents.errors import Unauthorized
from agents.proxmox import tls
from agents.proxmox.config import ProxmoxConfig

_SECONDS = 3.0
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_BEFORE_VALIDITY = 3
"""Serial number, algorithm and issuer, behind the version, which may be left out."""
_LONG = 0x80


@dataclass(frozen=True, slots=True)
class Certificate:
    fingerprint: str
    """SHA-256, as Proxmox VE's pages show it."""
    valid_until: datetime | None
    """None where that cannot be read from it."""
    trusted: bool
    """As the configuration demands it; with ``verify: false``, any is."""


def shown(config: ProxmoxConfig, url: str, pinned: str | None) -> Certificate | None:
    """Return what the node at ``url`` shows, or None where nobody answers in TLS."""
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError, UnicodeError):  # a name may be none that can be looked up
        der = _handshake(url, anything)
        fingerprint = hashlib.sha256(der).digest().hex(":").upper()
        trusted = fingerprint == pinned if pinned is not None else not config.verify or _is_trusted(config, url)
        return Certificate(fingerprint, valid_until(der), trusted)
    return None


def _handshake(url: str, context: ssl.SSLContext) -> bytes:
    parts = urlsplit(url)
    with (
        socket.create_connection((parts.hostname, parts.port), timeout=_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as encrypted,
    ):
        return encrypted.getpeercert(binary_form=True) or b""


def _is_trusted(config: ProxmoxConfig, url: str) -> bool:
    try:
        _handshake(url, tls.trust(config, None)["ssl_context"])
    except (Unauthorized, ssl.SSLCertVerificationError):
        return False
    return True


def valid_until(der: bytes) -> datetime | None:
    """Return the end of a certificate's validity.  Python tells it only of what it trusts (X.509: RFC 5280, 4.1)."""
    with suppress(IndexError, ValueError, StopIteration):
        fields = _values(next(_values(next(_values(der))[1]))[1])
        first = next(fields)
        for _ in range(_BEFORE_VALIDITY - (first[0] != _VERSION)):
            next(fields)
        _, until = _values(next(fields)[1])
        return _time(*until)
    return None


def _values(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each value that stands in ``der``."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & _LONG:
            digits = length & ~_LONG
            length = int.from_bytes(der[at : at + digits], "big")
            at += digits
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, content: bytes) -> datetime:
    """Two digits of a year are of 1950 to 2049."""
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text >= "5" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
