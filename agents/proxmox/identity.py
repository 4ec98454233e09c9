"""Whether a guest is the one that was there before under its number.  Pure.

A VM has a uuid, which a copy and a new VM do not share, and which stays through migration, renaming and restoring.
A container has none: its incarnation is what it was first seen with, and stays until there is evidence that it was
made anew.  One moved disk or one new MAC address is none.
"""

from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from agents.proxmox import devices, parse
from agents.proxmox.figures import whole
from agents.proxmox.wire import GuestConfig
from schemas.resources import Resource

_UUID_LENGTH = 36


@dataclass(frozen=True, slots=True)
class Marks:
    """By what a guest is told from another."""

    native_kind: str
    uuid: str = ""
    made: int | None = None
    """``ctime`` of ``meta``: clones and restored copies share it."""
    macs: tuple[str, ...] = ()
    """In the order of the network cards."""
    volumes: tuple[str, ...] = ()
    """The disks of a VM, the root of a container."""

    @property
    def native(self) -> dict[str, JsonValue]:
        """What of it has to be published to be remembered, and is no configuration."""
        facts: dict[str, JsonValue] = {"uuid": self.uuid or None, "meta_ctime": self.made}
        return {name: fact for name, fact in facts.items() if fact is not None}

    @property
    def text(self) -> str:
        """What a guest without a uuid is first known by."""
        return "/".join((*self.macs[:1], *self.volumes[:1]))


@dataclass(frozen=True, slots=True)
class Remembered:
    incarnation: str
    marks: Marks


def is_begun(config: GuestConfig) -> bool:
    """Is it of a guest that is being made, and does not say yet which one that is?"""
    told = any(option in ("smbios1", "rootfs") or option.startswith("net") for option in config.root)
    return config.text("lock") == "create" and not told


def marks(native_kind: str, config: GuestConfig, spec: Mapping[str, JsonValue]) -> Marks:
    """``spec`` is the one of this configuration."""
    made = whole(parse.properties(config.text("meta")).get("ctime"))
    return _marks(native_kind, spec, uuid(config), made)


def remembered(last: Resource) -> Remembered | None:
    """Return what is known of a guest that was published; None where only its row was ever seen."""
    if not last.incarnation:
        return None
    uuid, made = last.native.get("uuid"), last.native.get("meta_ctime")
    marks = _marks(last.native_kind, last.spec, str(uuid or ""), made if isinstance(made, int) else None)
    return Remembered(last.incarnation, marks)


def incarnation(previous: Remembered | None, now: Marks, *, recreated: bool | None) -> str:
    """Return the old incarnation, or another where the guest was made anew.

    ``recreated``: a task made a guest of this number since the last reading (not one that restored it: what it has
    now tells whether that is the same); None where nobody knows.
    """
    first = now.uuid or now.text
    if previous is None:
        return first
    if _is_same(previous.marks, now, recreated=recreated):
        return previous.incarnation
    known, _, times = previous.incarnation.partition("~")
    return first if first != known else f"{first}~{int(times or 1) + 1}"


def uuid(config: GuestConfig) -> str:
    """Return the uuid of a VM's ``smbios1``, which may be base64; empty where there is none."""
    found = parse.properties(config.text("smbios1")).get("uuid", "")
    if len(found) != _UUID_LENGTH:
        try:
            found = b64decode(found, validate=True).decode("ascii")
        except (Error, UnicodeDecodeError):
            return ""
    return found.lower()


def _marks(native_kind: str, spec: Mapping[str, JsonValue], uuid: str, made: int | None) -> Marks:
    cards, disks = _sorted(spec.get("networks")), _sorted(_disks(spec))
    macs = tuple(str(one["mac"]) for one in cards if one.get("mac"))
    volumes = tuple(devices.volid(one) for one in disks if one.get("media", "disk") == "disk")
    return Marks(native_kind, uuid, made, macs, volumes)


def _is_same(before: Marks, now: Marks, *, recreated: bool | None) -> bool:
    if before.native_kind != now.native_kind:
        return False
    if before.uuid and now.uuid:
        return before.uuid == now.uuid or (not recreated and _is_edited(before, now))
    if recreated is not None:
        return not recreated
    if before.macs and now.macs:
        return not set(before.macs).isdisjoint(now.macs)
    return before.macs == now.macs or before.volumes == now.volumes


def _is_edited(before: Marks, now: Marks) -> bool:
    """Somebody wrote another uuid into the file, and it is the same VM else."""
    return (before.made, before.macs, before.volumes) == (now.made, now.macs, now.volumes)


def _disks(spec: Mapping[str, JsonValue]) -> JsonValue:
    return {"rootfs": spec["rootfs"]} if "rootfs" in spec else spec.get("disks")


def _sorted(found: JsonValue) -> list[dict[str, JsonValue]]:
    """Return devices by their numbers: ``net2`` before ``net10``."""
    if not isinstance(found, dict):
        return []
    names = sorted(found, key=lambda name: (len(name), name))
    return [one for name in names if isinstance(one := found[name], dict)]
