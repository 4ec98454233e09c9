"""What a watcher is told: the old picture and an event in, a line out."""

from datetime import UTC, datetime, timedelta

import pytest

from daemon.cli.changes import Picture
from daemon.cli.known import FIELDS, Known
from daemon.cli.watching import Filter, line_of
from schemas.deviations import Deviation, DeviationEvent, DeviationType, Severity, Transition
from schemas.events import Observed, RemovalReason, Removed, ScanClosed, ScanFailed, ScanPart, Trouble
from schemas.resources import Kind, Resource, Size, Status, hash_of
from tests.support.answers import row

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
KEY = "docker/local/container/web"


def observed(seconds: int = 1, **given) -> Observed:
    resource = Resource(
        **{
            "provider": "docker",
            "source": "local",
            "kind": Kind.CONTAINER,
            "native_id": "web",
            "name": "web",
            "status": Status.RUNNING,
            "native_status": "running",
            "incarnation": "c1",
            "labels": {"tier": "front"},
            "spec": {"image": "nginx:1", "env": {"A": "1"}},
            **given,
        }
    )
    at = AT + timedelta(seconds=seconds)
    return Observed(time=at, agent="a", observed_at=at, hash=hash_of(resource), resource=resource)


def removed(seconds: int = 2, reason: RemovalReason = RemovalReason.REPORTED) -> Removed:
    at = AT + timedelta(seconds=seconds)
    return Removed(
        time=at,
        agent="a",
        observed_at=at,
        provider="docker",
        source="local",
        kind=Kind.CONTAINER,
        native_id="web",
        reason=reason,
    )


def scan(**given) -> dict:
    return {
        "time": AT,
        "agent": "a",
        "provider": "docker",
        "source": "local",
        "scope": "all",
        "scan": "s1",
        "observed_at": AT,
        "duration_seconds": 0.1,
        "interval_seconds": 60,
        **given,
    }


def failed(**given) -> ScanFailed:
    return ScanFailed(**scan(trouble=Trouble.UNREACHABLE, **{"detail": "connection refused"} | given, failures=1))


def closed(**given) -> ScanClosed:
    return ScanClosed(**scan(parts=1, count=3, **given))


def deviation(transition: Transition, **given) -> DeviationEvent:
    found = Deviation(
        **{
            "id": "d1",
            "key": KEY,
            "type": DeviationType.CHANGED,
            "path": "spec.image",
            "expected": "nginx:1",
            "actual": "nginx:2",
            "severity": Severity.HIGH,
            "detected_at": AT,
            "last_seen_at": AT,
            **given,
        }
    )
    return DeviationEvent(time=AT, agent="daemon", transition=transition, deviation=found)


def told(*events: object) -> list[str]:
    picture = Picture()
    found = [picture.apply(event) for event in events]
    return [f"{change.what}: {change.text}" for change in found if change]


WHAT_ONE_EVENT_CHANGES = {
    "a state": (
        {"status": Status.STOPPED, "native_status": "exited"},
        "changed: status running -> stopped",
        ("status",),
    ),
    "a name": ({"name": "web2"}, "changed: renamed web -> web2", ("name",)),
    "a field of the spec": (
        {"spec": {"image": "nginx:2", "env": {"A": "1"}}},
        "changed: spec.image nginx:1 -> nginx:2",
        ("spec.image",),
    ),
    "a field deep in the spec": (
        {"spec": {"image": "nginx:1", "env": {"A": "2"}}},
        "changed: spec.env.A 1 -> 2",
        ("spec.env.A",),
    ),
    "a label with a dot": (
        {"labels": {"tier": "front", "a.b": "c"}},
        'changed: labels."a.b" nothing -> c',
        ('labels."a.b"',),
    ),
    "a size": ({"size": Size(memory_bytes=1)}, "changed: size.memory_bytes nothing -> 1 B", ("size.memory_bytes",)),
    "where it runs": ({"parent": "docker/local/node/a"}, "changed: moved nowhere -> a", ("parent",)),
    "the provider's word alone": (
        {"native_status": "restarting"},
        "changed: status running -> restarting",
        ("native_status",),
    ),
    "an address": ({"addresses": ("10.0.0.1",)}, "changed: addresses nothing -> 10.0.0.1", ("addresses",)),
    "where it runs, of another source": (
        {"parent": "docker/other/node/a"},
        "changed: moved nowhere -> docker/other/node/a",
        ("parent",),
    ),
    "a small fact": ({"native": {"lock": "backup"}}, "changed: native.lock nothing -> backup", ("native.lock",)),
    "a mark without a value": (
        {"labels": {"tier": "front", "web": ""}},
        "changed: labels.web added",
        ("labels.web",),
    ),
    "a long text": (
        {"spec": {"image": "nginx:1", "env": {"A": "x" * 100}}},
        "changed: spec.env.A changed",
        ("spec.env.A",),
    ),
    "many things at once": (
        {"spec": {"image": "nginx:1", "env": {"A": "1"}, **dict.fromkeys("bcdefg", 1)}},
        "changed: " + ", ".join(f"spec.{name} nothing -> 1" for name in "bcde") + ", and 2 more",
        tuple(f"spec.{name}" for name in "bcdefg"),
    ),
    "its incarnation": ({"incarnation": "c2"}, "replaced: made anew", ("incarnation",)),
    "what no path names": ({"revision": "2"}, "changed: changed in detail", ()),
    "several things at once": (
        {"name": "web2", "status": Status.PAUSED, "native_status": "paused"},
        "changed: renamed web -> web2, status running -> paused",
        ("name", "status"),
    ),
}


@pytest.mark.parametrize(("given", "expected", "paths"), WHAT_ONE_EVENT_CHANGES.values(), ids=WHAT_ONE_EVENT_CHANGES)
def test_a_change_is_told_by_what_differs(given, expected, paths):
    picture = Picture()
    picture.apply(observed())
    change = picture.apply(observed(2, **given))
    assert change is not None
    assert f"{change.what}: {change.text}" == expected
    assert change.changed == paths


def test_a_name_that_stands_in_the_spec_too_is_told_once():
    picture = Picture()
    picture.apply(observed(spec={"name": "web", "memory_mib": 512}))
    change = picture.apply(observed(2, name="web2", spec={"name": "web2", "memory_mib": 1024}))
    assert change is not None
    assert change.text == "renamed web -> web2, spec.memory_mib 512 -> 1024"
    assert change.changed == ("name", "spec.memory_mib", "spec.name")


def test_what_was_never_seen_is_new():
    assert told(observed()) == ["new: running"]


def test_what_is_published_again_unchanged_is_no_change():
    assert told(observed(), observed(2), observed(3)) == ["new: running"]


def test_an_event_older_than_what_is_known_is_no_change():
    assert told(observed(5), observed(4, status=Status.STOPPED)) == ["new: running"]
    assert told(observed(5), removed(4)) == ["new: running"]


def test_what_is_removed_is_told_once_and_may_return():
    assert told(observed(), removed(), removed(3, RemovalReason.ABSENT), observed(4)) == [
        "new: running",
        "removed: ",
        "returned: running",
    ]


def test_what_the_daemon_judged_gone_is_told_with_the_reason():
    assert told(observed(), removed(reason=RemovalReason.ABSENT))[1] == ("removed: complete readings no longer have it")


def test_the_removal_of_what_was_never_seen_is_nothing():
    assert told(removed()) == []


def test_a_source_is_lost_once_and_found_once():
    assert told(closed(), failed(), failed(), closed(), closed()) == [
        "lost: unreachable: connection refused; what it has is unknown until it can be read again",
        "found: read again: 3 resources",
    ]


def test_scopes_that_are_lost_for_different_reasons_are_told_apart():
    events = failed(), failed(scope="volumes", detail="no disk"), closed(), closed(scope="volumes")
    assert [line.partition(":")[0] for line in told(*events)] == ["lost", "lost", "found", "found"]
    other = failed(source="other")
    assert [line.partition(":")[0] for line in told(failed(), other)] == ["lost", "lost"]


def test_what_strikes_several_scopes_is_told_once_and_when_all_of_them_are_back():
    lost = failed(scope="images"), failed(scope="volumes")
    assert told(*lost, closed(scope="images"), failed(scope="images"), closed(scope="images")) == [
        "lost: unreachable: connection refused; what it has is unknown until it can be read again",
    ]
    twice = (*lost, closed(scope="volumes"), closed(scope="images")) * 2
    assert told(*twice)[1::2] == ["found: read again: images, volumes"] * 2


def test_a_manifest_is_no_change():
    part = ScanPart(
        time=AT, agent="a", provider="docker", source="local", scope="all", scan="s", part=0, manifest={KEY: "0" * 16}
    )
    assert told(part) == []


def test_a_deviation_is_told_with_its_severity_and_values():
    assert told(deviation(Transition.OPENED), deviation(Transition.RESOLVED, resolved_by="self")) == [
        "deviation opened: high changed spec.image: expected nginx:1, is nginx:2",
        "deviation resolved: high changed spec.image: expected nginx:1, is nginx:2 (by self)",
    ]


def test_a_deviation_has_the_name_of_what_it_is_of():
    picture = Picture()
    found = [picture.apply(deviation(Transition.OPENED))]
    picture.apply(observed(name="my web"))
    found += [picture.apply(deviation(Transition.RESOLVED, resolved_by="self"))]
    assert [change.name for change in found if change] == ["web", "my web"]


def listed(**given) -> Known:
    content = row(**given).model_dump(mode="json")
    return Known.of_row({name: content[name] for name in FIELDS})


def test_a_row_and_the_event_that_made_it_are_the_same_thing():
    event = observed()
    resource = event.resource
    known = listed(
        hash=event.hash,
        observed_at=event.observed_at,
        spec=resource.spec,
        addresses=(),
        memory_bytes=None,
        health="unknown",
    )
    assert known == Known.of_event(event)


def test_a_new_listing_tells_what_was_missed():
    picture = Picture()
    for name in ("same", "other", "away"):
        known = listed(key=f"docker/local/container/{name}")
        picture.known[known.key] = known
    found = picture.replace_all(
        [
            listed(key="docker/local/container/same"),
            listed(key="docker/local/container/other", hash="f" * 16, status=Status.STOPPED),
            listed(key="docker/local/container/fresh"),
            listed(key="docker/local/container/old", presence="gone"),
        ]
    )
    assert [(change.name, change.what) for change in found] == [
        ("other", "changed"),
        ("fresh", "new"),
        ("away", "removed"),
    ]


def test_a_listing_without_specs_still_tells_that_something_changed():
    picture = Picture()
    content = row().model_dump(mode="json")
    picture.known[KEY] = Known.of_row({name: content[name] for name in FIELDS if name != "spec"})
    change = picture.apply(observed(9, spec={"image": "x"}, addresses=("172.17.0.2",), size=Size(memory_bytes=1 << 20)))
    assert change is not None
    assert "spec" not in change.text


def test_what_was_gone_at_the_listing_returns():
    picture = Picture(known={KEY: listed(presence="gone")})
    change = picture.apply(observed(9))
    assert change is not None
    assert change.what == "returned"


@pytest.mark.parametrize(
    ("chosen", "passes"),
    [
        (Filter(), True),
        (Filter(provider="docker", source="local", kind="container", name="w*"), True),
        (Filter(source="docker/local"), True),
        (Filter(provider="host"), False),
        (Filter(source="other"), False),
        (Filter(kind="volume"), False),
        (Filter(name="db"), False),
    ],
)
def test_a_filter_lets_pass_what_it_names(chosen, passes):
    change = Picture().apply(observed())
    assert change is not None
    assert chosen.passes(change) is passes


def test_deviations_can_be_left_away():
    change = Picture().apply(deviation(Transition.OPENED))
    assert change is not None
    assert not Filter(drift=False).passes(change)


def test_a_line_names_time_change_kind_name_and_key():
    change = Picture().apply(observed())
    assert change is not None
    assert line_of(change, utc=True).plain == f"2026-11-20T08:00:01Z new      container web: running  {KEY}"


def test_a_line_cannot_write_to_the_terminal_what_a_name_says():
    change = Picture().apply(observed(name="we\x1b[31mb"))
    assert change is not None
    assert "\x1b" not in line_of(change).plain


def test_a_change_as_json_has_the_columns_names():
    change = Picture().apply(observed())
    assert change is not None
    assert change.as_json() == {
        "at": "2026-11-20T08:00:01+00:00",
        "change": "new",
        "key": KEY,
        "name": "web",
        "provider": "docker",
        "source": "local",
        "kind": "container",
        "status": "running",
        "changed": [],
        "text": "running",
    }
