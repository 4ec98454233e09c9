"""The environment, read in one place; and secrets by reference, fetched when they are used."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from schemas.config import SecretRef


class SecretUnavailable(Exception):
    """A reference that leads nowhere.  Carries the reference, never a value."""


def environment() -> Mapping[str, str]:
    """Return the process environment, to be passed on as a value."""
    return os.environ  # noqa: TID251 - the one place


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
