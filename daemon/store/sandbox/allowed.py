"""Which statements may be asked: a pure judgement of the tree that DuckDB's ``json_serialize_sql`` makes of a text.

Only what is on a list gets through: kinds of query node, table functions by name.  The snapshot is read-only and the
worker's configuration locked besides; this refuses what those let pass (functions with effects, SQL inside of strings,
other files) and says so in a sentence.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Node = Mapping[str, Any]

QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
TABLE_FUNCTIONS = frozenset(
    {
        *("range", "generate_series", "unnest", "repeat", "json_each", "json_tree", "summary"),
        *("duckdb_tables", "duckdb_columns", "duckdb_views", "duckdb_constraints", "duckdb_indexes"),
        *("duckdb_schemas", "duckdb_types", "duckdb_functions", "duckdb_keywords"),
        *("pragma_table_info", "pragma_show", "pragma_version", "pg_timezone_names", "icu_calendar_names"),
    }
)
REFUSED_FUNCTIONS = frozenset(
    {"getenv", "current_setting", "nextval", "currval", "write_log", "pg_sleep", "sleep_ms"}
    | {"query", "query_table", "json_execute_serialized_sql", "which_secret"}
)
REFUSED_VIEWS = frozenset({"duckdb_logs", "duckdb_settings", "duckdb_secrets", "pg_settings"})
LOOKS_LIKE_A_FILE = re.compile(r"[/\\:*?\[.]")
EXPLAIN = re.compile(r"\s*explain\b(?P<analyze>\s+analyze\b)?(?P<query>.*)", re.IGNORECASE | re.DOTALL)

QUERIES = "SELECT, WITH, FROM, VALUES, DESCRIBE, SHOW TABLES, SUMMARIZE, or EXPLAIN before one of these"
INSTEAD = "SHOW TABLES lists what can be read."


def without_explain(sql: str) -> tuple[str, str]:
    """Split ``EXPLAIN [ANALYZE]`` off, since DuckDB does not serialise it: what is explained is judged by itself."""
    match = EXPLAIN.fullmatch(sql)
    if match is None:
        return "", sql
    return "EXPLAIN ANALYZE " if match["analyze"] else "EXPLAIN ", match["query"]


def refusal(serialised: Node, kinds: Sequence[str]) -> str | None:
    """Return why the text may not be run, or None.

    ``serialised`` is what ``json_serialize_sql`` returned; ``kinds`` are DuckDB's names for the statements of the text.
    """
    if serialised["error"]:
        return _not_a_query(kinds)
    statements: Sequence[Node] = serialised["statements"]
    if not statements:
        return f"There is no statement in the text. Write one: {QUERIES}."
    if len(statements) > 1:
        return f"One statement at a time; there are {len(statements)}. Ask them one by one."
    nodes = list(_nodes(statements[0]))
    common = frozenset(name for node in nodes for name in _common_tables(node))
    return next((why for node in nodes if (why := _of_node(node, common))), None)


def _not_a_query(kinds: Sequence[str]) -> str:
    if tuple(kinds) == ("CREATE", "SELECT"):
        return "A PIVOT needs its values named, since nothing can be created here: PIVOT t ON column IN ('a', 'b')."
    what = " and ".join(dict.fromkeys(kinds)) or "no statement"
    if kinds and kinds[0] in {"SELECT", "CALL"}:
        what = "a PRAGMA or CALL"
    return f"Only a query is answered ({QUERIES}), and this is {what}. The snapshot is never written. {INSTEAD}"


def _of_node(node: Node, common: frozenset[str]) -> str | None:
    kind = node.get("type")
    if isinstance(kind, str) and kind.endswith("_NODE") and kind not in QUERY_NODES:
        return f"A {kind.removesuffix('_NODE').replace('_', ' ')} inside a query is not answered; only reading is."
    if kind == "TABLE_FUNCTION":
        return _of_table_function(node)
    if kind == "BASE_TABLE":
        return _of_table(str(node["table_name"]), common)
    if kind == "SHOW_REF":
        return _of_table(str(node["table_name"]).strip('"'), common)
    if kind == "VALUE_PARAMETER":
        return "Parameters (`?`, `$name`) cannot be given; write the value into the text."
    name = str(node.get("function_name", "")).lower()
    return f"The function {name} is not allowed: it does more than compute." if name in REFUSED_FUNCTIONS else None


def _of_table_function(node: Node) -> str | None:
    name = str(node["function"].get("function_name", "this")).lower()
    if name in TABLE_FUNCTIONS:
        return None
    usual = "range, generate_series, unnest, json_each, json_tree, duckdb_columns, pragma_table_info"
    return f"The table function {name} is not allowed; {usual} and the like are. {INSTEAD}"


def _of_table(name: str, common: frozenset[str]) -> str | None:
    if name in common:
        return None
    if name.lower() in REFUSED_VIEWS:
        return f"The view {name} is not open to queries. {INSTEAD}"
    if LOOKS_LIKE_A_FILE.search(name):
        return f"Files and addresses cannot be read, and {name!r} looks like one. {INSTEAD}"
    return None


def _common_tables(node: Node) -> Iterator[str]:
    """Give the names that ``WITH`` gives; they may look like anything."""
    for entry in (node.get("cte_map") or {}).get("map", ()):
        yield entry["key"]


def _nodes(root: Node) -> Iterator[Node]:
    """Walk every object of the tree, wherever it hangs; without recursion, however deep it is."""
    left: list[object] = [root]
    while left:
        match left.pop():
            case dict() as node:
                yield node
                left.extend(node.values())
            case list() as several:
                left.extend(several)
