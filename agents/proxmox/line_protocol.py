"""InfluxDB's line protocol, read.  Pure.

``measurement,tag=value field=value,field="text" time``, one point a line; a text between quotes may go over several.
A line that is none costs itself and nothing else: reading goes on behind the next end of line.
"""

import re
from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple

Value = float | int | bool | str

_MEASUREMENT = r"(?:\\[, ]|[^, \n])++"
_NAME = r"(?:\\[,= ]|[^,= \n])++"
_TEXT = r'"(?:\\.|[^"\\])*+"'
_TAG = re.compile(f",({_NAME})=({_NAME})")
_FIELD = re.compile(rf"({_NAME})=({_TEXT}|[^,\s\"]++)", re.DOTALL | re.ASCII)
_LINE = re.compile(
    rf"(?P<measurement>{_MEASUREMENT})(?P<tags>(?:,{_NAME}={_NAME})*+) ++"
    rf"(?P<fields>{_NAME}=(?:{_TEXT}|[^,\s\"]++)(?:,{_NAME}=(?:{_TEXT}|[^,\s\"]++))*+)"
    r"(?: ++(?P<time>-?\d{1,19}))?[ \r]*+(?:\n|\Z)",
    re.DOTALL | re.ASCII,
)
_NOTHING = re.compile(r"[ \t\r]*+(?:#[^\n]*+)?(?:\n|\Z)")
_FLOAT = re.compile(r"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?", re.ASCII)
_INTEGER = re.compile(r"(-?\d{1,20})[iu]", re.ASCII)
_TRUE, _FALSE = ("t", "T", "true", "True", "TRUE"), ("f", "F", "false", "False", "FALSE")
_ESCAPED = re.compile(r"\\([,= ])")
_ESCAPED_IN_TEXT = re.compile(r'\\(["\\])')


class Line(NamedTuple):
    measurement: str
    tags: dict[str, str]
    fields: dict[str, Value]
    time: int | None
    """In the unit the writer said; None where the line has no time."""


def parse(text: str) -> Iterator[Line | None]:
    """Yield each line, None for one that cannot be read; empty ones and comments are left out."""
    at = 0
    while at < len(text):
        if nothing := _NOTHING.match(text, at):
            at = nothing.end()
            continue
        start = _after_blanks(text, at)
        found = _LINE.match(text, start)
        yield None if found is None else _line(found)
        at = text.find("\n", start) + 1 or len(text) if found is None else found.end()


def _after_blanks(text: str, at: int) -> int:
    while text[at] in " \t":
        at += 1
    return at


def _line(found: re.Match[str]) -> Line | None:
    fields: dict[str, Value] = {}
    for name, written in _FIELD.findall(found["fields"]):
        value = _value(written)
        if value is None:
            return None
        fields[_unescaped(name)] = value
    tags = {_unescaped(name): _unescaped(value) for name, value in _TAG.findall(found["tags"])}
    time = found["time"]
    return Line(_unescaped(found["measurement"]), tags, fields, None if time is None else int(time))


def _value(written: str) -> Value | None:
    if written[0] == '"':
        return _ESCAPED_IN_TEXT.sub(r"\1", written[1:-1]) if "\\" in written else written[1:-1]
    if _FLOAT.fullmatch(written):
        return number if isfinite(number := float(written)) else None
    if integer := _INTEGER.fullmatch(written):
        return int(integer[1])
    return True if written in _TRUE else False if written in _FALSE else None


def _unescaped(name: str) -> str:
    return _ESCAPED.sub(r"\1", name) if "\\" in name else name
