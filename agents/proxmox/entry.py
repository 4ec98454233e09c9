"""One node by which a cluster is asked, through proxmoxer.  All of it blocks: it runs in ``threads``.

proxmoxer's session is kept, and with it up to 8 connections.  Its trust, redirections, cookies and proxies are not the
environment's: ``REQUESTS_CA_BUNDLE`` would override ``verify: false``, ``ca`` and ``fingerprint``, so the environment
is not looked at, and ``HTTPS_PROXY`` has no effect.  A cookie would go before the token, a redirection might take it
elsewhere.  Its serializer answers what is no JSON as if it were a result, and decodes through text: ours hands on the
bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import orjson
from proxmoxer import ProxmoxAPI, ResourceException
from pydantic import SecretStr
from requests.exceptions import ConnectionError as ConnectionFailed
from requests.exceptions import ContentDecodingError, RequestException
from urllib3.exceptions import LocationParseError

from agents.errors import AgentError, Malformed
from agents.proxmox import connection, tls, troubles
from agents.proxmox.config import ProxmoxConfig
from agents.proxmox.connection import Adapter, Way

_LARGEST = 64 * 1024 * 1024
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    status_code: int
    reason: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def content(self) -> str:
        """What proxmoxer puts in a line that it then does not log: the body, written out, would cost 3 ms."""
        return f"{len(self.body)} bytes"


class _Endless(RequestException):
    """An answer larger than any that Proxmox VE gives."""


class _Session:
    def __init__(self, session: Any, trust: Mapping[str, Any]) -> None:  # noqa: ANN401 - proxmoxer has no types
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        session.headers["Accept-Encoding"] = "gzip"
        session.mount("https://", Adapter(trust))
        self._session = session

    def request(self, method: str, url: str, **rest: Any) -> Answer:  # noqa: ANN401 - as requests has it
        way = connection.current()
        timeout = (way.connect_seconds, way.read_seconds)
        asked = self._session.request(method, url, stream=True, allow_redirects=False, timeout=timeout, **rest)
        way.answered = True
        with asked as response:
            body = bytearray()
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > _LARGEST:
                    raise _Endless
        answer = Answer(response.status_code, response.reason or "", response.headers, bytes(body))
        if response.is_redirect:  # proxmoxer would take it for an answer without a result
            raise ResourceException(answer.status_code, "", answer.reason, errors=_said(answer))
        return answer

    def close(self) -> None:
        self._session.close()


def _said(answer: Answer) -> troubles.Said:
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        body = None
    told = body if isinstance(body, dict) else {}
    message, errors = told.get("message"), told.get("errors")
    return troubles.Said(
        status=answer.status_code,
        reason=answer.reason,
        message=message if isinstance(message, str) else "",
        errors={str(name): str(fault) for name, fault in errors.items()} if isinstance(errors, dict) else {},
        retry_after=answer.headers.get("Retry-After", ""),
    )


class _Serializer:
    """What proxmoxer asks what an answer means."""

    def loads(self, answer: Answer) -> Answer:
        return answer

    def loads_errors(self, answer: Answer) -> troubles.Said:
        return _said(answer)


class _Proxmox(ProxmoxAPI):  # type: ignore[misc] # proxmoxer has no types
    def __init__(self, config: ProxmoxConfig, url: str, pinned: str | None, secret: SecretStr) -> None:
        parts = urlsplit(url)
        user, _, token_name = config.token_id.rpartition("!")
        super().__init__(
            parts.netloc.rpartition(":")[0],
            port=parts.port,
            path_prefix=parts.path.strip("/") or None,
            user=user,
            token_name=token_name,
            token_value=secret.get_secret_value(),
            verify_ssl=config.verify,
        )
        self.session = _Session(self._store["session"], tls.trust(config, pinned))
        self._store |= {"session": self.session, "serializer": _Serializer()}


class Entry:
    def __init__(self, config: ProxmoxConfig, url: str, pinned: str | None, secret: SecretStr) -> None:
        self.url = url
        self._config = config
        self._secret = secret
        self._proxmox = _Proxmox(config, url, pinned, secret)

    def get(self, path: str, query: Mapping[str, str | int], way: Way, now: datetime) -> Answer:
        """Ask once, or again where a connection that had been kept was gone; raise ``AgentError``."""
        connection.begin(way)
        try:
            return self._twice(path, query, way)
        except ResourceException as error:
            said = error.errors.without(self._secret.get_secret_value())
            raise troubles.of_answer(self._config, self.url, path, said, now) from error
        except _Endless as error:
            raise Malformed(f"{self.url} answered {path} without an end", why="answered without an end") from error
        except ContentDecodingError as error:
            what = "with what is not the gzip it says it is"
            raise Malformed(f"{self.url} answered {path} {what}", why=f"answered {what}") from error
        except (RequestException, LocationParseError, OSError) as error:
            raise self._broken(path, error, way) from error

    def close(self) -> None:
        """Close what is kept; the next question connects anew."""
        self._proxmox.session.close()

    def _twice(self, path: str, query: Mapping[str, str | int], way: Way) -> Answer:
        try:
            return self._ask(path, query)
        except ConnectionFailed:
            if not way.stale:
                raise
        self.close()  # what else is kept is as old
        return self._ask(path, query)

    def _ask(self, path: str, query: Mapping[str, str | int]) -> Answer:
        answer: Answer = self._proxmox(path).get(**query)
        return answer

    def _broken(self, path: str, error: Exception, way: Way) -> AgentError:
        if troubles.is_late(error):
            seconds = way.connect_seconds if way.connecting else way.read_seconds
            return troubles.of_silence(self.url, path, seconds, connected=not way.connecting)
        return troubles.of_connection(self._config, self.url, error, answered=way.answered)
