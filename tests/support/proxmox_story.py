"""What was true of a simulated cluster's guests and when, and what of a log is not just that.

The truth goes on in frames: one change, or several, made at once, and told by every pvestatd or not.  A reading lasts,
so it may show of each guest what was true in any frame that it overlapped; and in any since the last one that was told
before it began, for what was not told is only seen in part.  Most readings overlap one frame, which leaves no choice.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.support.proxmox import World

KINDS = ("vm", "container", "template")
STATUS = {"running": "running", "stopped": "stopped", "paused": "paused", "io-error": "failed"}
LATE = frozenset({"native.newest_backup_at", "spec.ha"})
"""What other scopes read, each in its own time."""


class Shown(NamedTuple):
    """A guest, as far as every entry of the log tells of it."""

    identity: str
    name: str
    status: str
    parent: str
    labels: frozenset[str]


class Reading(NamedTuple):
    began: datetime
    ended: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of `state_log`."""

    seq: int
    at: datetime
    op: str
    key: str
    name: str
    incarnation: str
    status: str
    presence: str
    changed: Sequence[str]
    cause: str
    labels: Mapping[str, str] | None
    parent: str | None
    spec_hash: str

    @property
    def has_content(self) -> bool:
        return self.op in {"appeared", "changed", "replaced", "returned"}

    @property
    def shown(self) -> Shown:
        """Of one that has content."""
        return Shown(
            identity_of(self.incarnation), self.name, self.status, self.parent or "", frozenset(self.labels or ())
        )

    def __str__(self) -> str:
        told = f"{self.name} {self.status} {self.parent} {sorted(self.labels or ())} {self.incarnation}"
        return f"{self.seq} {self.at:%H:%M:%S.%f} {self.op} {self.key} {list(self.changed)} {told}"


@dataclass(frozen=True, slots=True)
class Frame:
    began: datetime
    ended: datetime
    told: bool
    truth: Mapping[int, Mapping[str, Any]]
    guests: Mapping[str, Shown]
    """By key."""


@dataclass
class Story:
    source: str
    world: World
    frames: list[Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.goes_on()

    def goes_on(self, change: Callable[[], object] | None = None, *, told: bool = True) -> None:
        """Nobody sees a part of ``change``, nor, if it is told, the change without that."""
        began = datetime.now(UTC)
        with self.world.lock:
            if change is not None:
                change()
            if told:
                self.world.pvestatd()
            truth = self.world.truth()
        guests = {key(self.source, one): _shown(self.source, one) for one in truth.values()}
        self.frames.append(Frame(began, datetime.now(UTC), told, truth, guests))

    def seen(self, reading: Reading) -> list[Frame]:
        """Return the frames that a reading may show."""
        old = [number for number, frame in enumerate(self.frames) if frame.told and frame.ended <= reading.began]
        return [frame for frame in self.frames[max(old) :] if frame.began <= reading.ended]


def key(source: str, true: Mapping[str, Any]) -> str:
    kind = "template" if true["template"] else {"qemu": "vm", "lxc": "container"}[true["type"]]
    return f"proxmox/{source}/{kind}/{true['vmid']}"


def identity(true: Mapping[str, Any]) -> str:
    """Return the uuid of a VM, the MAC address of a container, which it keeps here as long as it is the same."""
    if true["type"] == "qemu":
        return true["uuid"]
    card = dict(part.partition("=")[::2] for part in true["networks"]["net0"].split(","))
    return card["hwaddr"].lower()


def identity_of(incarnation: str) -> str:
    return incarnation.partition("/")[0].lower()


def _shown(source: str, true: Mapping[str, Any]) -> Shown:
    parent = f"proxmox/{source}/node/{true['node']}"
    return Shown(identity(true), true["name"], STATUS[true["status"]], parent, frozenset(true["tags"]))


def faults(story: Story, readings: Iterable[Reading], log: Iterable[Entry]) -> list[str]:
    """Say what in the log of a source's guests is doubled, missing, in the wrong order, or never was so."""
    by_reading: defaultdict[datetime, list[Entry]] = defaultdict(list)
    for entry in log:
        by_reading[entry.at].append(entry)
    replay, found = _Replay(story), []
    for reading in sorted(readings):
        found += replay.goes_on(reading, by_reading.pop(reading.began, []))
    return found + [f"of no reading: {entry}" for some in by_reading.values() for entry in some]


_TOLD = {name: name for name in ("name", "status", "parent", "labels", "incarnation")} | {"spec": "spec_hash"}
"""What of ``changed`` an entry also shows, and where."""


@dataclass
class _Replay:
    story: Story
    before: Sequence[Frame] = ()
    """What the last reading may have shown."""
    last: dict[str, Entry] = field(default_factory=dict)
    content: dict[str, Entry] = field(default_factory=dict)
    causes: set[tuple[str, str]] = field(default_factory=set)

    def goes_on(self, reading: Reading, entries: Iterable[Entry]) -> Iterator[str]:
        frames = self.story.seen(reading)
        for entry in entries:
            for fault in (*self._order(entry), *self._truth(entry, frames)):
                yield f"{fault}: {entry}"
            self.last[entry.key] = entry
            if entry.has_content:
                self.content[entry.key] = entry
            self.causes.add((entry.cause, entry.key))
        for entry in self.last.values():
            if entry.op == "removed" or (entry.op == "suspect" and entry.at < reading.began):
                yield f"not settled with the reading of {reading.began:%H:%M:%S.%f}: {entry}"
        if len(frames) == 1:
            yield from self._whole(reading, frames[0])
        self.before = frames

    def _order(self, entry: Entry) -> Iterator[str]:
        """Does it follow from what was said of this key before, and is it more than was said?"""
        last, content = self.last.get(entry.key), self.content.get(entry.key)
        if (entry.cause, entry.key) in self.causes:
            yield "an event applied twice"
        if entry.op not in self._expected(entry):
            yield f"should have been {' or '.join(self._expected(entry)) or 'nothing'}"
        if entry.has_content and last is not None and content is not None:
            differing = {name for name, field in _TOLD.items() if getattr(content, field) != getattr(entry, field)}
            differing |= {"presence"} if last.presence != "present" else set()
            if differing != {path.split(".")[0] for path in entry.changed} & {*_TOLD, "presence"}:
                yield f"differs from the one before in {sorted(differing)}"
            if not entry.changed:
                yield "says what was said"

    def _expected(self, entry: Entry) -> Sequence[str]:
        last, content = self.last.get(entry.key), self.content.get(entry.key)
        presence = last.presence if last is not None else ""
        if not entry.has_content:
            return {"present": ("removed", "suspect"), "suspect": ("gone",)}.get(presence, ())
        if content is None:
            return ("appeared",)
        if entry.incarnation != content.incarnation:
            return ("replaced",)
        return ("changed",) if presence == "present" else ("returned",)

    def _truth(self, entry: Entry, frames: Sequence[Frame]) -> Iterator[str]:
        """Was it so, of this very guest, and is there a reason to say anything?"""
        there = [frame.guests[entry.key] for frame in frames if entry.key in frame.guests]
        if not entry.has_content:
            if len(there) == len(frames):
                yield "it was there"
            return
        said = entry.shown
        same = [one for one in there if one.identity == said.identity]
        if not same:
            yield f"no such guest was there, but {there}"
            return
        for name, value in said._asdict().items():
            true = {getattr(one, name) for one in same}
            is_untold = name == "status" and value == "unknown" and _is_new(entry, frames[0])
            if value not in true and not is_untold:
                yield f"its {name} was {true}"
        vmid = int(entry.key.rpartition("/")[2])
        known = [frame.truth.get(vmid) for frame in (*self.before, *frames)]
        if self.before and all(one == known[0] for one in known) and not _is_late(entry):
            yield "nothing had happened"

    def _whole(self, reading: Reading, frame: Frame) -> Iterator[str]:
        """The log so far says what there is: here nothing else than the truth."""
        said = {key: self.content[key].shown for key, one in self.last.items() if one.presence == "present"}
        for key in sorted(said.keys() | frame.guests.keys()):
            if said.get(key) != frame.guests.get(key):
                after = f"after the reading of {reading.began:%H:%M:%S.%f}"
                yield f"{after} the log says {said.get(key)}, true is {frame.guests.get(key)}: {key}"


def _is_new(entry: Entry, first: Frame) -> bool:
    """Nothing had been told of it yet."""
    return entry.key not in first.guests or first.guests[entry.key].identity != entry.shown.identity


def _is_late(entry: Entry) -> bool:
    """An edit of a container leaves no trace; the sweep finds it."""
    is_container = "/container/" in entry.key
    return all(path in LATE or (is_container and path.startswith("spec.")) for path in entry.changed)
