"""How a Docker engine is named by a person, and which engines this machine has.

A secret has no place here: certificates are paths, and a URL with a password in it is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from daemon.runtime.secrets import environment
from schemas.base import Config
from schemas.config import SourceConfig

SOCKET = "/var/run/docker.sock"
_SCHEMES = ("unix", "tcp", "http", "https")


class TlsConfig(Config):
    """The files ``docker --tlsverify`` takes.  Read when the engine is asked, so a renewed certificate is picked up."""

    ca: Path | None = Field(default=None, description="who signed the engine's certificate; default: the system's list")
    cert: Path | None = Field(default=None, description="the client certificate")
    key: Path | None = Field(default=None, description="the client certificate's key")
    verify: bool = Field(default=True, description="false accepts any engine: for a laboratory only")

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together")
        return self


class DockerConfig(SourceConfig):
    provider: Literal["docker"] = "docker"
    url: str = Field(default=f"unix://{SOCKET}", description="unix:///path, tcp://host:port or https://host:port")
    tls: TlsConfig | None = Field(default=None, description="makes tcp:// encrypted")

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            raise ValueError("write unix:///path/docker.sock, tcp://host:2375 or https://host:2376")
        if "@" in parts.netloc:
            raise ValueError("no user or password in the URL")
        if not (parts.path if parts.scheme == "unix" else parts.hostname):
            raise ValueError("the socket's path is missing" if parts.scheme == "unix" else "the host is missing")
        return url

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        if self.tls is not None and not self.url.startswith(("tcp://", "https://")):
            raise ValueError("tls goes with tcp:// or https://")
        return self

    @property
    def socket(self) -> str | None:
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else None

    @property
    def base_url(self) -> str:
        """What stands before a request's path; a socket has a dummy host."""
        if self.socket is not None:
            return "http://localhost"
        scheme = "https" if self.tls is not None or self.url.startswith("https:") else "http"
        return f"{scheme}://{urlsplit(self.url).netloc}"


def discover() -> Sequence[DockerConfig]:
    """Return an engine for each Docker or Podman socket that exists, and for a ``$DOCKER_HOST`` elsewhere."""
    return candidates(environment())


def candidates(variables: Mapping[str, str]) -> Sequence[DockerConfig]:
    found: dict[Path, DockerConfig] = {}
    names: set[str] = set()
    for path in _sockets(variables):
        real = Path(path).resolve()
        if real in found or not _is_socket(real):
            continue
        name = _free("podman" if "podman" in str(real) else "local", names)
        names.add(name)
        found[real] = DockerConfig(name=name, url=f"unix://{path}")
    return (*_remote(variables), *found.values())


def _is_socket(path: Path) -> bool:
    try:
        return path.is_socket()
    except OSError:
        return False


def _sockets(variables: Mapping[str, str]) -> Iterator[str]:
    host = variables.get("DOCKER_HOST", "")
    if host.startswith("unix:///"):
        yield host.removeprefix("unix://")
    yield SOCKET
    runtime = variables.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        yield f"{runtime}/docker.sock"
    yield "/run/podman/podman.sock"
    if runtime.startswith("/"):
        yield f"{runtime}/podman/podman.sock"


def _free(name: str, taken: set[str]) -> str:
    """The first is ``local``, a rootless engine beside it ``local-2``."""
    return next(one for one in chain((name,), (f"{name}-{n}" for n in count(2))) if one not in taken)


def _remote(variables: Mapping[str, str]) -> Iterator[DockerConfig]:
    host = variables.get("DOCKER_HOST", "")
    if not host.startswith("tcp://"):
        return
    folder = variables.get("DOCKER_CERT_PATH")
    tls = None
    if variables.get("DOCKER_TLS_VERIFY") and folder:
        tls = TlsConfig(ca=Path(folder, "ca.pem"), cert=Path(folder, "cert.pem"), key=Path(folder, "key.pem"))
    try:
        yield DockerConfig(name="docker-host", url=host, tls=tls)
    except ValueError:
        return
