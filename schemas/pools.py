"""A resource pool: a place in a hierarchy of paths (``/homelab/compute``) with members and properties.

A pool has its own members and those of the pools below it.  What a pool says (a property, a state) holds for
everything in it; the nearest word wins.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue

from schemas.base import Message
from schemas.selectors import Selector

MAX_PATH = 400
_PART = re.compile(r"\w[\w.-]*")


def checked(path: str) -> str:
    """Return ``path`` if a pool may have it; raises ``ValueError``."""
    parts = path.split("/")[1:]
    if not path.startswith("/") or len(path) > MAX_PATH or not all(map(_PART.fullmatch, parts)):
        raise ValueError("a pool's path is /like/this: letters, digits, `.`, `_`, `-`; no slash at the end")
    return path


PoolPath = Annotated[str, AfterValidator(checked)]


def is_in(path: str, pool: str) -> bool:
    """Whether ``path`` is ``pool`` or below it."""
    return path == pool or path.startswith(f"{pool}/")


class Pool(Message):
    """What somebody says about a pool: by hand, or in a manifest, which then counts alone."""

    path: PoolPath
    type: str = ""
    description: str = ""
    properties: dict[str, JsonValue] = Field(default_factory=dict)
    selectors: tuple[Selector, ...] = ()
    keys: tuple[str, ...] = Field(default=(), description="members by hand")
    unmanaged: bool = False
    manifest: str | None = Field(default=None, description="the declaration's name; None: made by hand")
    place: str = Field(default="", description="file:line of the manifest")
