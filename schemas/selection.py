"""Which cluster is meant where a resource is named by less than its key.

Pure.  What is asked in turn: the cluster that was said; the patterns of names, then a cluster's own name within the
name; what is said, then what is known, of the vmid; the default.  A write never falls to the default among several.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from schemas import globs
from schemas.base import Config, Token

PROVIDER = "proxmox"
"""The provider whose sources are clusters."""
How = Literal["explicit", "only", "pattern", "name", "vmid", "seen", "default"]
Intent = Literal["read", "write"]
_SPAN = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_WILD = re.compile(r"[*?\[]")


class ClusterError(Exception):
    """No cluster can be told; ``candidates`` are those that might be meant."""

    def __init__(self, text: str, *, candidates: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.candidates = tuple(candidates)


class ClusterNotFound(ClusterError):
    """Nobody knows a cluster of this name; ``candidates`` are the known ones."""


class ClusterConnection(ClusterError):
    """The cluster that is meant cannot be read, so what is in it cannot be told."""


class AmbiguousClusterSelection(ClusterError):
    """More than one cluster may be meant."""


def span(text: str) -> tuple[int, int]:
    """Read ``100`` or ``100-199``, the last one included."""
    found = _SPAN.fullmatch(text.strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if last < first:
        raise ValueError("write vmids as 100 or 100-199")
    return first, last


def _checked_span(text: str) -> str:
    span(text)
    return text


class ClustersConfig(Config):
    """How a cluster is told from what is asked for."""

    patterns: dict[Annotated[str, StringConstraints(min_length=1)], Token] = Field(
        default_factory=dict, description="the beginning of a name, or a glob: its cluster; the longest one counts"
    )
    vmids: dict[Annotated[str, AfterValidator(_checked_span)], Token] = Field(
        default_factory=dict, description="100 or 100-199: its cluster; the narrowest one counts"
    )
    default: Token | None = Field(default=None, description="the cluster that is read where nothing else tells")


@dataclass(frozen=True, slots=True)
class Clusters:
    """``names`` are all that are known; ``seen`` tells of a vmid the clusters in which it is."""

    names: tuple[str, ...] = ()
    patterns: Mapping[str, str] = field(default_factory=dict)
    vmids: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    """None: the first of ``names``."""
    seen: Mapping[int, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Selection:
    cluster: str
    how: How
    why: str


def source_name(written: str) -> str:
    """Make a source's name of a cluster's as people write it: ``Prod_EU`` is ``prod-eu``."""
    return re.sub(r"[_.]", "-", written.strip().lower())


def select(
    clusters: Clusters, *, explicit: str | None = None, name: str | None = None, vmid: int | None = None,
    intent: Intent = "read",
) -> Selection:  # fmt: skip
    """Return the cluster that is meant; raises ``ClusterNotFound`` or ``AmbiguousClusterSelection``."""
    if explicit is not None:
        return Selection(_known(clusters, explicit), "explicit", "it was said")
    if len(clusters.names) == 1:
        return Selection(clusters.names[0], "only", "there is no other")
    found = (_by_pattern(clusters, name) or _by_own_name(clusters, name)) if name else None
    if found is None and vmid is not None:
        found = _by_vmid(clusters, vmid) or _by_sight(clusters, vmid)
    return found or _default(clusters, intent)


def _known(clusters: Clusters, written: str, whose: str = "") -> str:
    """Return the known name that ``written`` stands for; ``whose`` says what names it."""
    plain = written.removeprefix(f"{PROVIDER}/")
    if plain in clusters.names:
        return plain
    alike = [one for one in clusters.names if source_name(one) == source_name(plain)]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise AmbiguousClusterSelection(f"{len(alike)} clusters may be called {plain!r}", candidates=alike)
    known = f"known are {', '.join(clusters.names)}" if clusters.names else "none is known"
    raise ClusterNotFound(f"{whose}no cluster is called {plain!r}; {known}", candidates=clusters.names)


def _by_pattern(clusters: Clusters, name: str) -> Selection | None:
    matching = {pattern: _literals(pattern) for pattern in clusters.patterns if _matches(pattern, name)}
    longest = max(matching.values(), default=0)
    best = [pattern for pattern, length in matching.items() if length == longest]
    if not best:
        return None
    _refuse_several({clusters.patterns[pattern] for pattern in best}, f"the patterns for {name!r}")
    whose = f"the pattern {min(best)!r}"
    return Selection(_known(clusters, clusters.patterns[best[0]], f"{whose}: "), "pattern", f"{whose} says so")


def _matches(pattern: str, name: str) -> bool:
    """Names are host names: their case says nothing."""
    pattern, name = pattern.lower(), name.lower()
    if _WILD.search(pattern):
        return globs.compiled(pattern).fullmatch(name) is not None
    return name.startswith(pattern)


def _literals(pattern: str) -> int:
    return len(pattern) - pattern.count("*") - pattern.count("?")


def _by_own_name(clusters: Clusters, name: str) -> Selection | None:
    within = [one for one in clusters.names if _is_part(one, name)]
    longest = [one for one in within if not any(one != other and _is_part(one, other) for other in within)]
    _refuse_several(longest, f"the name {name!r}")
    return Selection(longest[0], "name", f"the name {name!r} has it in it") if longest else None


def _is_part(cluster: str, name: str) -> bool:
    """A whole word of it: ``prod`` of ``prod-web`` and ``web-prod01``, not of ``production`` or ``reprod``."""
    word = source_name(cluster)
    bounded = _edge(word[0], "<!") + re.escape(word) + _edge(word[-1], "!")
    return re.search(bounded, source_name(name)) is not None


def _edge(char: str, look: str) -> str:
    return f"(?{look}[a-z])" if char.isalpha() else f"(?{look}[0-9])" if char.isdigit() else ""


def _by_vmid(clusters: Clusters, vmid: int) -> Selection | None:
    widths = {
        text: last - first for text in clusters.vmids for first, last in (span(text),) if first <= vmid <= last
    }  # fmt: skip
    best = [text for text, width in widths.items() if width == min(widths.values())]
    if not best:
        return None
    _refuse_several({clusters.vmids[text] for text in best}, f"the ranges for vmid {vmid}")
    whose = f"the range {min(best)} of vmids"
    return Selection(_known(clusters, clusters.vmids[best[0]], f"{whose}: "), "vmid", f"{whose} says so")


def _by_sight(clusters: Clusters, vmid: int) -> Selection | None:
    having = [one for one in clusters.names if one in clusters.seen.get(vmid, ())]
    return Selection(having[0], "seen", f"no other has vmid {vmid}") if len(having) == 1 else None


def _default(clusters: Clusters, intent: Intent) -> Selection:
    if not clusters.names:
        raise ClusterNotFound("no cluster is known")
    if intent == "write":
        text = "no change is made in a cluster by default: say which one is meant, or use a key"
        raise AmbiguousClusterSelection(text, candidates=clusters.names)
    if clusters.default is None:
        return Selection(clusters.names[0], "default", "it is the first")
    return Selection(_known(clusters, clusters.default, "the default: "), "default", "it is the default")


def _refuse_several(found: Iterable[str], whose: str) -> None:
    several = sorted(set(found))
    if len(several) > 1:
        text = f"{whose} may mean {' or '.join(several)}: say which cluster is meant, or use a key"
        raise AmbiguousClusterSelection(text, candidates=several)
