"""What went wrong between us and a cluster, as one of the contract's four reasons and in words a person can act on.

Proxmox VE tells its reasons mostly in the reason phrase of the status line: often that is the only text there is.
"""

import errno
import os
import re
import ssl
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import BadStatusLine

from pydantic import ValidationError
from requests.exceptions import Timeout
from urllib3.exceptions import LocationParseError, NameResolutionError, ReadTimeoutError

from agents.errors import AgentError, Malformed, Throttled, Unauthorized, Unreachable
from agents.proxmox import rights, tls
from agents.proxmox.config import ProxmoxConfig

_LONGEST = 300
_NAMED = 10
_RETRY = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(minutes=15)
_INNER = {595: "no connection", 596: "no answer", 597: "an answer that broke off", 598: "given up", 599: "failed"}
"""What the HTTP client (AnyEvent::HTTP) of the node that we asked says of where it passed the question on to."""
_DENIED = re.compile(r"Permission check failed\s*(?:\((/[^,()]*),\s*([A-Za-z.|, ]+)\))?")
_NO_CONFIG = re.compile(r"Configuration file '[^']*' does not exist")
_NO_QUORUM = re.compile(r"no quorum", re.IGNORECASE)
_NO_SUCH_NODE = re.compile(r"hostname lookup '[^']*' failed|no such cluster node")


class Denied(Unauthorized):
    """403: the token lacks a privilege.  ``path`` and ``privilege`` are empty where the answer does not name them."""

    def __init__(self, message: str, *, path: str = "", privilege: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.privilege = privilege


class Revoked(Unauthorized):
    """401: the token is not, or no longer, valid."""


class NodeUnreachable(Unreachable):
    """The node that was asked answers, but the one that it passed the question on to does not."""

    def __init__(self, message: str, *, reason: str, why: str = "") -> None:
        super().__init__(message, why=why)
        self.reason = reason


class EntryLost(Unreachable):
    """The node that was asked cannot answer; another one of the cluster may.  ``why`` is without the url."""

    def __init__(self, message: str, *, url: str, why: str) -> None:
        super().__init__(message, why=why)
        self.url = url


class NobodyAnswers(Unreachable):
    """None of the nodes that may be asked can answer."""


class NoSuchGuest(Unreachable):
    """The guest's configuration is not on that node: it was deleted or has moved."""


class Unsupported(Malformed):
    """501: this Proxmox VE has no such call."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer of 400 and above tells.  ``reason`` is the phrase in its status line."""

    status: int
    reason: str = ""
    message: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    retry_after: str = ""

    def __str__(self) -> str:
        faults = "; ".join(f"{name}: {fault}" for name, fault in self.errors.items())
        text = f"{self.message or self.reason}{f' ({faults})' if faults else ''}"
        return " ".join(text.split())[:_LONGEST]

    def without(self, secret: str) -> "Said":
        """Return it with ``secret`` veiled, should a server repeat what it was sent."""
        errors = {name: fault.replace(secret, "***") for name, fault in self.errors.items()}
        reason, message = (text.replace(secret, "***") for text in (self.reason, self.message))
        return replace(self, reason=reason, message=message, errors=errors)


def concerns_all(error: AgentError) -> bool:
    """Say whether any question would fail so now."""
    if isinstance(error, Unauthorized):
        return not isinstance(error, Denied)
    return isinstance(error, EntryLost | NobodyAnswers | Throttled)


def plain(error: AgentError) -> AgentError:
    """Return it anew, as what the contract knows; our finer reasons are for within."""
    if isinstance(error, Throttled):
        return Throttled(str(error), retry_after=error.retry_after)
    reason = next(reason for reason in (Unreachable, Unauthorized, Malformed) if isinstance(error, reason))
    return reason(str(error), why=error.why)


def cluster_wide(path: str) -> bool:
    """Say whether the node that is asked answers alone."""
    return not path.startswith("nodes/")


def of_answer(config: ProxmoxConfig, url: str, path: str, said: Said, now: datetime) -> AgentError:
    """Translate an answer that is not a 2xx.  What any path would have been answered does not name one."""
    why = f"{said.status}{_told(said)}"
    if said.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE) and said.retry_after:
        return Throttled(f"{url} answered {why}", retry_after=_wait(said.retry_after, now))
    if said.status in _INNER:
        return _passed_on(url, path, why, said)
    if said.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _failed(url, path, why, said)
    return _refused(config, url, path, why, said)


def _told(said: Said) -> str:
    return f": {said}" if str(said) else ""


def _refused(config: ProxmoxConfig, url: str, path: str, why: str, said: Said) -> AgentError:
    match said.status:
        case HTTPStatus.UNAUTHORIZED:
            return Revoked(
                f"{url} refuses the token {config.token_id} ({str(said) or 'no reason given'}): it was deleted or"
                " disabled, has expired, or token_secret is another's; see Datacenter > Permissions > API Tokens"
            )
        case HTTPStatus.FORBIDDEN:
            return _denied(config, path, said)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Throttled(f"{url} answered {why}", retry_after=_RETRY)
        case HTTPStatus.NOT_FOUND:
            return Malformed(f"{url} answered {why}: is it the API of Proxmox VE?")
        case status if status < HTTPStatus.BAD_REQUEST:
            return Malformed(f"{url} answered {why}: url must be that of the API itself, not of what logs in before it")
    return Malformed(f"{url} answered {said.status} to {path}{_told(said)}", why=why)


def _denied(config: ProxmoxConfig, path: str, said: Said) -> Denied:
    found = _DENIED.search(f"{said.reason} {said.message}")
    where, privilege = (found[1] or "", (found[2] or "").strip()) if found else ("", "")
    command = rights.advice(config.token_id, re.split(r"[|,]", privilege)[0].strip() or "Sys.Audit")
    lacks = f"{privilege} is missing on {where}" if privilege else str(said) or "no reason given"
    text = f"the token {config.token_id} may not read {path}: {lacks}; {command}"
    return Denied(text, path=where, privilege=privilege)


def _passed_on(url: str, path: str, why: str, said: Said) -> Unreachable:
    reason = " ".join(said.reason.split())[:_LONGEST] or _INNER[said.status]
    if cluster_wide(path):
        return _entry_lost(url, f"{why}: is pvedaemon running there?")
    return NodeUnreachable(f"the node {path.split('/')[1]} cannot be reached ({reason}): is it up?", reason=reason)


def _entry_lost(url: str, why: str) -> EntryLost:
    """``why`` begins with the status of its answer."""
    return EntryLost(f"{url} answered {why}", url=url, why=why)


def _failed(url: str, path: str, why: str, said: Said) -> AgentError:
    told, text = f"{said.reason} {said.message}", f"{url} answered {said.status} to {path}{_told(said)}"
    if said.status == HTTPStatus.NOT_IMPLEMENTED:
        return Unsupported(f"{text}: this version of Proxmox VE has no such call", why=why)
    if said.status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT):
        return _entry_lost(url, f"{why}: is pveproxy running there?")
    if _NO_CONFIG.search(told):
        return NoSuchGuest(f"{text}: the guest was deleted or has moved to another node")
    if _NO_QUORUM.search(told):
        return _entry_lost(url, f"{why}: the node is cut off from the others")
    if _NO_SUCH_NODE.search(told) and not cluster_wide(path):
        return NodeUnreachable(f"{text}: was the node removed from the cluster?", reason=str(said), why=why)
    return Unreachable(text, why=why)


def _wait(retry_after: str, now: datetime) -> timedelta:
    """Whoever names no time, or one far off, is not to be waited for so long."""
    try:
        if retry_after.strip().isdecimal():
            return timedelta(seconds=min(float(retry_after), _LONGEST_WAIT.total_seconds()))
        at = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return _RETRY
    return min(max(at.replace(tzinfo=at.tzinfo or UTC) - now, timedelta()), _LONGEST_WAIT)


def of_silence(url: str, path: str, seconds: float, *, connected: bool) -> EntryLost | NodeUnreachable:
    """Nothing, or not all, came in time: of a node's own answer it is that node that is late."""
    reason = f"timed out after {round(seconds, 1):g} s"
    if connected and not cluster_wide(path):
        node = path.split("/")[1]
        text, why = f"the node {node} does not answer {path}: {reason}", f"the node {node} does not answer in time"
        return NodeUnreachable(text, reason=reason, why=why)
    return EntryLost(f"no answer from {url}: {reason}", url=url, why="timed out")


def of_another_cluster(url: str, nodes: Collection[str], known: Collection[str]) -> EntryLost:
    """A node was separated, a url is wrong, or all nodes have other names: whichever it is, nothing of it is gone."""
    theirs, ours = (", ".join(sorted(names)[:_NAMED]) for names in (nodes, known))
    why = (
        f"answers for another cluster: its nodes are {theirs}, those known of this one are {ours}; correct url, or if"
        " it is the same cluster under other names, give the source another name"
    )
    return EntryLost(f"{url} {why}", url=url, why=why)


def of_connection(config: ProxmoxConfig, url: str, error: Exception, *, answered: bool = False) -> AgentError:
    """Translate what ``requests`` raised; a time-out is ``of_silence``."""
    causes = list(_causes(error))
    refused = tls.distrusted(config, url, causes)
    if refused is not None:
        return refused
    reason, hint = ("it broke off in the middle of the answer", "") if answered else _why(causes)
    return EntryLost(f"no answer from {url}: {reason}{hint}", url=url, why=f"{reason}{hint}")


def is_late(error: Exception) -> bool:
    """urllib3 counts a connection that is refused among its time-outs, too."""
    return any(isinstance(cause, Timeout | ReadTimeoutError | TimeoutError) for cause in _causes(error))


_HINTS = {
    errno.ECONNREFUSED: ": is the node up, and is it the port of the API (8006)?",
    errno.EHOSTUNREACH: ": is the node up?",
}


def _why(causes: list[BaseException]) -> tuple[str, str]:
    for cause in causes:
        match cause:
            case LocationParseError():
                return "the name of its host cannot be one", ": check url"
            case NameResolutionError():
                return "the name does not resolve", ": check url and the name server"
            case BadStatusLine() if not isinstance(cause, ConnectionError):
                return "it does not speak HTTP", ": is it the port of the API (8006)?"
            case ssl.SSLError():
                return _no_tls(cause), ": is it the port of the API (8006)?"
            case OSError() if cause.errno is not None and cause.errno > 0:
                return os.strerror(cause.errno).lower(), _HINTS.get(cause.errno, "")
    return "the connection was closed without an answer", ""


def _no_tls(error: ssl.SSLError) -> str:
    return f"it does not speak TLS as we do ({(error.reason or 'handshake failed').lower().replace('_', ' ')})"


def _causes(error: object) -> Iterator[BaseException]:
    """Yield ``error`` and what it was made from: urllib3 and requests put that in three places."""
    pending, known = [error], set[int]()
    while pending:
        one = pending.pop(0)
        if isinstance(one, BaseException) and id(one) not in known:
            known.add(id(one))
            yield one
            pending += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]


def of_text(url: str, path: str, body: bytes) -> Malformed:
    """Name what came instead of ``{"data": ...}``, never its content."""
    start = body[:200].lstrip().lower()
    if start.startswith(b"<"):
        what = "with a web page: is a proxy or a login in between?"
        return Malformed(f"{url} answered {what}", why=f"answered {what}")
    if not start:
        what = "nothing"
    elif start.startswith(b"{"):
        what = "JSON that is not whole, or not of Proxmox VE"
    else:
        what = "something that is not JSON: is it the API of Proxmox VE?"
    return Malformed(f"{url} answered {path} with {what}", why=f"answered with {what}")


def of_shape(url: str, path: str, error: ValidationError) -> Malformed:
    """Name the place in the answer, never its content."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the answer"
    why = f"in another shape than expected: {place}: {first['msg'].lower()}"
    return Malformed(f"{url} answered {path} {why}", why=f"answered {why}")
