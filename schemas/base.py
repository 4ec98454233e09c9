"""The bases every shared model has, and the canonical form that hashes are taken of.

``Message`` crosses a process border and must survive a peer one release ahead: unknown fields are
dropped.  ``Config`` comes from a person: an unknown field is a typing mistake, and what was written
there (perhaps a password) is not repeated in an error.
"""

import json
from hashlib import blake2b
from typing import Annotated

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints

Token = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""A provider or source name: lower case, digits, `-` and `_`, 63 characters at most."""


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def canonical(value: JsonValue) -> bytes:
    """Return the one JSON text of ``value``: sorted keys, no white space, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def content_hash(value: JsonValue) -> str:
    """Return 16 hex digits (BLAKE2b-64) of the canonical form of ``value``."""
    return blake2b(canonical(value), digest_size=8).hexdigest()
