"""What a command line asks of a composition root, and what a root tells it back: plain values, no behaviour.

None always means "not said": the configuration file, then the default, decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from daemon.runtime.config import Fault
from schemas.config import SourceConfig


@dataclass(frozen=True, slots=True)
class BusOptions:
    """How a process reaches the bus: ``url`` and ``creds`` if given, else ``run.json`` in ``state``."""

    url: str | None = None
    creds: Path | None = None
    state: Path | None = None


@dataclass(frozen=True, slots=True)
class DaemonOptions:
    bus: BusOptions = BusOptions()
    state: Path | None = None
    http_port: int | None = None
    http_listen: str | None = None
    log_level: str | None = None
    log_format: str | None = None


@dataclass(frozen=True, slots=True)
class UpOptions:
    """``nats_url`` set: use that server, with ``creds``; else run an own one on ``nats_port`` (0: any free port)."""

    state: Path | None = None
    nats_url: str | None = None
    creds: Path | None = None
    nats_port: int | None = None
    http_port: int | None = None
    http_listen: str | None = None
    log_level: str | None = None
    log_format: str | None = None
    config_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Discovered:
    """What there is to watch, found without network or waiting; ``hints`` say what else could be."""

    sources: tuple[SourceConfig, ...] = ()
    hints: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    """``<provider>/<name>`` -> where it comes from, of those that no configuration file has."""
    faults: tuple[Fault, ...] = ()
    """What the environment says badly, and what therefore is not watched."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScopeProbe:
    """One scope read once.  ``trouble`` is a word of ``schemas.events.Trouble``; empty: it could be read."""

    scope: str
    seconds: float
    counts: dict[str, int] = field(default_factory=dict)
    """Kind -> how many."""
    trouble: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FindingProbe:
    """One thing that the source itself was looked at for: its certificate, its token, its clock..."""

    name: str
    outcome: Literal["ok", "warning", "failed"]
    detail: str


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One source asked once.  ``detail`` tells why nothing at all could be read (no scopes then)."""

    provider: str
    source: str
    seconds: float
    scopes: tuple[ScopeProbe, ...] = ()
    capabilities: tuple[str, ...] = ()
    trouble: str = ""
    detail: str = ""
    findings: tuple[FindingProbe, ...] = ()

    @property
    def is_ok(self) -> bool:
        """A warning is for a person to weigh; what failed is not."""
        failed = any(one.outcome == "failed" for one in self.findings)
        return not (self.trouble or failed or any(scope.trouble for scope in self.scopes))
