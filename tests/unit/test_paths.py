import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import paths

leaves = st.none() | st.integers(-3, 3) | st.text(max_size=3) | st.lists(st.integers(0, 2), max_size=2)
values = st.recursive(leaves, lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=8)
mappings = st.dictionaries(st.text(max_size=3), values, max_size=3)


@given(values)
def test_equal_states_differ_nowhere(value):
    assert list(paths.differing(value, json.loads(json.dumps(value)))) == []


@given(values, values)
def test_the_sides_may_be_exchanged(old, new):
    there = list(paths.differences(old, new))
    back = list(paths.differences(new, old))

    assert [(path, b, a) for path, a, b in there] == back


@given(mappings, mappings)
def test_each_path_is_named_once_and_its_sides_differ(old, new):
    found = list(paths.differences(old, new))

    assert len({path for path, _, _ in found}) == len(found)
    assert all(a != b for _, a, b in found)


@given(mappings, mappings)
def test_states_that_differ_nowhere_say_the_same(old, new):
    if not list(paths.differing(old, new)):
        assert _said(old) == _said(new)
    else:
        assert _said(old) != _said(new)


@given(mappings, mappings)
def test_what_is_told_whole_is_made_of_the_same_leaves(old, new):
    whole = list(paths.differences(old, new, whole=True))
    leaves = [leaf for path, a, b in whole for leaf in paths.differences(a, b, path)]

    assert leaves == list(paths.differences(old, new))


def _said(value):
    """What is left of ``value`` without null and empty mappings."""
    if isinstance(value, dict):
        return {k: said for k, v in value.items() if (said := _said(v)) not in (None, {}) or isinstance(said, list)}
    return value


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"image": "a"}, {"image": "b"}, [("spec.image", "a", "b")]),
        ({"ports": [1, 2]}, {"ports": [2, 1]}, [("spec.ports", [1, 2], [2, 1])]),
        ({}, {"env": {"A": "1"}}, [("spec.env.A", None, "1")]),
        ({"env": {"A": "1"}}, {}, [("spec.env.A", "1", None)]),
        ({"limits": 1}, {"limits": {"cpu": 2}}, [("spec.limits", 1, {"cpu": 2})]),
        ({"limits": {"cpu": 2}}, {"limits": 1}, [("spec.limits", {"cpu": 2}, 1)]),
        ({"limits": {}}, {"limits": 1}, [("spec.limits", None, 1)]),
        ({"a": None, "b": {}}, {}, []),
        ({"a.b": 1}, {"a.b": 2}, [('spec."a.b"', 1, 2)]),
        ({"": 1}, {"": 2}, [('spec.""', 1, 2)]),
    ],
)
def test_what_differs_is_named_with_both_sides(old, new, found):
    assert list(paths.differences(old, new, "spec")) == found


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({}, {"env": {"A": {"b": 1}, "c": {}}}, [("spec.env", None, {"A": {"b": 1}, "c": {}})]),
        ({"env": {"A": "1"}}, {"env": None}, [("spec.env", {"A": "1"}, None)]),
        ({"env": {}}, {"env": {"A": "1"}}, [("spec.env.A", None, "1")]),
        ({"env": None}, {"env": {"A": None}}, []),
    ],
)
def test_a_mapping_that_one_side_has_not_may_be_told_whole(old, new, found):
    assert list(paths.differences(old, new, "spec", whole=True)) == found


@given(st.lists(st.text(min_size=0, max_size=4), min_size=1, max_size=3), st.lists(st.text(max_size=4), min_size=1))
def test_two_ways_into_a_resource_never_have_one_name(one, other):
    def path(names):
        made = ""
        for name in ("spec", *names):
            made = paths.join(made, name)
        return made

    assert (path(one) == path(other)) == (one == other)


@given(st.lists(st.text(max_size=4), min_size=1, max_size=4))
def test_a_path_is_split_into_what_it_was_joined_from(names):
    path = ""
    for name in names:
        path = paths.join(path, name)
    if names[0]:
        assert paths.split(path) == tuple(names)


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", 'a"b"', '"a', "a b", '"a"b', '"\\x"'])
def test_what_is_no_path_is_refused_without_repeating_it(text):
    with pytest.raises(paths.BadPath) as refused:
        paths.split(text)
    assert len(text) < 3 or text not in str(refused.value)
