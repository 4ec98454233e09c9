"""systemd's units, asked of ``systemctl``, as wire models.

A unit is listed when it (or the template it was made from) has a unit file, loaded or not: so a disabled service does
not vanish when systemd forgets it, and the mounts and one-off services that containers and log-ins bring do not come.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from agents.errors import AgentError, Malformed, Unauthorized, Unreachable
from agents.host.files import Root
from daemon.runtime.secrets import environment
from schemas.base import Message

TYPES = "service,timer,mount,socket"
_TEMPLATE = re.compile(r"^([^@]+@).+(\.\w+)$")
_NOT_OURS = {"alias", "transient"}  # another name of a unit; a unit without a file that lasts
_UNIT_COLUMNS = ("unit", "load", "active", "sub", "description")
_FILE_COLUMNS = ("unit_file", "state", "preset")


class Loaded(Message):
    """A row of ``systemctl list-units``."""

    unit: str
    load: str
    active: str
    sub: str
    description: str = ""


class UnitFile(Message):
    """A row of ``systemctl list-unit-files``."""

    unit_file: str
    state: str


class Unit(Message):
    name: str
    type: str
    active: str
    sub: str
    enabled: str
    description: str


RowT = TypeVar("RowT", Loaded, UnitFile)
_loaded: TypeAdapter[tuple[Loaded, ...]] = TypeAdapter(tuple[Loaded, ...])
_files: TypeAdapter[tuple[UnitFile, ...]] = TypeAdapter(tuple[UnitFile, ...])


def is_running(root: Root) -> bool:
    """As sd_booted(3) decides it."""
    return root.exists("run/systemd/system")


async def units(systemctl: str, ignore: Sequence[str] = ()) -> Sequence[Unit]:
    """Return the units whose name is none of the globs in ``ignore``."""
    loaded = parsed(_loaded, _UNIT_COLUMNS, await _listing(systemctl, "list-units", "--all"))
    files = parsed(_files, _FILE_COLUMNS, await _listing(systemctl, "list-unit-files"))
    return [unit for unit in merged(loaded, files) if not any(fnmatchcase(unit.name, glob) for glob in ignore)]


def merged(loaded: Sequence[Loaded], files: Sequence[UnitFile]) -> Sequence[Unit]:
    """Join what is loaded with the files it comes from.  Pure."""
    states = {row.unit_file: row.state for row in files}
    rows = {row.unit: row for row in loaded if row.load in {"loaded", "masked", "error", "bad-setting"}}
    templates = {name for name in states if "@." in name}
    names = {name for name in rows if _template(name) in templates} | (states.keys() - templates)
    return [_unit(name, rows.get(name), states) for name in sorted(names) if states.get(name) not in _NOT_OURS]


def _unit(name: str, row: Loaded | None, states: Mapping[str, str]) -> Unit:
    return Unit(
        name=name,
        type=name.rpartition(".")[2],
        active=row.active if row else "inactive",
        sub=row.sub if row else "dead",
        enabled=states.get(name) or states.get(_template(name), ""),
        description=row.description if row and row.active != "inactive" else "",  # else it comes and goes with a look
    )


def _template(name: str) -> str:
    """Return the template's name of an instance: ``getty@tty1.service`` is made from ``getty@.service``."""
    return _TEMPLATE.sub(r"\1\2", name)


async def _listing(systemctl: str, *question: str) -> str:
    command = (
        systemctl,
        *question,
        f"--type={TYPES}",
        "--full",
        "--no-pager",
        "--no-legend",
        "--plain",
        "--output=json",
    )
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**environment(), "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise Unreachable(f"{systemctl} cannot be run: {error.strerror}") from error
    try:
        answer, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise _failed(f"systemctl {question[0]}", complaint.decode(errors="replace"))
    return answer.decode(errors="replace")


def _failed(what: str, complaint: str) -> AgentError:
    text = " ".join(complaint.split())[:200]
    if "denied" in text or "not permitted" in text:
        return Unauthorized(f"{what} was refused ({text}): run the agent as a user who may talk to systemd")
    return Unreachable(f"{what} failed: {text or 'without a reason'}")


def parsed(rows: TypeAdapter[tuple[RowT, ...]], columns: Sequence[str], text: str) -> Sequence[RowT]:
    """Read JSON, or the columns that systemd before 246 prints instead.  Pure."""
    try:
        if text.lstrip().startswith("["):
            return rows.validate_json(text)
        lines = (line.split(None, len(columns) - 1) for line in text.splitlines() if line.strip())
        return rows.validate_python([dict(zip(columns, line, strict=False)) for line in lines])
    except ValidationError as error:
        raise Malformed(f"systemctl printed something else than {', '.join(columns)}") from error
