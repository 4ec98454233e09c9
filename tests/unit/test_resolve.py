from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.reconcile import resolve
from daemon.reconcile.standing import NOTHING, Standing
from daemon.store import declarations
from daemon.store.adopted import Adopted
from schemas.expectations import ExpectedField, Owner
from schemas.manifests import PolicySpec
from tests.support.events import NOON, key

WEB = key("web")


def says(name="one", **spec):
    metadata = {"name": name} | {word: spec.pop(word) for word in ("owner", "cost_center") if word in spec}
    where = {} if "selector" in spec else {"key": WEB}
    said = {"apiVersion": "homelab.ai/v1", "kind": "Expectation", "metadata": metadata, "spec": where | spec}
    return declarations.Declared(
        f"Expectation/{name}", "Expectation", "file:x", f"{name}.yaml", 3, declarations.parse(said), "h", NOON
    )


def adopted(**fields):
    return Adopted(WEB, {path: ExpectedField(value=value, owner=Owner.ADOPTED) for path, value in fields.items()}, NOON)


def expected(*declared, take=None, held=NOTHING, **more):
    return resolve.resolve(WEB, declared, take, held=held, now=NOON, **more)


def values(made):
    return {path: owned.value for path, owned in made.fields.items()}


def test_nobody_expects_anything():
    assert expected() is None


def test_what_is_retired_is_not_expected():
    assert expected(says(status="running"), take=adopted(name="web"), held=Standing(retired="retired: old")) is None


def test_all_that_mean_it_count_together():
    made = expected(says("one", status="running"), says("two", selector="name=web", fields={"spec.image": "a"}))

    assert values(made) == {"status": "running", "spec.image": "a"}
    assert {owned.owner for owned in made.fields.values()} == {Owner.DECLARED}


def test_equal_words_agree():
    made = expected(says("one", status="running"), says("two", selector="name=web", status="running"))

    assert (values(made), made.contradictions) == ({"status": "running"}, ())


def test_a_contradicted_path_is_not_judged_and_both_places_are_told():
    made = expected(says("one", fields={"spec.image": "a", "spec.x": 1}), says("two", fields={"spec.image": "b"}))

    assert values(made) == {"spec.x": 1}
    assert made.ignore == ("spec.image",)
    assert made.contradictions == ("spec.image: one.yaml:3 says 'a', two.yaml:3 says 'b'",)


def test_a_word_inside_anothers_value_may_contradict_it():
    wide = says("wide", fields={"spec": {"image": "a", "restart": "no"}})

    assert expected(wide, says("near", fields={"spec.image": "a"})).contradictions == ()
    made = expected(wide, says("near", fields={"spec.image": "b"}))
    assert made.contradictions == ("spec.image: wide.yaml:3 says 'a', near.yaml:3 says 'b'",)
    assert made.ignore == ("spec.image",)


def test_who_is_silent_about_presence_contradicts_nobody():
    made = expected(says("one", presence="absent"), says("two", selector="kind=container", status="running"))

    assert (made.presence, made.contradictions) == ("absent", ())


def test_absent_and_present_contradict_each_other():
    made = expected(says("one", presence="absent"), says("two", presence="present"))

    assert (made.presence, made.ignore) == ("present", ("presence",))


def test_declared_goes_before_adopted_path_by_path():
    took = adopted(name="web", status="running", labels={"a": "1"}, spec={"image": "a", "restart": "no"})

    made = expected(says(status="stopped", fields={"spec.image": "b", "labels": {"x": "y"}}), take=took)

    assert values(made) == {
        "name": "web", "status": "stopped", "labels": {"x": "y"}, "spec": {"image": "a", "restart": "no"},
        "spec.image": "b",
    }  # fmt: skip
    assert made.fields["spec"].owner is Owner.ADOPTED
    assert made.fields["spec.image"].owner is Owner.DECLARED


def test_the_highest_word_wins():
    made = expected(
        says("one", criticality="low", remediation="auto", max_backup_age="2d", ignore=["spec.b"]),
        says("two", selector="name=web", criticality="critical", remediation="observe", max_backup_age="1d"),
        says("three", selector="name=web", ignore=["spec.a"]),
        policies=[PolicySpec(ignore=("spec.c",))],
    )

    assert (made.criticality, made.remediation) == ("critical", "auto")
    assert made.max_backup_age_seconds == timedelta(days=1).total_seconds()
    assert made.ignore == ("spec.a", "spec.b", "spec.c")


def test_who_names_the_key_speaks_first():
    general = says("a", selector="name=web", owner="ops", cost_center="it")
    own = says("z", owner="jo")

    made = expected(general, own)

    assert (made.file, made.owner, made.cost_center) == ("z.yaml:3", "jo", "it")


def test_paths_written_in_two_ways_are_one_path():
    made = expected(says("one", fields={"spec.image": "a"}), says("two", fields={'spec."image"': "b"}))

    assert len(made.contradictions) == 1


@pytest.mark.parametrize("path", ["spec", "spec.image", "spec.image.tag"])
def test_it_is_known_who_says_a_path(path):
    assert resolve.who_says([says(fields={"spec.image": "a"}), says("two", status="running")], path) == ["one.yaml:3"]


said = st.dictionaries(st.sampled_from(["spec", "spec.a", "spec.b", "name"]), st.integers(0, 1), max_size=3)


@given(said=st.lists(said, min_size=1, max_size=4), data=st.data())
def test_the_order_of_declarations_means_nothing(said, data):
    declared = [says(f"n{place}", fields=fields) for place, fields in enumerate(said)]
    other = data.draw(st.permutations(declared))

    assert expected(*declared) == expected(*other)
