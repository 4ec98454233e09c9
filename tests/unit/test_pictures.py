"""The picture of the whole at a place in the log, and what retention leaves of it."""

import threading
from datetime import timedelta
from importlib.resources import files

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.reconcile.pictures import difference, differences
from daemon.store import pictures, retention
from daemon.store.pictures import Pictured
from daemon.store.views.resources import condition
from schemas.config import RetentionConfig
from schemas.events import RemovalReason
from schemas.selectors import Selector, parse
from tests.conftest import FakeClock
from tests.support.events import NOON, after, key, observed, removed, scan
from tests.support.store import Fed, fed

EVERYTHING = condition(Selector())
LATER = NOON + timedelta(days=500)


@pytest.fixture
def store(clock):
    clock.advance(hours=4)
    with fed(clock) as made:
        yield made


def take(store: Fed, name: str = "s") -> pictures.Snapshot:
    return store.database.transact(lambda con: pictures.take(con, name, at=NOON, note="", by="me"))


def picture(store: Fed, seq: int | None, selector: str = "") -> dict[str, Pictured]:
    def work(con):
        keys, total = pictures.keys(con, seq, condition(parse(selector)), after=None, limit=1000)
        assert total == len(keys)
        return pictures.fetch(con, seq, keys)

    return store.database.transact(work)


def names(store: Fed, seq: int | None, selector: str = "") -> list[str]:
    return sorted(one.name for one in picture(store, seq, selector).values())


def forget(store: Fed) -> int:
    return store.database.transact(lambda con: retention.forget(con, RetentionConfig(), now=LATER))["state_log"]


def differing(store: Fed, older: int, newer: int, selector: str = "") -> list[str]:
    chosen = condition(parse(selector))
    keys, total = store.database.transact(
        lambda con: pictures.differing(con, older, newer, chosen, after=None, limit=1000)
    )
    assert total == len(keys)
    return [one.rpartition("/")[2] for one in keys]


def test_a_snapshot_shows_what_was_there_whatever_came_later(store):
    store.say(observed("web", labels={"tier": "front"}, spec={"image": "a:1"}, parent=key("host")), observed("db"))
    first = take(store)
    before = picture(store, first.seq)
    store.say(observed("web", after(1), spec={"image": "a:2"}), removed("db", after(1)), observed("new", after(1)))
    store.say(scan(["web", "new"], after(2)))

    assert (first.seq, first.resources) == (2, 2)
    assert before[key("web")] == Pictured(
        key("web"), "web", "running", "present", "", {"tier": "front"}, key("host"), {"image": "a:1"}
    )
    assert picture(store, first.seq) == before
    assert names(store, None) == ["new", "web"]
    assert names(store, store.database.transact(pictures.last_seq)) == ["new", "web"]


def test_presence_and_status_are_of_the_last_row_and_content_is_of_the_last_row_that_has_it(store):
    store.say(observed("web", spec={"image": "a:1"}, incarnation="c1"), observed("db"), scan(["web", "db"]))
    store.say(scan(["db"], after(1)))
    at = store.rows("SELECT max(seq) FROM state_log")[0][0]

    web = picture(store, at)[key("web")]
    assert (web.presence, web.spec, web.incarnation) == ("suspect", {"image": "a:1"}, "c1")


def test_a_source_that_is_lost_is_no_resource_of_a_picture(store):
    store.rows(
        'INSERT INTO state_log (seq, "at", side, op, key, provider, source, kind, name, incarnation, status, presence,'
        " spec, spec_hash, changed, cause) VALUES (1, now(), 'actual', 'source_lost', 'docker/nas', 'docker', 'nas',"
        " 'source', 'nas', '', 'failed', 'present', '{}', '', [], '')"
    )
    store.say(observed("web"))

    assert names(store, 2) == ["web"]


def test_a_selection_is_made_of_what_was_not_of_what_is(store):
    store.say(observed("web", labels={"tier": "front"}), observed("db", status="stopped"))
    at = take(store).seq
    store.say(observed("web", after(1), labels={}), observed("db", after(1)))

    assert names(store, at, "label:tier=front") == ["web"]
    assert names(store, at, "status=stopped") == ["db"]
    assert names(store, None, "label:tier=front") == []
    assert names(store, at, "name=d* kind=container source=nas") == ["db"]


def test_keys_are_read_in_pages(store):
    store.say([observed(f"c{number}") for number in range(5)])
    at = take(store).seq

    keys, total = store.database.transact(lambda con: pictures.keys(con, at, EVERYTHING, after=key("c1"), limit=2))
    assert (keys, total) == ([key("c2"), key("c3")], 5)


def test_only_what_differs_between_two_pictures_is_compared(store):
    store.say(*(observed(name) for name in ("same", "gone", "back", "changed", "renamed")))
    older = take(store, "older").seq
    store.say(removed("gone", after(1)), observed("back", after(1), status="stopped"), observed("new", after(1)))
    store.say(scan(["same", "back", "changed", "renamed", "new"], after(2)))
    store.say(observed("back", after(3)), observed("changed", after(3), spec={"image": "b"}))
    store.say(observed("renamed", after(3), name="other"))
    newer = take(store, "newer").seq

    assert differing(store, older, newer) == ["changed", "gone", "new", "renamed"]
    assert differing(store, newer, older) == ["changed", "gone", "new", "renamed"]
    assert differing(store, older, newer, "name=other") == ["renamed"]
    assert differing(store, older, newer, "name=gone") == ["gone"]
    assert differing(store, older, older) == []


def test_what_a_snapshot_needs_is_kept_and_the_rest_forgotten(store):
    for number in range(5):
        store.say(
            observed("web", after(number), spec={"n": number}), observed("db", after(number), spec={"n": -number})
        )
        if number == 2:
            snapshot = take(store)
            before = picture(store, snapshot.seq)
    now = picture(store, None)

    assert forget(store) == 6
    assert store.rows("SELECT spec->>'n' FROM state_log ORDER BY seq") == [("2",), ("-2",), ("4",), ("-4",)]
    assert picture(store, snapshot.seq) == before
    assert picture(store, 10) == now
    store.database.transact(lambda con: pictures.forget(con, "s"))
    assert forget(store) == 2
    assert picture(store, 10) == now


def test_the_content_of_what_was_last_seen_missing_is_kept(store):
    store.say(observed("web", spec={"n": 1}), observed("db"), scan(["web", "db"]))
    store.say(scan(["db"], after(1)))
    snapshot = take(store)
    before = picture(store, snapshot.seq)
    store.say(observed("web", after(2), spec={"n": 2}))

    forget(store)
    assert picture(store, snapshot.seq) == before
    assert before[key("web")].presence == "suspect"


def test_what_is_gone_stays_gone_in_a_later_snapshot_and_costs_no_row_in_the_first(store):
    store.say(observed("web"), observed("tmp"))
    older = take(store, "older")
    store.say(removed("tmp", after(1)), observed("brief", after(1)))
    store.say(removed("brief", after(2)), scan(["web"], after(3)))
    newer = take(store, "newer")
    store.say(observed("web", after(4), status="stopped"))

    forget(store)
    assert names(store, older.seq) == ["tmp", "web"]
    assert names(store, newer.seq) == ["web"]
    assert differing(store, older.seq, newer.seq) == ["tmp"]
    assert store.rows("SELECT DISTINCT name FROM state_log ORDER BY name") == [("tmp",), ("web",)]


def test_a_row_that_is_new_by_its_clock_is_not_shown_as_there_though_its_end_is_old(store):
    """The clock of a source jumped back: what came last has the oldest time."""
    store.clock.advance(days=600)
    store.say(observed("web", LATER))
    copied = "INSERT INTO state_log SELECT * REPLACE ({}) FROM state_log WHERE seq = 1"
    store.rows(copied.format("2 AS seq, TIMESTAMPTZ '2020-01-01' AS \"at\", 'gone' AS presence, NULL AS spec"))
    store.rows(copied.format("3 AS seq, 'docker/nas/container/x' AS key"))

    forget(store)
    assert "web" not in [one.rpartition("/")[2] for one in picture(store, 3)]


def test_what_was_lost_is_counted(store):
    store.say(observed("web"), observed("db"))
    snapshot = take(store)
    assert store.database.transact(lambda con: pictures.lost(con, snapshot)) == 0

    store.rows("DELETE FROM state_log WHERE name = 'db'")
    assert store.database.transact(lambda con: pictures.lost(con, snapshot)) == 1


def test_what_was_gone_already_does_not_hide_a_loss(store):
    store.say(observed("web"), observed("db"), observed("tmp"), removed("tmp", after(1)))
    store.say(scan(["web", "db"], after(2)))
    snapshot = take(store)
    assert (snapshot.resources, names(store, snapshot.seq, "presence=gone")) == (2, [])

    store.rows("DELETE FROM state_log WHERE name = 'db'")
    assert store.database.transact(lambda con: pictures.lost(con, snapshot)) == 1


def test_the_log_goes_on_counting_though_all_it_told_is_gone(store):
    store.say(observed("web"), observed("db"), removed("web", after(1)), removed("db", after(1)))
    store.say(scan(["other"], after(2)), scan(["other"], after(3)))
    last = store.database.transact(pictures.last_seq)
    assert names(store, None) == []

    forget(store)
    assert store.rows("SELECT count(*), max(seq) FROM state_log") == [(1, last)]


def test_snapshots_are_listed_newest_first_and_are_public_to_sql(store):
    store.say(observed("web"))
    take(store, "a")
    store.say(observed("db"))
    take(store, "b")

    found = store.database.transact(pictures.snapshots)
    assert [(one.name, one.seq, one.taken_at, one.taken_by) for one in found] == [
        ("b", 2, NOON, "me"),
        ("a", 1, NOON, "me"),
    ]
    assert store.rows("SELECT name, seq, taken_by FROM snapshots ORDER BY seq") == [("a", 1, "me"), ("b", 2, "me")]


# --- whatever happens ------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(("a", "b", "c", "d", "e"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("observed"), NAMES, st.integers(0, 2), st.sampled_from(("running", "stopped"))),
        st.tuples(st.just("replaced"), NAMES, st.integers(0, 2), st.just("running")),
        st.tuples(st.just("removed"), NAMES, st.just(0), st.just("")),
        st.tuples(st.just("absent"), NAMES, st.just(0), st.just("")),
        st.tuples(st.just("scan"), st.sets(NAMES), st.just(0), st.just("")),
        st.tuples(st.just("snapshot"), st.just(""), st.just(0), st.just("")),
        st.tuples(st.just("forget"), st.just(""), st.just(0), st.just("")),
    ),
    max_size=25,
)


@given(STEPS)
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_the_log_alone_tells_the_present_and_every_snapshot_whatever_is_forgotten(steps):
    clock = FakeClock(LATER)
    with fed(clock) as store:
        kept: dict[int, dict[str, Pictured]] = {}
        for number, (act, what, content, status) in enumerate(steps, start=1):
            at = after(number)
            match act:
                case "observed" | "replaced":
                    incarnation = f"i{number}" if act == "replaced" else "i0"
                    given = {"spec": {"n": content}, "labels": {"l": str(content)}, "status": status}
                    store.say(observed(what, at, incarnation=incarnation, **given))
                case "removed" | "absent":
                    store.say(removed(what, at, RemovalReason.ABSENT if act == "absent" else RemovalReason.REPORTED))
                case "scan":
                    store.say(scan(sorted(what), at))
                case "snapshot":
                    snapshot = take(store, f"s{number}")
                    kept[snapshot.seq] = picture(store, None)
                    assert snapshot.resources == len(kept[snapshot.seq])
                case "forget":
                    forget(store)
        for _ in range(2):
            assert picture(store, store.database.transact(pictures.last_seq)) == picture(store, None)
            for seq, shown in kept.items():
                assert picture(store, seq) == shown
            forget(store)


def test_a_snapshot_holds_still_while_messages_come_in(store):
    store.say([observed(f"c{number}", spec={"n": 0}) for number in range(50)])
    snapshot = take(store)
    before = picture(store, snapshot.seq)
    end = threading.Event()
    seen: list[bool] = []

    def look() -> None:
        cursor = store.database._connection.cursor()
        while not end.is_set() or not seen:
            keys, _ = pictures.keys(cursor, snapshot.seq, EVERYTHING, after=None, limit=1000)
            seen.append(pictures.fetch(cursor, snapshot.seq, keys) == before)
        cursor.close()

    reader = threading.Thread(target=look)
    reader.start()
    for second in range(1, 30):
        store.say([observed(f"c{number}", after(second), spec={"n": second}) for number in range(0, 60, 2)])
        forget(store)
    end.set()
    reader.join()

    assert seen
    assert all(seen)


def test_a_store_of_an_older_release_can_tell_its_present(clock):
    """It logged no labels, and retention had left nothing of what never changed."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    scripts = sorted(file.name for file in files("daemon.store").joinpath("migrations").iterdir())
    for name in scripts:
        if name.startswith("004"):
            break
        con.execute(files("daemon.store").joinpath("migrations", name).read_text())
    with fed(clock) as new:
        clock.advance(hours=5)
        new.say(observed("web", labels={"a": "b"}, spec={"n": 1}), observed("old", labels={"c": "d"}), observed("x"))
        new.say(removed("x", after(1)), scan(["web", "old"], after(2)))
        for table in ("inventory_", "state_log"):
            frame = new.rows(f"SELECT * FROM {table}")
            width = len(con.execute(f"SELECT * FROM {table} LIMIT 0").description)
            con.executemany(
                f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", [list(row[:width]) for row in frame]
            )
    con.execute("DELETE FROM state_log WHERE name = 'old'")
    con.execute(files("daemon.store").joinpath("migrations", "004_snapshots.sql").read_text())

    keys, _ = pictures.keys(con, None, EVERYTHING, after=None, limit=10)
    now = pictures.fetch(con, None, keys)
    assert pictures.fetch(con, pictures.last_seq(con), keys) == now
    assert now[key("old")].labels == {"c": "d"}
    assert con.execute("SELECT op, cause FROM state_log WHERE name = 'old'").fetchall() == [("known", "migration 4")]
    con.close()


# --- what is different, in words -------------------------------------------------------------------------------------


def one(**given) -> Pictured:
    usual = {
        "key": key("web"), "name": "web", "status": "running", "presence": "present", "incarnation": "c1",
        "labels": {}, "parent": None, "spec": {},
    }  # fmt: skip
    return Pictured(**(usual | given))


def test_a_difference_names_the_field():
    found = difference(one(spec={"image": "a", "env": {"x": 1}}), one(spec={"image": "b", "env": {"x": 1}}))
    assert (found.change, found.paths) == ("changed", {"spec.image": ("a", "b")})
    moved = difference(one(parent="n1", labels={"a.b": "c"}), one(parent="n2", status="stopped"))
    assert moved.paths == {"status": ("running", "stopped"), "parent": ("n1", "n2"), 'labels."a.b"': ("c", None)}


def test_null_and_nothing_are_no_difference():
    assert difference(one(spec={"a": None, "b": {}}), one()) is None


def test_another_incarnation_is_a_replacement_unless_one_is_not_known():
    assert difference(one(), one(incarnation="c2")).change == "replaced"
    assert difference(one(), one(incarnation="")).change == "changed"


def test_what_is_in_one_picture_only_appeared_or_is_gone():
    assert difference(None, one()).change == "appeared"
    assert difference(one(), None).change == "gone"
    assert difference(None, None) is None


def test_differences_come_in_the_order_of_keys_and_equal_ones_are_left_out():
    older = {"b": one(key="b"), "a": one(key="a"), "c": one(key="c")}
    newer = {"c": one(key="c"), "b": one(key="b", name="x"), "d": one(key="d")}
    assert [(found.key, found.change) for found in differences(older, newer)] == [
        ("a", "gone"), ("b", "changed"), ("d", "appeared"),
    ]  # fmt: skip
