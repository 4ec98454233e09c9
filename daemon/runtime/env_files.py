"""`.env` files: where people keep what else would stand in the environment.

Only names that begin with PROXMOX_ are taken, as they stand (``$`` has no meaning).  A file that cannot be read whole
is told of, without a word of what is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from stat import S_IRWXG, S_IRWXO

NAME = ".env"
PREFIX = "PROXMOX_"
_SECRET = "_SECRET"  # noqa: S105 - the end of a name
_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class EnvFile:
    path: Path
    values: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read(path: Path) -> EnvFile:
    """Read ``path``; what is no plain file (a virtual environment may be called so) says nothing."""
    try:
        if not path.is_file():
            return EnvFile(path)
        with path.open("rb") as stream:
            text = stream.read(_MAX_BYTES).decode("utf-8-sig")
            others_may = path.stat().st_mode & (S_IRWXG | S_IRWXO)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        return EnvFile(path, warnings=(f"{path}: cannot be read: {reason}",))
    values, warnings = _parsed(path, text)
    if others_may and any(name.endswith(_SECRET) for name in values):
        warnings = (*warnings, f"{path}: others may use it, and it holds secrets: chmod 600 {path}")
    return EnvFile(path, values, warnings)


def _parsed(path: Path, text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    from dotenv.parser import parse_stream  # noqa: PLC0415 - most commands meet no such file

    values: dict[str, str] = {}
    warnings = []
    for one in parse_stream(StringIO(text)):
        if one.error and PREFIX in one.original.string:
            warnings.append(f"{path}:{one.original.line}: cannot be understood: write NAME=value, or NAME='value'")
        elif one.key and one.key.startswith(PREFIX) and one.value is not None:
            values[one.key] = one.value
    return values, tuple(warnings)
