"""What a reading could not see, in the contract's words."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from agents.errors import AgentError
from agents.proxmox.troubles import Denied, NodeUnreachable
from schemas.events import Gap, Trouble
from schemas.resources import Kind

_MOST = 100
_LONGEST = 1000
_NAMED = 5
_KEYS = 1000


def because(
    error: AgentError, what: str, *, kinds: Sequence[Kind] = (), parent: str | None = None, keys: Sequence[str] = ()
) -> Gap:
    """Return the gap that ``error`` leaves; without ``kinds`` and ``keys`` it hides nothing, only details.

    While the same lasts it has the same text, whichever guest or node was asked.
    """
    denied = error if isinstance(error, Denied) else None
    return Gap(
        trouble=error.trouble,
        detail=f"{what}: {error.why}"[:_LONGEST],
        kinds=tuple(kinds),
        parent=parent,
        keys=tuple(keys),
        privilege=denied.privilege if denied else "",
        path=denied.path if denied else "",
    )


def of_keys(keys: Sequence[str], detail: str, trouble: Trouble, *, privilege: str = "", path: str = "") -> list[Gap]:
    """Return gaps that hide these keys: as many as it takes."""
    return [
        Gap(trouble=trouble, detail=detail, keys=tuple(keys[at : at + _KEYS]), privilege=privilege, path=path)
        for at in range(0, len(keys), _KEYS)
    ]


def of_guests(what: str, failed: Mapping[str, AgentError], nodes: Mapping[str, str]) -> Iterator[Gap]:
    """Yield one gap for all guests (the ids of their rows) on a node that cannot be read for one reason.

    ``what`` is said of them: ``the configuration of {} is as last known``.  Which they are differs from reading to
    reading, so only one that is alone in it is named.
    """
    together: defaultdict[tuple[str, Trouble, str], list[str]] = defaultdict(list)
    for guest, error in failed.items():
        together[nodes.get(guest, ""), error.trouble, error.why].append(guest)
    for (node, _, _), some in sorted(together.items()):
        error = failed[some[0]]
        alone = len(some) == 1 and not isinstance(error, NodeUnreachable)
        whose = some[0] if alone else f"guests on {node}"
        yield because(error, what.format(whose))


def with_guests(keys: Sequence[str], what: str) -> list[Gap]:
    """Return gaps that hide what belongs to guests that are hidden themselves."""
    return of_keys(keys, f"the {what} of guests that are hidden are hidden with them", Trouble.UNAUTHORIZED)


def named(names: Iterable[object]) -> str:
    """Return some names as words: ``100, 101 and 7 others``."""
    found = [str(name) for name in names]
    more = len(found) - _NAMED
    return ", ".join(found[:_NAMED]) + (f" and {more} other{'s' if more > 1 else ''}" if more > 0 else "")


def fitting(found: Iterable[Gap]) -> tuple[Gap, ...]:
    """Return as many as a scan's close can carry: those first that hide something."""
    return tuple(sorted(found, key=lambda gap: not gap.hides)[:_MOST])
