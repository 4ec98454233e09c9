"""What a person may write about a machine.  All of it has a default: the machine at hand is found without a word."""

import re
import socket
from pathlib import Path

from pydantic import Field

from schemas.base import Token
from schemas.config import SourceConfig

_NOT_A_TOKEN = re.compile(r"[^a-z0-9_-]+")


def token(hostname: str) -> str:
    """Make a host name a source name: ``PVE-1.lan`` is ``pve-1-lan``.  The domain stays: sites share names."""
    return _NOT_A_TOKEN.sub("-", hostname.lower()).strip("-_")[:63].strip("-_") or "host"


def here() -> str:
    return token(socket.gethostname())


class HostConfig(SourceConfig):
    provider: Token = "host"
    name: Token = Field(default_factory=here)
    root: Path | None = Field(
        default=None,
        description="where this machine's / is mounted, when the agent runs in a container (with the host's network)",
    )
    filesystems_ignore: tuple[str, ...] = Field(
        default=("/snap/*", "/var/snap/*", "/var/lib/docker/*", "/var/lib/containers/*", "/var/lib/kubelet/*"),
        description="mount points to leave out, as globs",
    )
    interfaces_ignore: tuple[str, ...] = Field(
        default=("lo", "veth*", "br-" + "[0-9a-f]" * 12, "cali*", "fwbr*", "fwln*", "fwpr*", "tap*"),
        description="interfaces to leave out, as globs: by default those that containers and guests bring and take",
    )
    units_ignore: tuple[str, ...] = Field(
        default=("user@*", "user-runtime-dir@*", "systemd-fsck@*"),
        description="systemd units to leave out, as globs: by default those that each login brings and takes",
    )
