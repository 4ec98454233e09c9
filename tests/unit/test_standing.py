from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.reconcile.standing import is_open, meaning, standing
from schemas.manifests import MaintenanceWindow
from schemas.operator import OperatorState, State
from tests.support.events import NOON, after, key

WEB = key("web")


def said(state, target=WEB, until=None, reason="why"):
    return OperatorState(target=target, state=state, until_at=until, reason=reason, set_by="jo", set_at=NOON)


def window(start, end, zone="UTC", days=()):
    return MaintenanceWindow(start=time.fromisoformat(start), end=time.fromisoformat(end), timezone=zone, days=days)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_maintenance_is_quiet_and_says_why():
    assert standing([said(State.MAINTENANCE)], [], now=NOON).quiet == "maintenance: why"


def test_a_state_ends_at_its_time():
    until = said(State.EXPECTED_OFFLINE, until=after(60))

    assert standing([until], [], now=after(59)).offline
    assert not standing([until], [], now=after(60)).offline


def test_states_of_the_source_and_of_pools_above_are_meant():
    states = [said(State.RETIRED, target) for target in (WEB, "docker/nas", "/lab", "/la", "docker/na", "docker/other")]

    assert [one.target for one in meaning(states, WEB, ["/lab/front"])] == [WEB, "docker/nas", "/lab"]


@pytest.mark.parametrize(
    ("now", "is_it"),
    [
        ("2026-11-20T21:59:59", False), ("2026-11-20T22:00:00", True), ("2026-11-21T01:59:59", True),
        ("2026-11-21T02:00:00", False), ("2026-11-21T22:30:00", False),
    ],
)  # fmt: skip
def test_a_window_over_midnight_belongs_to_the_day_it_opens_on(now, is_it):
    assert is_open(window("22:00", "02:00", days=("fri",)), at(now)) is is_it


def test_equal_ends_are_a_whole_day():
    assert is_open(window("06:00", "06:00", days=("fri",)), at("2026-11-21T05:59"))
    assert not is_open(window("06:00", "06:00", days=("fri",)), at("2026-11-21T06:01"))


@pytest.mark.parametrize(
    ("now", "is_it"),
    [
        ("2026-10-24T23:29", False), ("2026-10-24T23:30", True),  # 01:30 in summer
        ("2026-10-25T00:45", True),  # 02:45 for the first time
        ("2026-10-25T01:29", True), ("2026-10-25T01:30", False),  # 02:30 for the second time
    ],
)  # fmt: skip
def test_a_window_stays_open_while_an_hour_comes_twice(now, is_it):
    assert is_open(window("01:30", "02:30", "Europe/Berlin"), at(now)) is is_it


def test_a_window_in_the_hour_that_is_left_out_opens_all_the_same():
    night = [at("2026-03-28T20:00") + timedelta(minutes=minute) for minute in range(12 * 60)]

    assert any(is_open(window("02:15", "02:45", "Europe/Berlin"), moment) for moment in night)


windows = st.builds(
    MaintenanceWindow,
    start=st.times(),
    end=st.times(),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)


@given(window=windows, day=st.dates(min_value=date(2026, 1, 1), max_value=date(2027, 12, 30)))
def test_a_window_opens_once_a_day_also_when_clocks_are_set(window, day):
    begin = datetime.combine(day, time(0), UTC)
    states = [is_open(window, begin + timedelta(minutes=minute)) for minute in range(0, 48 * 60, 7)]
    openings = sum(now and not before for before, now in pairwise(states))

    assert openings <= 2
