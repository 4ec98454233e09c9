"""Which key a container has: through restarts, re-creation and renaming.

Pure.  A Compose container is ``<project>-<service>-<number>`` for good.  Any other has the name it was first seen
under, and keeps it when it is renamed, until a new container comes under exactly that name (blue/green, Watchtower):
then the new one takes the key over.  The keys of one listing are unique and do not depend on its order.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from agents.docker import wire
from schemas.resources import Key, Kind

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
ONE_OFF = "com.docker.compose.oneoff"
_SHORT = 12


@dataclass(frozen=True, slots=True)
class Bearer:
    """A container as far as its identity goes.  ``compose`` is its Compose identity, empty where it has none."""

    id: str
    name: str
    created: str = ""
    compose: str = ""


@dataclass(frozen=True, slots=True, order=True)
class _Claim:
    rank: int
    created: str
    id: str
    native_id: str


def bearer(container: wire.Container) -> Bearer:
    name = container.name.lstrip("/") or short(container.id)
    return Bearer(container.id, name, container.created, compose(container.config.labels))


def compose(labels: Mapping[str, str]) -> str:
    """Return what Compose calls the container; a one-off (``compose run``) is nobody's replica."""
    project, service = labels.get(PROJECT), labels.get(SERVICE)
    if not project or not service or labels.get(ONE_OFF, "").lower() == "true":
        return ""
    return f"{project}-{service}-{labels.get(NUMBER, '1')}"


def assign(bearers: Iterable[Bearer], held: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return container id -> native id.  ``held`` says what each known container id was called until now."""
    claims = sorted(claim for one in bearers for claim in _claims(one, tuple(held.get(one.id, ()))))
    assigned: dict[str, str] = {}
    taken: set[str] = set()
    for claim in claims:
        if claim.id not in assigned and claim.native_id not in taken:
            assigned[claim.id] = claim.native_id
            taken.add(claim.native_id)
    return assigned


def _claims(one: Bearer, held: tuple[str, ...]) -> Iterator[_Claim]:
    """Yield what a container wants, the strongest first; the last one nobody else can want."""

    def claim(rank: int, native_id: str) -> _Claim:
        return _Claim(rank, one.created, one.id, native_id)

    if not held and one.compose in ("", one.name):
        yield claim(0, one.name)
    for native_id in held:
        if one.compose in ("", native_id):
            yield claim(1, native_id)
    if one.compose:
        yield claim(2, one.compose)
        for native_id in held:
            yield claim(3, native_id)
    yield claim(4, one.name)
    yield claim(5, f"{one.name}~{short(one.id)}")
    yield claim(6, f"{one.name}~{one.id}")


def known(resources: Mapping[str, str], kind: Kind) -> dict[str, tuple[str, ...]]:
    """Turn resource key -> incarnation around: container id -> the native ids it was seen under, sorted."""
    held: dict[str, tuple[str, ...]] = {}
    for text, incarnation in sorted(resources.items()):
        key = Key.parse(text)
        if key.kind == kind and incarnation:
            held[incarnation] = (*held.get(incarnation, ()), key.native_id)
    return held


def unique_names(named: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Return id -> native id for (id, name, created): the name, which the oldest keeps where several bear it."""
    assigned: dict[str, str] = {}
    taken: set[str] = set()
    for one, name, _ in sorted(named, key=lambda row: (row[2], row[0])):
        assigned[one] = name if name not in taken else f"{name}~{short(one)}"
        taken.add(assigned[one])
    return assigned


def image(image_id: str) -> str:
    """Return the image id with its algorithm: Podman leaves it out."""
    return image_id if ":" in image_id or not image_id else f"sha256:{image_id}"


def short(full_id: str) -> str:
    return full_id[:_SHORT]
