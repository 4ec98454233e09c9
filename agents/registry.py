"""The providers there are.  Adding one is a folder and a line here."""

from importlib import import_module
from typing import Any

from agents.contract import Provider

NAMES = ("docker", "host", "proxmox")


class UnknownProvider(LookupError):
    """No such provider; the text lists those there are."""


def provider(name: str) -> Provider[Any]:
    """Import the one provider asked for; the others' libraries stay unloaded."""
    if name not in NAMES:
        raise UnknownProvider(f"{name!r} is none of {', '.join(NAMES)}")
    found = import_module(f"agents.{name}").PROVIDER
    if not isinstance(found, Provider) or found.name != name:
        raise TypeError(f"agents.{name}.PROVIDER is not the provider {name!r}")
    return found
