"""What a person sees while something takes longer than a moment; on stderr, and only on a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@contextmanager
def waiting(about: str) -> Iterator[None]:
    """Show that something goes on, of unknown length."""
    with _progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as progress:
        progress.add_task(about)
        yield


@contextmanager
def counting(about: str, total: int | None) -> Iterator[Progress]:
    """Show a bar; advance ``progress.tasks[0].id``."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _progress(*columns) as progress:
        progress.add_task(about, total=total)
        yield progress


def _progress(*columns: SpinnerColumn | TextColumn | BarColumn | MofNCompleteColumn | TimeElapsedColumn) -> Progress:
    screen = Console(stderr=True, markup=False)
    return Progress(*columns, console=screen, transient=True, disable=not sys.stderr.isatty())
