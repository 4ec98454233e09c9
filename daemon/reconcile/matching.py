"""Whether a selector means a resource.  Pure; ``store.views.resources.condition`` says the same in SQL.

What is gone is meant only by a selector that asks for it: to hear that something is missing, name its key.
"""

from daemon.reconcile.actual import STATUS, Actual
from schemas import globs
from schemas.resources import Presence
from schemas.selectors import Selector


def matches(selector: Selector, actual: Actual) -> bool:
    """Whether all conditions of ``selector`` hold."""
    if selector.presence is None:
        if actual.presence is Presence.GONE:
            return False
    elif selector.presence is not actual.presence:
        return False
    return _is_placed(selector, actual) and _is_described(selector, actual)


def is_in(path: str, pool: str) -> bool:
    """Whether the pool at ``path`` is ``pool`` or lies below it."""
    return path == pool or path.startswith(pool.rstrip("/") + "/")


def is_of_source(key: str, source: str) -> bool:
    """``source`` is a name, or ``<provider>/<name>``."""
    provider, slash, name = source.rpartition("/")
    part = key.split("/", 2)
    return part[1] == name and (not slash or part[0] == provider)


def _is_placed(selector: Selector, actual: Actual) -> bool:
    part = actual.part
    return (
        (not selector.keys or actual.key in selector.keys)
        and (selector.provider is None or selector.provider == part.provider)
        and (selector.source is None or is_of_source(actual.key, selector.source))
        and (selector.kind is None or selector.kind == part.kind)
        and (selector.parent is None or selector.parent == actual.parent)
        and (selector.pool is None or any(is_in(path, selector.pool) for path in actual.pools))
    )


def _is_described(selector: Selector, actual: Actual) -> bool:
    return (
        (selector.status is None or selector.status == actual.text(STATUS))
        and (selector.health is None or selector.health == actual.text("health"))
        and (selector.name is None or globs.compiled(selector.name).fullmatch(actual.text("name")) is not None)
        and all(_has_label(actual, label) for label in selector.label)
    )


def _has_label(actual: Actual, label: str) -> bool:
    labels = actual.fields.get("labels")
    if not isinstance(labels, dict):
        return False
    name, equals, value = label.partition("=")
    return labels.get(name) == value if equals else name in labels
