"""The questions about pictures, asked of a real store."""

from datetime import timedelta

import pytest

from daemon.api.answers import Refused
from daemon.api.picturing import Picturing
from daemon.reconcile import manifests
from daemon.store import deviations, expectations, inventory, retention
from daemon.store.inventory import LogRow
from schemas import expected_queries as e
from schemas.config import RetentionConfig
from schemas.deviations import Deviation, DeviationType, Severity
from schemas.expectations import Expectation, ExpectedField, Owner
from schemas.selectors import parse
from tests.support.events import NOON, after, failed, key, observed, removed, resource, scan
from tests.support.store import Fed, fed


@pytest.fixture
def store(clock):
    clock.advance(hours=4)
    with fed(clock) as made:
        yield made


@pytest.fixture
def ask(store, clock) -> Picturing:
    return Picturing(store.database, clock)


async def create(ask: Picturing, name: str, **given) -> e.SnapshotRow:
    answer = await ask.snapshot_change(e.SnapshotChangeQuery(name=name, **given))
    assert answer.snapshot is not None
    return answer.snapshot


def web(at=NOON, name="web", **given):
    return observed(name, at, **{"spec": {"image": "nginx:1.25", "env": {"PASS": "<redacted>"}}, **given})


async def test_a_snapshot_is_a_name_for_now(ask, store, clock):
    store.say(web(), observed("db"), scan([resource("web"), "db"]))
    made = await create(ask, "friday", note="before", by="me")

    assert (made.seq, made.resources, made.note, made.by, made.at) == (3, 2, "before", "me", clock.now())
    listed = await ask.snapshots(e.SnapshotsQuery())
    assert listed.items == (made,)
    (shown,) = (await ask.snapshots(e.SnapshotsQuery(name="friday"))).items
    assert (shown.counts, shown.lost) == ({"docker/nas container": 2}, 0)


async def test_a_name_is_taken_once_until_it_is_deleted(ask, store):
    store.say(web())
    await create(ask, "a")
    with pytest.raises(Refused, match="there is a snapshot 'a'"):
        await create(ask, "a")
    await create(ask, "a", act="delete")
    assert (await ask.snapshots(e.SnapshotsQuery())).items == ()
    await create(ask, "a")


async def test_a_snapshot_nobody_knows_is_told_with_those_there_are_and_since_when(ask, store):
    store.say(web())
    await create(ask, "monday")
    for question in (
        ask.snapshots(e.SnapshotsQuery(name="sunday")),
        ask.snapshot_change(e.SnapshotChangeQuery(name="sunday", act="delete")),
        ask.snapshot_diff(e.SnapshotDiffQuery(older="sunday")),
        ask.snapshot_diff(e.SnapshotDiffQuery(older="monday", newer="sunday")),
        ask.snapshot_export(e.SnapshotExportQuery(name="sunday")),
    ):
        with pytest.raises(Refused, match=r"'sunday'; this store was made 20.*knows of none before") as refused:
            await question
        assert (refused.value.code, refused.value.candidates) == ("not_found", ("monday",))


async def test_a_snapshot_says_what_could_not_be_read_when_it_was_taken(ask, store):
    store.say(web(), scan([resource("web")]), failed(after(1)))
    answer = await ask.snapshot_change(e.SnapshotChangeQuery(name="a"))
    assert answer.hint == "not read whole at this time: docker/nas"


async def test_a_snapshot_of_which_the_log_lost_something_says_so_and_shows_no_half_of_it(ask, store):
    store.say(web(), observed("db"))
    await create(ask, "a")
    await create(ask, "b")
    store.rows("DELETE FROM state_log WHERE name = 'db'")

    (shown,) = (await ask.snapshots(e.SnapshotsQuery(name="a"))).items
    assert (shown.resources, shown.lost) == (2, 1)
    for question in (
        ask.snapshot_diff(e.SnapshotDiffQuery(older="a")),
        ask.snapshot_export(e.SnapshotExportQuery(name="a")),
    ):
        with pytest.raises(Refused, match="can no longer tell 1 of the 2 resources of 'a'"):
            await question


async def test_what_differs_between_two_snapshots_or_a_snapshot_and_now(ask, store):
    store.say(web(), observed("db"), observed("tmp"))
    await create(ask, "a")
    store.say(web(after(1), spec={"image": "nginx:1.26", "env": {"PASS": "<redacted>"}}), observed("new", after(1)))
    await create(ask, "b")
    store.say(removed("tmp", after(2)), scan([resource("web"), "db", "new"], after(3)))

    between = await ask.snapshot_diff(e.SnapshotDiffQuery(older="a", newer="b"))
    assert [(one.name, one.change, one.paths) for one in between.items] == [
        ("new", "appeared", {}),
        ("web", "changed", {"spec.image": ("nginx:1.25", "nginx:1.26")}),
    ]
    since = await ask.snapshot_diff(e.SnapshotDiffQuery(older="a"))
    assert [(one.name, one.change) for one in since.items] == [("new", "appeared"), ("tmp", "gone"), ("web", "changed")]
    await create(ask, "c")
    named = await ask.snapshot_diff(e.SnapshotDiffQuery(older="a", newer="c"))
    assert named.items == since.items
    assert (await ask.snapshot_diff(e.SnapshotDiffQuery(older="a", newer="a"))).items == ()
    back = await ask.snapshot_diff(e.SnapshotDiffQuery(older="b", newer="a"))
    assert [(one.name, one.change) for one in back.items] == [("new", "gone"), ("web", "changed")]
    chosen = await ask.snapshot_diff(e.SnapshotDiffQuery(older="a", selector=parse("source=docker/nas name=t*")))
    assert [one.name for one in chosen.items] == ["tmp"]


async def test_differences_come_in_pages(ask, store):
    await create(ask, "empty")
    store.say([observed(f"c{number}") for number in range(5)])
    found, cursor = [], None
    for _ in range(3):
        page = await ask.snapshot_diff(e.SnapshotDiffQuery(older="empty", limit=2, cursor=cursor))
        assert page.total == 5
        found += [one.name for one in page.items]
        cursor = page.next_cursor
    assert found == [f"c{number}" for number in range(5)]
    assert cursor is None


async def test_an_export_is_valid_and_safe_and_cut_into_answers_that_fit(ask, store):
    store.say([web(name=f"c{number}", spec={"text": "x" * 50_000}) for number in range(9)])
    store.say(observed("Odd/../Name"), observed("odd/../name"))
    await create(ask, "a")
    exported, cursor, pages = [], None, 0
    while cursor or not pages:
        page = await ask.snapshot_export(e.SnapshotExportQuery(name="a", cursor=cursor))
        assert (page.total, len(page.model_dump_json()) < 256 * 1024) == (11, True)
        exported += page.manifests
        cursor, pages = page.next_cursor, pages + 1

    assert pages == 3
    assert len({name.casefold() for name, _ in exported}) == 11
    for name, manifest in exported:
        assert manifests.examined(manifest)[1] == [], name
    assert list(manifests.doubles([e.Document(manifest=manifest) for _, manifest in exported])) == []


async def test_an_export_of_now_and_of_a_selection(ask, store):
    store.say(web(labels={"tier": "front"}), observed("db"), scan([resource("web"), "db"]))
    await create(ask, "a")
    store.say(web(after(1), status="stopped", labels={}))

    now = await ask.snapshot_export(e.SnapshotExportQuery(selector=parse("name=web")))
    then = await ask.snapshot_export(e.SnapshotExportQuery(name="a", selector=parse("label:tier=front")))
    assert [manifest["spec"]["status"] for _, manifest in now.manifests + then.manifests] == ["stopped", "running"]
    assert (now.sources != (), then.sources) == (True, ())
    with pytest.raises(Refused, match="health is not in the log"):
        await ask.snapshot_export(e.SnapshotExportQuery(name="a", selector=parse("health=ok")))
    assert (await ask.snapshot_export(e.SnapshotExportQuery(selector=parse("health=ok")))).manifests == ()


async def test_retention_changes_nothing_in_an_export(ask, store):
    for second in range(4):
        store.say(web(after(second), spec={"n": second}), observed("db", after(second), labels={"n": str(second)}))
        if second == 1:
            await create(ask, "a")
    before = await ask.snapshot_export(e.SnapshotExportQuery(name="a"))
    later = NOON + timedelta(days=500)
    gone = store.database.transact(lambda con: retention.forget(con, RetentionConfig(), now=later))

    assert gone["state_log"] == 4
    assert (await ask.snapshot_export(e.SnapshotExportQuery(name="a"))).manifests == before.manifests


# --- templates -------------------------------------------------------------------------------------------------------


def managed(store: Fed, name: str = "web", days: float = 30) -> None:
    at = store.clock.now() - timedelta(days=days)
    since = store.clock.now() - timedelta(hours=1)
    fields = {"status": ExpectedField(value="running", owner=Owner.ADOPTED)}
    row = LogRow(at, "expected", "adopted", key(name), "docker", "nas", "container", name, "", "", "present", "adopt")
    store.database.transact(lambda con: expectations.put(con, [Expectation(key=key(name), fields=fields, since=since)]))
    store.database.transact(lambda con: inventory.log(con, [row]))


def deviated(store: Fed, ident: str, *, days: float, resolved_days: float | None) -> None:
    now = store.clock.now()
    found = Deviation(
        id=ident, key=key("web"), type=DeviationType.CHANGED, path="spec.image", severity=Severity.HIGH,
        detected_at=now - timedelta(days=days), last_seen_at=now,
        resolved_at=None if resolved_days is None else now - timedelta(days=resolved_days),
    )  # fmt: skip
    store.database.transact(lambda con: deviations.put(con, [found]))


async def test_a_template_states_the_facts_its_confidence_comes_from(ask, store):
    store.say(
        web(),
        web(name="twin"),
        web(name="older", spec={"image": "nginx:1.24", "env": {"PASS": "<redacted>", "MORE": "1"}}),
    )
    store.say(web(name="other", spec={"image": "nginx-exporter:1"}), web(name="lost"), observed("bare"))
    store.say(removed("lost", after(1)))
    managed(store)
    answer = await ask.template(e.TemplateQuery(key="web"))

    assert answer.facts == {
        "days_managed": 30, "days_in_sync": 30, "deviations": 0, "open_deviations": 0, "replacements": 0,
        "siblings": 2, "likeness": 0.88,
    }  # fmt: skip
    assert (answer.key, answer.confidence, answer.hint) == (key("web"), 0.71, "")
    assert answer.manifest["spec"]["fields"]["spec"]["image"] == "nginx:${image_tag}"
    assert answer.variables["image_tag"] == "1.25"


async def test_days_in_sync_begin_when_the_last_deviation_was_resolved(ask, store):
    store.say(web())
    managed(store)
    deviated(store, "before it was managed", days=50, resolved_days=40)
    deviated(store, "then", days=20, resolved_days=10)
    facts = (await ask.template(e.TemplateQuery(key="web"))).facts
    assert (facts["days_managed"], facts["days_in_sync"], facts["deviations"]) == (30, 10, 1)


async def test_with_an_open_deviation_nothing_is_sure(ask, store):
    store.say(web())
    managed(store)
    deviated(store, "open", days=1, resolved_days=None)
    answer = await ask.template(e.TemplateQuery(key="web"))
    assert (answer.confidence, answer.facts["open_deviations"], answer.facts["days_in_sync"]) == (0, 1, 0)
    assert "not what should be" in answer.hint


async def test_nobody_knows_whether_what_is_not_expected_is_in_sync(ask, store):
    store.say(web())
    answer = await ask.template(e.TemplateQuery(key="web"))
    assert (answer.confidence, answer.facts["days_managed"]) == (0, 0)
    assert "nothing is expected of it" in answer.hint


async def test_time_counts_from_the_last_time_it_became_managed(ask, store):
    store.say(web())
    managed(store, days=300)
    withdrawn = LogRow(
        NOON, "expected", "withdrawn", key("web"), "docker", "nas", "container", "web", "", "", "present", "api"
    )
    store.database.transact(lambda con: inventory.log(con, [withdrawn]))
    managed(store, days=3)
    assert (await ask.template(e.TemplateQuery(key="web"))).facts["days_managed"] == 3


async def test_being_made_anew_counts_while_it_is_managed(ask, store, clock):
    store.say(web(incarnation="1"))
    clock.advance(days=40)
    store.say(web(clock.now() - timedelta(days=35), incarnation="2"))
    store.say(web(clock.now() - timedelta(days=5), incarnation="3"))
    managed(store)
    assert (await ask.template(e.TemplateQuery(key="web"))).facts["replacements"] == 1


async def test_what_is_not_present_is_no_example(ask, store):
    store.say(web(), observed("db"), scan([resource("web"), "db"]))
    store.say(scan(["db"], after(1)))
    with pytest.raises(Refused, match="is suspect: a template is made of what is present"):
        await ask.template(e.TemplateQuery(key="web"))
    store.say(scan(["db"], after(2)))
    with pytest.raises(Refused, match="is gone"):
        await ask.template(e.TemplateQuery(key=key("web")))
    with pytest.raises(Refused, match="no resource is called"):
        await ask.template(e.TemplateQuery(key="nobody"))


async def test_what_cannot_be_read_is_no_example_either(ask, store):
    store.say(web(), scan([resource("web")]), failed(after(1)))
    with pytest.raises(Refused, match="is unknown"):
        await ask.template(e.TemplateQuery(key="web"))
