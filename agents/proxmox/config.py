"""How a Proxmox VE cluster is named by a person.  A secret has no place here: the token's lies where a reference says.

A source is one cluster.  Several urls are several nodes of it, any of which answers for all.
"""

import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from schemas.base import Config
from schemas.config import Duration, SecretRef, SourceConfig

PORT = 8006
_TOKEN_ID = re.compile(r"[^\s:/!=]+@[A-Za-z][A-Za-z0-9._-]*![A-Za-z][A-Za-z0-9._-]*")
_FINGERPRINT = re.compile(r"[0-9A-F]{64}")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")
_LONGEST_NAME = 253
_HOW = "write the url as https://pve1:8006, an IPv6 address as https://[fd00::1]:8006"
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")


def _url(written: str) -> str:
    """Return ``https://host:port[/prefix]``."""
    parts = _parts(written.strip() if "://" in written else f"https://{written.strip()}")
    if "@" in parts.netloc:
        raise ValueError("no user or password in the url: token_id and token_secret are for that")
    if parts.scheme != "https":
        raise ValueError("Proxmox VE is only asked over https: write https://pve1:8006")
    name = parts.hostname or ""
    if not _is_host(name) or not (port := _port(parts)):
        raise ValueError(_HOW)
    path = re.sub(r"(/api2(/json)?)?/*$", "", parts.path)
    if parts.query or parts.fragment or not _PREFIX.fullmatch(path):
        raise ValueError("write only https://pve1:8006, without what the browser shows after it")
    return f"https://{f'[{name}]' if ':' in name else name}:{port}{path}"


def _parts(written: str) -> SplitResult:
    try:
        return urlsplit(written)
    except ValueError:  # its text may hold what was written
        raise ValueError(_HOW) from None


def _is_host(name: str) -> bool:
    """Raise ``ValueError`` where it looks like a name and no name server could have it."""
    if _NAME.fullmatch(name):
        labels = name.removesuffix(".").split(".")
        if len(name) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
            raise ValueError(
                "the name of the host cannot be one: what stands between two dots has 1 to 63 characters,"
                f" all of it at most {_LONGEST_NAME}"
            )
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _port(parts: SplitResult) -> int:
    """Return 0 where what stands for a port is none."""
    try:
        return PORT if parts.port is None else parts.port
    except ValueError:
        return 0


def _urls(written: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(written, str):
        return _url(written)
    urls = tuple(_url(one) for one in written)
    if not urls or len(set(urls)) != len(urls):
        raise ValueError("write one url, or several different ones of the same cluster")
    return urls


def _token_id(written: str) -> str:
    if "=" in written:
        raise ValueError("write only user@realm!name: what stands after = is the secret, for token_secret to refer to")
    if not _TOKEN_ID.fullmatch(written):
        raise ValueError("write it as Proxmox VE shows it: user@realm!name, for example homelab@pve!daemon")
    return written


def _fingerprint(written: str) -> str:
    """Return 32 pairs of hexadecimal digits with colons between, as the web interface shows them."""
    digits = re.sub(r"^SHA-?256[:=]|[\s:]", "", written.strip().upper())
    if not _FINGERPRINT.fullmatch(digits):
        raise ValueError("write the SHA-256 fingerprint of the certificate: 64 hexadecimal digits, colons or not")
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _fingerprints(written: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return _fingerprint(written) if isinstance(written, str) else tuple(_fingerprint(one) for one in written)


class PushConfig(Config):
    """An endpoint of our own, for Proxmox VE's external metric server of type InfluxDB (HTTP)."""

    listen: Annotated[str, StringConstraints(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$")] = Field(
        description="address:port; 127.0.0.1 unless a node has to reach it"
    )
    token: SecretRef = Field(description="the token that is also written in the metric server's settings")
    cert: Path | None = Field(default=None, description="our certificate: makes it https; without, all can be read")
    key: Path | None = Field(default=None, description="the certificate's key")

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @model_validator(mode="after")
    def _port(self) -> Self:
        if self.port > 65535:  # noqa: PLR2004 - the last port there is
            raise ValueError("the port of listen is above 65535")
        return self

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together")
        return self


class ProxmoxConfig(SourceConfig):
    provider: Literal["proxmox"] = "proxmox"
    url: Annotated[str | tuple[str, ...], AfterValidator(_urls)] = Field(
        description="https://pve1:8006, or several nodes of one cluster: the first that answers is asked"
    )
    token_id: Annotated[str, AfterValidator(_token_id)] = Field(description="user@realm!name")
    token_secret: SecretRef
    verify: bool = Field(default=True, description="false accepts any certificate: for a laboratory only")
    ca: Path | None = Field(
        default=None, description="who signed the nodes' certificates: a copy of /etc/pve/pve-root-ca.pem"
    )
    fingerprint: Annotated[str | tuple[str, ...], AfterValidator(_fingerprints)] | None = Field(
        default=None, description="SHA-256 of the certificate, as the node's Certificates page shows it; one per url"
    )
    timeout: Duration = Field(default=timedelta(seconds=10), description="of one question")
    region: str | None = Field(default=None, description="where the cluster stands")
    tier: str | None = Field(default=None, description="what it is for: production, laboratory...")
    default_node: str | None = None
    default_storage: str | None = None
    default_bridge: str | None = None
    sweep: int = Field(
        default=1, ge=0, le=100, description="guest configurations read anew each time though nothing hints at a change"
    )
    push: PushConfig | None = Field(default=None, description="take the metrics that the nodes send")

    @property
    def urls(self) -> tuple[str, ...]:
        return (self.url,) if isinstance(self.url, str) else self.url

    @property
    def fingerprints(self) -> tuple[str | None, ...]:
        """What is pinned of each of ``urls``."""
        if isinstance(self.fingerprint, tuple):
            return self.fingerprint
        return (self.fingerprint,) * len(self.urls)

    @model_validator(mode="after")
    def _trust(self) -> Self:
        if sum((self.ca is not None, self.fingerprint is not None, not self.verify)) > 1:
            raise ValueError("of ca, fingerprint and verify: false only one can be meant")
        if len(self.fingerprints) != len(self.urls):
            raise ValueError("write a fingerprint for each url, in the same order")
        return self
