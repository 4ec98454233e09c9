"""The state directory: where it is, that one process at a time holds it, and how other commands find that process."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
from pydantic import ValidationError

from daemon.runtime.secrets import environment
from schemas.running import RUN_FILE, Run

_LOCK_FILE = "lock"
_CLOCK_SLACK = 5.0


class StateUnusable(Exception):
    """The directory cannot be made or written."""


class StateHeld(Exception):
    """Another process holds the directory.  The text names it."""


class NotRunning(Exception):
    """Nothing runs on this state directory.  The text says how that is known."""


def directory(explicit: Path | None, environ: Mapping[str, str] | None = None) -> Path:
    """Return the state directory, made for us alone if it was not there.

    The one named, ``$HOMELAB_STATE``, ``$STATE_DIRECTORY`` (systemd), else ``homelab`` in the XDG state home.
    """
    path = locate(explicit, environ)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateUnusable(f"{path}: {error.strerror}: name another with --state") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise StateUnusable(f"{path}: not writable: name another with --state")
    return path


def locate(explicit: Path | None, environ: Mapping[str, str] | None = None) -> Path:
    """Return the state directory, which need not exist."""
    environ = environment() if environ is None else environ
    if explicit is not None:
        return explicit.expanduser().absolute()
    if named := environ.get("HOMELAB_STATE"):
        return Path(named).expanduser().absolute()
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    home = environ.get("XDG_STATE_HOME")
    return (Path(home) if home and Path(home).is_absolute() else Path.home() / ".local/state") / "homelab"


@contextmanager
def lock(state: Path, *, command: str) -> Iterator[None]:
    """Hold the directory; the kernel lets go of it however this process ends.  Raises ``StateHeld``."""
    with open(os.open(state / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:  # noqa: PTH123 - with a mode
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = file.read().strip() or "another process"
            raise StateHeld(f"{state} is held by {holder}: stop it, or name another with --state") from error
        _write(file.fileno(), f"{command} (pid {os.getpid()})\n")
        try:
            yield
        finally:
            os.ftruncate(file.fileno(), 0)


def _write(file: int, text: str) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, text.encode(), 0)


@contextmanager
def announced(state: Path, run: Run) -> Iterator[None]:
    """Let other commands find this process while it runs."""
    write_run(state, run)
    try:
        yield
    finally:
        remove_run(state)


def write_run(state: Path, run: Run) -> None:
    """Write ``run.json``, whole or not at all, readable by us alone: it holds passwords."""
    write_private(state / RUN_FILE, run.model_dump_json(indent=2) + "\n")


def remove_run(state: Path) -> None:
    (state / RUN_FILE).unlink(missing_ok=True)


def read_run(state: Path) -> Run | None:
    """Return what runs on this directory, None if nothing does."""
    try:
        return find_run(state)
    except NotRunning:
        return None


def find_run(state: Path) -> Run:
    """Return what runs on this directory; raises ``NotRunning`` with the reason."""
    path = state / RUN_FILE
    try:
        run = Run.model_validate_json(path.read_bytes())
        written_at = path.stat().st_mtime
    except FileNotFoundError as error:
        raise NotRunning(f"nothing runs on {state}") from error
    except OSError as error:
        raise NotRunning(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise NotRunning(f"{path} was written by a release that this one does not understand") from error
    if not _lives(run.pid, written_at):
        raise NotRunning(f"{path} was left by process {run.pid}, which has ended")
    return run


def _lives(pid: int, since: float) -> bool:
    """Whether the process that was ``pid`` at ``since`` still runs: a number is used again."""
    try:
        process = psutil.Process(pid)
        return process.create_time() <= since + _CLOCK_SLACK and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def write_private(path: Path, text: str) -> None:
    """Replace the file at once, readable by us alone from its first byte on."""
    new = path.with_name(f".{path.name}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123 - with a mode
        file.write(text)
    new.replace(path)
