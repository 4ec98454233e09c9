"""What the configurations of VMs and containers have in common.  Pure."""

from collections import defaultdict
from collections.abc import Collection
from typing import Final

from pydantic import JsonValue

from agents.proxmox import parse, redaction
from agents.proxmox.figures import whole
from agents.proxmox.wire import GuestConfig

Numbered = dict[str, dict[str, str]]
"""``net`` -> ``net0`` -> property string"""

DESCRIPTION_LENGTH = 4096
_DIGITS = "0123456789"
_NOT_CONFIGURATION: Final = frozenset(
    {"digest", "lock", "meta", "vmgenid", "parent", "snaptime", "snapstate", "vmstate", "pending", "special-sections"}
    | {"runningcpu", "runningmachine", "running-nets-host-mtu"}
)
"""What Proxmox writes there by itself, and what tells who a guest is rather than how it is set up."""
_STRINGS: Final = frozenset(
    {"amd-sev", "audio", "intel-tdx", "ivshmem", "numa", "rng", "spice_enhancements", "virtiofs", "watchdog"}
)
"""Options without an entry of their own that are property strings."""


def grouped(
    config: GuestConfig, *, numbered: Collection[str], own: Collection[str]
) -> tuple[Numbered, dict[str, JsonValue]]:
    """Return the options of which there are several, and those that are neither ``numbered`` nor ``own`` entries.

    These others are as they are written, without secrets.
    """
    several: Numbered = defaultdict(dict)
    others: dict[str, JsonValue] = {}
    for option, value in config.root.items():
        if option in own or option in _NOT_CONFIGURATION or value is None or isinstance(value, dict | list):
            continue
        stem = option.rstrip(_DIGITS)
        if stem != option and stem in numbered:
            several[stem][option] = str(value)
        else:
            content = parse.canonical(str(value)) if stem in _STRINGS else str(value)
            others[option] = redaction.value(option, content)
    return several, others


def description(config: GuestConfig) -> str | None:
    """Return what people wrote there, without what looks like a secret."""
    return redaction.text(config.text("description"))[:DESCRIPTION_LENGTH].rstrip() or None


def startup(text: str) -> dict[str, JsonValue]:
    """``order=1,up=30,down=60``: the pauses are seconds."""
    found = parse.properties(text, "order")
    return {name: whole(found.get(name)) for name in ("order", "up", "down")}
