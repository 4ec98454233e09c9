"""The one way to print: tables that fit a terminal and are whole in a pipe; colours on terminals only; JSON.

What goes through a pipe is never cut or padded: `grep` and `awk` must see all of it.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import typer
from pydantic import BaseModel
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from daemon.cli import words

_PIPE_WIDTH = 100_000
STYLES = {
    **dict.fromkeys(("running", "ok", "present", "live", "resolved", "new", "found", "returned"), "green"),
    **dict.fromkeys(("stopped", "paused", "pending", "low", "suspect", "late", "held", "catching_up"), "yellow"),
    **dict.fromkeys(("warning", "partial"), "yellow"),
    **dict.fromkeys(("failed", "failing", "high", "critical", "missing", "denied", "lost", "removed", "gone"), "red"),
    **dict.fromkeys(("degraded", "medium", "changed", "replaced", "opened"), "dark_orange"),
    **dict.fromkeys(("unknown", "ineligible"), "magenta"),
}


_GAP = 2
_KEPT = 60
"""A name or key is cut no shorter than this before other columns are spared."""
_LEAST = 8


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    right: bool = False
    keep: bool = False
    """Never cut: keys and names are what the next command needs."""
    coloured: bool = False
    """A cell is coloured by its first word."""
    always: bool = False
    """Shown even if every row is empty there."""
    spare: int = 0
    """Left out where the terminal is too narrow, the highest first; 0: never."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table before it is laid out for a width."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


def console(*, width: int | None = None, colours: bool | None = None) -> Console:
    """Make a console on stdout; ``width`` and ``colours`` are for tests."""
    terminal = sys.stdout.isatty()
    return Console(
        file=sys.stdout,
        width=width if width is not None else (None if terminal else _PIPE_WIDTH),
        force_terminal=colours,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )


def text(content: object) -> Text:
    """A word in its own colour."""
    shown = words.plain(content)
    return Text(shown, style=STYLES.get(shown.split(" ", 1)[0].rstrip("?:,"), ""))


def table(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> Sheet:
    """Make a table; a column that is empty in every row is left out."""
    shown = [[words.plain(cell) for cell in row] for row in rows]
    used = [i for i, column in enumerate(columns) if column.always or any(row[i] for row in shown)]
    return Sheet([columns[i] for i in used], [[row[i] for i in used] for row in shown])


def laid_out(sheet: Sheet, width: int) -> Table:
    """Fit a table into ``width``: what can be spared goes first, then what is widest is cut, names and keys last."""
    widths = fitted(sheet, width)
    made = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", show_edge=False)
    for index, most in widths.items():
        column = sheet.columns[index]
        made.add_column(
            column.title, justify="right" if column.right else "left", no_wrap=True, overflow="ellipsis", width=most
        )
    for row in sheet.rows:
        made.add_row(*(text(row[i]) if sheet.columns[i].coloured else Text(row[i]) for i in widths))
    return made


def fitted(sheet: Sheet, width: int) -> dict[int, int]:
    """Return the columns to show, each with its width; together they fit if at all possible."""
    natural = {index: _width(sheet, index) for index in range(len(sheet.columns))}
    widths = {i: min(most, _KEPT) if sheet.columns[i].keep else most for i, most in natural.items()}
    while _over(widths, width) > 0:
        spare = max(widths, key=lambda i: sheet.columns[i].spare)
        if not sheet.columns[spare].spare:
            break
        del widths[spare]
    while (over := _over(widths, width)) > 0:
        widest = max(widths, key=lambda i: (widths[i] > _LEAST and not sheet.columns[i].keep, widths[i]))
        if widths[widest] <= _LEAST:
            break
        widths[widest] = max(_LEAST, widths[widest] - over)
    for index, most in tuple(widths.items()):
        widths[index] = min(natural[index], most - min(0, _over(widths, width)))
    return widths


def _over(widths: dict[int, int], width: int) -> int:
    """By how much they are too wide; negative: what is left."""
    return sum(widths.values()) + _GAP * (len(widths) - 1) - width


def _width(sheet: Sheet, index: int) -> int:
    return max(cell_len(cell) for cell in (sheet.columns[index].title, *(row[index] for row in sheet.rows)))


def show(*parts: Sheet | Text | str, to: Console | None = None) -> None:
    """Print; without trailing blanks."""
    screen = to or console()
    with screen.capture() as captured:
        for part in parts:
            match part:
                case Sheet() if part.columns:
                    screen.print(laid_out(part, screen.width))
                case Sheet():
                    pass
                case str():
                    screen.print(Text(words.plain(part)), soft_wrap=True)
                case _:
                    screen.print(part, soft_wrap=True)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip(), color=True)


def show_json(value: BaseModel | Sequence[object] | dict[str, object]) -> None:
    """Print one JSON text."""
    typer.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    return value
