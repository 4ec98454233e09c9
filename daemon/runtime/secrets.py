"""The environment, read in one place; and secrets by reference, fetched when they are used.

What a `.env` file says of PROXMOX_* counts as the environment: the file in the current directory, and more than it the
one beside the configuration; a variable of the process counts for more than either.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from daemon.runtime import env_files
from daemon.runtime.env_files import EnvFile
from schemas.config import SecretRef

_beside: list[Path] = []


class SecretUnavailable(Exception):
    """A reference that leads nowhere.  Carries the reference, never a value."""


def environment() -> Mapping[str, str]:
    """Return the environment, to be passed on as a value."""
    said = {name: value for file in files() for name, value in file.values.items()}
    return {**said, **os.environ}  # noqa: TID251 - the one place


def configured_by(file: Path | None) -> None:
    """Let the `.env` beside the configuration count: said once, when it is known which one is in force."""
    _beside[:] = [file.parent] if file else []


def files() -> list[EnvFile]:
    """Read the `.env` files there are; a later one counts for more."""
    try:
        folders = dict.fromkeys(folder.absolute() for folder in (Path(), *_beside))
    except FileNotFoundError:  # the current directory is no longer there
        return []
    return [env_files.read(folder / env_files.NAME) for folder in folders]


def origin(name: str) -> str:
    """Say where a variable comes from, for people."""
    if name in os.environ:  # noqa: TID251
        return "environment"
    return next((str(file.path) for file in reversed(files()) if name in file.values), "environment")


def resolve(ref: SecretRef) -> SecretStr:
    """Fetch ``env:NAME``, ``file:PATH`` or ``cred:NAME`` (systemd LoadCredential=)."""
    scheme, _, name = ref.partition(":")
    try:
        match scheme:
            case "cred":
                value = (Path(environment()["CREDENTIALS_DIRECTORY"]) / name).read_text()
            case "file":
                value = Path(name).expanduser().read_text()
            case _:
                value = environment()[name]
    except (OSError, UnicodeDecodeError) as error:
        raise SecretUnavailable(f"{ref}: {getattr(error, 'strerror', None) or 'cannot be read'}") from error
    except KeyError as error:
        raise SecretUnavailable(f"{ref}: {error.args[0]} is not set") from error
    return SecretStr(value.rstrip("\r\n"))
