"""Numbers and times as a person says them.  Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pydantic import JsonValue

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_SOON = 2
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024
_TEN = 10
_LONGEST_LIST = 4
_NOTHING: tuple[JsonValue, ...] = (None, "", [], {})


def ago(at: datetime | None, now: datetime) -> str:
    """`3 min ago`, `in 20 s`, `never`; a date after a month."""
    if at is None:
        return "never"
    seconds = (now - at).total_seconds()
    if abs(seconds) < _SOON:
        return "now"
    if abs(seconds) >= 31 * _DAY:
        return at.strftime("%Y-%m-%d")
    return f"{span(abs(seconds))} ago" if seconds > 0 else f"in {span(-seconds)}"


def span(seconds: float | timedelta) -> str:
    """`0.4 s`, `12 s`, `3 min`, `2 h`, `5 d`: one unit, rounded down."""
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{seconds:.1f} s" if seconds < _SOON else f"{int(seconds)} s"


def utc(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else "never"


def size(number: float | None) -> str:
    """Bytes, in the unit that leaves one to four digits."""
    if number is None:
        return ""
    for unit in _UNITS:
        if abs(number) < _STEP or unit == _UNITS[-1]:
            return f"{number:.0f} {unit}" if unit == "B" or number >= _TEN else f"{number:.1f} {unit}"
        number /= _STEP
    return ""


def count(number: int, one: str, many: str = "") -> str:
    """`1 source`, `3 sources`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}".replace(",", " ")


def some(words: Iterable[str], most: int = _LONGEST_LIST) -> str:
    """Join a few, and say how many more there are."""
    known = list(words)
    more = len(known) - most
    return ", ".join(known[:most]) + (f" and {more} more" if more > 0 else "")


def alike(told: Mapping[str, str]) -> list[str]:
    """Say once what is told of several: `images, volumes: no engine`, of all of them `no engine`; empty texts not."""
    names: dict[str, list[str]] = {}
    for name, text in told.items():
        names.setdefault(text, []).append(name)
    return [text if len(those) == len(told) else f"{', '.join(those)}: {text}" for text, those in names.items() if text]


def plain(text: object) -> str:
    """Make a text safe for a terminal: a control character (a name may hold any) is shown as its escape."""
    return "".join(char if char.isprintable() else _escape(char) for char in str(text))


def _escape(char: str) -> str:
    return " " if char in "\n\t" else char.encode("unicode_escape").decode()


def value(what: JsonValue, path: str = "") -> str:
    """A field's value in one short line; ``path`` may say that it is a number of bytes."""
    match what:
        case None:
            return ""
        case bool():
            return "yes" if what else "no"
        case int() if path.endswith("_bytes"):
            return size(what)
        case list():
            return some(map(value, what))
        case dict():
            return some(f"{key}={value(inner, key)}" for key, inner in what.items() if inner not in _NOTHING)
    return plain(what)


def both(path: str, one: JsonValue, other: JsonValue) -> tuple[str, str]:
    """Two values of one field, so that they can be told apart."""
    told = value(one, path), value(other, path)
    return told if told[0] != told[1] else (value(one), value(other))
