"""Which resources are meant: one language for manifests, pools, the command line, MCP and the API.

``kind=container name=web-* label:tier=front pool=/homelab/compute``: all conditions must hold.  A word without ``=``
is a key.  In manifests the same may be written as a mapping.  One parser here, one SQL compiler in the store, one
predicate in ``reconcile``: they agree.
"""

import shlex
from collections.abc import Iterator

from pydantic import Field, ValidationError

from schemas.base import Message
from schemas.resources import BadKey, Health, Key, Kind, Presence, Status

FIELDS = ("provider", "source", "kind", "name", "status", "health", "presence", "parent", "pool")


class BadSelector(ValueError):
    """A text that is no selector; says what is wrong and what there is."""


class Selector(Message):
    """All given conditions must hold; an empty selector means everything."""

    keys: tuple[str, ...] = ()
    provider: str | None = None
    source: str | None = Field(default=None, description="a name, or <provider>/<name>")
    kind: Kind | None = None
    name: str | None = Field(default=None, description="a glob: `web-*`")
    label: tuple[str, ...] = Field(default=(), description="`name` or `name=value`; all must match")
    status: Status | None = None
    health: Health | None = None
    presence: Presence | None = None
    parent: str | None = None
    pool: str | None = Field(default=None, description="a pool's path; the pools below it are meant too")

    @property
    def is_empty(self) -> bool:
        return not self.model_dump(include=set(Selector.model_fields), exclude_defaults=True)

    def __str__(self) -> str:
        return " ".join(shlex.quote(term) for term in self._terms())

    def _terms(self) -> Iterator[str]:
        yield from self.keys
        for name in FIELDS:
            value = getattr(self, name)
            if value is not None:
                yield f"{name}={value}"
        yield from (f"label:{label}" for label in self.label)


def parse(text: str) -> Selector:
    """Return the selector that ``text`` says; raises ``BadSelector``."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadSelector(f"{text!r}: a quotation mark is open") from error
    values: dict[str, object] = {}
    keys: list[str] = []
    labels: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if word.startswith("label:"):
            labels.append(word.removeprefix("label:"))
        elif "/" in name or not equals:
            keys.append(_key(word))
        elif name in FIELDS:
            if name in values:
                raise BadSelector(f"{name} is said twice")
            values[name] = value
        else:
            raise BadSelector(f"{name!r} is none of {', '.join(FIELDS)}, label:NAME=VALUE or a key")
    try:
        return Selector.model_validate(values | {"keys": tuple(keys), "label": tuple(labels)})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise BadSelector(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from error


def _key(word: str) -> str:
    try:
        return str(Key.parse(word))
    except BadKey as error:
        raise BadSelector(str(error)) from error
