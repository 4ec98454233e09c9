"""Paths into a resource: ``status``, ``spec.image``, ``labels."a.b"``.  A list is one value; an empty mapping is nothing."""

import json
import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

_PLAIN = re.compile(r"[^.\"\s]+")


def join(prefix: str, name: str) -> str:
    """Append one name, quoted where it holds a dot, a quote or white space."""
    segment = name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    return f"{prefix}.{segment}" if prefix else segment


def flatten(value: JsonValue, prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Yield (path, value) of every leaf."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from flatten(inner, join(prefix, name))
    else:
        yield prefix, value


def differing(old: JsonValue, new: JsonValue, prefix: str = "") -> Iterator[str]:
    """Yield the paths of the leaves that are not equal on both sides."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys()):
            yield from differing(old.get(name, {}), new.get(name, {}), join(prefix, name))
    elif isinstance(old, Mapping | None) and isinstance(new, Mapping) and not old:
        yield from (path for path, _ in flatten(new, prefix))
    elif isinstance(old, Mapping) and isinstance(new, Mapping | None) and not new:
        yield from (path for path, _ in flatten(old, prefix))
    else:
        yield prefix
