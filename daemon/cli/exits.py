"""Exit codes, and how an expected error reads: one line on stderr, never a traceback."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import wraps
from typing import ParamSpec, TypeVar

import typer

from daemon.api.answers import Refused, Unavailable
from daemon.runtime.config import BadConfig

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    DEVIATIONS = 3
    UNAVAILABLE = 69
    """EX_UNAVAILABLE: no daemon."""
    BAD_CONFIG = 78
    """EX_CONFIG; the units do not restart on it."""
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class Failure(Exception):
    """A command cannot do what was asked; the text says why and what to do."""

    def __init__(self, text: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(text)
        self.code = code


def told(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make the expected errors of a command one readable line and an exit code."""

    @wraps(command)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with telling():
            result = command(*args, **kwargs)
            sys.stdout.flush()
            return result

    return wrapper


@contextmanager
def telling() -> Iterator[None]:
    try:
        yield
    except BadConfig as error:
        for fault in error.faults:
            typer.echo(str(fault), err=True)
        raise typer.Exit(Exit.BAD_CONFIG) from None
    except Failure as error:
        raise _end(str(error), error.code) from None
    except Unavailable as error:
        raise _end(str(error), Exit.UNAVAILABLE) from None
    except Refused as error:
        say(f"homelab: {error}")
        for candidate in error.candidates:
            say(f"  {candidate}")
        raise typer.Exit(Exit.FAILED) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(Exit.BROKEN_PIPE) from None
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def say(text: str) -> None:
    """Say something beside the answer, on stderr."""
    typer.echo(text, err=True)


def _end(text: str, code: Exit) -> typer.Exit:
    say(f"homelab: {text}")
    return typer.Exit(code)
