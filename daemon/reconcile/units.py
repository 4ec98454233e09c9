"""Sizes as people write them (``512MiB``, ``2G``, ``1.5 GB``) in bytes.  Pure.

A single letter is binary, as Docker and QEMU read it; ``kB MB GB`` are powers of 1000.
"""

import re

from pydantic import JsonValue

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_LETTERS = "kmgtp"


def in_bytes(value: JsonValue) -> JsonValue:
    """Return the number of bytes that ``value`` says, or ``value`` itself where it is no size."""
    if isinstance(value, str) and (found := _SIZE.fullmatch(value)):
        factor = _factor(found[2].lower())
        if factor is not None:
            count = float(found[1]) * factor
            return int(count) if count.is_integer() else count
    return value


def _factor(unit: str) -> int | None:
    if unit in ("", "b"):
        return 1
    letter, rest = _LETTERS.find(unit[0]) + 1, unit[1:]
    if not letter or rest not in ("", "i", "ib", "b"):
        return None
    return int((1000 if rest == "b" else 1024) ** letter)
