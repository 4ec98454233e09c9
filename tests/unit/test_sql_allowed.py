"""Judged on the trees that the installed DuckDB really makes: a new release that parses otherwise shows here."""

import duckdb
import pytest

from daemon.store.sandbox import allowed, errors, worker


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS i, 'a' AS n, '{}'::JSON AS j")
        yield connection


ANSWERED = [
    "SELECT * FROM t",
    "select 1;",
    "-- why\nSELECT 1 -- because",
    "WITH a AS (SELECT 1) SELECT * FROM a",
    'WITH "a/b.csv" AS (SELECT 1 AS x) FROM "a/b.csv"',
    "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 3) SELECT * FROM r",
    "VALUES (1), (2)",
    "FROM t",
    "FROM t SELECT i",
    "TABLE t",
    "DESCRIBE t",
    "DESCRIBE SELECT 1",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SUMMARIZE t",
    "EXPLAIN SELECT * FROM t",
    "explain analyze select 1",
    "EXPLAIN DESCRIBE t",
    "UNPIVOT (SELECT 1 AS i, 2 AS k) ON i, k",
    "PIVOT t ON n IN ('a') USING sum(i)",
    "SELECT * FROM range(3)",
    "SELECT unnest([1, 2])",
    "SELECT list_transform([1], lambda x: x + 1)",
    "SELECT * FROM t, json_each(j)",
    "SELECT * FROM t, LATERAL (SELECT i + 1)",
    "FROM duckdb_columns()",
    "FROM information_schema.tables",
    "FROM sqlite_master",
    "FROM pragma_table_info('t')",
    "SELECT 'read_csv, DROP TABLE t; COPY'",
]

WRITES = [
    "INSERT INTO t VALUES (2, 'b', '{}')",
    "UPDATE t SET i = 2",
    "DELETE FROM t",
    "TRUNCATE t",
    "MERGE INTO t USING (SELECT 1 AS i) s ON t.i = s.i WHEN MATCHED THEN DELETE",
    "CREATE TABLE u (i INT)",
    "CREATE TEMP TABLE u (i INT)",
    "CREATE MACRO m(x) AS x",
    "DROP TABLE t",
    "ALTER TABLE t ADD COLUMN k INT",
    "EXPLAIN DELETE FROM t",
    "EXPLAIN ANALYZE DELETE FROM t",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "BEGIN",
    "COMMIT",
]
REACHES_OUT = [
    "COPY t TO '/tmp/x.csv'",
    "COPY (SELECT 1) TO '/tmp/x.csv'",
    "COPY t FROM '/tmp/x.csv'",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "ATTACH '/tmp/x.duckdb'",
    "ATTACH ':memory:' AS m",
    "DETACH memory",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '100GB'",
    "SET VARIABLE x = 1",
    "RESET threads",
    "PRAGMA database_list",
    "PRAGMA table_info('t')",
    "PRAGMA threads = 8",
    "CALL pragma_version()",
    "CALL quack_stop('quack:localhost:1')",
    "CHECKPOINT",
    "VACUUM",
    "CREATE SECRET s (TYPE quack, TOKEN 'x')",
]
SMUGGLED = [
    "FROM quack_stop('quack:localhost:1')",
    "FROM quack_serve('quack:localhost:1')",
    "FROM force_checkpoint()",
    "FROM checkpoint()",
    "FROM enable_logging()",
    "FROM query('SELECT 1')",
    "FROM QUERY('DELETE FROM t')",
    "FROM system.main.query('SELECT 1')",
    "FROM \"query\"('SELECT 1')",
    "FROM query_table('t')",
    "SELECT query('SELECT 1')",
    "FROM json_execute_serialized_sql('{}')",
    "FROM read_csv('/etc/passwd')",
    "FROM read_csv_auto('/etc/passwd')",
    "FROM read_text('/etc/passwd')",
    "FROM read_blob('/etc/passwd')",
    "FROM read_json('/etc/x.json')",
    "FROM read_parquet('x.parquet')",
    "FROM parquet_metadata('x.parquet')",
    "FROM read_duckdb('x.duckdb')",
    "FROM glob('/*')",
    "FROM sniff_csv('/etc/passwd')",
    "FROM duckdb_secrets()",
    "FROM duckdb_settings()",
    "FROM duckdb_logs()",
    "FROM duckdb_logs",
    "FROM which_secret('x', 's3')",
    "FROM pg_catalog.pg_settings",
    "FROM histogram_values('/etc/passwd', x)",
    "SELECT getenv('HOME')",
    "SELECT current_setting('secret_directory')",
    "SELECT nextval('s')",
    "SELECT pg_sleep(1)",
    "FROM '/etc/passwd'",
    "FROM 'x.csv'",
    "SELECT * FROM 'https://example.org/x.parquet'",
    'SELECT * FROM "x.parquet"',
    "DESCRIBE '/etc/passwd'",
    "SUMMARIZE 'x.csv'",
]
HIDING_PLACES = [
    "SELECT (SELECT count(*) {})",
    "SELECT 1 WHERE EXISTS ({} SELECT 1)",
    "WITH a AS (SELECT * {}) SELECT 1",
    "WITH RECURSIVE r AS (SELECT 1 UNION SELECT 1 {}) FROM r",
    "SELECT * FROM t JOIN (SELECT * {}) s ON true",
    "SELECT * FROM t, LATERAL (SELECT * {})",
    "SELECT 1 UNION ALL SELECT 1 {}",
    "SELECT CASE WHEN i = (SELECT 1 {}) THEN 1 END FROM t",
    "SELECT i FROM t ORDER BY (SELECT 1 {})",
    "SELECT i FROM t LIMIT (SELECT 1 {})",
    "SELECT sum(i) FILTER (WHERE i IN (SELECT 1 {})) OVER () FROM t",
    "SELECT list_transform([1], lambda x: (SELECT 1 {})) FROM t",
    "VALUES ((SELECT 1 {}))",
    "DESCRIBE SELECT * {}",
    "SUMMARIZE SELECT * {}",
    "EXPLAIN SELECT * {}",
    "PIVOT (SELECT * {}) ON n IN ('a') USING sum(i)",
    "SELECT * {} TABLESAMPLE 10%",
]


@pytest.mark.parametrize("sql", ANSWERED)
def test_a_query_is_answered(connection, sql):
    connection.execute(worker.checked(connection, sql)).fetchall()


@pytest.mark.parametrize("sql", [*WRITES, *REACHES_OUT])
def test_what_is_not_a_query_is_refused_with_advice(connection, sql):
    with pytest.raises(errors.SqlRefused, match=r"Only a query is answered .* SHOW TABLES"):
        worker.checked(connection, sql)


@pytest.mark.parametrize("sql", SMUGGLED)
def test_a_query_that_reaches_for_more_than_tables_is_refused(connection, sql):
    with pytest.raises(errors.SqlRefused):
        worker.checked(connection, sql)


@pytest.mark.parametrize("place", HIDING_PLACES)
@pytest.mark.parametrize("hidden", ["FROM query('SELECT 1')", "FROM 'x.csv'", "FROM duckdb_secrets()"])
def test_it_is_found_wherever_it_hides(connection, place, hidden):
    with pytest.raises(errors.SqlRefused, match=r"query|x\.csv|duckdb_secrets"):
        worker.checked(connection, place.format(hidden))
    try:
        worker.checked(connection, place.format("FROM range(3)"))
    except errors.SqlError:
        pytest.fail("the place itself is refused, so it proves nothing")


def test_one_statement_at_a_time(connection):
    with pytest.raises(errors.SqlRefused, match="there are 2"):
        worker.checked(connection, "SELECT 1; SELECT 2")
    for text in ("SELECT 1; DROP TABLE t", "EXPLAIN SELECT 1; DROP TABLE t"):
        with pytest.raises(errors.SqlRefused):
            worker.checked(connection, text)
    for text in ("", " ; ", "-- nothing"):
        with pytest.raises(errors.SqlRefused, match="no statement"):
            worker.checked(connection, text)


def test_a_pivot_whose_values_are_not_named_is_told_how_to_name_them(connection):
    with pytest.raises(errors.SqlRefused, match="IN \\('a', 'b'\\)"):
        worker.checked(connection, "PIVOT t ON n USING sum(i)")


def test_a_parameter_is_told_to_be_written_out(connection):
    for sql in ("SELECT ?", "SELECT $a"):
        with pytest.raises(errors.SqlRefused, match="write the value"):
            worker.checked(connection, sql)


def test_a_writing_common_table_is_refused_whether_the_parser_takes_it_or_not(connection):
    with pytest.raises((errors.SqlRefused, duckdb.ParserException)):
        worker.checked(connection, "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x")
    tree = {"error": False, "statements": [{"node": {"type": "SELECT_NODE", "x": [{"type": "DELETE_QUERY_NODE"}]}}]}
    assert "DELETE" in allowed.refusal(tree, ["SELECT"])
