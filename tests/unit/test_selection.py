"""Which cluster is meant: said, told by the name, told by the vmid, or the default, in this order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.selection import AmbiguousClusterSelection, ClusterError, ClusterNotFound, Clusters, select, source_name

NAMES = ("prod", "staging", "dr")
THREE = Clusters(
    names=NAMES,
    patterns={"prod-": "prod", "prod-dr-": "dr", "st*-db?": "staging", "we????": "dr", "web": "staging"},
    vmids={"100-199": "prod", "150-159": "dr", "200": "staging"},
    seen={155: frozenset({"staging"}), 500: frozenset({"dr"}), 501: frozenset({"dr", "prod"})},
)


@pytest.mark.parametrize(
    ("asked", "cluster", "how"),
    [
        ({"explicit": "dr", "name": "prod-web", "vmid": 100}, "dr", "explicit"),
        ({"explicit": "proxmox/dr"}, "dr", "explicit"),
        ({"explicit": "Staging"}, "staging", "explicit"),
        ({"name": "prod-web01", "vmid": 200}, "prod", "pattern"),
        ({"name": "PROD-WEB01"}, "prod", "pattern"),
        ({"name": "prod-dr-web"}, "dr", "pattern"),
        ({"name": "stage-db1"}, "staging", "pattern"),
        ({"name": "web123"}, "staging", "pattern"),
        ({"name": "vm-dr"}, "dr", "name"),
        ({"name": "db.staging.lan", "vmid": 100}, "staging", "name"),
        ({"name": "db-prod01"}, "prod", "name"),
        ({"name": "mail", "vmid": 100}, "prod", "vmid"),
        ({"vmid": 155}, "dr", "vmid"),
        ({"vmid": 200}, "staging", "vmid"),
        ({"vmid": 500}, "dr", "seen"),
        ({"vmid": 501}, "prod", "default"),
        ({"name": "production"}, "prod", "default"),
        ({"name": "reprod"}, "prod", "default"),
        ({}, "prod", "default"),
    ],
    ids=str,
)
def test_what_is_asked_first_counts(asked, cluster, how):
    selection = select(THREE, **asked)
    assert (selection.cluster, selection.how) == (cluster, how)
    assert selection.why


def test_the_default_may_be_said():
    assert select(Clusters(names=NAMES, default="dr")).cluster == "dr"


@pytest.mark.parametrize(
    "asked", [{"name": "mail"}, {"vmid": 501}, {"name": "production", "vmid": 999}, {}], ids=str
)  # fmt: skip
def test_a_change_never_takes_the_default_among_several(asked):
    with pytest.raises(AmbiguousClusterSelection, match="say which one is meant") as caught:
        select(THREE, **asked, intent="write")
    assert caught.value.candidates == NAMES


@pytest.mark.parametrize(
    ("clusters", "asked", "candidates"),
    [
        (Clusters(names=("a", "b"), patterns={"we?": "a", "w?b": "b"}), {"name": "web"}, ("a", "b")),
        (Clusters(names=("a", "b"), vmids={"100-110": "a", "105-115": "b"}), {"vmid": 107}, ("a", "b")),
        (Clusters(names=("dr", "prod")), {"name": "prod-to-dr"}, ("dr", "prod")),
        (Clusters(names=("my-lab", "my_lab")), {"explicit": "My.Lab"}, ("my-lab", "my_lab")),
    ],
    ids=("patterns", "vmids", "own names", "said"),
)
def test_what_may_mean_two_clusters_means_neither(clusters, asked, candidates):
    with pytest.raises(AmbiguousClusterSelection) as caught:
        select(clusters, **asked)
    assert caught.value.candidates == candidates


@pytest.mark.parametrize(
    ("clusters", "asked", "says"),
    [
        (THREE, {"explicit": "prd"}, "no cluster is called 'prd'; known are prod, staging, dr"),
        (Clusters(names=("pve",)), {"explicit": "prod"}, "no cluster is called 'prod'; known are pve"),
        (Clusters(), {"explicit": "prod"}, "no cluster is called 'prod'; none is known"),
        (Clusters(), {"vmid": 100}, "no cluster is known"),
        (Clusters(names=("a", "b"), patterns={"x": "c"}), {"name": "xy"}, "the pattern 'x': no cluster is called 'c'"),
        (Clusters(names=("a", "b"), vmids={"7": "c"}), {"vmid": 7}, "the range 7 of vmids: no cluster is called 'c'"),
        (Clusters(names=("a", "b"), default="c"), {}, "the default: no cluster is called 'c'"),
    ],
)
def test_a_cluster_that_nobody_knows_is_told_with_those_that_are_known(clusters, asked, says):
    with pytest.raises(ClusterNotFound) as caught:
        select(clusters, **asked)
    assert str(caught.value).startswith(says)
    assert caught.value.candidates == clusters.names


def test_the_longer_of_two_names_within_a_name_is_meant():
    assert select(Clusters(names=("prod", "prod-eu", "x")), name="web-prod-eu-1").cluster == "prod-eu"


@pytest.mark.parametrize(("cluster", "name"), [("eu1", "web-eu12"), ("1eu", "21eu"), ("eu", "neu"), ("eu", "eus")])
def test_a_part_of_a_word_is_no_name(cluster, name):
    assert select(Clusters(names=("x", cluster)), name=name).how == "default"


def test_a_name_is_made_fit_for_a_source():
    assert source_name(" Prod_EU.1 ") == "prod-eu-1"


# --- whatever is asked -----------------------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "c", "lab", "lab-2", "prod"])
words = st.text("abl-2x*?", min_size=1, max_size=5)
spans = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda two: f"{min(two)}-{max(two)}")


@st.composite
def several(draw: st.DrawFn) -> Clusters:
    known = tuple(draw(st.lists(names, min_size=2, max_size=4, unique=True)))
    one = st.sampled_from(known)
    return Clusters(
        names=known,
        patterns=draw(st.dictionaries(words, one, max_size=4)),
        vmids=draw(st.dictionaries(spans, one, max_size=4)),
        default=draw(st.none() | one),
        seen=draw(st.dictionaries(st.integers(0, 20), st.frozensets(one), max_size=4)),
    )


asked = st.fixed_dictionaries(
    {
        "name": st.none() | words | st.sampled_from(["lab-2-x", "x-prod", "lab-prod"]),
        "vmid": st.none() | st.integers(0, 20),
    }
)


def told(clusters, question, intent="read"):
    """What is selected, or refused."""
    try:
        return select(clusters, **question, intent=intent)
    except ClusterError as error:
        return error


@given(several(), asked, st.sampled_from(["read", "write"]))
def test_what_is_selected_is_known_and_what_is_refused_has_candidates(clusters, question, intent):
    answer = told(clusters, question, intent)
    if isinstance(answer, ClusterError):
        assert len(answer.candidates) > 1
        assert set(answer.candidates) <= set(clusters.names)
    else:
        assert answer.cluster in clusters.names
        assert not (intent == "write" and answer.how == "default")


@given(several(), asked, names)
def test_what_is_said_counts_whatever_else_there_is(clusters, question, said):
    if said in clusters.names:
        assert select(clusters, explicit=said, **question, intent="write").cluster == said
    else:
        with pytest.raises(ClusterNotFound):
            select(clusters, explicit=said, **question)


@given(several(), asked, st.sampled_from(["read", "write"]))
def test_the_only_cluster_is_always_the_one(clusters, question, intent):
    only = Clusters(clusters.names[:1], clusters.patterns, clusters.vmids, clusters.default, clusters.seen)
    assert select(only, **question, intent=intent).cluster == only.names[0]


@given(several(), asked)
def test_where_something_tells_a_reader_and_a_writer_are_told_the_same(clusters, question):
    read, write = told(clusters, question), told(clusters, question, "write")
    assert str(read) == str(write) or getattr(read, "how", "") == "default"


@given(several(), asked)
def test_the_order_of_patterns_and_ranges_says_nothing(clusters, question):
    turned = Clusters(
        clusters.names,
        dict(reversed(clusters.patterns.items())),
        dict(reversed(clusters.vmids.items())),
        clusters.default,
        clusters.seen,
    )
    assert str(told(clusters, question)) == str(told(turned, question))


@given(
    st.dictionaries(st.text("abc-", min_size=1, max_size=4), names, min_size=1, max_size=6), st.text("abc-", max_size=6)
)
def test_of_prefixes_the_longest_counts(patterns, name):
    known = ("zz", *sorted(set(patterns.values())))
    fitting = sorted((pattern for pattern in patterns if name.startswith(pattern)), key=len)
    selection = select(Clusters(names=known, patterns=patterns), name=name) if fitting else None
    if selection is not None:
        assert (selection.cluster, selection.how) == (patterns[fitting[-1]], "pattern")


@given(st.dictionaries(spans, names, min_size=1, max_size=6), st.integers(0, 20))
def test_of_ranges_the_narrowest_counts(vmids, vmid):
    widths = {}
    for text, cluster in vmids.items():
        first, last = map(int, text.split("-"))
        if first <= vmid <= last:
            widths.setdefault(last - first, set()).add(cluster)
    clusters = Clusters(names=("zz", *sorted(set(vmids.values()))), vmids=vmids)
    if not widths:
        assert select(clusters, vmid=vmid).how == "default"
    elif len(best := widths[min(widths)]) > 1:
        with pytest.raises(AmbiguousClusterSelection):
            select(clusters, vmid=vmid)
    else:
        assert select(clusters, vmid=vmid).cluster in best
