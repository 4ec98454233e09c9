"""Pools in the store: definitions, memberships, and what the public views make of them."""

import json
import random
from time import perf_counter

import pytest

from daemon.reconcile.actual import Actual
from daemon.store import memberships, pools, samples
from daemon.store.views import pools as views
from schemas.events import Sample
from schemas.manifests import API_VERSION
from schemas.pools import Pool
from schemas.resources import Presence, Size
from schemas.selectors import parse
from tests.support.events import NOON, SourceRef, after, failed, key, observed, removed, resource, scan
from tests.support.pools import own_paths
from tests.support.store import fed

BOX = SourceRef(provider="host", name="box")
MIB = 1 << 20


@pytest.fixture
def store(clock):
    clock.advance(hours=4)
    with fed(clock) as made:
        yield made


@pytest.fixture
def do(store):
    return store.database.transact


def make(do, path, *selectors, keys=(), **given):
    do(lambda con: pools.put(con, Pool(path=path, selectors=tuple(map(parse, selectors)), **given)))
    do(lambda con: pools.add(con, path, keys))


def declare(do, name, line=1, **spec):
    manifest = {
        "apiVersion": API_VERSION, "kind": "ResourcePool", "metadata": {"name": name, "description": f"the {name}"},
        "spec": spec,
    }  # fmt: skip
    row = (f"ResourcePool/{name}", "ResourcePool", "folder:/etc", f"{name}.yaml", line, json.dumps(manifest), "h", NOON)
    do(lambda con: con.execute("INSERT INTO declarations_ VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row))


def refresh(do, keys=None):
    return do(lambda con: memberships.refresh(con, keys))


def pairs(store):
    return set(store.rows("SELECT path, key FROM memberships_"))


def row(do, path):
    (found,) = do(lambda con: views.fetch(con, [path], now=NOON))
    return found


# --- definitions -----------------------------------------------------------------------------------------------------


def test_a_pool_comes_back_as_it_was_written(do):
    made = Pool(path="/a/b", type="compute", description="d", properties={"x": {"y": [1, None]}}, unmanaged=True,
                selectors=(parse("kind=container label:a=b"), parse("name='web *'")))  # fmt: skip
    do(lambda con: pools.put(con, made))
    do(lambda con: pools.add(con, "/a/b", [key("web")]))
    assert do(pools.definitions) == {"/a/b": made.model_copy(update={"keys": (key("web"),)})}

    do(lambda con: pools.remove(con, "/a/b", [key("web")]))
    do(lambda con: pools.put(con, made.model_copy(update={"type": "other"})))
    assert do(pools.definitions)["/a/b"].type == "other"
    assert do(pools.definitions)["/a/b"].keys == ()

    do(lambda con: pools.delete(con, ["/a/b"]))
    assert do(pools.definitions) == {}


def test_a_manifest_counts_for_more_than_a_hand_and_uncovers_it_when_it_goes(do):
    make(do, "/a", "name=web", keys=[key("db")], type="by hand")
    declare(do, "a", 4, path="/a", members=["name=mail", {"labels": {"t": "x"}}], unmanaged=True)
    found = do(pools.definitions)["/a"]
    assert found.selectors == (parse("name=mail"), parse("label:t=x"))
    assert (found.type, found.keys, found.description, found.unmanaged) == ("", (), "the a", True)
    assert (found.manifest, found.place) == ("ResourcePool/a", "a.yaml:4")

    do(lambda con: con.execute("DELETE FROM declarations_"))
    assert do(pools.definitions)["/a"].type == "by hand"


# --- memberships -----------------------------------------------------------------------------------------------------


def test_members_come_and_go_with_what_the_resources_are(store, do):
    make(do, "/front", "label:tier=front")
    make(do, "/up", "status=running")
    store.say(observed("web", labels={"tier": "front"}), observed("db", status="stopped"))
    assert refresh(do) == {key("web")}
    assert pairs(store) == {("/front", key("web")), ("/up", key("web"))}

    store.say(observed("web", after(1), status="stopped"), observed("db", after(1)))
    assert refresh(do, [key("web")]) == {key("web")}
    assert pairs(store) == set()
    assert refresh(do, [key("web"), key("db")]) == {key("db")}
    assert pairs(store) == {("/up", key("db"))}
    assert refresh(do) == set()


def test_any_of_a_pools_selectors_is_enough_and_none_is_nobody(store, do):
    make(do, "/a", "name=web", "label:tier=front status=running")
    make(do, "/none")
    store.say(observed("web"), observed("db", labels={"tier": "front"}), observed("mail"))
    refresh(do)
    assert pairs(store) == {("/a", key("web")), ("/a", key("db"))}


def test_pools_in_a_circle_have_nobody_by_it_and_end(store, do):
    make(do, "/a", "pool=/b", "name=web")
    make(do, "/b", "pool=/a")
    make(do, "/c", "pool=/c")
    store.say(observed("web"), observed("db"))
    refresh(do)
    assert pairs(store) == {("/a", key("web")), ("/b", key("web"))}


def test_it_is_told_beforehand_whether_a_refresh_would_write(store, do):
    store.say(observed("web"), observed("db"))

    def stale(keys=None):
        return do(lambda con: memberships.is_stale(con, keys))

    assert not stale()
    make(do, "/a", "name=web")
    assert stale()
    assert stale([key("web")])
    assert not stale([key("db")])
    assert not stale([])
    refresh(do)
    assert not stale()
    do(lambda con: pools.delete(con, ["/a"]))
    assert stale([key("web")])
    refresh(do)
    assert pairs(store) == set()


def test_what_is_gone_stays_a_member_and_is_counted_no_more(store, do):
    make(do, "/a", "name=web", keys=[key("db"), key("never-seen")])
    store.say(observed("web"), observed("db"), scan(["web", "db"]))
    refresh(do)
    store.say(removed("web", after(60)), removed("db", after(60)), scan([], after(60)))
    refresh(do)

    assert store.presences() == {"web": "gone", "db": "gone"}
    assert pairs(store) == {("/a", key("web")), ("/a", key("db")), ("/a", key("never-seen"))}
    assert row(do, "/a").members == 0
    assert do(lambda con: views.members(con, "/a", after=None, limit=10)) == ([], 0)
    assert do(lambda con: views.absent(con, [key("db"), key("never-seen")])) == [key("db"), key("never-seen")]


def test_a_pool_of_what_cannot_be_read_fills_when_a_source_fails(store, do):
    make(do, "/unread", "presence=unknown")
    store.say(observed("web"), scan(["web"]))
    refresh(do)
    assert pairs(store) == set()
    store.say(failed(after(60)))
    assert refresh(do) == {key("web")}
    assert pairs(store) == {("/unread", key("web"))}


def test_a_pool_that_takes_its_members_from_others_takes_those_by_hand_too(store, do):
    make(do, "/a/b", keys=[key("web")])
    make(do, "/c", "pool=/a status=running")
    store.say(observed("web"), observed("db"))
    refresh(do)
    assert pairs(store) == {("/a/b", key("web")), ("/c", key("web"))}
    do(lambda con: pools.remove(con, "/a/b", [key("web")]))
    assert refresh(do, [key("web")]) == {key("web")}
    assert pairs(store) == set()


def test_the_paths_of_a_key_are_those_of_its_own_pools(store, do):
    make(do, "/a/b", "name=web")
    make(do, "/c", keys=[key("web")])
    store.say(observed("web"), observed("db"))
    refresh(do)
    assert do(lambda con: memberships.paths_of(con, [key("web"), key("db")])) == {key("web"): {"/a/b", "/c"}}
    assert do(lambda con: memberships.keys_of(con, ["/a"])) == {key("web")}
    assert do(lambda con: memberships.keys_of(con, ["/a/b/c", "/"])) == set()


def test_pools_in_which_the_unexpected_is_a_deviation_are_known(do):
    make(do, "/a", unmanaged=True)
    make(do, "/b")
    declare(do, "c", path="/c", unmanaged=True)
    assert do(memberships.unmanaged_pools) == {"/a", "/c"}


SELECTORS = (
    "name=web*", "status=running", "label:tier", "label:tier=front", "kind=vm", "source=nas", "source=docker/nas",
    "presence=gone", "presence=present status=stopped", "health=ok", "pool=/p0", "pool=/p1 status=running",
    "pool=/p0/in", key("web-1"), "parent=docker/nas/host/engine",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_members_are_those_that_the_predicate_of_selectors_means(store, do, seed):
    chance = random.Random(seed)
    names = [f"{chance.choice(('web', 'db'))}-{number}" for number in range(12)]
    store.say(
        [
            observed(
                name, status=chance.choice(("running", "stopped")), health=chance.choice(("ok", "unknown")),
                labels=chance.choice(({}, {"tier": "front"}, {"tier": "back"})),
                parent=chance.choice((None, "docker/nas/host/engine")),
            )
            for name in names
        ],
        scan(names),
    )  # fmt: skip
    store.say(removed(names[0], after(60)), scan(names[1:], after(60)))
    for number, path in enumerate(("/p0", "/p0/in", "/p1", "/p2", "/p3/deep")):
        make(do, path, *chance.sample(SELECTORS, chance.randint(0, 3)), keys=[key(chance.choice(names))] * (number % 2))
    refresh(do)

    found = store.rows("SELECT key, presence, name, status, health, parent, to_json(labels)::VARCHAR FROM resources")
    defined = do(pools.definitions)
    expected = {
        (path, key_)
        for key_, presence, name, status, health, parent, labels in found
        for path in own_paths(
            Actual(
                key_, Presence(presence),
                {"name": name, "status": status, "health": health, "parent": parent, "labels": json.loads(labels)},
            ),
            defined,
        )
    }  # fmt: skip
    assert pairs(store) == expected


# --- the public views ------------------------------------------------------------------------------------------------


def test_pools_above_exist_though_nobody_made_them(store, do):
    make(do, "/lab/compute/gpu", "name=web", type="gpu")
    store.say(observed("web"))
    refresh(do)
    assert store.rows("SELECT path, parent, type, members, declared FROM pools ORDER BY path") == [
        ("/lab", None, "", 1, False),
        ("/lab/compute", "/lab", "", 1, False),
        ("/lab/compute/gpu", "/lab/compute", "gpu", 1, False),
    ]


def test_a_member_of_two_pools_below_is_one_member_above(store, do):
    make(do, "/a/b", "name=web")
    make(do, "/a/c", "name=web", "name=db")
    store.say(observed("web"), observed("db", status="stopped"))
    refresh(do)
    assert store.rows("SELECT path, members, running FROM pools ORDER BY path") == [
        ("/a", 2, 1), ("/a/b", 1, 1), ("/a/c", 2, 1),
    ]  # fmt: skip


def test_properties_are_inherited_and_the_nearest_word_wins(store, do):
    make(do, "/a", properties={"owner": "ann", "rack": 1})
    make(do, "/a/b/c", "name=web", properties={"rack": {"row": 2}})
    store.say(observed("web", labels={"tier": "front"}), observed("db", labels={"x": "y"}))
    refresh(do)

    def said(target):
        return {one.name: (one.value, one.origin) for one in do(lambda con: views.dimensions(con, [target]))[target]}

    assert said("/a") == {"owner": ("ann", "/a"), "rack": (1, "/a")}
    assert said("/a/b") == {"owner": ("ann", "/a"), "rack": (1, "/a")}
    assert said("/a/b/c") == {"owner": ("ann", "/a"), "rack": ({"row": 2}, "/a/b/c")}
    assert said(key("web")) == {
        "owner": ("ann", "/a"), "rack": ({"row": 2}, "/a/b/c"), "tier": ("front", key("web")),
    }  # fmt: skip
    assert said(key("db")) == {"x": ("y", key("db"))}


def test_a_pool_that_only_begins_alike_inherits_nothing(store, do):
    make(do, "/a", properties={"owner": "ann"})
    make(do, "/ab", "name=web", properties={"x": 1})
    store.say(observed("web"))
    refresh(do)
    assert store.rows("SELECT name, origin FROM dimensions WHERE target = '/ab'") == [("x", "/ab")]
    assert row(do, "/a").members == 0


def test_of_pools_at_one_depth_one_word_wins_for_a_resource_always_the_same(store, do):
    for path, value in (("/b", 2), ("/a", 1), ("/c", 3)):
        make(do, path, "name=web", properties={"rack": value})
    store.say(observed("web"))
    refresh(do)
    assert store.rows("SELECT value, origin FROM dimensions WHERE target = ?", key("web")) == [("3", "/c")]


def test_a_label_of_a_resource_is_nearer_than_any_pool(store, do):
    make(do, "/a/b/c/d", "name=web", properties={"tier": "pool"})
    store.say(observed("web", labels={"tier": "own"}))
    refresh(do)
    assert store.rows("SELECT value, origin FROM dimensions WHERE target = ?", key("web")) == [('"own"', key("web"))]


# --- capacity and usage ----------------------------------------------------------------------------------------------


def sized(name, cores=None, memory=None, disk=None, source=None, **given):
    size = {"cpu_cores": cores, "memory_bytes": memory, "disk_bytes": disk}
    return observed(resource(name, source, size=size, **given) if source else resource(name, size=size, **given))


def machine(name, source=BOX, **given):
    return sized(name, source=source, kind="node", scope="machine", **given)


def test_members_without_a_machine_are_summed(store, do):
    make(do, "/a", "kind=container")
    store.say(sized("web", 0.5, MIB), sized("db", 2, 3 * MIB), sized("free"))
    refresh(do)
    assert row(do, "/a").capacity == Size(cpu_cores=2.5, memory_bytes=4 * MIB)


def test_what_runs_on_a_machine_is_not_added_to_it(store, do):
    make(do, "/a/nodes", "kind=node")
    make(do, "/a/guests", "kind=container")
    store.say(machine("n1", cores=8, memory=64 * MIB), machine("n2", cores=4, memory=16 * MIB), sized("web", 2, MIB))
    refresh(do)
    assert row(do, "/a").capacity == Size(cpu_cores=12, memory_bytes=80 * MIB)
    assert row(do, "/a/guests").capacity == Size(cpu_cores=2, memory_bytes=MIB)


def test_an_engine_and_a_node_of_one_name_are_one_machine(store, do):
    make(do, "/a", "kind=node", "kind=host")
    engine = sized("engine", 8, 63 * MIB, kind="host", scope="engine").model_copy()
    renamed = observed(engine.resource.model_copy(update={"name": "BOX"}))
    store.say(machine("box", cores=8, memory=64 * MIB), renamed)
    refresh(do)
    assert row(do, "/a").members == 2
    assert row(do, "/a").capacity == Size(cpu_cores=8, memory_bytes=64 * MIB)


def test_what_lies_on_disks_is_not_added_to_them(store, do):
    make(do, "/a", "source=host/box")
    store.say(
        sized("sda", disk=100 * MIB, source=BOX, kind="disk", scope="disks"),
        sized("/data", disk=90 * MIB, source=BOX, kind="storage", scope="disks"),
    )
    refresh(do)
    assert row(do, "/a").capacity == Size(disk_bytes=100 * MIB)


def test_what_is_gone_holds_nothing(store, do):
    make(do, "/a", "kind=container")
    store.say(sized("web", 1), sized("db", 2), scan(["web", "db"]))
    store.say(removed("web", after(60)), scan([sized("db", 2).resource], after(60)))
    refresh(do)
    assert row(do, "/a").capacity == Size(cpu_cores=2)


def measured(do, *said):
    made = [Sample(key=key_, metric=metric, value=value, at=after(at)) for key_, metric, value, at in said]
    do(lambda con: samples.put(con, made))


def test_usage_is_of_the_newest_samples_and_a_containers_ratio_is_of_one_core(store, do):
    make(do, "/a/guests", "kind=container")
    store.say(sized("web", 4), sized("db"))
    refresh(do)
    measured(
        do, (key("web"), "cpu_ratio", 9.0, -60), (key("web"), "cpu_ratio", 1.5, -30),
        (key("db"), "cpu_ratio", 0.25, -1), (key("db"), "memory_used_bytes", 5.0, -1), (key("db"), "load_1m", 77.0, -1),
    )  # fmt: skip
    found = row(do, "/a")
    assert (found.used_cpu_cores, found.used_memory_bytes) == (1.75, 5.0)


def test_a_machines_ratio_is_of_all_its_cores_and_its_guests_are_in_it(store, do):
    make(do, "/a", "kind=node", "kind=container")
    store.say(machine("n1", cores=8, memory=64), sized("web", 2))
    refresh(do)
    node = key("n1", BOX, "node")
    measured(
        do, (node, "cpu_ratio", 0.5, -1), (key("web"), "cpu_ratio", 1.0, -1), (key("web"), "memory_used_bytes", 7, -1)
    )
    found = row(do, "/a")
    assert (found.used_cpu_cores, found.used_memory_bytes) == (4.0, 7.0)


def test_samples_older_than_ten_minutes_say_nothing(store, do):
    make(do, "/a", "kind=container")
    store.say(sized("web", 4))
    refresh(do)
    measured(do, (key("web"), "cpu_ratio", 1.0, -601))
    assert row(do, "/a").used_cpu_cores is None


# --- scale -----------------------------------------------------------------------------------------------------------

MANY = 100_000
_MANY = f"""
INSERT INTO inventory_
SELECT 'docker/s' || i % 5 || '/container/' || i, 'docker', 's' || i % 5, 'container', i, 'app' || i, '', 'c',
    'running', '', 'ok', 'present', false, NULL, '[]', MAP {{'site': 's' || i % 7, 'tier': 't' || i % 2}}, [], 1, 1000,
    NULL, NULL, NULL, i, '', '{{}}', '{{}}', 'h', now(), now(), now(), 'app' || i, ''
FROM range({MANY}) AS t(i)
"""


def test_ten_pools_over_100_000_resources_are_refreshed_in_a_second(store, do):
    do(lambda con: con.execute(_MANY))
    for number in range(5):
        make(do, f"/lab/s{number}", f"source=s{number} name=app1*", properties={"rack": number})
        make(do, f"/site/s{number}", f"label:site=s{number}", "status=stopped")
    took = [_seconds(lambda keys=keys: refresh(do, keys)) for keys in (None, None, ["docker/s1/container/1"])]

    assert len(refresh(do)) == 0
    assert row(do, "/lab").members == store.rows("SELECT count(*) FROM inventory_ WHERE name GLOB 'app1*'")[0][0]
    print(f"first {took[0]:.2f} s, again {took[1]:.2f} s, one key {took[2] * 1000:.0f} ms")
    assert took[0] < 3  # 0.3 s on an idle machine
    assert took[1] < 2
    assert took[2] < 0.2


def _seconds(work):
    began = perf_counter()
    work()
    return perf_counter() - began
