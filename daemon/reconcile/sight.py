"""What a cycle sees of the store: everything that is known and said of the keys it looks at.  Only reads."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from daemon.reconcile.actual import Actual
from daemon.reconcile.declared import Index
from daemon.reconcile.diff import IDENTIFIED
from daemon.reconcile.settle import FLAP
from daemon.store import actuals, adopted, backups, deviations, expectations, memberships, operator_states
from daemon.store.actuals import Blind, Held, Neighbours
from daemon.store.adopted import Adopted
from daemon.store.backups import Unread
from daemon.store.database import Connection
from daemon.store.views import resources
from schemas.deviations import Deviation
from schemas.expectations import Expectation
from schemas.operator import OperatorState
from schemas.resources import Key, Presence


@dataclass(slots=True)
class Marks:
    """What has to be looked at; ``everything`` is the full pass."""

    keys: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    everything: bool = False

    def __bool__(self) -> bool:
        return bool(self.keys or self.sources or self.everything)

    def add(self, other: "Marks") -> None:
        self.keys |= other.keys
        self.sources |= other.sources
        self.everything |= other.everything


@dataclass(frozen=True, slots=True)
class Sight:
    """``meant`` (key -> places of selecting expectations) is known in a full pass only; else the predicate says it."""

    index: Index
    actuals: Mapping[str, Actual]
    adopted: Mapping[str, Adopted]
    before: Mapping[str, Expectation]
    states: Sequence[OperatorState]
    unmanaged: AbstractSet[str]
    """Keys that are a deviation if nobody expects them."""
    still_open: Sequence[Deviation]
    recent: Sequence[Deviation]
    parents: Mapping[str, str]
    held: Sequence[Held]
    blind: Sequence[Blind]
    pools: Mapping[str, AbstractSet[str]] = field(default_factory=dict)
    meant: Mapping[str, Sequence[int]] | None = None


def look(con: Connection, marks: Marks, index: Index, unmanaged_sources: AbstractSet[str], now: datetime) -> Sight:
    keys, meant = _keys(con, marks, index, unmanaged_sources)
    near = actuals.neighbours(con, keys, IDENTIFIED)
    if not marks.everything and not near.keys <= keys:
        keys |= near.keys
        near = actuals.neighbours(con, keys, IDENTIFIED)  # of all that is judged everything has to be known
    blind = actuals.blind(con)
    parents = near.parents
    unmanaged = _unmanaged(con, keys, unmanaged_sources)
    before, taken = expectations.fetch(con, keys), adopted.fetch(con, keys)
    lately = deviations.around(con, keys | set(parents.values()), now - FLAP)
    still_open = [one for one in lately if one.resolved_at is None]
    deviating = {one.key for one in still_open}
    relevant = keys & (before.keys() | taken.keys() | index.exact.keys() | unmanaged | deviating)
    if index.selecting:
        relevant |= keys if meant is None else keys & meant.keys()
    pools = memberships.paths_of(con, relevant)
    backed_up = _BackedUp.of(con, relevant) if index.asks_for_backups else _BackedUp()
    return Sight(
        index=index, actuals=_actuals(con, relevant, pools, near, backed_up), adopted=taken, before=before,
        states=operator_states.fetch(con, now=now), unmanaged=unmanaged, still_open=still_open,
        recent=[one for one in lately if one.resolved_at is not None], parents=parents,
        held=actuals.held(con), blind=blind, pools=pools, meant=meant,
    )  # fmt: skip


def _keys(
    con: Connection, marks: Marks, index: Index, unmanaged: AbstractSet[str]
) -> tuple[set[str], Mapping[str, Sequence[int]] | None]:
    """The keys to look at; sources stand for all they have."""
    if marks.everything:
        meant = resources.meant(con, index.selectors)
        keys = expectations.keys(con) | adopted.keys(con) | index.exact.keys() | meant.keys()
        keys |= {key for key in deviations.open_keys(con) if _is_resource(key)}
        keys |= actuals.keys_of_sources(con, unmanaged)
        return keys | _unmanaged_members(con), meant
    keys = set(marks.keys)
    if marks.sources:
        keys |= expectations.of_sources(con, marks.sources)
        keys |= {key for key in deviations.open_keys(con) if source_of(key) in marks.sources and _is_resource(key)}
        keys |= {key for key in index.exact if source_of(key) in marks.sources}
        keys |= actuals.keys_of_sources(con, marks.sources & unmanaged)
        keys |= {key for key in _unmanaged_members(con) if source_of(key) in marks.sources}
    keys |= {key for key, others in deviations.doubles(con) if not keys.isdisjoint(others)}
    return keys, None


def _unmanaged(con: Connection, keys: AbstractSet[str], sources: AbstractSet[str]) -> set[str]:
    members = _unmanaged_members(con)
    return {key for key in keys if source_of(key) in sources or key in members}


def _unmanaged_members(con: Connection) -> set[str]:
    """The members of pools in which what nobody expects is a deviation; most have no pools, and this is asked often."""
    if con.execute("SELECT 1 FROM memberships_ LIMIT 1").fetchone() is None:
        return set()
    return memberships.keys_of(con, memberships.unmanaged_pools(con))


@dataclass(frozen=True, slots=True)
class _BackedUp:
    unread: Unread = backups.NOTHING
    newest: Mapping[str, datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, con: Connection, keys: AbstractSet[str]) -> Self:
        return cls(backups.unread(con), backups.newest(con, keys))


def _actuals(
    con: Connection,
    keys: AbstractSet[str],
    pools: Mapping[str, AbstractSet[str]],
    near: Neighbours,
    backed_up: _BackedUp,
) -> dict[str, Actual]:
    """What is known of ``keys``.  What was never seen is missing only where its source is read, and no gap hides it."""
    made = {
        one.key: Actual(
            one.key, Presence(one.presence), one.fields, one.observed_at, one.scan,
            pools=frozenset(pools.get(one.key, ())), twins=tuple(near.twins.get(one.key, ())),
            is_orphan=near.parents.get(one.key) in near.gone_parents, backed_up_at=backed_up.newest.get(one.key),
            has_unread_backups=backed_up.unread.hides(source_of(one.key), one.fields["parent"]),
        )
        for one in actuals.fetch(con, keys)
    }  # fmt: skip
    if unseen := keys - made.keys():
        whole = actuals.whole_sources(con)
        for key in unseen:
            hidden = whole.get(source_of(key))
            presence = Presence.UNKNOWN if hidden is None or Key.parse(key).kind in hidden else Presence.GONE
            made[key] = Actual(key, presence, pools=frozenset(pools.get(key, ())))
    return made


def source_of(key: str) -> str:
    return "/".join(key.split("/", 2)[:2])


def sources_of(keys: Iterable[str]) -> set[str]:
    return {source_of(key) for key in keys}


def _is_resource(key: str) -> bool:
    return key.count("/") >= 3  # noqa: PLR2004 - <provider>/<source>/<kind>/<native id>
