"""What went wrong between us and an engine, as one of the contract's four reasons and in words a person can act on."""

import os
import ssl
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus

import aiohttp
from pydantic import ValidationError

from agents.docker.config import DockerConfig
from agents.errors import AgentError, Malformed, Throttled, Unauthorized, Unreachable

_LONGEST = 200
_RETRY = timedelta(seconds=30)


class Vanished(Exception):
    """The one thing that was asked for is not there (404), or not in a state to answer (409)."""


def of_connection(config: DockerConfig, error: Exception) -> AgentError:
    """Translate what ``aiohttp`` or the socket raised."""
    causes = list(_chain(error))
    denied = next((cause for cause in causes if isinstance(cause, PermissionError)), None)
    if denied is not None and config.socket is not None:
        return Unauthorized(
            f"permission denied on {config.socket}: add the user to the group docker (or the socket's own group)"
            " and start again"
        )
    certificate = next((cause for cause in causes if isinstance(cause, ssl.SSLError | ssl.CertificateError)), None)
    if certificate is not None:
        return _of_tls(config, certificate)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Unreachable(f"no Docker engine at {config.url}: is it running?{_why(causes)}")
    hint = "; if it wants a client certificate, check tls.cert and tls.key" if config.tls is not None else ""
    return Unreachable(f"the Docker engine at {config.url} broke the connection off{_why(causes)}{hint}")


def _of_tls(config: DockerConfig, error: Exception) -> AgentError:
    reason = (getattr(error, "reason", None) or "").upper()
    if isinstance(error, ssl.SSLCertVerificationError):
        why = getattr(error, "verify_message", "") or "certificate verify failed"
        return Unauthorized(f"the certificate of {config.url} is not trusted: check tls.ca ({why})")
    if "ALERT" in reason or "CERTIFICATE" in reason:
        return Unauthorized(
            f"{config.url} refused our client certificate: check tls.cert and tls.key ({reason.lower()})"
        )
    return Unreachable(f"no TLS with {config.url}: is it the encrypted port? ({reason.lower() or 'handshake failed'})")


def of_answer(config: DockerConfig, path: str, status: int, retry_after: str, message: str) -> Exception:
    """Translate an answer that is not a 2xx."""
    text = f"{config.url} answered {status} to {path}{': ' if message else ''}{message[:_LONGEST]}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Unauthorized(f"{text}; the account needs read access to {path}")
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
        return Vanished(text)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = timedelta(seconds=int(retry_after)) if retry_after.isdecimal() else _RETRY
        return Throttled(text, retry_after=wait)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unreachable(text)
    return Malformed(text)


def of_shape(config: DockerConfig, path: str, error: ValidationError) -> Malformed:
    """Name the place in the answer, never its content."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return Malformed(f"{config.url} answered {path} with something that is not JSON: is it a Docker engine?")
    place = ".".join(str(part) for part in first["loc"]) or "the answer"
    return Malformed(f"{config.url} answered {path} in another shape than expected: {place}: {first['msg'].lower()}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        inner = getattr(error, "os_error", None)
        if isinstance(inner, BaseException) and inner is not error:
            yield inner
        error = error.__cause__ or error.__context__


def _why(causes: list[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
            return f" ({os.strerror(cause.errno).lower()})"
    return ""
