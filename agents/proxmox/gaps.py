"""What a reading could not see, in the contract's words."""

from collections.abc import Iterable, Sequence

from agents.errors import AgentError
from agents.proxmox.troubles import Denied
from schemas.events import Gap, Trouble
from schemas.resources import Kind

_MOST = 100
_LONGEST = 1000
_NAMED = 5
_KEYS = 1000


def because(
    error: AgentError, what: str, *, kinds: Sequence[Kind] = (), parent: str | None = None, keys: Sequence[str] = ()
) -> Gap:
    """Return the gap that ``error`` leaves; without ``kinds`` and ``keys`` it hides nothing, only details."""
    denied = error if isinstance(error, Denied) else None
    return Gap(
        trouble=error.trouble,
        detail=f"{what}: {error}"[:_LONGEST],
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
