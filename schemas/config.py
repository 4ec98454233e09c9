"""The one configuration file, as it is written.  Every duration is a number of seconds or ``30s 5m 2h 7d``."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints

from schemas.base import Config, Token
from schemas.selection import ClustersConfig

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SECRET = r"^(env|file|cred):.+$"  # noqa: S105 - the shape of a reference, not a secret


def _duration(value: object) -> object:
    if isinstance(value, str):
        parts = _DURATION.findall(value)
        if not parts or _DURATION.sub("", value).strip():
            raise ValueError("write a duration as 500ms, 30s, 5m, 2h or 7d")
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    return value


def _written(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    return f"{int(seconds)}s" if seconds.is_integer() else f"{seconds}s"


Duration = Annotated[
    timedelta, BeforeValidator(_duration), Field(gt=timedelta(0)), PlainSerializer(_written, when_used="json")
]
SecretRef = Annotated[str, StringConstraints(pattern=_SECRET)]
"""``env:NAME``, ``file:PATH`` or ``cred:NAME`` (systemd): where a secret lies, never the secret."""


class SourceConfig(Config):
    """What every source has; a provider's own settings are checked by the provider's model, a subclass of this."""

    provider: Token
    name: Token
    enabled: bool = True
    interval: Duration | None = Field(default=None, description="how often to read it all; default: the provider's")
    deadline: Duration | None = Field(default=None, description="how long one reading may take")
    unmanaged: bool = Field(default=False, description="report resources nobody expects as deviations")


class BusConfig(Config):
    url: str | None = Field(default=None, description="an existing nats-server; without it `homelab up` runs its own")
    creds: Path | None = Field(default=None, description="a NATS .creds file, or JSON or YAML with user and password")
    port: int = Field(default=4222, ge=0, le=65535, description="of the embedded server; 0 takes any free port")
    listen: str = "127.0.0.1"


class HttpConfig(Config):
    listen: str = "127.0.0.1"
    port: int = Field(default=8420, ge=0, le=65535, description="0 takes any free port")
    token: SecretRef | None = Field(default=None, description="bearer token; needed when not on loopback")
    allowed_hosts: tuple[str, ...] = ()


class RetentionConfig(Config):
    samples: Duration = timedelta(days=7)
    samples_5m: Duration = timedelta(days=30)
    samples_1h: Duration = timedelta(days=400)
    scans: Duration = timedelta(days=7)
    state_log: Duration = timedelta(days=400)
    quarantine: Duration = timedelta(days=30)


class SqlConfig(Config):
    timeout: Duration = timedelta(seconds=10)
    memory_mb: int = Field(default=1024, ge=256)
    max_rows: int = Field(default=10_000, ge=1)


class LogConfig(Config):
    level: Annotated[str, StringConstraints(pattern="^(debug|info|warning|error)$")] = "info"
    format: Annotated[str, StringConstraints(pattern="^(auto|json|console)$")] = "auto"


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class ExpectationsConfig(Config):
    """Folders of manifests that are watched; each is applied as a whole."""

    folder: Annotated[tuple[Path, ...], BeforeValidator(_listed)] = ()


class HomelabConfig(Config):
    """``sources`` stays as written here; each is checked by its provider."""

    sources: tuple[dict[str, Any], ...] | None = Field(default=None, description="absent: find what this machine has")
    nats: BusConfig = BusConfig()
    http: HttpConfig = HttpConfig()
    sql: SqlConfig = SqlConfig()
    retention: RetentionConfig = RetentionConfig()
    log: LogConfig = LogConfig()
    expectations: ExpectationsConfig = ExpectationsConfig()
    clusters: ClustersConfig = ClustersConfig()
    reconcile_every: Duration = timedelta(minutes=5)
