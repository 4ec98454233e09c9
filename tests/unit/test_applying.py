"""What applying would change: pure, in terms of what is declared and what it means now."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.reconcile import applying
from daemon.reconcile.applying import Plan
from schemas.expected_queries import Document
from tests.support.events import NOON
from tests.support.manifests import WEB, documents, expectation, pool

DB = "docker/local/container/db"
CONTAINERS = "kind=container"


class Store:
    """What is declared, as plans make it."""

    def __init__(self, matching: dict[str, tuple[str, ...]] | None = None) -> None:
        self.declared = {}
        self.matching = matching or {}
        self.now = NOON

    def plan(self, *said: Document, origin: str = "api", prune: bool = False) -> Plan:
        self.now += timedelta(minutes=1)
        new, faults = applying.read(said, origin, self.now)
        if faults:
            return Plan(faults=faults)
        known = {WEB, DB}
        return applying.plan(self.declared, new, origin=origin, prune=prune, matching=self.matching, known=known)

    def apply(self, *said: Document, origin: str = "api", prune: bool = False) -> dict[str, str]:
        made = self.plan(*said, origin=origin, prune=prune)
        assert not made.faults, made.faults
        for name in made.withdrawn:
            del self.declared[name]
        self.declared |= {one.name: one for one in made.put}
        return {one.name.partition("/")[2]: one.change for one in made.applied}

    def faults(self, *said: Document, origin: str = "api") -> list[str]:
        return list(map(str, self.plan(*said, origin=origin).faults))


def test_a_document_is_created_then_unchanged_then_changed_then_withdrawn():
    store = Store()
    assert store.apply(*documents(expectation("web", status="running"))) == {"web": "created"}
    assert store.apply(*documents(expectation("web", status="running"))) == {"web": "unchanged"}
    assert store.apply(*documents(expectation("web", status="stopped"))) == {"web": "changed"}
    assert store.apply(prune=True) == {"web": "withdrawn"}
    assert store.declared == {}


def test_without_prune_nothing_is_withdrawn_and_with_it_only_what_the_origin_said():
    store = Store()
    store.apply(*documents(expectation("web")), origin="file:/a")
    store.apply(*documents(expectation("db", DB)), origin="file:/b")
    assert store.apply(origin="file:/a") == {}
    assert store.apply(origin="file:/a", prune=True) == {"web": "withdrawn"}
    assert list(store.declared) == ["Expectation/db"]


def test_a_document_that_moved_within_its_file_is_unchanged_and_its_line_is_new():
    store = Store()
    store.apply(*documents(expectation("web")))
    first = store.declared["Expectation/web"]
    moved = store.plan(*documents(expectation("db", DB), expectation("web")))
    (again,) = [one for one in moved.put if one.name == "Expectation/web"]
    assert (first.line, again.line) == (1, 8)
    assert again.applied_at == first.applied_at
    assert [one.change for one in moved.applied] == ["created", "unchanged"]


def test_a_file_takes_over_what_another_file_said_and_never_what_a_watched_folder_says():
    store = Store()
    store.apply(*documents(expectation("web")), origin="file:/a")
    store.apply(*documents(expectation("web", status="running")), origin="folder:/etc/e")
    assert store.declared["Expectation/web"].origin == "folder:/etc/e"
    assert store.apply(*documents(expectation("web", status="running")), origin="api") == {"web": "unchanged"}
    assert store.declared["Expectation/web"].origin == "folder:/etc/e"
    (told,) = store.faults(*documents(expectation("web", status="stopped"), file="mine.yaml"))
    assert told == (
        "mine.yaml:1: metadata.name: Expectation/web is declared in a.yaml:1,"
        " in a folder that is watched: change it there"
    )


CONTRADICTIONS = {
    "a status": ({"status": "running"}, {"status": "stopped"}, "spec.status"),
    "a status and the field of that name": (
        {"status": "running"},
        {"fields": {"status": "stopped"}},
        "spec.fields.status",
    ),
    "a presence": ({"presence": "present"}, {"presence": "absent"}, "spec.presence"),
    "a field": ({"fields": {"spec.image": "a"}}, {"fields": {"spec.image": "b"}}, "spec.fields.spec.image"),
    "a field within another": (
        {"fields": {"labels": {"a": "1"}}},
        {"fields": {"labels.a": "2"}},
        "spec.fields.labels.a",
    ),
    "a label that the other has not": (
        {"fields": {"labels": {"a": "1"}}},
        {"fields": {"labels.b": "2"}},
        "spec.fields.labels.b",
    ),
}


@pytest.mark.parametrize(("one", "other", "path"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_two_that_say_different_things_of_one_key_are_a_fault_that_names_both_places(one, other, path):
    store = Store()
    store.apply(*documents(expectation("one", **one), file="one.yaml"))
    (told,) = store.faults(*documents(expectation("other", **other), file="other.yaml"))
    assert told.startswith("other.yaml:")
    assert told.endswith(
        f": {path}: Expectation/one in one.yaml:1 says otherwise of {WEB}: one of them must leave it open"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"status": "running"}, {"status": "running"}),
        ({"status": "running"}, {"fields": {"spec.image": "a"}}),
        ({"fields": {"labels": {"a": "1"}}}, {"fields": {"labels.a": "1"}}),
        ({"fields": {"spec.a": None}}, {"fields": {"spec.a": {}}}),
        ({"presence": "absent"}, {"ignore": ["spec.image"]}),
        ({"criticality": "low"}, {"criticality": "high"}),
    ],
)
def test_two_that_agree_or_leave_open_what_the_other_says_may_stand_together(one, other):
    store = Store()
    store.apply(*documents(expectation("one", **one), expectation("other", **other)))
    assert len(store.declared) == 2


def test_two_in_one_file_that_contradict_are_told_at_the_later():
    (told,) = Store().faults(*documents(expectation("zz", status="running"), expectation("aa", status="stopped")))
    assert told.startswith("a.yaml:15: spec.status: Expectation/zz in a.yaml:7 says otherwise")


def test_selectors_contradict_by_what_they_mean_now():
    store = Store({CONTAINERS: (WEB, DB), "name=db": (DB,)})
    store.apply(*documents(expectation("all", None, selector=CONTAINERS, status="running")))
    (told,) = store.faults(*documents(expectation("db", None, selector="name=db", status="stopped")))
    assert f"says otherwise of {DB}" in told
    assert store.faults(*documents(expectation("web", WEB, status="stopped")))
    store.matching["name=db"] = ()
    assert not store.faults(*documents(expectation("db", None, selector="name=db", status="stopped")))


def test_what_contradicts_and_is_withdrawn_or_changed_at_once_is_no_fault():
    store = Store()
    store.apply(*documents(expectation("one", status="running")))
    assert store.apply(*documents(expectation("other", status="stopped")), prune=True) == {
        "other": "created",
        "one": "withdrawn",
    }
    store.apply(*documents(expectation("other", status="running"), expectation("one", status="running")))
    assert store.faults(*documents(expectation("one", status="stopped")))
    store.apply(*documents(expectation("other", status="stopped"), expectation("one", status="stopped")))


def test_a_contradiction_that_came_later_does_not_bar_what_has_nothing_to_do_with_it():
    store = Store({CONTAINERS: ()})
    store.apply(
        *documents(
            expectation("all", None, selector=CONTAINERS, status="running"), expectation("web", status="stopped")
        )
    )
    store.matching[CONTAINERS] = (WEB,)
    assert store.apply(*documents(expectation("db", DB))) == {"db": "created"}


def test_a_pool_is_declared_once():
    store = Store()
    store.apply(*documents(pool("lab", "/lab"), file="lab.yaml"))
    (told,) = store.faults(*documents(pool("mine", "/lab"), file="mine.yaml"))
    assert told == "mine.yaml:6: spec.path: ResourcePool/lab in lab.yaml:1 is this pool already"


def test_what_means_nothing_now_is_a_warning_and_kept():
    store = Store({CONTAINERS: ()})
    made = store.plan(*documents(
        expectation("all", None, selector=CONTAINERS, status="running"),
        expectation("new", "docker/local/container/new"),
        expectation("gone", "docker/local/container/gone", presence="absent"),
    ))  # fmt: skip
    assert list(map(str, made.warnings)) == [
        "a.yaml:6: spec.selector: matches nothing now; it is kept",
        "a.yaml:14: spec.key: no resource has had this key yet; it is kept",
    ]
    assert len(made.put) == 3


def test_a_manifest_that_came_by_another_way_is_checked_as_one_from_a_file():
    (told,) = Store().faults(Document(manifest=expectation("web", staus="running")))  # type: ignore[arg-type]
    assert told == "spec.staus: unknown key; did you mean status?"
    (doubled,) = Store().faults(*documents(expectation("web")), *documents(expectation("web"), file="b.yaml"))
    assert doubled == "b.yaml:1: metadata.name: Expectation/web is in a.yaml:1 already"


def test_what_is_applied_tells_how_many_resources_it_means():
    store = Store({CONTAINERS: (WEB, DB)})
    made = store.plan(*documents(expectation("all", None, selector=CONTAINERS), expectation("web")))
    assert {one.name: one.matches for one in made.applied} == {"Expectation/all": 2, "Expectation/web": 1}


specs = st.fixed_dictionaries(
    {},
    optional={
        "presence": st.sampled_from(["present", "absent"]),
        "status": st.sampled_from(["running", "stopped"]),
        "fields": st.dictionaries(st.sampled_from(["spec.a", "spec.b", "labels.x"]), st.none() | st.integers(0, 1)),
        "criticality": st.sampled_from(["low", "high"]),
    },
)
batches = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.tuples(st.sampled_from([WEB, DB]), specs), max_size=3)


@given(st.lists(batches, max_size=4), batches, st.booleans())
def test_applying_twice_is_applying_once(before, last, prune):
    store = Store()
    for batch in (*before, last):
        said = documents(*(expectation(name, key, **spec) for name, (key, spec) in batch.items()))
        made = store.plan(*said, prune=prune)
        if not made.faults:
            store.apply(*said, prune=prune)
            once = dict(store.declared)
            again = store.plan(*said, prune=prune)
            assert (again.put, again.withdrawn, again.faults, again.changes) == ([], [], [], False)
            assert store.declared == once
