"""Whom we trust to be a node: who signed its certificate, or that very certificate by its fingerprint."""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from agents.errors import Unauthorized
from agents.proxmox.config import ProxmoxConfig

_SEEN_SECONDS = 2.0
_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
"""OpenSSL's ``X509_V_ERR_...`` numbers."""


def trust(config: ProxmoxConfig, pinned: str | None) -> dict[str, Any]:
    """Return what urllib3's pool takes; raise ``Unauthorized`` where the CA file cannot be used."""
    if pinned is not None:
        return {"ssl_context": _trusting_all(), "cert_reqs": "CERT_NONE", "assert_fingerprint": pinned}
    if not config.verify:
        return {"ssl_context": _trusting_all(), "cert_reqs": "CERT_NONE"}
    return {"ssl_context": _checking(config), "cert_reqs": "CERT_REQUIRED"}


def _checking(config: ProxmoxConfig) -> ssl.SSLContext:
    try:
        made = ssl.create_default_context(cafile=None if config.ca is None else str(config.ca.expanduser()))
    except OSError as error:  # ssl.SSLError is one
        why = "not certificates in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise Unauthorized(f"the file in `ca: {config.ca}` cannot be used: {why}") from error
    if config.ca is not None:
        made.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Proxmox VE's own authority states no key usage
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a node's certificate in the file is trusted as it is
    return made


def _trusting_all() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def seen(url: str, seconds: float = _SEEN_SECONDS) -> str | None:
    """Return the SHA-256 fingerprint of the certificate that is shown at ``url`` now.  Blocks."""
    parts = urlsplit(url)
    with suppress(OSError):
        address = (parts.hostname, parts.port)
        with (
            socket.create_connection(address, timeout=seconds) as plain,
            _trusting_all().wrap_socket(plain, server_hostname=parts.hostname) as encrypted,
        ):
            shown = encrypted.getpeercert(binary_form=True) or b""
        return hashlib.sha256(shown).digest().hex(":").upper()
    return None


def distrusted(config: ProxmoxConfig, url: str, causes: list[BaseException]) -> Unauthorized | None:
    """Return, where one of ``causes`` is that a certificate is not trusted, what a person can do about it."""
    refused = next((one for one in causes if isinstance(one, ssl.SSLCertVerificationError)), None)
    if refused is None and not any("Fingerprints did not match" in str(one) for one in causes):
        return None
    shown = seen(url) or "that could not be read"
    return Unauthorized(" ".join(_sentences(config, url, refused, shown)))


def _sentences(
    config: ProxmoxConfig, url: str, refused: ssl.SSLCertVerificationError | None, shown: str
) -> Iterator[str]:
    pin = f"`fingerprint: {shown}`"
    if refused is None:
        yield f"{url} shows another certificate than is pinned: its SHA-256 fingerprint is now {shown}."
        yield f"If it was renewed, compare it with the node's page System > Certificates and write {pin};"
        yield "else somebody is in between."
    elif refused.verify_code == _EXPIRED:
        yield f"the certificate of {url} has expired (SHA-256 fingerprint {shown}):"
        yield f"renew it on the node (pvecm updatecerts --force), or pin it as it is with {pin}"
    elif refused.verify_code == _NOT_YET:
        yield f"the certificate of {url} is not valid yet (SHA-256 fingerprint {shown}): compare both clocks"
    elif refused.verify_code in (_OTHER_NAME, _OTHER_ADDRESS):
        yield f"the certificate of {url} was made for another name than {urlsplit(url).hostname}"
        yield f"(SHA-256 fingerprint {shown}): write a name in url that it was made for, or pin it with {pin}"
    else:
        signed = "anybody this machine trusts" if config.ca is None else f"who is in {config.ca}"
        yield f"the certificate of {url} was not signed by {signed} ({refused.verify_message}): write `ca:` with the"
        yield "path of a copy of a node's /etc/pve/pve-root-ca.pem, or compare the SHA-256 fingerprint"
        yield f"with the node's page System > Certificates and write {pin}"
