"""Globs (``web-*``, ``disk[0-9]``, ``?``) as regular expressions that Python and DuckDB (RE2) read alike."""

import re
from functools import lru_cache


@lru_cache(maxsize=4096)
def regex(glob: str) -> str:
    """Return a pattern for the whole text; a bracket that is never closed is a bracket."""
    made: list[str] = []
    place = 0
    while place < len(glob):
        char = glob[place]
        place += 1
        if char == "*":
            made.append(".*")
        elif char == "?":
            made.append(".")
        elif char == "[" and (end := _end_of_class(glob, place)):
            made.append(_class(glob[place:end]))
            place = end + 1
        else:
            made.append(_literal(char))
    return "".join(made)


@lru_cache(maxsize=4096)
def compiled(glob: str) -> re.Pattern[str]:
    """``fullmatch`` with it is what the glob means."""
    return re.compile(regex(glob), re.DOTALL)


def _end_of_class(glob: str, start: int) -> int:
    """The place of the closing bracket; one that comes first is a member of the class.  0: there is none."""
    first = start + 1 if glob[start : start + 1] in ("!", "^") else start
    return max(glob.find("]", first + 1), 0)


def _class(inside: str) -> str:
    negated = inside[0] in "!^"
    members, made = inside[negated:], ""
    place = 0
    while place < len(members):
        first = members[place]
        if members[place + 1 : place + 2] == "-" and place + 2 < len(members):
            last = members[place + 2]
            made += f"{_literal(first)}-{_literal(last)}" if first <= last else ""
            place += 3
        else:
            made += _literal(first)
            place += 1
    if not made:
        return "." if negated else _NOTHING
    return f"[{'^' if negated else ''}{made}]"


_NOTHING = "[^\\s\\S]"


def _literal(char: str) -> str:
    return char if char.isalnum() or not char.isascii() or char in "\n\0" else f"\\{char}"
