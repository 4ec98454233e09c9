"""Pools as values: who is in them, what a change makes of them, what may not be."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from daemon.reconcile import pools
from daemon.reconcile.actual import Actual
from schemas.expected_queries import PoolChangeQuery
from schemas.manifests import PoolManifest, PoolSpec
from schemas.pools import Pool, above, checked, is_in
from schemas.resources import Presence
from schemas.selectors import BadSelector, parse
from tests.support.events import key


def pool(path, *selectors, **given):
    return Pool(path=path, selectors=tuple(map(parse, selectors)), **given)


def defined(*made):
    return {one.path: one for one in made}


def actual(name="web", presence=Presence.PRESENT, **fields):
    return Actual(key(name), presence, {"name": name, "status": "running", "labels": {}, **fields})


def own(what, *made):
    return set(pools.own_paths(what, defined(*made)))


# --- paths -----------------------------------------------------------------------------------------------------------


def test_a_path_lies_in_all_paths_above_it_and_not_in_one_that_only_begins_alike():
    assert above("/a/b/c") == ("/a", "/a/b", "/a/b/c")
    assert is_in("/a/b", "/a")
    assert is_in("/a", "/a")
    assert not is_in("/ab", "/a")
    assert not is_in("/a", "/a/b")


@pytest.mark.parametrize("path", ["", "/", "a", "a/b", "/a/", "//a", "/a//b", "/a b", "/..", "/a\n", "/" + 400 * "a"])
def test_a_path_that_nobody_could_type_again_is_refused(path):
    with pytest.raises(ValueError, match="like/this"):
        checked(path)
    with pytest.raises(ValidationError):
        PoolSpec(path=path)


# --- members ---------------------------------------------------------------------------------------------------------


def test_any_of_a_pools_selectors_is_enough():
    places = pool("/a", "name=web", "label:tier=front")
    assert own(actual("web"), places) == {"/a"}
    assert own(actual("db", labels={"tier": "front"}), places) == {"/a"}
    assert own(actual("db"), places) == set()


def test_a_pool_without_selectors_has_nobody_but_those_put_in_by_hand():
    assert own(actual("web"), pool("/a"), pool("/b", keys=(key("web"),))) == {"/b"}


def test_what_is_gone_stays_in_its_pools():
    gone = actual("web", Presence.GONE)
    assert own(gone, pool("/a", "name=web"), pool("/b", keys=(gone.key,))) == {"/a", "/b"}
    assert own(gone, pool("/g", "presence=gone"), pool("/p", "presence=present")) == {"/g"}
    assert own(actual("web"), pool("/g", "presence=gone"), pool("/p", "presence=present")) == {"/p"}


def test_a_selector_may_name_another_pool_and_means_those_below_it_too():
    made = (pool("/a"), pool("/a/b", "name=web"), pool("/a/c", keys=(key("db"),)), pool("/x", "pool=/a status=running"))
    assert own(actual("web"), *made) == {"/a/b", "/x"}
    assert own(actual("db"), *made) == {"/a/c", "/x"}
    assert own(actual("db", status="stopped"), *made) == {"/a/c"}
    assert own(actual("mail"), *made) == set()


def test_pools_in_a_circle_have_nobody_by_it_and_end():
    made = (pool("/a", "pool=/b", "name=web"), pool("/b", "pool=/a"), pool("/c", "pool=/c"))
    assert own(actual("web"), *made) == {"/a", "/b"}
    assert own(actual("db"), *made) == set()


def test_only_what_changed_its_pools_has_moved():
    made = defined(pool("/a", "name=web"), pool("/b", "name=db"))
    stayed = replace(actual("web"), pools=frozenset({"/a"}))
    came = actual("db")
    left = replace(actual("mail"), pools=frozenset({"/a"}))
    assert pools.moved([stayed, came, left], made) == {came.key: {"/b"}, left.key: set()}


# --- what may not be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "circle"),
    [
        ((pool("/a", "pool=/a"),), ("/a", "/a")),
        ((pool("/a"), pool("/a/b", "pool=/a")), ("/a/b", "/a/b")),
        ((pool("/b/c", "pool=/a"), pool("/a", "pool=/b")), ("/a", "/b/c", "/a")),
        ((pool("/c", "pool=/a"), pool("/a", "pool=/b"), pool("/b", "pool=/c")), ("/a", "/b", "/c", "/a")),
    ],
)
def test_members_that_depend_on_themselves_are_found(made, circle):
    assert pools.circle(defined(*made)) == circle


def test_a_pool_may_take_its_members_from_the_pools_below_it():
    made = defined(
        pool("/a", "pool=/a/b"), pool("/a/b", "name=web"), pool("/x", "pool=/nowhere"), pool("/y", "pool=/x")
    )
    assert pools.circle(made) == ()


# --- changes ---------------------------------------------------------------------------------------------------------


def test_what_a_change_does_not_say_stays():
    before = pool("/a", "name=web", type="compute", description="d", properties={"rack": 1, "row": 2}, unmanaged=True)
    after = pools.changed(before, PoolChangeQuery(path="/a", properties={"rack": 3, "row": None, "new": [1]}))
    assert after.properties == {"rack": 3, "new": [1]}
    assert (after.type, after.description, after.unmanaged, after.selectors) == ("compute", "d", True, before.selectors)


def test_a_change_may_take_everything_away():
    before = pool("/a", "name=web", type="compute", unmanaged=True)
    after = pools.changed(before, PoolChangeQuery(path="/a", selectors=(), type="", unmanaged=False))
    assert after == pool("/a")


def test_a_selector_that_is_none_is_refused():
    with pytest.raises(BadSelector):
        pools.changed(None, PoolChangeQuery(path="/a", selectors=("colour=red",)))


def test_a_manifest_is_a_pool():
    manifest = PoolManifest.model_validate(
        {
            "apiVersion": "homelab.ai/v1",
            "kind": "ResourcePool",
            "metadata": {"name": "compute", "description": "what computes"},
            "spec": {"path": "/lab/compute", "type": "compute", "members": ["kind=container", {"labels": {"a": "b"}}],
                     "keys": [key("web")], "properties": {"rack": 1}, "unmanaged": True},
        }
    )  # fmt: skip
    assert pools.of_manifest(manifest, name="ResourcePool/compute", place="a.yaml:3") == pool(
        "/lab/compute", "kind=container", "label:a=b", type="compute", description="what computes", keys=(key("web"),),
        properties={"rack": 1}, unmanaged=True, manifest="ResourcePool/compute", place="a.yaml:3",
    )  # fmt: skip
