"""Rows in and out in bulk: one text parameter, a JSON array of rows, instead of a list of values.

DuckDB 1.5's Python binding takes 50 us for each element of a list parameter, a text 1 us.  The array is first cut into
texts and each of them read as a row: five times as fast as reading a list of rows.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import orjson

_NESTED: dict[str, Any] = {"VARCHAR[]": ["VARCHAR"]}


def structure(columns: dict[str, str]) -> str:
    """Return the ``from_json`` structure of a row with these columns and types."""
    return json.dumps({name: _NESTED.get(kind, kind) for name, kind in columns.items()})


def array(rows: Sequence[Any]) -> str:
    """The parameter for ``SPLIT``."""
    return orjson.dumps(rows).decode()


SPLIT = "from_json(?::JSON, '[\"JSON\"]')"


def parsed(columns: dict[str, str]) -> str:
    """A subquery with the rows of one parameter as structs ``r``."""
    return f"(SELECT from_json(l, '{structure(columns)}') AS r FROM (SELECT unnest({SPLIT}) AS l))"


def quoted(name: str) -> str:
    """A column's name as SQL takes it: some good names (``at``) are words of the language."""
    return f'"{name}"'


def insert(con: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], rows: Sequence[Any]) -> None:
    """Append ``rows`` (mappings or dataclasses) to ``table``."""
    if rows:
        names = ", ".join(map(quoted, columns))
        con.execute(
            f"INSERT INTO {table} ({names})"
            f" SELECT {', '.join(f'r.{quoted(name)}' for name in columns)}"
            f" FROM {parsed(columns)}",
            [array(rows)],
        )


def merge(
    con: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], on: Sequence[str], rows: Sequence[Any]
) -> None:
    """Insert ``rows`` or replace those that agree in the columns ``on``, which must be unique among ``rows``."""
    if rows:
        con.execute(
            f"MERGE INTO {table} AS t"
            f" USING {parsed(columns)} AS s"
            f" ON {' AND '.join(f't.{name} = s.r.{name}' for name in on)}"
            f" WHEN MATCHED THEN UPDATE SET {', '.join(f'{name} = s.r.{name}' for name in columns if name not in on)}"
            f" WHEN NOT MATCHED THEN INSERT ({', '.join(columns)})"
            f" VALUES ({', '.join(f's.r.{name}' for name in columns)})",
            [array(rows)],
        )


def texts(values: Iterable[str]) -> str:
    """The parameter for ``IN_TEXTS``."""
    return orjson.dumps(list(values)).decode()


IN_TEXTS = "(SELECT unnest(from_json(?::JSON, '[\"VARCHAR\"]')))"


def dicts(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """All rows of what was just executed, as mappings of column names."""
    names = [column[0] for column in con.description or ()]
    return [dict(zip(names, row, strict=True)) for row in con.fetchall()]
