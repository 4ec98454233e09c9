"""Which resource is meant by less than its key: a name, a vmid, the end of a key; of several clusters the right one.

An exact key always means itself, and what is known to be the only one of its name is that one.  Among several,
``schemas.selection`` decides between clusters.  What cannot be read is told: it may hold what was not found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

import structlog

from daemon.api.answers import Refused
from daemon.store.database import Connection
from daemon.store.views import resources, sources, standing
from daemon.store.views.standing import Standing
from schemas.resources import Key, Kind
from schemas.selection import (
    PROVIDER,
    AmbiguousClusterSelection,
    ClusterConnection,
    ClusterError,
    ClusterNotFound,
    Clusters,
    Intent,
    Selection,
    select,
)

_ABOUT = frozenset({Kind.SNAPSHOT, Kind.BACKUP, Kind.SCHEDULE, Kind.RULE})
"""What is about another thing gives way to it where both are called the same."""
_CODES: dict[type[ClusterError], str] = {
    ClusterNotFound: "not_found", ClusterConnection: "unreachable", AmbiguousClusterSelection: "ambiguous",
}  # fmt: skip
_SAID = frozenset({"pattern", "name", "vmid"})
"""Ways of telling that speak of the resource itself."""
_SHOWN = 20
Place = tuple[str, str]
"""Provider and source."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Meant:
    key: str
    hint: str = ""
    """Said where another might have been meant, too."""

    def with_hint(self, more: str) -> str:
        return "; ".join(hint for hint in (self.hint, more) if hint)


@dataclass(frozen=True, slots=True)
class Resolver:
    """``clusters`` is what configuration and environment say of them; the store knows of more."""

    clusters: Clusters = field(default_factory=Clusters)

    def key(self, con: Connection, text: str, *, cluster: str | None = None, intent: Intent = "read") -> str:
        """Return the one key that is meant; raises ``Refused``."""
        return self.meant(con, text, cluster=cluster, intent=intent).key

    def meant(self, con: Connection, text: str, *, cluster: str | None = None, intent: Intent = "read") -> Meant:
        found = resources.named(con, text)
        try:
            if found == [text]:
                return self._exact(con, text, cluster)
            asked = _Asked(text, intent, standing.fetch(con), self.clusters)
            if cluster is not None:
                return _within(con, asked, asked.place(cluster))
            return _anywhere(con, asked, _foremost(found))
        except ClusterError as error:
            raise Refused(_CODES[type(error)], str(error), candidates=error.candidates[:_SHOWN]) from error

    def place(self, con: Connection, cluster: str) -> Place:
        """Return the provider and source that ``cluster`` names; raises ``Refused``."""
        try:
            return _Asked("", "read", standing.fetch(con), self.clusters).place(cluster)
        except ClusterError as error:
            raise Refused(_CODES[type(error)], str(error), candidates=error.candidates) from error

    def among(
        self, con: Connection, text: str, provider: str | None, source: str | None, *, intent: Intent = "read"
    ) -> Meant:
        """As ``meant``, where the question is of one source anyway."""
        places = sources.named(con, source) if source is not None else []
        places = [place for place in places if provider in {None, place[0]}]
        return self.meant(con, text, cluster="/".join(places[0]) if len(places) == 1 else None, intent=intent)

    def _exact(self, con: Connection, key: str, cluster: str | None) -> Meant:
        if cluster is not None and self.place(con, cluster) != _place(key):
            raise Refused("bad_query", f"{key} is not in {cluster}: leave one of the two away")
        return Meant(key)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question: what was said, for what, and how the sources stand."""

    text: str
    intent: Intent
    standings: Sequence[Standing]
    configured: Clusters

    def known(self, having: Sequence[str] = ()) -> Clusters:
        """All clusters there are; ``having``: those in which it was found."""
        seen = [one.source for one in self.standings if one.provider == PROVIDER]
        names = tuple(dict.fromkeys((*self.configured.names, *seen)))
        vmid = self.vmid
        return replace(self.configured, names=names, seen={} if vmid is None else {vmid: frozenset(having)})

    @property
    def vmid(self) -> int | None:
        return int(self.text) if self.text.isascii() and self.text.isdecimal() else None

    def select(self, having: Sequence[str], intent: Intent) -> Selection:
        return select(self.known(having), name=self.text, vmid=self.vmid, intent=intent)

    def told(self, having: Sequence[str] = ()) -> Selection | None:
        """What is said of where it belongs; nothing where that is not clear."""
        try:
            return self.select(having, "read")
        except ClusterError:
            return None

    def place(self, cluster: str) -> Place:
        """A cluster's name, or that of another source."""
        try:
            return PROVIDER, select(self.known(), explicit=cluster).cluster
        except ClusterNotFound:
            others = [one for one in self.standings if cluster in {one.source, f"{one.provider}/{one.source}"}]
            if len(others) != 1:
                raise
            return others[0].provider, others[0].source

    def doubts(self, cluster: str, told: Selection | None) -> list[str]:
        """Say what cannot be read and may have another than the one in ``cluster``, which is the only one known."""
        read = {one.source for one in self.standings if one.provider == PROVIDER and one.was_read}
        suspects = {*self.known().names} - {*read, cluster}
        if told is not None and told.how in _SAID and told.cluster != cluster:
            suspects.add(told.cluster)
        return self.unread([(PROVIDER, name) for name in suspects])

    def unread(self, places: Sequence[Place] | None = None) -> list[str]:
        """Say of these places, or all, which cannot be read whole."""
        told = [one for one in self.standings if places is None or (one.provider, one.source) in places]
        silent = set(places or ()) - {(one.provider, one.source) for one in told}
        return [str(one) for one in told if not one.is_whole] + [
            f"{'/'.join(place)} has not been read yet" for place in sorted(silent)
        ]

    def decided(self, selection: Selection) -> None:
        log.info(
            "cluster_selected", cluster=selection.cluster, how=selection.how, why=selection.why, asked=self.text,
            intent=self.intent,
        )  # fmt: skip


def _within(con: Connection, asked: _Asked, place: Place) -> Meant:
    found = _foremost(resources.named(con, asked.text, place))
    where = "/".join(place)
    if len(found) == 1:
        asked.decided(Selection(place[1], "explicit", "it was said"))
        return Meant(found[0])
    if found:
        raise _several(asked, found, "use a key")
    elsewhere = resources.named(con, asked.text) or _alike(con, asked)
    if unread := asked.unread([place]):
        raise _untold(asked, unread, elsewhere)
    raise Refused("not_found", f"no resource is called {asked.text!r} in {where}", candidates=tuple(elsewhere[:_SHOWN]))


def _anywhere(con: Connection, asked: _Asked, found: Sequence[str]) -> Meant:
    inside: dict[str, list[str]] = {}
    for key in found:
        if _place(key)[0] == PROVIDER:
            inside.setdefault(_place(key)[1], []).append(key)
    if not found:
        _nothing(con, asked)
    if not inside:
        return Meant(_only(asked, found))
    if len(found) == 1:
        return _alone(asked, found[0])
    try:
        selection = asked.select(list(inside), asked.intent)
    except ClusterError as error:
        raise AmbiguousClusterSelection(f"{_count(asked, found)}; {error}", candidates=found) from error
    others = [key for key in found if _place(key)[0] != PROVIDER]
    here = inside.get(selection.cluster, [])
    left = [key for key in found if key in here or key in others] if here else found
    key = _only(asked, left)
    asked.decided(selection)
    if selection.how == "default":
        more = ", ".join(sorted({*inside} - {selection.cluster}))
        taken = f"{selection.cluster} was taken because {selection.why}"
        return Meant(key, f"{asked.text!r} is in {more}, too; {taken}: say the cluster")
    return Meant(key)


def _alone(asked: _Asked, key: str) -> Meant:
    """The only one that is known: a change wants to be sure of it, a reader is told the doubt."""
    cluster = _place(key)[1]
    told = asked.told([cluster])
    selection = Selection(cluster, "seen", "it is known in no other")
    if told is not None and told.cluster == cluster and told.how != "default":
        selection = told
    doubts = [] if selection.how in _SAID else asked.doubts(cluster, told)
    doubt = f"another {asked.text!r} may be in what cannot be read: {'; '.join(doubts)}" if doubts else ""
    if doubt and asked.intent == "write":
        raise ClusterConnection(f"say the cluster, or use a key: {doubt}", candidates=[key])
    asked.decided(selection)
    return Meant(key, doubt)


def _nothing(con: Connection, asked: _Asked) -> NoReturn:
    close = _alike(con, asked)
    told = asked.told()
    if told is not None and told.how in _SAID and (unread := asked.unread([(PROVIDER, told.cluster)])):
        asked.decided(told)
        raise _untold(asked, unread, close)
    unread = asked.unread()
    but = f"; not everything can be read: {'; '.join(unread)}" if unread else ""
    raise Refused("not_found", f"no resource is called {asked.text!r}{but}", candidates=tuple(close))


def _untold(asked: _Asked, unread: Sequence[str], candidates: Sequence[str]) -> ClusterConnection:
    return ClusterConnection(f"whether there is {asked.text!r} cannot be told: {unread[0]}", candidates=candidates)


def _alike(con: Connection, asked: _Asked) -> list[str]:
    """Numbers that look alike mean nothing."""
    return [] if asked.vmid is not None else resources.alike(con, asked.text)


def _only(asked: _Asked, found: Sequence[str]) -> str:
    if len(found) == 1:
        return found[0]
    clusters = {_place(key) for key in found if _place(key)[0] == PROVIDER}
    raise _several(asked, found, "say the cluster, or use a key" if len(clusters) > 1 else "use a key")


def _several(asked: _Asked, found: Sequence[str], what: str) -> AmbiguousClusterSelection:
    return AmbiguousClusterSelection(f"{_count(asked, found)}: {what}", candidates=found)


def _count(asked: _Asked, found: Sequence[str]) -> str:
    return f"{len(found)} resources are called {asked.text!r}"


def _foremost(found: Sequence[str]) -> list[str]:
    things = [key for key in found if Key.parse(key).kind not in _ABOUT]
    return things or list(found)


def _place(key: str) -> Place:
    part = Key.parse(key)
    return part.provider, part.source
