"""The shared words: keys, subjects, hashes, durations."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas import base, config, events, resources, subjects
from schemas.resources import Key, Kind, Resource, SourceRef

NATIVE_IDS = st.text(min_size=1, max_size=120, alphabet=st.characters(exclude_categories=["Cs"]))
TOKENS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
KINDS = st.sampled_from(Kind)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
duration = TypeAdapter(config.Duration)


def resource(**fields):
    return Resource(**{"provider": "host", "source": "a", "kind": "node", "native_id": "n", "name": "n", **fields})


def reversed_keys(value):
    """The same content with each object's keys in the opposite order."""
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(each) for each in value] if isinstance(value, list) else value


@given(provider=TOKENS, source=TOKENS, kind=KINDS, native_id=NATIVE_IDS)
@example(provider="a", source="b", kind=Kind.VM, native_id="%2E.%")
def test_any_native_id_survives_its_subject(provider, source, kind, native_id):
    key = str(Key(provider, source, kind, native_id))

    subject = subjects.inventory(key)

    assert subjects.parse_inventory(subject) == key
    assert len(subject.split(".")) == 6


@given(native_id=NATIVE_IDS)
def test_a_subject_token_holds_nothing_that_nats_reads(native_id):
    token = subjects.encode(native_id)

    assert token.isascii()
    assert token.isprintable()
    assert not set(token) & set(".*> \t\r\n")


@given(first=NATIVE_IDS, second=NATIVE_IDS)
@example(first=".", second="%2E")
def test_two_native_ids_never_share_a_token(first, second):
    assert (subjects.encode(first) == subjects.encode(second)) == (first == second)


@given(provider=TOKENS, source=TOKENS, scope=NATIVE_IDS)
def test_any_scope_survives_its_subject(provider, source, scope):
    subject = subjects.scan(provider, source, scope)

    assert subjects.parse_scan(subject) == (provider, source, scope)
    assert subjects.is_scan(subject)


@pytest.mark.parametrize(
    "subject", ["homelab.inv.a.b.c", "homelab.inv.a.b.vm.1.2", "other.inv.a.b.vm.1", "homelab.scan.a.b.vm.1", ""]
)
def test_a_subject_of_another_shape_is_no_inventory_subject(subject):
    with pytest.raises(subjects.BadSubject):
        subjects.parse_inventory(subject)


def test_an_empty_text_is_no_token():
    with pytest.raises(subjects.BadSubject):
        subjects.encode("")


def test_a_lone_surrogate_is_refused_as_a_bad_subject():
    with pytest.raises(subjects.BadSubject):
        subjects.encode("broken \ud800 name")


def test_a_source_that_deviates_has_a_drift_subject_too():
    assert subjects.drift("high", "docker/nas") == "homelab.drift.high.docker.nas"
    assert subjects.drift("low", "docker/nas/volume/a.b/c") == "homelab.drift.low.docker.nas.volume.a%2Eb/c"


@given(provider=TOKENS, source=TOKENS, kind=KINDS, native_id=NATIVE_IDS)
def test_a_key_is_parsed_to_the_parts_it_was_made_of(provider, source, kind, native_id):
    key = Key(provider, source, kind, native_id)

    assert Key.parse(str(key)) == key
    assert SourceRef(provider=provider, name=source).key(kind, native_id) == str(key)


@pytest.mark.parametrize("text", ["", "a/b/c", "a/b/vm/", "a//vm/1", "/b/vm/1"])
def test_a_text_with_a_part_missing_is_no_key(text):
    with pytest.raises(resources.BadKey):
        Key.parse(text)


def test_a_resource_says_its_own_key():
    assert resource(kind="storage", native_id="/srv/data").key == "host/a/storage//srv/data"


@given(value=JSON)
def test_a_hash_does_not_depend_on_the_order_of_keys(value):
    assert base.content_hash(value) == base.content_hash(reversed_keys(value))
    assert base.content_hash(value) == base.content_hash(json.loads(base.canonical(value)))


@given(spec=st.dictionaries(st.text(max_size=6), JSON, max_size=4))
def test_a_resource_keeps_its_hash_over_the_bus(spec):
    sent = resource(spec=spec)

    assert resources.hash_of(Resource.model_validate_json(sent.model_dump_json())) == resources.hash_of(sent)


@pytest.mark.parametrize(
    "change",
    [{"name": "m"}, {"status": "failed"}, {"labels": {"a": "b"}}, {"spec": {"a": 1}}, {"native": {"a": None}}],
)
def test_any_other_content_is_another_hash(change):
    assert resources.hash_of(resource(**change)) != resources.hash_of(resource())


@pytest.mark.parametrize("name", ["", "A", "a.b", "a b", "-a", "ä", "a" * 64, "a\n"])
def test_a_name_that_is_no_token_is_refused(name):
    with pytest.raises(ValidationError):
        SourceRef(provider="docker", name=name)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("1h30m", timedelta(minutes=90)),
        ("1d 2h", timedelta(hours=26)),
        ("1.5 h", timedelta(minutes=90)),
        (45, timedelta(seconds=45)),
        (0.25, timedelta(milliseconds=250)),
    ],
)
def test_a_duration_is_read_as_it_is_written(written, meant):
    assert duration.validate_python(written) == meant


@pytest.mark.parametrize("written", ["", "soon", "5", "5x", "5 m s", "-5s", "0s", 0, -1, "1m;", "PT5M", None, []])
def test_a_duration_that_says_nothing_is_refused(written):
    with pytest.raises(ValidationError):
        duration.validate_python(written)


@pytest.mark.parametrize("written", ["hunter2", "env:", "vault:x", ""])
def test_a_secret_is_written_as_a_reference_only_and_never_repeated(written):
    with pytest.raises(ValidationError) as caught:
        config.HttpConfig.model_validate({"token": written})

    assert "hunter2" not in str(caught.value)


def test_a_person_s_unknown_key_is_refused_and_a_peer_s_is_dropped():
    with pytest.raises(ValidationError):
        config.HomelabConfig.model_validate({"sauces": []})

    assert SourceRef.model_validate({"provider": "host", "name": "a", "since": "2031"}) == SourceRef(
        provider="host", name="a"
    )


def test_every_event_is_read_back_as_what_it_was():
    at = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    head = {"time": at, "agent": "test", "provider": "host", "source": "a"}
    scan = {**head, "scope": "all", "scan": "s1"}
    sent = [
        events.Observed(time=at, agent="test", observed_at=at, hash="0" * 16, resource=resource()),
        events.Removed(**head, observed_at=at, kind="vm", native_id="1"),
        events.ScanPart(**scan, part=0, manifest={"host/a/node/n": "0" * 16}),
        events.ScanClosed(**scan, parts=1, count=1, observed_at=at, duration_seconds=0.1, interval_seconds=60),
        events.ScanFailed(
            **scan,
            trouble="unreachable",
            detail="nobody answered",
            observed_at=at,
            duration_seconds=0,
            interval_seconds=60,
            failures=1,
        ),
    ]

    assert [events.parse_inventory(event.model_dump_json().encode()) for event in sent] == sent


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"type": "gossip"}', b"\xff\xfe", b'{"type": "observed"}'])
def test_a_message_that_is_no_event_is_refused_as_one_error(data):
    with pytest.raises(ValidationError):
        events.parse_inventory(data)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_sample_is_a_finite_number(value):
    with pytest.raises(ValidationError):
        events.Sample(key="host/a/node/n", metric="cpu_ratio", value=value, at=datetime(2026, 1, 1, tzinfo=UTC))


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValidationError):
        resource(created_at=datetime(2026, 1, 1))  # noqa: DTZ001
