import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.reconcile import matching
from daemon.reconcile.actual import Actual
from daemon.store import actuals
from daemon.store.views import resources
from schemas import globs
from schemas.resources import Health, Kind, Presence, SourceRef, Status
from schemas.selectors import Selector, parse
from tests.support.events import NAS, after, failed, observed, removed, resource, scan
from tests.support.store import fed

LAB = SourceRef(provider="proxmox", name="lab")
POOLS = {"/": [], "/lab/front": ["web"], "/lab": ["db"], "/laboratory": ["cache"], "/lab/front/edge": ["web-2", "100"]}
NAMES = ("web", "web-2", "db", "WEB", "w[b", "lost", "a\nb", "é", "", "back\\slash")


@pytest.fixture(scope="module")
def everything():
    """A store with something of each sort, and the same as the predicate sees it."""
    from tests.conftest import FakeClock  # noqa: PLC0415

    with fed(FakeClock()) as store:
        labels = ({}, {"tier": "front"}, {"tier": "", "a=b": "c"}, {"tier": "back", "x": "y"})
        found = [
            resource(name or "nameless", NAS, name=name, labels=labels[place % 4], status=list(Status)[place % 6],
                     health=list(Health)[place % 4], parent="docker/nas/stack/shop" if place % 2 else None)
            for place, name in enumerate(NAMES)
        ]  # fmt: skip
        found += [resource("data", NAS, kind=Kind.VOLUME, scope="volumes"), resource("gone", NAS)]
        guests = [resource("100", LAB, kind=Kind.VM, scope="vms"), resource("pve", LAB, kind=Kind.NODE, scope="nodes")]
        store.say([observed(one) for one in (*found, *guests)])
        store.say(scan([one for one in found if one.scope == "containers"]), scan(found[-2:-1], scope="volumes"))
        store.say(scan(guests[:1], source=LAB, scope="vms"), scan(guests[1:], source=LAB, scope="nodes"))
        store.say(removed("gone", after(1)))
        store.say(scan([one for one in found[:-1] if one.scope == "containers" and one.name != "lost"], after(60)))
        store.say(failed(after(61), source=LAB, scope="vms"))
        pairs = {
            key: {path for path, ids in POOLS.items() if key.rpartition("/")[2] in ids}
            for key in (one.key for one in (*found, *guests))
        }
        for path, member in ((path, key) for key, paths in pairs.items() for path in paths):
            store.rows("INSERT INTO memberships_ VALUES (?, ?)", path, member)
        keys = [key for (key,) in store.rows("SELECT key FROM inventory_")]
        seen = store.database.transact(lambda con: actuals.fetch(con, keys))
        yield (
            store,
            [Actual(one.key, Presence(one.presence), one.fields, pools=frozenset(pairs[one.key])) for one in seen],
        )


globs_ = st.text(alphabet="web-*?[]!^a\\é2.dB\n", max_size=6)
selectors_ = st.builds(
    Selector,
    keys=st.lists(st.sampled_from(["docker/nas/container/web", "proxmox/lab/vm/100", "a/b/vm/c"]), max_size=2).map(
        tuple
    ),
    provider=st.none() | st.sampled_from(["docker", "proxmox"]),
    source=st.none() | st.sampled_from(["nas", "lab", "docker/nas", "docker/lab", "proxmox/lab"]),
    kind=st.none() | st.sampled_from([Kind.CONTAINER, Kind.VM, Kind.VOLUME]),
    name=st.none() | globs_ | st.sampled_from(["web*", "*", "w[b", "[!w]*", "?", "[a-e]b", "[z-a]", "*\n*", "[]"]),
    label=st.lists(st.sampled_from(["tier", "tier=front", "tier=", "a", "a=b=c", "x=y", "no"]), max_size=2).map(tuple),
    status=st.none() | st.sampled_from(list(Status)),
    health=st.none() | st.sampled_from(list(Health)),
    presence=st.none() | st.sampled_from(list(Presence)),
    parent=st.none() | st.sampled_from(["docker/nas/stack/shop", "docker/nas/stack/none"]),
    pool=st.none() | st.sampled_from(["/lab", "/lab/front", "/", "/nowhere"]),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(selector=selectors_)
def test_the_predicate_and_the_sql_mean_the_same(everything, selector):
    store, seen = everything

    chosen = store.database.transact(lambda con: resources.keys(con, resources.condition(selector), limit=1000))
    at_once = store.database.transact(lambda con: resources.meant(con, [Selector(name="nobody"), selector]))

    assert {one.key for one in seen if matching.matches(selector, one)} == set(chosen)
    assert {key for key, places in at_once.items() if 1 in places} == set(chosen)


@pytest.mark.parametrize(
    ("glob", "text", "fits"),
    [
        ("web-*", "web-1", True), ("web-*", "web", False), ("w?b", "web", True), ("w?b", "wb", False),
        ("[a-c]1", "b1", True), ("[!a-c]1", "b1", False), ("[^a-c]1", "d1", True), ("[", "[", True),
        ("[]]", "]", True), ("*.service", "a.service", True), ("*.service", "aXservice", False), ("Web", "web", False),
        ("w[eb", "w[eb", True),
        ("a.b", "axb", False), ("*", "two\nlines", True), ("[z-a]", "b", False), ("[!z-a]", "b", True),
    ],
)  # fmt: skip
def test_a_glob_means_what_one_expects(glob, text, fits):
    assert bool(globs.compiled(glob).fullmatch(text)) is fits


def test_what_is_gone_is_meant_only_by_who_asks_for_it():
    gone = Actual("docker/nas/container/web", Presence.GONE, {"name": "web"})

    assert not matching.matches(parse("name=web"), gone)
    assert matching.matches(parse("name=web presence=gone"), gone)


def test_the_pools_below_are_meant_too():
    web = Actual("docker/nas/container/web", Presence.PRESENT, {"name": "web"}, pools=frozenset({"/lab/front"}))

    assert matching.matches(parse("pool=/lab"), web)
    assert not matching.matches(parse("pool=/la"), web)
