"""Rows of an answer as a Parquet file.  It works on a database in memory; the store is out of its reach."""

import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
from pydantic import JsonValue


class NotWritten(Exception):
    """The file cannot be written; the text says why."""


def write(path: Path, columns: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[JsonValue]]) -> None:
    """Write ``rows``; ``types`` are DuckDB's names of the columns' types."""
    names = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in columns]
    layout = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
    casts = ", ".join(f"CAST({_cast(kind)} AS {kind})" for kind in types)
    try:
        with duckdb.connect(":memory:") as connection:  # noqa: TID251 - in memory, not the store
            connection.execute(f"CREATE TABLE answer ({layout})")
            if rows:
                connection.executemany(
                    f"INSERT INTO answer VALUES ({casts})", [[_bound(value) for value in row] for row in rows]
                )
            connection.table("answer").write_parquet(str(path))
    except duckdb.Error as error:
        raise NotWritten(f"{path}: {str(error).splitlines()[0]}") from error


def _cast(kind: str) -> str:
    nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))
    return "CAST(? AS JSON)" if nested else "?"


def _bound(value: JsonValue) -> JsonValue:
    return json.dumps(value) if isinstance(value, (dict, list)) else value
