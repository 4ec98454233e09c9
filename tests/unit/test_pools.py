"""Pools as values: what a manifest or a change makes of them, what may not be."""

import pytest
from pydantic import ValidationError

from daemon.reconcile import pools
from schemas.expected_queries import PoolChangeQuery
from schemas.manifests import PoolManifest, PoolSpec
from schemas.pools import Pool, checked, is_in
from schemas.selectors import BadSelector, parse
from tests.support.events import key


def pool(path, *selectors, **given):
    return Pool(path=path, selectors=tuple(map(parse, selectors)), **given)


def defined(*made):
    return {one.path: one for one in made}


# --- paths -----------------------------------------------------------------------------------------------------------


def test_a_path_lies_in_itself_and_those_above_it_and_not_in_one_that_only_begins_alike():
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
