"""Paths into a resource: ``status``, ``spec.image``, ``labels."a.b"``.

A list is one value; null and a mapping without anything in it are nothing.
"""

import json
import re
from collections.abc import Iterable, Iterator

from pydantic import JsonValue

_PLAIN = re.compile(r"[^.\"\s]+")
_SEGMENT = re.compile(r'[^."\s]+|"(?:[^"\\]|\\.)*"')


class BadPath(ValueError):
    """A text that is no path; says why without repeating it."""


def join(prefix: str, name: str) -> str:
    """Append one name, quoted where it holds a dot, a quote or white space."""
    segment = name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    return f"{prefix}.{segment}" if prefix else segment


def split(path: str) -> tuple[str, ...]:
    """Return the names a path is made of; the inverse of ``join``.  Raises ``BadPath``."""
    names: list[str] = []
    place = 0
    while True:
        found = _SEGMENT.match(path, place)
        if found is None:
            raise BadPath('a path is names joined by dots; a name with a dot or a space is quoted: labels."a.b"')
        word = found[0]
        try:
            names.append(str(json.loads(word)) if word.startswith('"') else word)
        except ValueError as error:
            raise BadPath("the quoted name in it is not readable") from error
        place = found.end()
        if place == len(path):
            return tuple(names)
        if path[place] != ".":
            raise BadPath('between two names of a path stands a dot: labels."a.b"')
        place += 1


def joined(names: Iterable[str]) -> str:
    """Return the path that these names make."""
    path = ""
    for name in names:
        path = join(path, name)
    return path


def differing(old: JsonValue, new: JsonValue, prefix: str = "") -> Iterator[str]:
    """Yield the paths of the leaves that are not equal on both sides."""
    return (path for path, _, _ in differences(old, new, prefix))


def differences(
    old: JsonValue, new: JsonValue, prefix: str = "", *, whole: bool = False
) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    """Yield (path, old, new) where the sides differ; a side that has nothing there is None.  Null is nothing, too.

    ``whole``: a mapping that only one side has is one difference; else each of its leaves is one.
    """
    if old != new:
        yield from _unequal(old, new, prefix, whole=whole)


def _unequal(old: JsonValue, new: JsonValue, prefix: str, *, whole: bool) -> Iterator[tuple[str, JsonValue, JsonValue]]:
    """``differences`` of two that are not equal: each part is compared once."""
    if _is_branch(old) and _is_branch(new) and not (whole and _is_one_sided(old, new)):
        before, after = _inside(old), _inside(new)
        for name in sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)):
            yield from _unequal(before.get(name), after.get(name), join(prefix, name), whole=whole)
    else:
        yield prefix, _told(old), _told(new)


def _is_one_sided(old: JsonValue, new: JsonValue) -> bool:
    return (old is None and _is_something(new)) or (new is None and _is_something(old))


def _is_something(value: JsonValue) -> bool:
    return any(map(_is_something, value.values())) if isinstance(value, dict) else value is not None


def _is_branch(value: JsonValue) -> bool:
    return value is None or isinstance(value, dict)


def _inside(value: JsonValue) -> dict[str, JsonValue]:
    return value if isinstance(value, dict) else {}


def _told(value: JsonValue) -> JsonValue:
    return value if _is_something(value) else None
