"""The small languages of configurations: property strings, volumes, sizes, tags, lists.  Pure.

The order of sub-keys, of tags and of members of a set is not what somebody wrote: everything has one form here.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import unquote

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGTP]?)i?B?", re.IGNORECASE)
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_LIST = re.compile(r"[\s,;]+")
_BASE = re.compile(r"(?:^|/)base(?:vol)?-(\d+)-[^/]+/")


def properties(text: str, default: str = "") -> dict[str, str]:
    """Split ``first,key=value,...``: what stands alone is the value of ``default``."""
    found: dict[str, str] = {}
    if not text:
        return found
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if equals:
            found[name.strip()] = value.strip()
        elif name.strip():
            found.setdefault(default, name.strip())
    return found


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """Return a property string with what stands alone first, the rest sorted."""
    found = properties(text)
    alone = found.pop("", None)
    rest = [f"{name}={value}" for name, value in sorted(found.items())]
    return ",".join([alone, *rest] if alone else rest)


def split_volume(volid: str) -> tuple[str | None, str]:
    """Return (storage, volume); what is on no storage (a device, ``none``) has None."""
    storage, colon, volume = volid.partition(":")
    return (storage, volume) if colon and not volid.startswith("/") else (None, volid)


def base_of(volume: str) -> int | None:
    """Return the number of the template a linked clone's volume was made from."""
    found = _BASE.search(volume) if "base" in volume else None
    return int(found[1]) if found else None


def size(text: str) -> int | None:
    """Return bytes: ``32G``, ``528K``, ``1024``; None for what is no size."""
    found = _SIZE.fullmatch(text.strip())
    return int(float(found[1]) * _UNITS[found[2].upper()]) if found else None


@lru_cache(maxsize=4096)
def names(text: str) -> tuple[str, ...]:
    """Return a list whose order means nothing, sorted and without repetitions."""
    return tuple(sorted({name for name in _LIST.split(text) if name}))


def tags(text: str) -> tuple[str, ...]:
    return names(text.lower())


def numbers(text: str) -> list[int]:
    """Return a list of guests: their numbers, sorted."""
    return sorted(int(name) for name in names(text) if name.isdecimal())


def static_address(text: str) -> str | None:
    """Return the address of ``10.0.0.5/24`` without its mask; None for ``dhcp``, ``auto`` and ``manual``."""
    address = text.partition("/")[0]
    return address if ":" in address or address.count(".") == 3 else None  # noqa: PLR2004 - four parts


def key_count(encoded: str) -> int:
    """Count the SSH keys of a cloud-init configuration: one a line, URL-encoded."""
    lines = unquote(encoded).splitlines()
    return sum(1 for line in lines if line.strip() and not line.lstrip().startswith("#"))


def moment(seconds: float | None) -> datetime | None:
    """Epoch seconds as a time; zero is none."""
    if seconds is None or not 0 < seconds < 2**35:
        return None
    return datetime.fromtimestamp(seconds, UTC)
