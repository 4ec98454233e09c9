"""What holds a log to the truth: it has nothing against a right one, and names each kind of wrong."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

import pytest

from tests.support.proxmox import standard
from tests.support.proxmox_story import Entry, Reading, Shown, Story, faults

NOON, SECOND = datetime(2026, 11, 20, 12, tzinfo=UTC), timedelta(seconds=1)
CHANGED = {"appeared": (), "changed": ("status",), "replaced": ("name", "incarnation", "presence", "spec.name")}
VM, OTHER, MADE = (f"proxmox/lab/vm/{vmid}" for vmid in (101, 103, 200))


def told() -> tuple[Story, list[Reading], list[Entry]]:
    """A machine is stopped, another is destroyed and made anew, a third appears: each between two readings."""
    world = standard(guests=4, nodes=2)
    story = Story("lab", world)
    for change in (
        partial(world.stop, 101),
        partial(world.destroy, 103),
        partial(world.create, "qemu", vmid=103, node="pve2", name="again"),
        partial(world.create, "qemu", vmid=200, name="new"),
    ):
        story.goes_on(change)
    return story, readings_between(story), list(log(story))


def readings_between(story: Story) -> list[Reading]:
    """Give each frame a minute of its own, and let it be read in it."""
    for number, frame in enumerate(story.frames):
        began = NOON + timedelta(minutes=number)
        story.frames[number] = replace(frame, began=began, ended=began + timedelta(seconds=1))
    return [Reading(frame.ended + SECOND, frame.ended + 2 * SECOND) for frame in story.frames]


def log(story: Story) -> Iterator[Entry]:
    numbers, shown, known = count(1), {}, {}
    for frame in story.frames:
        for key, one in frame.guests.items():
            if shown.get(key) == one:
                continue
            op = "changed" if key in shown else "replaced" if key in known else "appeared"
            yield entry(next(numbers), frame.ended + SECOND, op, key, one, changed=CHANGED[op])
            known[key] = one
        for key in shown.keys() - frame.guests.keys():
            for op in ("removed", "gone"):
                yield entry(next(numbers), frame.ended + SECOND, op, key, known[key], changed=("presence",))
        shown = frame.guests


def entry(number: int, at: datetime, op: str, key: str, one: Shown, *, changed: tuple[str, ...] = ()) -> Entry:
    presence = {"removed": "suspect", "gone": "gone"}.get(op, "present")
    return Entry(
        number, at, op, key, one.name, one.identity, one.status, presence, changed, f"event {number}",
        dict.fromkeys(one.labels, ""), one.parent, f"spec of {one.name}",
    )  # fmt: skip


def test_a_log_that_tells_what_happened_has_no_fault():
    story, readings, entries = told()

    assert [(one.op, one.key) for one in entries if one.op != "appeared"] == [
        ("changed", VM), ("removed", OTHER), ("gone", OTHER), ("replaced", OTHER),
    ]  # fmt: skip
    assert faults(story, readings, entries) == []


def at(entries: list[Entry], op: str, key: str) -> int:
    return next(place for place, one in enumerate(entries) if (one.op, one.key) == (op, key))


Doctor = Callable[[list[Entry], list[Reading]], object]
WRONG: dict[str, tuple[Doctor, str]] = {
    "a change is missing": (lambda log, _: log.pop(at(log, "changed", VM)), "true is"),
    "a guest is missing": (lambda log, _: log.pop(at(log, "appeared", MADE)), "the log says None"),
    "the end of one is missing": (lambda log, _: log.pop(at(log, "gone", OTHER)), "not settled"),
    "a line stands twice": (lambda log, _: log.append(log[at(log, "appeared", MADE)]), "an event applied twice"),
    "the same is said again": (
        lambda log, _: log.append(replace(log[at(log, "appeared", MADE)], op="changed", cause="event x")),
        "says what was said",
    ),
    "it says another status": (lambda log, _: edit(log, "appeared", MADE, status="paused"), "its status was"),
    "it says another name": (lambda log, _: edit(log, "appeared", MADE, name="phantom"), "its name was"),
    "it is on another node": (lambda log, _: edit(log, "appeared", MADE, parent="proxmox/lab/node/x"), "its parent"),
    "it has another tag": (lambda log, _: edit(log, "appeared", MADE, labels={"x": ""}), "its labels was"),
    "it is another guest": (lambda log, _: edit(log, "appeared", MADE, incarnation="x"), "no such guest was there"),
    "what is new is told as changed": (lambda log, _: edit(log, "replaced", OTHER, op="changed"), "been replaced"),
    "it is told too early": (lambda log, all_: edit(log, "changed", VM, at=all_[0].began), "its status was"),
    "it is told too late": (lambda log, all_: edit(log, "changed", VM, at=all_[2].began), "true is"),
    "it is gone while it is there": (
        lambda log, all_: log.append(
            replace(log[at(log, "gone", OTHER)], op="suspect", key=VM, at=all_[4].began, presence="suspect", cause="x")
        ),
        "it was there",
    ),
    "it does not say what it shows": (
        lambda log, _: edit(log, "changed", VM, changed=("health",)),
        "differs from the one before",
    ),
    "no reading told it": (lambda log, all_: edit(log, "changed", VM, at=all_[0].ended), "of no reading"),
}


def edit(entries: list[Entry], op: str, key: str, /, **fields: object) -> None:
    place = at(entries, op, key)
    entries[place] = replace(entries[place], **fields)


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_log_is_named(what: str):
    story, readings, entries = told()
    doctor, named = WRONG[what]
    doctor(entries, readings)

    assert any(named in fault for fault in faults(story, readings, entries))


def test_a_line_without_a_cause_in_the_truth_is_named():
    story, readings, entries = told()
    last = story.frames[-1].ended + timedelta(seconds=1)
    readings.append(Reading(last, last))
    entries.append(replace(entries[at(entries, "changed", VM)], seq=99, at=last, changed=("health",), cause="event x"))

    (fault,) = faults(story, readings, entries)

    assert fault.startswith("nothing had happened")


def test_a_reading_may_show_a_change_that_is_made_meanwhile_or_not():
    world = standard(guests=1, nodes=1)
    story = Story("lab", world)
    story.goes_on(partial(world.create, "qemu", vmid=200), told=False)
    first, later = readings_between(story)
    during = Reading(first.began + SECOND, later.began - SECOND)
    old, seen = log(story)
    seen = replace(seen, at=during.began)

    assert faults(story, [first, during], [old]) == []
    assert faults(story, [first, during], [old, seen]) == []
    assert faults(story, [first, during, later], [old, replace(seen, status="unknown")]) == []
    assert faults(story, [first, during], [old, replace(seen, status="paused")]) != []
