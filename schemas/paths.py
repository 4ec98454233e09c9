"""Paths into a resource: ``status``, ``spec.image``, ``labels."a.b"``.

A list is one value; null and a mapping without anything in it are nothing.
"""

import json
import re
from collections.abc import Iterator

from pydantic import JsonValue

_PLAIN = re.compile(r"[^.\"\s]+")


def join(prefix: str, name: str) -> str:
    """Append one name, quoted where it holds a dot, a quote or white space."""
    segment = name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    return f"{prefix}.{segment}" if prefix else segment


def differing(old: JsonValue, new: JsonValue, prefix: str = "") -> Iterator[str]:
    """Yield the paths of the leaves that are not equal on both sides."""
    return (path for path, _, _ in differences(old, new, prefix))


def differences(old: JsonValue, new: JsonValue, prefix: str = "") -> Iterator[tuple[str, JsonValue, JsonValue]]:
    """Yield (path, old, new) where the sides differ; a side that has nothing there is None.  Null is nothing, too."""
    if old == new:
        return
    if _is_branch(old) and _is_branch(new):
        before, after = _inside(old), _inside(new)
        for name in sorted(before.keys() | after.keys()):
            one, other = before.get(name), after.get(name)
            if one != other:
                yield from differences(one, other, join(prefix, name))
    else:
        yield prefix, _told(old), _told(new)


def _is_something(value: JsonValue) -> bool:
    return any(map(_is_something, value.values())) if isinstance(value, dict) else value is not None


def _is_branch(value: JsonValue) -> bool:
    return value is None or isinstance(value, dict)


def _inside(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _told(value: JsonValue) -> JsonValue:
    return value if _is_something(value) else None
