import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from agents import voice as voices
from agents.voice import RESOURCE_BYTES, SCAN_TTL, Voice
from schemas import subjects
from schemas.events import Gap, MetricsBatch, Sample, ScanPart, Trouble, parse_inventory
from schemas.resources import Kind, Relation, hash_of
from tests.support.events import NAS, NOON, key, resource


class Recorder:
    def __init__(self) -> None:
        self.published: list = []
        self.in_flight = self.most = 0

    async def __call__(self, subject, data, *, msg_id, ttl=None):
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        await asyncio.sleep(0)
        self.in_flight -= 1
        self.published.append((subject, data, msg_id, ttl))

    @property
    def events(self):
        return [parse_inventory(data) for _, data, _, _ in self.published]


@pytest.fixture
def said():
    return Recorder()


@pytest.fixture
def voice(said, clock):
    return Voice(NAS, "test@here:1", said, clock)


async def closed(voice, manifest, **more):
    await voice.closed(
        "containers", manifest, scan="s1", observed_at=NOON, duration=1.0, interval=timedelta(seconds=60), **more
    )


async def test_an_observation_goes_under_its_key_with_its_hash(voice, said, clock):
    web = resource("web.shop *>%")

    await voice.observed([(web, hash_of(web))], observed_at=NOON)

    ((subject, _, msg_id, ttl),), (event,) = said.published, said.events
    assert subject == subjects.inventory(web.key) == "homelab.inv.docker.nas.container.web%2Eshop%20%2A%3E%25"
    assert (event.resource, event.hash, event.observed_at, event.time) == (web, hash_of(web), NOON, clock.now())
    assert (msg_id, ttl) == (event.id, None)


async def test_at_most_64_are_in_flight_and_each_goes_once(voice, said):
    found = [(one, hash_of(one)) for one in (resource(f"c{number}") for number in range(300))]

    await voice.observed(found, observed_at=NOON)

    assert said.most == 64
    assert sorted(event.resource.key for event in said.events) == sorted(one.key for one, _ in found)


async def test_a_close_follows_all_of_its_parts_and_all_expire(voice, said, monkeypatch):
    monkeypatch.setattr(voices, "PART_ENTRIES", 3)
    manifest = {key(f"c{number}"): "0" * 16 for number in range(8)}

    await closed(voice, manifest)

    *parts, close = said.events
    assert [(part.part, len(part.manifest)) for part in parts] == [(0, 3), (1, 3), (2, 2)]
    assert {name: value for part in parts for name, value in part.manifest.items()} == manifest
    assert (close.parts, close.count, close.scan) == (3, 8, parts[0].scan)
    assert {ttl for _, _, _, ttl in said.published} == {SCAN_TTL}
    assert len({msg_id for _, _, msg_id, _ in said.published}) == 4


async def test_an_empty_manifest_has_no_part(voice, said):
    await closed(voice, {})

    assert [(event.parts, event.count) for event in said.events] == [(0, 0)]


async def test_the_close_says_what_could_not_be_seen(voice, said):
    gap = Gap(
        trouble=Trouble.UNREACHABLE, detail="pve2: no answer", kinds=(Kind.DISK,), parent=key("pve2", kind=Kind.NODE)
    )

    await closed(voice, {key("web"): "0" * 16}, gaps=[gap])

    assert [getattr(event, "gaps", None) for event in said.events] == [None, (gap,)]


async def test_a_part_stays_small_however_long_the_keys(voice, said):
    await closed(voice, {key("ü" * 390 + str(number)): "0" * 16 for number in range(2500)})

    assert all(len(data) < RESOURCE_BYTES for _, data, _, _ in said.published)
    assert sum(len(event.manifest) for event in said.events if isinstance(event, ScanPart)) == 2500


async def test_a_failure_says_its_trouble_in_a_bounded_text(voice, said):
    await voice.failed(
        "containers", Trouble.UNREACHABLE, "x" * 5000, scan="s1", observed_at=NOON, duration=-1.0,
        interval=timedelta(seconds=60), failures=3, next_at=None,
    )  # fmt: skip

    (event,) = said.events
    assert (event.trouble, len(event.detail), event.failures, event.duration_seconds) == ("unreachable", 1000, 3, 0)


async def test_a_removal_names_the_key(voice, said):
    await voice.removed(key("web"), observed_at=NOON)

    assert (said.published[0][0], said.events[0].key) == (subjects.inventory(key("web")), key("web"))


async def test_samples_go_in_batches(voice, said):
    await voice.samples([Sample(key=key("web"), metric="cpu_ratio", value=0.5, at=NOON)] * 2500)

    batches = [MetricsBatch.model_validate_json(data) for _, data, _, _ in said.published]
    assert [len(batch.samples) for batch in batches] == [1000, 1000, 500]


@pytest.mark.parametrize(
    "large",
    [
        {"spec": {"blob": "x" * RESOURCE_BYTES}},
        {"native": {"list": ["\x01" * 1000] * 400}},
        {"labels": {f"l{number}": "ü" * 200 for number in range(2000)}},
        {"relations": tuple(Relation(type="uses", key=key(f"v{n}")) for n in range(20_000))},
        {"addresses": tuple(f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(60_000))},
        {"name": "n" * RESOURCE_BYTES},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_does_not_fit_into_a_message_loses_its_details_not_its_existence(voice, large):
    with capture_logs() as logs:
        fitting = voice.fit(resource("web", **large))
        voice.fit(resource("web", **large))

    assert fitting.key == key("web")
    assert len(fitting.model_dump_json().encode()) < RESOURCE_BYTES
    assert fitting.spec == {"truncated": True}
    assert [line["event"] for line in logs] == ["resource_cut"]


def test_what_fits_is_left_alone(voice):
    web = resource("web", spec={"env": {"A": "x" * 1000}})

    assert voice.fit(web) is web
