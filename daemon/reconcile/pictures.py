"""What is different about a resource in two pictures.  Pure."""

from collections.abc import Mapping

from pydantic import JsonValue

from daemon.store.pictures import Pictured
from schemas import paths
from schemas.expected_queries import KeyDiff

_COMPARED = ("name", "status", "presence", "incarnation", "parent", "labels", "spec")


def differences(older: Mapping[str, Pictured], newer: Mapping[str, Pictured]) -> list[KeyDiff]:
    """Compare two pictures, in the order of the keys; a resource that is the same in both is left out."""
    found = (difference(older.get(key), newer.get(key)) for key in sorted(older.keys() | newer.keys()))
    return [one for one in found if one is not None]


def difference(older: Pictured | None, newer: Pictured | None) -> KeyDiff | None:
    """Compare one resource; None is a picture without it."""
    if older is None or newer is None:
        there = older or newer
        return KeyDiff(key=there.key, name=there.name, change="gone" if older else "appeared") if there else None
    changed = _changed(older, newer)
    if not changed:
        return None
    replaced = bool(older.incarnation and newer.incarnation) and older.incarnation != newer.incarnation
    return KeyDiff(key=newer.key, name=newer.name, change="replaced" if replaced else "changed", paths=changed)


def _changed(older: Pictured, newer: Pictured) -> dict[str, tuple[JsonValue, JsonValue]]:
    return {
        path: (before, after)
        for name in _COMPARED
        for path, before, after in paths.differences(getattr(older, name), getattr(newer, name), name)
    }
