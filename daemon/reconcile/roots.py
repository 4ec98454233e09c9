"""Which deviations another one explains: children of what is missing or stopped are one problem with it.  Pure."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from schemas.deviations import Deviation, DeviationType

CAUSES = frozenset({DeviationType.MISSING, DeviationType.STOPPED, DeviationType.UNREACHABLE})
_CONSEQUENCES = frozenset({DeviationType.MISSING, DeviationType.STOPPED, DeviationType.ORPHANED})
EARLIER = timedelta(minutes=10)
"""How long before its cause a consequence may have been noticed; what is older has reasons of its own."""
LISTED = 50


def explained(still_open: Iterable[Deviation], parents: Mapping[str, str]) -> dict[str, Deviation]:
    """Return deviation id -> the deviation at its root, for those that have one."""
    every = list(still_open)
    causes: dict[str, Deviation] = {}
    for one in every:
        if one.type in CAUSES and (one.key not in causes or one.type is DeviationType.MISSING):
            causes[one.key] = one
    found: dict[str, Deviation] = {}
    for one in every:
        if one.type in _CONSEQUENCES:
            root = _root(one, causes, parents)
            if root is not None:
                found[one.id] = root
    return found


def _root(one: Deviation, causes: Mapping[str, Deviation], parents: Mapping[str, str]) -> Deviation | None:
    """The topmost cause without a gap between."""
    root: Deviation | None = None
    key, passed = one.key, {one.key}
    while (parent := parents.get(key)) is not None and parent not in passed:
        cause = causes.get(parent)
        if cause is None or one.detected_at < cause.detected_at - EARLIER:
            break
        root, key = cause, parent
        passed.add(parent)
    return root


def consequence(root: Deviation) -> str:
    """Why a consequence is quiet."""
    name = root.key.rpartition("/")[2]
    return f"consequence of {root.type} {name}"
