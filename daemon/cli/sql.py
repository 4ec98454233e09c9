"""`homelab sql`: ask in SQL, on a snapshot that is seconds old and cannot be written."""

import csv
import json
import sys
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from daemon.cli import tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, Where, ask
from daemon.cli.exits import Failure, say, told
from daemon.cli.progress import waiting
from daemon.cli.tables import Sheet
from schemas.queries import SqlAnswer, SqlQuery


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
    PARQUET = "parquet"


@told
def sql(
    text: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT; `-` reads it from standard input.")],
    form: Annotated[Format, typer.Option("--format", "-f", help="How to write the rows.")] = Format.TABLE,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write there; needed for parquet.")] = None,
    max_rows: Annotated[int, typer.Option(min=1, max=100_000, help="Stop after so many rows.")] = 1000,
    timeout: Annotated[float | None, typer.Option(min=0.001, max=120, help="Seconds the query may take.")] = None,
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Ask in SQL.  What the tables hold: `homelab sql "show tables"`, `homelab sql "describe resources"`.

    homelab sql "select kind, count(*) from resources group by all"
    homelab sql "from state_log order by seq desc limit 20" --format csv > log.csv
    """
    form = Format.JSON if as_json else form
    if form is Format.PARQUET and output is None:
        raise typer.BadParameter("parquet needs a file: --output FILE", param_hint="--format")
    statement = sys.stdin.read() if text == "-" else text
    if not statement.strip():
        raise typer.BadParameter("there is no SQL in it", param_hint="SQL")
    query = SqlQuery(sql=statement, max_rows=max_rows, timeout_seconds=timeout)
    with waiting("asking"):
        answer = ask(Where(state, nats, creds), lambda answers: answers.query(query))
    _write(answer, form, output)
    cut = f"; cut at {max_rows}: --max-rows shows more" if answer.truncated else ""
    say(f"{words.count(len(answer.rows), 'row')} as of {words.utc(answer.as_of)}, {answer.elapsed_ms:.0f} ms{cut}")


def _write(answer: SqlAnswer, form: Format, output: Path | None) -> None:
    if form is Format.PARQUET and output is not None:
        from daemon.store import parquet  # noqa: PLC0415 - DuckDB is heavy, and for this format only

        try:
            parquet.write(output, answer.columns, answer.types, answer.rows)
        except parquet.NotWritten as error:
            raise Failure(str(error)) from error
    elif output is not None:
        try:
            output.write_text(rendered(answer, form))
        except OSError as error:
            raise Failure(f"{output}: {error.strerror}") from error
    elif form is Format.TABLE:
        tables.show(table(answer))
    else:
        typer.echo(rendered(answer, form), nl=False)


def rendered(answer: SqlAnswer, form: Format) -> str:
    match form:
        case Format.JSON:
            rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
            return json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
        case Format.CSV:
            return _csv(answer)
        case Format.MARKDOWN:
            return _markdown(answer)
    return ""


def table(answer: SqlAnswer) -> Sheet:
    numeric = ("INT", "DOUBLE", "FLOAT", "DECIMAL")
    columns = [
        tables.Column(name, right=any(word in kind for word in numeric), always=True)
        for name, kind in zip(answer.columns, answer.types, strict=True)
    ]
    return tables.table(columns, ([cell(value) for value in row] for row in answer.rows))


def cell(value: JsonValue) -> str:
    """Nothing for NULL, JSON for what is nested, and otherwise the value."""
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list, bool)) else str(value)


def _csv(answer: SqlAnswer) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows([cell(value) for value in row] for row in answer.rows)
    return text.getvalue()


def _markdown(answer: SqlAnswer) -> str:
    rows = [answer.columns, ["---"] * len(answer.columns), *([cell(value) for value in row] for row in answer.rows)]
    return "".join(f"| {' | '.join(_escaped(value) for value in row)} |\n" for row in rows)


def _escaped(text: str) -> str:
    return words.plain(text).replace("|", "\\|")
