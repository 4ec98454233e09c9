"""Only a complete scan may cause absence, and not too much of it at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.ingest.absence import HELD_SCANS, Verdict, judge
from daemon.store.inventory import Known


def known(*names, presence="present", reported=False):
    return {name: Known(f"hash {name}", presence, reported) for name in names}


def listed(*names):
    return {name: f"hash {name}" for name in names}


def verdict(had, has, *, held_scans=0, released=False) -> Verdict:
    return judge(had, has, held_scans=held_scans, released=released)


def many(count):
    return [f"c{number:03}" for number in range(count)]


def test_nothing_missing_moves_nothing():
    assert verdict(known("a", "b"), listed("a", "b")) == Verdict()


def test_missing_once_is_suspect():
    found = verdict(known("a", "b"), listed("a"))

    assert (found.suspect, found.gone, found.missing, found.held) == ({"b"}, set(), 1, False)


def test_missing_in_the_next_complete_scan_too_is_gone():
    found = verdict(known("a") | known("b", presence="suspect"), listed("a"))

    assert (found.suspect, found.gone) == (set(), {"b"})


def test_reported_as_removed_is_gone_with_the_first_scan_without_it():
    found = verdict(known("a") | known("b", presence="suspect", reported=True), listed("a"))

    assert found.gone == {"b"}


def test_suspect_and_listed_again_returns():
    found = verdict(known("a") | known("b", presence="suspect"), listed("a", "b"))

    assert (found.returned, found.gone) == ({"b"}, set())


def test_a_scope_that_is_empty_after_it_was_not_is_held():
    assert verdict(known("a"), {}).held
    assert verdict(known("a"), {}).suspect == set()


def test_an_empty_scope_that_was_empty_is_fine():
    assert verdict({}, {}) == Verdict()


def test_the_last_one_reported_as_removed_is_not_held():
    found = verdict(known("a", presence="suspect", reported=True), {})

    assert (found.held, found.gone) == (False, {"a"})


@pytest.mark.parametrize(
    ("had", "lost", "held"), [(10, 3, False), (10, 4, True), (100, 10, False), (100, 11, True), (30, 3, False)]
)
def test_more_than_three_or_a_tenth_at_once_is_held(had, lost, held):
    names = many(had)

    assert verdict(known(*names), listed(*names[lost:])).held is held


def test_what_the_provider_reported_does_not_count_towards_the_brake():
    names = many(20)
    had = known(*names[10:]) | known(*names[:10], presence="suspect", reported=True)

    found = verdict(had, listed(*names[12:]))

    assert (found.held, found.gone, found.suspect) == (False, set(names[:10]), set(names[10:12]))


def test_while_held_only_what_was_reported_goes():
    had = known(*many(10)) | known("missed", presence="suspect") | known("rm", presence="suspect", reported=True)

    found = verdict(had, listed("c000"))

    assert found.held
    assert (found.suspect, found.gone) == (set(), {"rm"})


def test_the_third_scan_in_a_row_is_believed():
    assert [verdict(known("a"), {}, held_scans=before).held for before in range(HELD_SCANS)] == [True, True, False]
    assert verdict(known("a"), {}, held_scans=2).suspect == {"a"}


def test_an_operator_releases_it_at_once():
    assert verdict(known(*many(10)), {}, released=True).suspect == set(many(10))


def test_what_the_store_has_not_or_has_otherwise_disagrees():
    found = verdict(known("a", "b"), listed("a", "new") | {"b": "another hash"})

    assert found.disagreeing == {"b", "new"}


names = st.sets(st.sampled_from(many(12)))


@given(present=names, suspect=names, reported=names, has=names, held=st.integers(0, 3), released=st.booleans())
def test_whatever_happens_nothing_listed_is_missing_and_each_moves_one_way(
    *, present, suspect, reported, has, held, released
):
    had = known(*present) | known(*suspect, presence="suspect") | known(*reported, presence="suspect", reported=True)

    found = verdict(had, listed(*has), held_scans=held, released=released)

    assert not (found.suspect | found.gone) & has
    assert found.returned <= has
    assert not found.suspect & found.gone
    assert found.gone <= {name for name, row in had.items() if row.presence == "suspect"}
    assert found.missing == len(had.keys() - has)
    assert not (released and found.held)
