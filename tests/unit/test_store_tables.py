"""The tables, each written set-wise and unique by its key."""

from datetime import timedelta

import pytest

from daemon.ingest import fold
from daemon.store import actuals, audit, cursors, deviations, expectations, inventory, outbox, retention, samples, scans
from daemon.store.cursors import Cursor
from daemon.store.inventory import LogRow
from daemon.store.outbox import Letter
from daemon.store.scans import ScopeRow
from daemon.store.views import figures, history
from schemas.audit import Audited
from schemas.config import RetentionConfig
from schemas.deviations import Deviation, DeviationType, Severity
from schemas.events import Sample
from schemas.expectations import Criticality, Expectation, ExpectedField, Owner
from tests.support.events import NOON, after, failed, gap, key, observed, scan
from tests.support.store import fed


@pytest.fixture
def store(clock):
    clock.advance(hours=4)
    with fed(clock) as made:
        yield made


@pytest.fixture
def do(store):
    return store.database.transact


def deviation(name="d1", **given):
    values = {
        "id": name, "key": key("web"), "type": DeviationType.CHANGED, "path": "spec.image",
        "expected": {"a": [1, None]}, "actual": None, "severity": Severity.HIGH, "detected_at": NOON,
        "last_seen_at": NOON,
    }  # fmt: skip
    return Deviation.model_validate(values | given)


def test_a_row_comes_back_as_it_was_written(do):
    with_all = observed(
        "web", labels={"a.b": "c=d"}, spec={"x": {"y": [1, 2.5, None, True]}}, addresses=["10.0.0.1", "::1"],
        size={"cpu_cores": 0.5, "memory_bytes": 2**40, "gpus": 1}, created_at=NOON, incarnation="c1",
        relations=[{"type": "uses", "key": key("v")}], parent=key("p"),
    )  # fmt: skip
    row = fold.observed(None, with_all, scanned_at=None).row
    do(lambda con: inventory.put(con, [row], stored=set()))

    assert do(lambda con: inventory.fetch(con, [row.key, "docker/nas/container/other"])) == {row.key: row}
    assert do(lambda con: inventory.fetch(con, [])) == {}


def test_writing_a_row_again_keeps_it_one(store, do):
    for second in range(3):
        store.say([observed(name, after(second), spec={"n": second}) for name in ("web", "db")])

    assert store.rows("SELECT name, spec->>'n' FROM inventory_ ORDER BY name") == [("db", "2"), ("web", "2")]


def test_cursors_are_one_per_stream(store, do):
    for sequence in (1, 5):
        do(lambda con, at=sequence: cursors.move(con, Cursor("INVENTORY", NOON, at)))
    do(lambda con: cursors.move(con, Cursor("METRICS", after(1), 3)))

    assert do(lambda con: cursors.cursor(con, "INVENTORY")) == Cursor("INVENTORY", NOON, 5)
    assert do(lambda con: cursors.cursor(con, "METRICS")) == Cursor("METRICS", after(1), 3)
    assert do(lambda con: cursors.cursor(con, "AUDIT")) is None
    assert store.rows("SELECT count(*) FROM cursors_") == [(2,)]


def test_scopes_come_back_as_they_were_written(store, do):
    row = ScopeRow("docker", "nas", "containers", "ok", 3, "s1", NOON, after(1), 0.5, 60.0, None, 0, None, "", 0, 0)
    row.gaps, row.hidden, row.hidden_kinds = '[{"detail": "it\'s \\"\\u00fc\\""}]', 2, ["vm"]
    for resources in (3, 4):
        row.resources = resources
        do(lambda con: scans.put_scopes(con, [row]))

    assert do(scans.scopes) == {("docker", "nas", "containers"): row}


def test_a_scan_with_a_gap_is_a_complete_one_to_prometheus_and_what_it_hides_is_counted_apart(store, do):
    store.say(observed("web"), observed("db"), scan(["web", "db"]))
    store.say(scan(["web"], after(60), gaps=[gap(kinds=("container",))]), failed(after(60), scope="volumes"))

    told = do(lambda con: figures.gauges(con, now=after(90)))

    assert told.scans_ok == {("docker", "nas", "containers"): 1, ("docker", "nas", "volumes"): 0}
    assert told.scan_ages == {("docker", "nas", "containers"): 30}
    assert told.resources == {("docker", "nas", "present"): 1, ("docker", "nas", "ineligible"): 1}


def test_parts_are_staged_once_and_forgotten_in_time(store, do):
    do(lambda con: scans.stage_part(con, "s1", 0, NOON, {key("a"): "0" * 16}))
    do(lambda con: scans.stage_part(con, "s2", 0, after(7200), {}))

    do(lambda con: scans.forget_staged(con, now=after(7200)))

    assert do(lambda con: scans.take_parts(con, "s1")) == {}
    assert do(lambda con: scans.take_parts(con, "s2")) == {0: {}}
    assert do(lambda con: scans.take_parts(con, "s2")) == {}


def test_an_expectation_is_one_per_key(store, do):
    first = Expectation(
        key=key("web"), fields={"status": ExpectedField(value="running", owner=Owner.ADOPTED)}, since=NOON
    )
    later = first.model_copy(
        update={"criticality": Criticality.HIGH, "ignore": ("spec.env",), "since": after(60), "file": "web.yaml"}
    )
    for one in (first, later):
        do(lambda con, one=one: expectations.put(con, [one]))

    assert do(lambda con: expectations.fetch(con, None)) == {key("web"): later}
    assert do(lambda con: expectations.fetch(con, [key("db")])) == {}
    assert do(lambda con: expectations.of_sources(con, ["docker/nas", "docker/other"])) == {key("web")}
    assert do(lambda con: expectations.of_sources(con, ["docker/other"])) == set()


def test_a_deviation_comes_back_and_ends_once(do):
    one = deviation(evidence={"scan": "s1"}, first_scan="s1")
    do(lambda con: deviations.put(con, [one]))
    assert do(deviations.still_open) == [one]
    assert do(lambda con: deviations.still_open(con, [key("db")])) == []

    resolved = one.model_copy(update={"resolved_at": after(60), "resolved_by": "self"})
    do(lambda con: deviations.put(con, [resolved]))

    assert do(deviations.still_open) == []
    assert do(lambda con: deviations.find(con, "true")) == [resolved]


def test_letters_keep_their_order_and_go_when_sent(do):
    letters = [Letter(str(number), "s", "p") for number in range(20)]
    for start in range(0, 20, 5):
        do(lambda con, at=start: outbox.put(con, letters[at : at + 5]))

    assert do(lambda con: outbox.waiting(con, 7)) == letters[:7]
    do(lambda con: outbox.sent(con, ["0", "1", "3"]))
    assert do(outbox.waiting) == [letters[2], *letters[4:]]


def test_an_audit_entry_keeps_the_query(store, do):
    entry = Audited(
        time=NOON, agent="daemon", question="adopt", question_class="intent", who="ann", query={"keys": ["a"]},
        outcome="ok", duration_seconds=0.1,
    )  # fmt: skip
    do(lambda con: audit.put(con, [entry]))

    assert store.rows("SELECT asked_at, class, question, who, outcome, query->>'$.keys[0]' FROM audit") == [
        (NOON, "intent", "adopt", "ann", "ok", "a")
    ]


def test_the_log_takes_both_sides_and_counts_on(store, do):
    def row(side, op):
        return LogRow(
            at=NOON, side=side, op=op, key=key("web"), provider="docker", source="nas", kind="container", name="web",
            incarnation="", status="", presence="present", cause="test", changed=["a", "b.c"],
        )  # fmt: skip

    do(lambda con: inventory.log(con, [row("expected", "adopted"), row("actual", "changed")]))
    do(lambda con: inventory.log(con, []))
    do(lambda con: inventory.log(con, [row("actual", "gone")]))

    assert store.rows("SELECT seq, side, op, changed FROM state_log ORDER BY seq") == [
        (1, "expected", "adopted", ["a", "b.c"]), (2, "actual", "changed", ["a", "b.c"]),
        (3, "actual", "gone", ["a", "b.c"]),
    ]  # fmt: skip


# --- samples ---------------------------------------------------------------------------------------------------------


def measured(start, values, *, metric="cpu_ratio", every=30, of="web"):
    return [
        Sample(key=key(of), metric=metric, value=value, at=start + timedelta(seconds=every * number))
        for number, value in enumerate(values)
    ]


def roll(do, at):
    do(lambda con: samples.roll_up(con, now=at))


def test_five_minutes_are_rolled_up_when_they_are_over(store, do):
    do(lambda con: samples.put(con, measured(NOON, range(15))))

    roll(do, after(300))
    assert store.rows("FROM samples_5m") == []
    roll(do, after(331))

    assert store.rows("SELECT sampled_at, key, metric, value, low, high, count FROM samples_5m") == [
        (NOON, key("web"), "cpu_ratio", 4.5, 0, 9, 10)
    ]


def test_each_interval_is_rolled_up_once(store, do):
    do(lambda con: samples.put(con, measured(NOON, range(40))))
    for second in range(300, 1300, 45):
        roll(do, after(second))

    assert store.rows("SELECT sampled_at, count FROM samples_5m ORDER BY ALL") == [
        (after(start), 10) for start in (0, 300, 600, 900)
    ]


def test_an_hour_is_the_mean_of_its_samples_not_of_its_means(store, do):
    do(lambda con: samples.put(con, [*measured(NOON, [10.0] * 10), *measured(after(300), [1.0])]))
    roll(do, after(3700))

    assert store.rows("SELECT sampled_at, value, low, high, count FROM samples_1h") == [(NOON, 101 / 11, 1, 10, 11)]


def test_a_source_that_speaks_late_is_not_left_out_of_the_rollups(store, do):
    do(lambda con: samples.put(con, measured(NOON, [1.0] * 10)))
    roll(do, after(700))
    do(lambda con: samples.put(con, measured(NOON, [3.0] * 10, of="db")))
    do(lambda con: samples.put(con, measured(after(31), [3.0] * 9)))
    do(lambda con: samples.put(con, measured(after(301), [3.0])))

    roll(do, after(760))

    assert store.rows("SELECT key, sampled_at, value, count FROM samples_5m ORDER BY ALL") == [
        (key("db"), NOON, 3.0, 10), (key("web"), NOON, 37 / 19, 19), (key("web"), after(300), 3.0, 1),
    ]  # fmt: skip


def test_a_series_has_at_most_the_points_asked_for(do):
    do(lambda con: samples.put(con, measured(after(7), range(100), every=1)))
    span = history.Span(after(7), after(107), "samples", timedelta(seconds=10))

    (series,) = do(lambda con: history.series(con, key("web"), "cpu_ratio", span))

    assert len(series.points) == 10
    assert (series.points[0].at, series.points[0].value, series.points[0].low, series.points[0].high) == (
        after(7), 4.5, 0, 9,
    )  # fmt: skip


# --- forgetting ------------------------------------------------------------------------------------------------------


def test_what_is_old_is_forgotten_and_the_present_never(store, do):
    store.say(observed("web"), scan(["web"]))
    do(lambda con: samples.put(con, measured(NOON, [1.0])))
    do(lambda con: deviations.put(con, [deviation()]))
    keep = RetentionConfig()

    soon = do(lambda con: retention.forget(con, keep, now=after(3600)))
    later = do(lambda con: retention.forget(con, keep, now=NOON + timedelta(days=500)))

    assert not any(soon.values())
    assert (later["samples"], later["scans"]) == (1, 1)
    assert store.presences() == {"web": "present"}
    assert len(do(deviations.still_open)) == 1


def test_the_log_goes_on_counting_though_all_of_it_was_forgotten(store, do):
    store.say(observed("web"), observed("db"))

    do(lambda con: retention.forget(con, RetentionConfig(), now=NOON + timedelta(days=500)))
    store.say(observed("cache", after(1)))

    assert store.rows("SELECT max(seq) FROM state_log") == [(3,)]


# --- what is known, for judging --------------------------------------------------------------------------------------


def test_actuals_know_presence_fields_and_the_scan(store, do):
    store.say(observed("web", labels={"a": "b"}, spec={"image": "x"}), scan(["web"]))

    (seen,) = do(lambda con: actuals.fetch(con, [key("web")]))

    assert (seen.key, seen.presence, seen.observed_at) == (key("web"), "present", NOON)
    assert (seen.fields["name"], seen.fields["status"]) == ("web", "running")
    assert (seen.fields["labels"], seen.fields["spec"], seen.fields["parent"]) == ({"a": "b"}, {"image": "x"}, None)
    assert store.rows("SELECT scan FROM scans") == [(seen.scan,)]


def test_heartbeats_are_one_row_and_a_dead_agent_is_not_paused(store, do):
    beat = {
        "provider": "docker", "source": "nas", "paused": True, "agent": "docker/nas@host:1", "version": "1.0",
        "at": NOON, "capabilities": ["watches"],
    }  # fmt: skip
    store.say(observed("web"), scan(["web"]))
    for _ in range(2):
        do(lambda con: scans.heartbeats(con, [beat]))
    assert store.rows("SELECT status, agent, heartbeat_at, capabilities FROM sources") == [
        ("paused", "docker/nas@host:1", NOON, ["watches"])
    ]

    assert do(lambda con: scans.any_late(con, now=after(59))) is False
    assert do(lambda con: scans.any_late(con, now=after(61))) is True
    do(lambda con: scans.mark_late(con, now=after(61)))

    assert store.rows("SELECT status FROM sources") == [("ok",)]
