"""Rows of an answer as a Parquet file: the types survive."""

import duckdb
import pytest

from daemon.store import parquet

TYPES = {
    "a name": "VARCHAR",
    'quoted "so"': "BIGINT",
    "at": "TIMESTAMP WITH TIME ZONE",
    "list": "VARCHAR[]",
    "map": "MAP(VARCHAR, VARCHAR)",
    "struct": "STRUCT(a BIGINT, b VARCHAR)",
    "json": "JSON",
    "sure": "BOOLEAN",
}
ROW = ["x", 1, "2026-11-20T08:00:00Z", ["a", "b"], {"k": "v"}, {"a": 1, "b": "c"}, {"deep": [1]}, True]


def test_each_type_comes_back_as_it_was(tmp_path):
    file = tmp_path / "answer.parquet"
    parquet.write(file, list(TYPES), list(TYPES.values()), [ROW, [None] * len(ROW)])
    found = duckdb.sql(f"from '{file}'")
    assert found.columns == list(TYPES)
    assert [str(kind) for kind in found.types] == list(TYPES.values())
    first, second = found.fetchall()
    assert first[0:2] == ("x", 1)
    assert first[3:6] == (["a", "b"], {"k": "v"}, {"a": 1, "b": "c"})
    assert second == (None,) * len(ROW)


def test_no_rows_are_a_file_with_columns(tmp_path):
    file = tmp_path / "answer.parquet"
    parquet.write(file, ["n"], ["BIGINT"], [])
    assert duckdb.sql(f"from '{file}'").fetchall() == []


def test_a_file_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(parquet.NotWritten, match=r"none/answer\.parquet"):
        parquet.write(tmp_path / "none" / "answer.parquet", ["n"], ["BIGINT"], [[1]])
