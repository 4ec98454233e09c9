"""Numbers and switches as Proxmox says them: now as such, now as text, now as 0 and 1.  What is none is not known."""

from math import isfinite
from typing import Annotated

from pydantic import BeforeValidator


def number(value: object) -> float | None:
    """Return the number that ``value`` is or says; None where it is none."""
    if value is None or type(value) is int:
        return value
    if not isinstance(value, float | str | bool):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if isfinite(found) else None


def whole(value: object) -> int | None:
    if value is None:
        return None
    found = number(value)
    return None if found is None else int(found)


def flag(value: object) -> bool | None:
    """Return what 0 and 1, or the words for them, say; None where nothing is said."""
    if value is None:
        return None
    if isinstance(value, str) and (word := value.strip().lower()) in _WORDS:
        return _WORDS[word]
    found = number(value)
    return None if found is None else bool(found)


_WORDS = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}
Number = Annotated[float | None, BeforeValidator(number)]
Whole = Annotated[int | None, BeforeValidator(whole)]
Flag = Annotated[bool, BeforeValidator(lambda value: flag(value) or False)]
