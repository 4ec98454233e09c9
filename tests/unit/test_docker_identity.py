"""A container's key: the same through restart, re-creation and renaming; unique; whatever the order of the listing."""

from hypothesis import given
from hypothesis import strategies as st

from agents.docker import identity
from agents.docker.identity import Bearer
from schemas.resources import Kind

A, B, C = "a" * 64, "b" * 64, "c" * 64


def listing(*bearers, held=None):
    return identity.assign(bearers, {one: (native_id,) for one, native_id in (held or {}).items()})


def labels(number="1", **more):
    return {identity.PROJECT: "shop", identity.SERVICE: "web", identity.NUMBER: number, **more}


def test_a_plain_container_is_known_by_its_name():
    assert listing(Bearer(A, "web")) == {A: "web"}


def test_a_compose_container_is_known_by_project_service_and_number():
    assert identity.compose(labels("2")) == "shop-web-2"
    assert listing(Bearer(A, "my-own-name", compose="shop-web-2")) == {A: "shop-web-2"}


def test_a_one_off_is_no_replica():
    assert identity.compose(labels(**{identity.ONE_OFF: "True"})) == ""
    assert identity.compose(labels(**{identity.ONE_OFF: "False"})) == "shop-web-1"
    assert identity.compose({identity.PROJECT: "shop"}) == ""


def test_a_renamed_container_keeps_its_key():
    assert listing(Bearer(A, "web2"), held={A: "web"}) == {A: "web"}


def test_a_container_made_anew_under_the_name_has_the_key():
    assert listing(Bearer(B, "web"), held={A: "web"}) == {B: "web"}


def test_a_new_container_under_the_name_takes_the_key_from_the_one_renamed_away():
    assert listing(Bearer(A, "web-old"), Bearer(B, "web"), held={A: "web"}) == {A: "web-old", B: "web"}


def test_two_that_swapped_names_keep_their_keys():
    assert listing(Bearer(A, "two"), Bearer(B, "one"), held={A: "one", B: "two"}) == {A: "one", B: "two"}


def test_one_that_lost_its_key_and_whose_name_is_a_key_already_gets_a_name_of_its_own():
    found = listing(Bearer(A, "db"), Bearer(B, "db-old"), Bearer(C, "web"), held={A: "web", B: "db"})

    assert found == {A: "db~aaaaaaaaaaaa", B: "db", C: "web"}


def test_compose_makes_the_new_one_beside_the_old_and_the_old_keeps_the_key_until_it_is_gone():
    old, new = Bearer(A, "shop-web-1", "1", "shop-web-1"), Bearer(B, "aaaa_shop-web-1", "2", "shop-web-1")
    both = listing(old, new, held={A: "shop-web-1"})
    alone = listing(new, held=both)
    renamed = listing(Bearer(B, "shop-web-1", "2", "shop-web-1"), held=alone)

    assert both == {A: "shop-web-1", B: "aaaa_shop-web-1"}
    assert alone == renamed == {B: "shop-web-1"}


def test_seen_for_the_first_time_in_the_middle_of_a_recreation_the_older_one_has_the_key():
    old, new = Bearer(B, "mydb", "1", "shop-db-1"), Bearer(A, "x_mydb", "2", "shop-db-1")

    assert listing(old, new) == {B: "shop-db-1", A: "x_mydb"}


def test_a_plain_container_that_bears_a_compose_identity_as_its_name_has_the_stronger_claim():
    plain, composed = Bearer(B, "shop-web-1"), Bearer(A, "mine", compose="shop-web-1")

    assert listing(plain, composed, held={A: "shop-web-1"}) == {B: "shop-web-1", A: "mine"}


def test_what_the_bus_knew_is_turned_around_and_the_lasting_name_is_preferred():
    known = {
        "docker/local/container/shop-web-1": A,
        "docker/local/container/0_shop-web-1": A,
        "docker/local/container/a/b": B,
        "docker/local/volume/data": C,
        "docker/local/container/gone": "",
    }
    held = identity.known(known, Kind.CONTAINER)

    assert held == {A: ("0_shop-web-1", "shop-web-1"), B: ("a/b",)}
    assert identity.assign([Bearer(A, "z", compose="shop-web-1")], held) == {A: "shop-web-1"}


def test_networks_of_one_name_are_told_apart_and_the_oldest_keeps_the_name():
    rows = [(B, "net", "2026-02-01"), (A, "net", "2026-03-01"), (C, "other", "2026-01-01")]

    assert identity.unique_names(rows) == {B: "net", A: "net~aaaaaaaaaaaa", C: "other"}


names = st.sampled_from(["web", "db", "web-old", "shop-web-1", "x_shop-web-1"])
bearers = st.lists(
    st.builds(
        Bearer,
        id=st.text("abcdef0123456789", min_size=13, max_size=16),
        name=names,
        created=st.sampled_from(["1", "2", "3"]),
        compose=st.sampled_from(["", "", "shop-web-1", "shop-web-2"]),
    ),
    unique_by=lambda one: one.id,
    max_size=6,
)


@given(bearers, st.data())
def test_keys_are_unique_and_do_not_depend_on_the_order(rows, data):
    ids = [one.id for one in rows]
    held = data.draw(st.dictionaries(st.sampled_from(ids), names.map(lambda n: (n,)))) if ids else {}
    found = identity.assign(rows, held)

    assert found.keys() == set(ids)
    assert len(set(found.values())) == len(found)
    assert identity.assign(data.draw(st.permutations(rows)), held) == found


@given(bearers)
def test_nothing_changed_means_no_key_changed(rows):
    unique = list({one.name: one for one in rows}.values())
    first = identity.assign(unique, {})
    second = identity.assign(unique, {one: (native_id,) for one, native_id in first.items()})

    assert second == first
