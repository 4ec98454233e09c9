"""Every question, answered from a real store that was filled as ingest fills it."""

import asyncio
import shutil
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import pytest

from daemon.api.answers import Refused
from daemon.api.intents import Intents
from daemon.api.reading import Reading
from daemon.ingest import apply
from daemon.reconcile.loop import Reconciler
from daemon.runtime import bus
from daemon.store import samples
from daemon.store.cursors import Cursor
from daemon.store.database import Database
from schemas import queries as q
from schemas import subjects
from schemas.answers import ANSWER_BYTES
from schemas.commands import ControlAnswer
from schemas.events import Sample
from schemas.resources import Kind, Relation, SourceRef
from tests.conftest import FakeClock
from tests.support import events
from tests.support.events import NAS, NOON, after, key
from tests.support.nats_server import nats_server
from tests.support.store import STREAM_MADE, empty

LAB = SourceRef(provider="proxmox", name="lab")
NODE = LAB.key(Kind.NODE, "pve1")


def things():
    web = events.resource(
        "web", labels={"com.docker.project": "shop", "a=b": "c", "tier": "front"}, addresses=("10.0.0.2", "FE80::1"),
        relations=(Relation(type="uses", key=key("data", kind=Kind.VOLUME)),), size={"cpu_cores": 2},
        spec={"image": "nginx:1", "env": {"A": "1"}},
    )  # fmt: skip
    db = events.resource("db", labels={"tier": "back"}, status="stopped", name="my_db%1")
    other = events.resource("cache", name='O\'Hara "x"; DROP TABLE inventory_;--')
    node = events.resource("pve1", LAB, kind=Kind.NODE, scope="nodes")
    guest = events.resource("100", LAB, kind=Kind.VM, scope="vms", name="web", parent=NODE)
    return [web, db, other], [node], [guest]


class Lab:
    def __init__(self, database, clock, client=None, *, sequence=0):
        self.database, self.clock = database, clock
        self.reconciler = Reconciler(database, clock)
        self.reading = Reading(database, clock)
        self.intents = Intents(database, clock, client, self.reconciler)
        self.sequence = sequence

    async def say(self, *said):
        batch = []
        for event in said:
            self.sequence += 1
            batch.append(events.message(event, self.sequence))
        cursor = Cursor("INVENTORY", STREAM_MADE, self.sequence)
        now = self.clock.now()
        applied = await self.database.write(lambda con: apply.apply(con, batch, cursor=cursor, now=now))
        self.reconciler.mark(applied.keys, applied.sources)
        await self.reconciler.cycle()

    async def adopt(self, **query):
        answer = await self.intents.adopt(q.AdoptQuery(**query))
        await self.reconciler.cycle()  # what is expected is derived by it
        return answer

    async def names(self, **query):
        answer = await self.reading.resources(q.ResourcesQuery(**query))
        return [item["key"].rpartition("/")[2] for item in answer.items]


async def fill(file):
    """Say what all tests begin with; return the number of the last message."""
    clock = FakeClock(NOON)
    async with Database.open(empty(file), clock) as database:
        made = Lab(database, clock)
        containers, nodes, vms = things()
        await made.say(
            *map(events.observed, [*containers, *nodes, *vms]), *events.scan(containers),
            *events.scan(nodes, source=LAB, scope="nodes"), *events.scan(vms, source=LAB, scope="vms"),
        )  # fmt: skip
        return made.sequence


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    file = tmp_path_factory.mktemp("filled") / "store.duckdb"
    return file, asyncio.run(fill(file))


@pytest.fixture
async def lab(filled, tmp_path, clock):
    clock.advance(hours=4)
    file, sequence = filled
    async with Database.open(shutil.copyfile(file, tmp_path / "store.duckdb"), clock) as database:
        yield Lab(database, clock, sequence=sequence)


async def refused(asked):
    with pytest.raises(Refused) as caught:
        await asked
    return caught.value


# --- resources -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["cache", "db", "web", "pve1", "100"]),
        ({"provider": "docker"}, ["cache", "db", "web"]),
        ({"source": "lab"}, ["pve1", "100"]),
        ({"source": "proxmox/lab"}, ["pve1", "100"]),
        ({"kind": "container", "status": "stopped"}, ["db"]),
        ({"name": "web"}, ["web", "100"]),
        ({"name": "w*"}, ["web", "100"]),
        ({"name": "my?db%1"}, ["db"]),
        ({"name": "["}, []),
        ({"label": ("tier",)}, ["db", "web"]),
        ({"label": ("tier=front", "com.docker.project=shop")}, ["web"]),
        ({"label": ("com.docker.project",)}, ["web"]),
        ({"label": ("tier=",)}, []),
        ({"label": ("nothing",)}, []),
        ({"parent": NODE}, ["100"]),
        ({"keys": (key("web"), key("nobody"))}, ["web"]),
        ({"text": "WEB"}, ["web", "100"]),
        ({"text": "10.0.0"}, ["web"]),
        ({"text": "fe80::"}, ["web"]),
        ({"text": "_"}, ["db", "cache"][::-1]),
        ({"text": "%"}, ["db"]),
        ({"text": "'"}, ["cache"]),
        ({"text": 'o\'hara "x"; drop'}, ["cache"]),
        ({"text": "' OR 1=1 --"}, []),
        ({"provider": "' OR 1=1 --"}, []),
        ({"managed": True}, []),
        ({"drifting": True}, []),
        ({"presence": "present", "provider": "proxmox"}, ["pve1", "100"]),
        ({"presence": "gone"}, []),
        ({"health": "ok"}, []),
    ],
    ids=str,
)
async def test_a_selection_means_what_it_says(lab, query, found):
    assert await lab.names(**query) == found


async def test_gone_ones_are_told_only_when_asked_for(lab):
    await lab.say(events.removed("db", after(60)), *events.scan(["web", "cache"], after(60)))

    assert "db" not in await lab.names()
    assert "db" in await lab.names(include_gone=True)
    assert await lab.names(presence="gone") == ["db"]


async def test_pages_follow_each_other_and_tell_the_total(lab):
    seen, cursor = [], None
    while True:
        page = await lab.reading.resources(q.ResourcesQuery(limit=2, cursor=cursor))
        assert page.total == 5
        seen += [item["key"] for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        assert "next_cursor" in page.hint

    assert seen == sorted(seen)
    assert len(seen) == 5


async def test_only_the_asked_columns_and_always_the_key(lab):
    (item,) = (await lab.reading.resources(q.ResourcesQuery(keys=(key("web"),), fields=("labels", "cpu_cores")))).items

    assert item == {
        "key": key("web"), "labels": {"com.docker.project": "shop", "a=b": "c", "tier": "front"}, "cpu_cores": 2,
    }  # fmt: skip


async def test_all_columns_are_those_of_the_view(lab):
    (item,) = (await lab.reading.resources(q.ResourcesQuery(keys=(key("web"),), fields=("*",)))).items

    assert item.keys() == set(q.ResourceRow.model_fields)
    assert q.ResourceRow.model_validate(item).spec == {"image": "nginx:1", "env": {"A": "1"}}


async def test_an_unknown_column_is_refused_with_those_there_are(lab):
    problem = await refused(lab.reading.resources(q.ResourcesQuery(fields=("key", "1; DROP TABLE inventory_"))))

    assert (problem.code, "spec" in problem.candidates) == ("bad_query", True)


async def test_what_does_not_fit_into_an_answer_is_on_the_next_page(lab):
    many = [events.resource(f"big{number}", spec={"blob": "ü" * 40_000}) for number in range(12)]
    await lab.say(*[events.observed(one, after(1)) for one in many])

    seen, cursor = [], None
    for _ in range(20):
        page = await lab.reading.resources(q.ResourcesQuery(name="big*", fields=("*",), cursor=cursor))
        assert len(page.model_dump_json().encode()) < ANSWER_BYTES
        seen += [item["key"] for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) == 12


# --- one resource ----------------------------------------------------------------------------------------------------


async def test_one_resource_whole_by_key_name_or_end_of_key(lab):
    for text in (key("db"), "my_db%1", "container/db", "db"):
        answer = await lab.reading.resource(q.ResourceQuery(key=text))
        assert answer.resource.key == key("db")
    assert (answer.expected, answer.deviations) == (None, ())
    assert [event.op for event in answer.events] == ["appeared"]
    assert [one.source for one in answer.sources] == ["docker/nas"]


async def test_a_name_that_several_have_is_ambiguous_and_one_that_nobody_has_is_not_found(lab):
    both = await refused(lab.reading.resource(q.ResourceQuery(key="web")))
    nobody = await refused(lab.reading.resource(q.ResourceQuery(key="wbe")))

    assert (both.code, set(both.candidates)) == ("ambiguous", {key("web"), LAB.key(Kind.VM, "100")})
    assert nobody.code == "not_found"
    assert key("web") in nobody.candidates


@pytest.mark.parametrize("text", ["%", "_b", "d_", "'", "%' OR '1'='1"])
async def test_a_pattern_is_no_name(lab, text):
    assert (await refused(lab.reading.resource(q.ResourceQuery(key=text)))).code == "not_found"


async def test_of_a_name_the_present_one_is_meant(lab):
    await lab.say(events.removed("web", after(60)), *events.scan(["db", "cache"], after(60)))

    assert (await lab.reading.resource(q.ResourceQuery(key="web"))).resource.key == LAB.key(Kind.VM, "100")


async def test_relations_go_both_ways_and_as_deep_as_asked(lab):
    volume = key("data", kind=Kind.VOLUME)
    up = await lab.reading.relations(q.RelationsQuery(key=key("web")))
    down = await lab.reading.relations(q.RelationsQuery(key=NODE, depth=3))

    assert [(edge.from_key, edge.type, edge.to_key, edge.name) for edge in up.edges] == [
        (key("web"), "uses", volume, "")
    ]
    assert [(edge.from_key, edge.type, edge.to_key, edge.name, edge.status) for edge in down.edges] == [
        (LAB.key(Kind.VM, "100"), "part_of", NODE, "web", "running")
    ]


# --- what happened ---------------------------------------------------------------------------------------------------


async def test_events_come_newest_first_or_onward_from_a_number(lab):
    newest = await lab.reading.events(q.EventsQuery(limit=3))
    older = await lab.reading.events(q.EventsQuery(limit=50, cursor=newest.next_cursor))
    onward = await lab.reading.events(q.EventsQuery(after_seq=2, limit=2))
    further = await lab.reading.events(q.EventsQuery(after_seq=2, limit=50, cursor=onward.next_cursor))

    assert [event.seq for event in (*newest.items, *older.items)] == list(range(newest.total, 0, -1))
    assert [event.seq for event in (*onward.items, *further.items)] == list(range(3, newest.total + 1))


async def test_events_and_deviations_of_a_name_are_those_of_its_key(lab):
    await lab.intents.adopt(q.AdoptQuery(keys=("db",)))
    lab.reconciler.mark(keys=[key("db")])
    await lab.reconciler.cycle()

    named = await lab.reading.events(q.EventsQuery(key="db"))
    with pytest.raises(Refused, match="called 'nobody'"):
        await lab.reading.deviations(q.DeviationsQuery(key="nobody"))

    assert {event.key for event in named.items} == {key("db")}
    assert named == await lab.reading.events(q.EventsQuery(key=key("db")))


async def test_events_may_be_chosen(lab):
    await lab.say(events.observed("web", after(60), labels={}, status="stopped"))

    async def ops(**query):
        return [(event.op, event.key) for event in (await lab.reading.events(q.EventsQuery(**query))).items]

    assert await ops(key=key("web")) == [("changed", key("web")), ("appeared", key("web"))]
    assert await ops(op="changed") == await ops(since=after(60)) == [("changed", key("web"))]
    assert len(await ops(until=after(60), kind="vm")) == 1
    assert len(await ops(source="proxmox/lab", side="actual")) == 3
    assert await ops(side="expected") == []


async def test_an_event_has_its_spec_only_when_asked(lab):
    (without,) = (await lab.reading.events(q.EventsQuery(key=key("web")))).items
    (having,) = (await lab.reading.events(q.EventsQuery(key=key("web"), with_spec=True))).items

    assert (without.spec, having.spec) == (None, {"image": "nginx:1", "env": {"A": "1"}})


@pytest.mark.parametrize("cursor", ["abc", "-1", "1.5", "", "9" * 40, "٣"])
async def test_a_cursor_that_nobody_gave_is_refused(lab, cursor):
    for asked in (
        partial(lab.reading.events, q.EventsQuery(cursor=cursor)),
        partial(lab.reading.deviations, q.DeviationsQuery(cursor=cursor)),
    ):
        assert (await refused(asked())).code == "bad_query"


async def test_deviations_come_worst_first_and_resolved_ones_when_asked(lab):
    await lab.intents.adopt(q.AdoptQuery(provider="docker"))
    lab.clock.advance(seconds=60)
    await lab.say(events.observed("web", after(60), labels={"tier": "front"}, spec={"image": "nginx:2"}))
    await lab.say(events.removed("cache", after(61)), *events.scan(["web", "db"], after(61)))
    await lab.say(events.observed("cache", after(62), name='O\'Hara "x"; DROP TABLE inventory_;--'))

    async def found(**query):
        answer = await lab.reading.deviations(q.DeviationsQuery(**query))
        return [(one.severity.value, one.type.value, one.path) for one in answer.items], answer.total

    items, total = await found()
    assert total == len(items) == 4
    assert {path for _, _, path in items} == {
        "spec.image", "spec.env.A", 'labels."com.docker.project"', "labels.a=b",
    }  # fmt: skip
    assert (await found(severity="high"))[0] == []
    assert (await found(severity="high", history=True))[0] == [("high", "missing", "")]
    assert (await found(type="missing", history=True, source="docker/nas"))[1] == 1
    assert (await found(provider="proxmox"))[1] == 0
    first = await lab.reading.deviations(q.DeviationsQuery(limit=4))
    rest = await lab.reading.deviations(q.DeviationsQuery(limit=4, cursor=first.next_cursor))
    assert len({one.id for one in (*first.items, *rest.items)}) == total


async def test_metrics_are_rolled_up_to_what_was_asked(lab):
    measured = [
        Sample(key=key("web"), metric=name, value=n, at=after(n - 3600))
        for n in range(0, 3600, 10)
        for name in ("cpu", "mem")
    ]
    await lab.database.write(lambda con: samples.put(con, measured))
    await lab.database.write(lambda con: samples.roll_up(con, now=NOON))

    raw = await lab.reading.metrics(q.MetricsQuery(key=key("web"), max_points=7))
    one = await lab.reading.metrics(q.MetricsQuery(key=key("web"), metric="cpu", resolution="5m"))
    wide = await lab.reading.metrics(q.MetricsQuery(key=key("web"), since=NOON - timedelta(days=3)))
    none = await lab.reading.metrics(q.MetricsQuery(key=key("db")))

    assert (raw.resolution, {each.metric: len(each.points) for each in raw.series}) == ("raw", {"cpu": 7, "mem": 7})
    assert (one.resolution, [each.metric for each in one.series]) == ("5m", ["cpu"])
    assert [(point.value, point.low, point.high) for point in one.series[0].points[:2]] == [
        (145, 0, 290), (445, 300, 590),
    ]  # fmt: skip
    assert wide.resolution == "5m"
    assert (none.series, bool(none.hint)) == ((), True)
    backwards = q.MetricsQuery(key=key("web"), since=NOON, until=NOON - timedelta(hours=1))
    assert (await refused(lab.reading.metrics(backwards))).code == "bad_query"


@pytest.mark.parametrize("points", [1, 3, 100, 5000])
@pytest.mark.parametrize("hours", [0.1, 1, 5.9, 24, 500])
async def test_there_are_never_more_points_than_asked_for(lab, points, hours):
    since = NOON - timedelta(hours=hours) + timedelta(seconds=17)
    step = timedelta(hours=hours) / 400
    measured = [Sample(key=key("web"), metric="cpu", value=n, at=since + n * step) for n in range(400)]
    await lab.database.write(lambda con: samples.put(con, measured))
    await lab.database.write(lambda con: samples.roll_up(con, now=NOON))

    answer = await lab.reading.metrics(q.MetricsQuery(key=key("web"), since=since, until=NOON, max_points=points))

    assert all(len(series.points) <= points for series in answer.series)


# --- the whole -------------------------------------------------------------------------------------------------------


async def test_an_overview_says_whether_all_is_well(lab):
    well = await lab.reading.overview(q.OverviewQuery(changes=2))
    await lab.intents.adopt(q.AdoptQuery(keys=("my_db%1",)))
    await lab.say(events.failed(after(60)), events.observed("db", after(61), name="other"))
    ill = await lab.reading.overview(q.OverviewQuery())

    assert well.summary == "Nothing differs from what is expected."
    assert len(well.recent) == 2
    assert {(c.provider, c.kind): (c.total, c.running, c.not_running, c.unknown) for c in well.counts} == {
        ("docker", "container"): (3, 2, 1, 0), ("proxmox", "node"): (1, 1, 0, 0), ("proxmox", "vm"): (1, 1, 0, 0),
    }  # fmt: skip
    assert "docker/nas" in ill.summary
    assert [(one.source, one.complete) for one in ill.sources] == [("docker/nas", False), ("proxmox/lab", True)]
    assert next(c for c in ill.counts if c.provider == "docker").unknown == 3


async def test_sources_tell_each_scope(lab):
    await lab.say(events.failed(after(60), detail="no route", source=LAB, scope="vms"))

    answer = await lab.reading.sources(q.SourcesQuery(source="proxmox/lab"))

    (source,) = answer.items
    assert (source.status, "no route" in source.detail) == ("degraded", True)
    assert {scope.scope: (scope.status, scope.failures) for scope in source.scopes} == {
        "nodes": ("ok", 0), "vms": ("failed", 1),
    }  # fmt: skip
    assert answer.sources[0].complete is False


async def test_sources_tell_what_a_gap_hides_and_which_right_is_missing(lab):
    vms = [key(str(number), LAB, Kind.VM) for number in range(100, 130)]
    denied = events.gap("VM.Audit is missing", keys=vms, privilege="VM.Audit", path="/vms")
    away = events.gap("pve2 does not answer", trouble="unreachable", parent="proxmox/lab/node/pve2")

    before = await lab.reading.sources(q.SourcesQuery(source="proxmox/lab"))
    await lab.say(*events.scan([], after(60), source=LAB, scope="vms", gaps=[denied, away]))
    answer = await lab.reading.sources(q.SourcesQuery(source="proxmox/lab"))

    assert [scope.gaps for scope in before.items[0].scopes] == [(), ()]
    (source,) = answer.items
    assert (source.status, source.detail) == ("degraded", "vms: VM.Audit is missing")
    assert (answer.sources[0].complete, answer.sources[0].detail) == (False, "vms: VM.Audit is missing")
    scope = next(scope for scope in source.scopes if scope.scope == "vms")
    assert (scope.status, scope.hidden, scope.failures) == ("partial", 1, 0)
    first, second = scope.gaps
    assert (first.trouble, first.kinds, first.keys, first.key_count) == ("unauthorized", (), tuple(vms[:20]), 30)
    assert (first.privilege, first.path, first.parent) == ("VM.Audit", "/vms", None)
    assert (second.detail, second.kinds, second.parent) == ("pve2 does not answer", (), "proxmox/lab/node/pve2")
    overview = await lab.reading.overview(q.OverviewQuery())
    assert "Not everything could be read: proxmox/lab." in overview.summary
    assert next(count for count in overview.counts if count.kind == "vm").unknown == 1


async def test_a_source_that_nobody_knows_is_not_found(lab):
    for asked in (
        partial(lab.reading.sources, q.SourcesQuery(source="nowhere")),
        partial(lab.reading.resources, q.ResourcesQuery(source="nowhere")),
        partial(lab.reading.events, q.EventsQuery(source="nowhere")),
        partial(lab.reading.deviations, q.DeviationsQuery(source="x/y")),
    ):
        problem = await refused(asked())
        assert (problem.code, problem.candidates) == ("not_found", ("docker/nas", "proxmox/lab"))


async def test_an_empty_store_answers_everything(tmp_path, clock):
    async with Database.open(empty(tmp_path / "store.duckdb"), clock) as database:
        lab = Lab(database, clock)
        assert (await lab.reading.overview(q.OverviewQuery())).summary == "Nothing is watched yet."
        assert await lab.names() == []
        assert (await lab.reading.events(q.EventsQuery())).total == 0
        assert (await refused(lab.reading.resource(q.ResourceQuery(key="x")))).candidates == ()


# --- what is wanted --------------------------------------------------------------------------------------------------


async def test_adopting_says_what_became_expected(lab):
    answer = await lab.adopt(keys=(key("web"),))

    (one,) = answer.adopted
    assert (one.key, one.changed, one.fields["status"], one.fields["spec"]["image"]) == (
        key("web"), True, "running", "nginx:1",
    )  # fmt: skip
    assert await lab.names(managed=True) == ["web"]
    (entry,) = (await lab.reading.events(q.EventsQuery(side="expected"))).items
    assert (entry.op, entry.key, entry.changed) == ("adopted", key("web"), ("labels", "name", "spec", "status"))
    again = await lab.adopt(keys=(key("web"),))
    assert [one.changed for one in again.adopted] == [False]
    assert (await lab.reading.events(q.EventsQuery(side="expected"))).total == 1


async def test_a_dry_run_changes_nothing(lab):
    answer = await lab.intents.adopt(q.AdoptQuery(provider="docker", dry_run=True))

    assert answer.total == 3
    assert await lab.names(managed=True) == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"label": ("tier=front",)}, ["web"]),
        ({"source": "docker/nas", "kind": "container"}, ["cache", "db", "web"]),
        ({"source": "proxmox/lab"}, ["pve1", "100"]),
        ({"name": "w*"}, ["web", "100"]),
        ({"keys": ("my_db%1", "container/web")}, ["db", "web"]),
    ],
)
async def test_what_a_selector_means_is_adopted(lab, query, names):
    await lab.adopt(**query)

    assert await lab.names(managed=True) == names


async def test_what_cannot_be_adopted_is_skipped_with_the_reason(lab):
    await lab.say(events.removed("db", after(60)), *events.scan(["web", "cache"], after(60)))
    await lab.say(*events.scan(["web"], after(120)), events.failed(after(60), source=LAB, scope="vms"))

    answer = await lab.intents.adopt(q.AdoptQuery(keys=("nobody", "web", key("db"), "cache", LAB.key(Kind.VM, "100"))))

    assert {text: reason.split(":")[0] for text, reason in answer.skipped.items()} == {
        "nobody": "no such resource", "web": f"may be any of {key('web')}, {LAB.key(Kind.VM, '100')}",
        key("db"): "it is gone", key("cache"): "it may be gone", LAB.key(Kind.VM, "100"): "its presence is unknown",
    }  # fmt: skip
    assert answer.adopted == ()


async def test_what_comes_and_goes_is_adopted_only_where_it_is_meant(lab):
    made = [events.resource(name, LAB, kind=kind, scope="saved") for name, kind in
            (("100/before", Kind.SNAPSHOT), ("100", Kind.BACKUP))]  # fmt: skip
    await lab.say(*map(events.observed, made), *events.scan(made, source=LAB, scope="saved"))

    answer = await lab.adopt(source="lab")
    assert [one.key for one in answer.adopted] == [NODE, LAB.key(Kind.VM, "100")]
    assert answer.hint.startswith("2 backups and snapshots are left out")
    assert len((await lab.adopt(kind=Kind.BACKUP)).adopted) == 1
    assert len((await lab.adopt(keys=(made[0].key,))).adopted) == 1


async def test_adopting_nothing_in_particular_is_refused(lab):
    assert (await refused(lab.intents.adopt(q.AdoptQuery(dry_run=True)))).code == "bad_query"


# --- with agents -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def agent(client, asked, reaction):
    async def answer(message):
        asked.append(message.subject)
        await reaction()
        await message.respond(ControlAnswer(accepted=True, detail="containers").model_dump_json().encode())

    subscription = await client.subscribe(subjects.controls_of("docker", "nas"), cb=answer)
    await client.flush()
    try:
        yield
    finally:
        await subscription.unsubscribe()


@pytest.fixture
async def live(lab, tmp_path):
    async with (
        nats_server(tmp_path / "nats", sources=[NAS]) as server,
        bus.connect(server.url, name="daemon", login=server.logins["daemon"]) as client,
        bus.connect(server.url, name="agent", login=server.agents[NAS]) as speaker,
    ):  # fmt: skip
        lab.intents = Intents(lab.database, lab.clock, client, lab.reconciler)
        lab.speaker = speaker
        yield lab


async def test_refreshing_waits_for_the_scan_and_names_who_does_not_answer(live):
    asked = []

    async def read():
        await live.say(*events.scan(things()[0], live.clock.now()))

    live.clock.advance(seconds=5)
    async with agent(live.speaker, asked, read):
        answer = await live.intents.refresh(q.RefreshQuery())

    assert asked == [subjects.control("docker", "nas", "rescan")]
    assert (answer.refreshed, answer.failed) == (("docker/nas",), {"proxmox/lab": "its agent is not running"})


async def test_refreshing_gives_up_after_the_time_it_was_given(live):
    async def nothing():
        pass

    live.clock.advance(seconds=5)
    async with agent(live.speaker, [], nothing):
        answer = await live.intents.refresh(q.RefreshQuery(source="nas", wait_seconds=0.1))

    assert answer.failed == {"docker/nas": "not read again within 0.1 s"}


async def test_refreshing_one_scope_waits_for_that(live):
    async def read():
        await live.say(*events.scan([], live.clock.now(), scope="volumes"))

    live.clock.advance(seconds=5)
    async with agent(live.speaker, [], read):
        answer = await live.intents.refresh(q.RefreshQuery(source="docker/nas", scope="volumes", wait_seconds=2))

    assert answer.refreshed == ("docker/nas",)


async def test_refreshing_what_nobody_knows_is_not_found(live):
    assert (await refused(live.intents.refresh(q.RefreshQuery(source="nowhere")))).code == "not_found"


async def test_releasing_asks_for_a_scan_and_names_the_scopes(live):
    many = [events.resource(f"c{number}") for number in range(10)]
    await live.say(*[events.observed(one, after(10)) for one in many], *events.scan(many, after(10), scope="more"))
    await live.say(*events.scan([], after(60)))
    asked, done = [], asyncio.Event()

    async def read():
        done.set()

    async with agent(live.speaker, asked, read):
        answer = await live.intents.release(q.ReleaseQuery(source="nas"))
        nothing = await live.intents.release(q.ReleaseQuery(source="proxmox/lab"))

    assert answer.released == ("docker/nas:containers",)
    assert asked == [subjects.control("docker", "nas", "rescan")]
    assert (nothing.released, nothing.hint) == ((), "nothing is held there")
