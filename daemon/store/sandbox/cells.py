"""A value of DuckDB as JSON, by the type of its column.

Times with a zone are UTC and end in Z; those without stay without.  JSON columns are values, not texts.  A number that
JSON readers would round, and what is not a number, is a string; bytes are base64; an interval is ISO 8601.
"""

import base64
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite, isnan
from typing import Any

import orjson
from duckdb import sqltypes

Read = Callable[[Any], Any]

PLAIN = frozenset({"boolean", "varchar", "enum", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint"})
NESTED = frozenset({"list", "array", "struct", "map", "union", "variant"})
INT64 = range(-(2**63), 2**63)


def reader(kind: sqltypes.DuckDBPyType) -> Read:
    """Return the function that makes JSON of such a value; it is called once a cell."""
    if str(kind) == "JSON":
        return _parsed
    if kind.id in PLAIN:
        return _same
    if kind.id not in {"list", "array", "struct", "map"}:
        return plain
    children = [(name, child) for name, child in kind.children if isinstance(child, sqltypes.DuckDBPyType)]
    if kind.id == "struct":
        return _struct({name: reader(child) for name, child in children})
    if kind.id == "map":
        (_, name), (_, one) = children
        return _mapping(reader(name), reader(one), in_pairs=name.id in NESTED)
    return _list(reader(children[0][1]))


def plain(value: Any) -> Any:  # noqa: ANN401, C901, PLR0911 - one line per type
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if value in INT64 else str(value)
        case float():
            return value if isfinite(value) else "NaN" if isnan(value) else f"{'-' if value < 0 else ''}Infinity"
        case Decimal():
            return float(value) if Decimal(repr(float(value))) == value else str(value)
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return interval(value)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case dict():
            return {_name(key): plain(one) for key, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case _:
            return str(value)


def interval(value: timedelta) -> str:
    """Give days and seconds in ISO 8601: ``P1DT90.5S``, ``-PT5S``."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    seconds = f"{value.seconds + value.microseconds / 1_000_000:.6f}".rstrip("0").rstrip(".")
    days = f"{value.days}D" if value.days else ""
    return f"{sign}P{days}T{seconds}S" if seconds != "0" or not days else f"{sign}P{days}"


def _same(value: Any) -> Any:  # noqa: ANN401
    return value


def _parsed(text: str | None) -> Any:  # noqa: ANN401
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _list(read: Read) -> Read:
    return lambda several: None if several is None else [read(one) for one in several]


def _struct(readers: dict[str, Read]) -> Read:
    def read(value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, dict):
            return plain(value)  # a row without names comes as a tuple
        return {name: readers[name](one) for name, one in value.items()}

    return read


def _mapping(key: Read, one: Read, *, in_pairs: bool) -> Read:
    """``in_pairs``: Python cannot hash such keys, so DuckDB gives two lists."""

    def read(value: Any) -> Any:  # noqa: ANN401
        if value is None:
            return None
        pairs = zip(value["key"], value["value"], strict=True) if in_pairs else value.items()
        return {_name(key(name)): one(inner) for name, inner in pairs}

    return read


def _name(key: Any) -> str:  # noqa: ANN401
    return key if isinstance(key, str) else orjson.dumps(plain(key)).decode()
