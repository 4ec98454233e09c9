"""The process that runs other people's SQL: ``python -m daemon.store.sandbox.worker SETTINGS``.

It holds a snapshot opened for reading and nothing else: no environment, no network, no file to write, a fixed share of
memory and processor.  Frames of JSON come and go over its standard streams, one question at a time.  The parent keeps
the wall clock and kills it; nothing here has to be saved.
"""

import os
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import orjson

from daemon.store.sandbox import allowed, cells, errors, fences

Connection = duckdb.DuckDBPyConnection

LENGTH = 4
CHUNK = 256
AT = re.compile(r"LINE \d+:.*\bat\b", re.IGNORECASE)
HARDENED: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "enable_external_access": False,
    "python_enable_replacements": False,
    "temp_directory": "",
    "max_temp_directory_size": "0KB",
}


class Worker:
    def __init__(self, memory_mb: int, threads: int) -> None:
        self._memory = memory_mb * fences.MEBI
        self._threads = threads
        self._config = HARDENED | {"memory_limit": f"{memory_mb * 3 // 4}MiB", "threads": threads}
        self._connection: Connection | None = None
        self._at_rest = 0
        self.spent = False

    def do(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one frame.  ``spent`` in the answer: this process ends now, start another."""
        actions: dict[str, Callable[..., dict[str, Any]]] = {
            "merge": self.merge,
            "open": self.open,
            "query": self.query,
        }
        try:
            answer = actions[request.pop("do")](**request)
        except Exception as error:  # noqa: BLE001 - the border of the process: everything becomes one of ours
            answer = self._trouble(error)
        return answer | {"spent": self.spent}

    def merge(self, copy: str, snapshot: str) -> dict[str, Any]:
        """Make the copy one whole file (its log merged), put it in the snapshot's place, and open it."""
        began = time.perf_counter()
        fences.for_merge()
        log = Path(f"{copy}.wal")
        if log.exists():
            connection = duckdb.connect(copy, config=self._config)  # noqa: TID251 - the sandbox's own file
            try:
                connection.execute("CHECKPOINT")
            finally:
                connection.close()
            log.unlink(missing_ok=True)
        Path(copy).chmod(0o400)  # whoever opens it as if it were the store is told no
        Path(f"{snapshot}.wal").unlink(missing_ok=True)  # of somebody who did: it belongs to a file that goes now
        Path(copy).replace(snapshot)
        return self.open(snapshot) | {"seconds": time.perf_counter() - began}

    def open(self, snapshot: str) -> dict[str, Any]:
        fences.for_merge()
        if self._connection is not None:
            self._connection.close()
        self._connection = duckdb.connect(snapshot, read_only=True, config=self._config)  # noqa: TID251
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET lock_configuration = true")
        self._connection.execute("SELECT json_serialize_sql('SELECT 1'), now()").fetchall()  # all that loads late
        self._at_rest = self._at_rest or fences.address_space()
        return {}

    def query(self, sql: str, max_rows: int, max_bytes: int, seconds: float) -> dict[str, Any]:
        if self._connection is None:
            raise errors.SqlFailed("No snapshot is open.")
        fences.for_query(address_space=self._at_rest + self._memory, cpu_seconds=seconds * self._threads)
        timer = threading.Timer(seconds, self._connection.interrupt)
        timer.daemon = True
        began = time.perf_counter()
        timer.start()
        try:
            answer = run(self._connection, sql, max_rows, max_bytes)
        finally:
            timer.cancel()
        self.spent = fences.address_space() > self._at_rest + self._memory // 2  # the next one gets its full share
        return answer | {"elapsed_ms": (time.perf_counter() - began) * 1000}

    def _trouble(self, error: Exception) -> dict[str, Any]:
        match error:
            case errors.SqlError():
                mine = error
            case duckdb.InterruptException():
                mine = errors.SqlTimeout("")
            case duckdb.OutOfMemoryException() | MemoryError():
                mine = errors.SqlTooLarge("")
            case duckdb.PermissionException():
                mine = errors.SqlRefused(f"{error} {allowed.INSTEAD}")
            case duckdb.ParserException() if AT.search(str(error)):
                mine = errors.SqlFailed(f'{error}\n`at` is a word of SQL here: write "at", in double quotes.')
            case _:
                mine = errors.SqlFailed(str(error))
        known = errors.SqlRefused | errors.SqlFailed | duckdb.Error
        fatal = duckdb.FatalException | duckdb.InternalException
        self.spent = isinstance(mine, errors.SqlTooLarge) or isinstance(error, fatal) or not isinstance(error, known)
        return {"trouble": type(mine).__name__, "text": str(mine)}


def run(connection: Connection, sql: str, max_rows: int, max_bytes: int) -> dict[str, Any]:
    cursor = connection.execute(checked(connection, sql))
    description = cursor.description or []
    read = [cells.reader(kind) for _, kind, *_ in description]
    rows: list[orjson.Fragment] = []
    size, truncated = 0, False
    while not truncated and (several := cursor.fetchmany(min(CHUNK, max_rows + 1 - len(rows)))):
        for values in several:
            row = orjson.dumps([one(value) for one, value in zip(read, values, strict=True)])
            size += len(row) + 1
            if len(rows) == max_rows or size > max_bytes:
                truncated = True
                break
            rows.append(orjson.Fragment(row))
    if truncated and not rows:
        raise errors.SqlTooLarge(
            f"The first row alone is {size:,} bytes of the {max_bytes:,} that an answer may have. "
            "Select fewer columns, or a part: substr(column, 1, 1000)."
        )
    return {
        "columns": [name for name, *_ in description],
        "types": [str(kind) for _, kind, *_ in description],
        "rows": rows,
        "truncated": truncated,
    }


def checked(connection: Connection, sql: str) -> str:
    """Return the one statement to run, or raise ``SqlRefused``; what is not SQL raises DuckDB's own error."""
    explain, query = allowed.without_explain(sql)
    tree = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()[0][0]
    try:
        serialised = orjson.loads(tree)
    except orjson.JSONDecodeError as error:
        raise errors.SqlRefused("The statement is nested too deeply to be judged. Write it flatter.") from error
    if why := allowed.refusal(serialised, _kinds(connection, sql) if serialised["error"] else ()):
        raise errors.SqlRefused(why)
    return explain + query


def _kinds(connection: Connection, sql: str) -> list[str]:
    """Name the statements of a text that is no query.  Not with the module's own function: it uses an open instance."""
    try:
        return [statement.type.name for statement in connection.extract_statements(sql)]
    except duckdb.ParserException:
        raise
    except duckdb.Error:
        return ["something else"]  # IMPORT DATABASE reads its file at this point, or would


def serve(worker: Worker, questions: BinaryIO, answers: BinaryIO) -> None:
    while not worker.spent and len(length := questions.read(LENGTH)) == LENGTH:
        request = orjson.loads(questions.read(int.from_bytes(length, "big")))
        answer = orjson.dumps(worker.do(request))
        answers.write(len(answer).to_bytes(LENGTH, "big") + answer)
        answers.flush()


def main() -> None:
    settings = orjson.loads(sys.argv[1])
    fences.die_with(settings["parent"])
    fences.settle()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    with suppress(BrokenPipeError, KeyboardInterrupt):
        serve(Worker(settings["memory_mb"], settings["threads"]), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
