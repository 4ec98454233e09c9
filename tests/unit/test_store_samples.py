"""What is said twice is stored once, and what is said hours later still comes into the rollups."""

from datetime import timedelta

import pytest

from daemon.store import samples
from schemas.events import Sample
from tests.support.events import NOON, after, key
from tests.support.store import fed


@pytest.fixture
def store(clock):
    clock.advance(hours=4)
    with fed(clock) as made:
        yield made


@pytest.fixture
def do(store):
    return store.database.transact


def measured(start, values, *, metric="cpu_ratio", every=30, of="web"):
    return [
        Sample(key=key(of), metric=metric, value=value, at=start + timedelta(seconds=every * number))
        for number, value in enumerate(values)
    ]


def put(do, *found):
    do(lambda con: samples.put(con, [one for some in found for one in some]))


def roll(do, at):
    do(lambda con: samples.roll_up(con, now=at))


def rolled(store, table="samples_5m"):
    return store.rows(f"SELECT key, sampled_at, value, count FROM {table} ORDER BY ALL")


def test_a_sample_that_is_said_again_is_stored_once_and_the_first_value_stands(store, do):
    put(do, measured(NOON, [1.0, 2.0]))

    put(do, measured(NOON, [7.0, 7.0, 3.0]), measured(NOON, [7.0, 7.0, 8.0]))

    assert store.rows("SELECT value FROM samples ORDER BY sampled_at") == [(1.0,), (2.0,), (3.0,)]


def test_samples_of_one_time_that_differ_in_key_or_metric_are_all_kept(store, do):
    put(do, measured(NOON, [1.0]), measured(NOON, [1.0], of="db"))

    put(do, measured(NOON, [1.0], metric="memory_used_bytes"), measured(NOON, [1.0], of="cache"))

    assert store.rows("SELECT count(*) FROM samples") == [(4,)]


def test_nothing_said_is_nothing_stored(store, do):
    put(do, [])

    assert store.rows("FROM samples") == []


def test_a_hole_that_is_filled_hours_later_comes_into_both_rollups(store, do):
    put(do, measured(NOON, [1.0] * 10), measured(after(5 * 3600), [1.0] * 10))
    for hour in (1, 5, 6):
        roll(do, after(3600 * hour + 60))
    before = rolled(store)

    put(do, measured(after(2 * 3600 - 300), [4.0] * 15, every=60, of="db"))
    roll(do, after(6 * 3600 + 120))

    assert [row for row in rolled(store) if row not in before] == [
        (key("db"), after(2 * 3600 + 300 * slot), 4.0, 5) for slot in (-1, 0, 1)
    ]
    assert rolled(store, "samples_1h") == [
        (key("db"), after(3600), 4.0, 5), (key("db"), after(7200), 4.0, 10),
        (key("web"), NOON, 1.0, 10), (key("web"), after(5 * 3600), 1.0, 10),
    ]  # fmt: skip


def test_what_was_filled_in_of_an_interval_joins_what_was_rolled_up_of_it(store, do):
    put(do, measured(NOON, [1.0] * 5), measured(NOON, [1.0] * 5, of="db"))
    roll(do, after(4 * 3600))

    put(do, measured(after(150), [3.0] * 5))
    roll(do, after(4 * 3600 + 60))

    assert rolled(store) == [(key("db"), NOON, 1.0, 5), (key("web"), NOON, 2.0, 10)]
    assert rolled(store, "samples_1h") == [(key("db"), NOON, 1.0, 5), (key("web"), NOON, 2.0, 10)]


def test_what_retention_took_of_the_samples_is_not_taken_from_the_rollups(store, do):
    put(do, measured(NOON, [1.0] * 5 + [5.0] * 5))
    roll(do, after(4 * 3600))
    before = rolled(store), rolled(store, "samples_1h")

    do(lambda con: con.execute("DELETE FROM samples WHERE sampled_at < ?", [after(150)]))
    roll(do, after(4 * 3600 + 60))
    assert (rolled(store), rolled(store, "samples_1h")) == before

    put(do, measured(NOON, [2.0] * 10, of="db"))  # the same stretch, as a whole, now has more than was rolled up
    roll(do, after(4 * 3600 + 120))
    assert rolled(store) == [(key("db"), NOON, 2.0, 10), *before[0]]
