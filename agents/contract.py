"""What a provider has to give, and what it gets.

A provider is a folder with always the same files: ``config`` (what a person writes), ``client`` (I/O in, wire models
out, typed errors), ``mapping`` (pure: wire models to ``Resource``) and ``__init__`` with ``PROVIDER``.  Polling,
deadlines, back-off, diffing, publishing, heartbeats and logs are the runner's.  A capability is one more small
protocol, never a flag.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from pydantic import SecretStr

from daemon.runtime.clock import Clock, SystemClock
from daemon.runtime.secrets import resolve
from schemas.config import SecretRef, SourceConfig
from schemas.events import Gap, Sample, Trouble
from schemas.resources import Kind, Resource, SourceRef

ConfigT = TypeVar("ConfigT", bound=SourceConfig)


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of a source that can be listed as a whole and fail alone."""

    name: str
    kinds: frozenset[Kind]
    interval: timedelta | None = None
    """None is the source's interval."""
    apart: bool = False
    """It is read beside the others: what takes long there holds up none of them."""


@dataclass(frozen=True, slots=True)
class Hint:
    """The provider's watch says that a scope changed.  ``removed`` are native ids it reported as removed."""

    scope: str
    removed: tuple[tuple[Kind, str], ...] = ()
    allowed: bool = False
    """What was refused may be allowed now: a scope that was refused is read, too."""


class Agent(Protocol):
    def scopes(self) -> Sequence[Scope]: ...

    async def collect(self, scope: Scope) -> Sequence[Resource]:
        """Return all the scope has now, or raise ``AgentError``.

        Never a part: a listing that fails half-way is a failed listing.  No retry, sleep, time-out or log in here; the
        runner calls again.  Reading only.  Giving the identical object again says that nothing of it changed.
        """
        ...


@runtime_checkable
class Watches(Protocol):
    def hints(self) -> AsyncIterator[Hint]:
        """Yield while the watch stands; raise ``AgentError`` when it breaks: the runner starts it again.

        A watch that has just been set up yields a hint for every scope, since anything may have happened before.
        """
        ...


@runtime_checkable
class Measures(Protocol):
    async def samples(self) -> Sequence[Sample]:
        """Return utilisation now, or raise ``AgentError``."""
        ...


@runtime_checkable
class Covers(Protocol):
    def gaps(self, scope: Scope) -> Sequence[Gap]:
        """Return what the ``collect`` of this scope that has just succeeded could not see, and why.

        The same gap has the same text each time (no figures that run): a new text is logged as a new gap.
        """
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: ``certificate``, ``token``, ``privileges``, ``clock``..."""

    name: str
    outcome: Literal["ok", "warning", "failed"]
    detail: str
    trouble: Trouble | None = None
    """Set: while this is so nothing can be read, for this reason."""


@runtime_checkable
class Checks(Protocol):
    async def check(self) -> Sequence[Finding]:
        """Look at the connection, credentials and rights; an ``AgentError`` becomes a finding, not raised."""
        ...


@dataclass(frozen=True, slots=True)
class Deps:
    """All an agent may reach outside its configuration."""

    source: SourceRef
    clock: Clock = field(default_factory=SystemClock)
    secret: Callable[[SecretRef], SecretStr] = resolve
    known: Mapping[str, str] = field(default_factory=dict)
    """Resource key -> incarnation, as the bus last held them for this source: identity survives a restart."""
    last: Mapping[str, Resource] = field(default_factory=dict)
    """Resource key -> resource, as the bus last held it, of the kinds that the provider ``remembers``."""
    sampled_at: datetime | None = None
    """When this source was last measured; where the bus has forgotten (an hour), when a resource was last told of."""


@dataclass(frozen=True, slots=True)
class Provider(Generic[ConfigT]):
    name: str
    config: type[ConfigT]
    kinds: frozenset[Kind]
    connect: Callable[[ConfigT, Deps], AbstractAsyncContextManager[Agent]]
    """Entering it does no I/O that can fail: a source that is down must not keep its siblings from starting."""
    interval: timedelta = timedelta(seconds=60)
    deadline: timedelta = timedelta(seconds=30)
    sample_interval: timedelta = timedelta(seconds=30)
    slowest: timedelta = timedelta(minutes=15)
    """The longest pause after a reading that failed or was refused, unless the interval is longer."""
    remembers: frozenset[Kind] = frozenset()
    """Kinds of which an agent needs at its start what was last published: see ``Deps.last``."""
    discover: Callable[[], Sequence[ConfigT]] = lambda: ()
    """What of this provider the machine has, found without configuration, network or waiting."""
