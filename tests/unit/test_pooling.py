"""Questions about pools and their changes, over a real store."""

import pytest

from daemon.api.answers import Refused
from daemon.api.pooling import Pooling
from daemon.api.reading import Reading
from daemon.reconcile import declaring
from schemas.expected_queries import Document, ExpectApplyQuery, Place, PoolChangeQuery, PoolsQuery
from schemas.manifests import API_VERSION
from schemas.queries import ResourcesQuery
from tests.support.events import after, key, observed, removed, scan
from tests.support.store import fed
from tests.unit.test_store_pools import declare


@pytest.fixture
def store(clock):
    clock.advance(hours=4)
    with fed(clock) as made:
        made.say(
            observed("web", labels={"tier": "front"}), observed("db"), observed("mail"), scan(["web", "db", "mail"])
        )
        yield made


class Asked:
    """``moved`` has the keys that were to be judged again after the last change."""

    def __init__(self, store, clock):
        self.moved = None
        self.pooling = Pooling(store.database, clock, lambda keys: setattr(self, "moved", set(keys)))

    async def put(self, path, *selectors, **given):
        return await self.change(path, selectors=selectors or None, **given)

    async def change(self, path, act="put", **given):
        answer = await self.pooling.pool_change(PoolChangeQuery(path=path, act=act, **given))
        return answer.changed

    async def refused(self, path, act="put", **given):
        with pytest.raises(Refused) as refused:
            await self.change(path, act, **given)
        return refused.value

    async def pools(self, **given):
        return await self.pooling.pools(PoolsQuery(**given))

    async def paths(self):
        return [row.path for row in (await self.pools()).items]

    async def members(self, path):
        return set((await self.pools(path=path, members=True)).members)


@pytest.fixture
def asked(store, clock):
    return Asked(store, clock)


async def test_a_pool_is_made_and_has_its_members_at_once(asked):
    assert await asked.put("/lab/front", "label:tier=front", properties={"rack": 1}) == ("/lab/front",)
    assert asked.moved == {key("web")}
    answer = await asked.pools()
    assert [(row.path, row.members, row.running) for row in answer.items] == [("/lab", 1, 1), ("/lab/front", 1, 1)]
    assert answer.items[1].selectors == ("label:tier=front",)
    assert [(one.name, one.value, one.origin) for one in answer.items[1].properties] == [("rack", 1, "/lab/front")]
    assert [one.source for one in answer.sources] == ["docker/nas"]


async def test_saying_it_again_changes_nothing(asked):
    await asked.put("/lab", "name=web", type="compute")
    assert await asked.put("/lab", "name=web", type="compute") == ()
    assert await asked.put("/lab", type="storage") == ("/lab",)
    assert asked.moved == set()


async def test_members_come_and_go_by_hand_by_name_or_key(asked):
    await asked.put("/lab")
    assert await asked.change("/lab", "add", keys=("web", key("db"), "db")) == (key("db"), key("web"))
    assert await asked.change("/lab", "add", keys=("web",)) == ()
    assert await asked.members("/lab") == {key("web"), key("db")}
    assert await asked.change("/lab", "remove", keys=("web", "mail")) == (key("web"),)
    assert asked.moved == {key("web")}
    assert await asked.members("/lab") == {key("db")}


async def test_adding_to_a_pool_that_was_only_above_others_makes_it_one(asked):
    await asked.put("/lab/front", "name=web")
    await asked.change("/lab", "add", keys=("db",))
    assert await asked.members("/lab") == {key("web"), key("db")}
    assert await asked.change("/lab/front", "delete") == ("/lab/front",)
    assert await asked.paths() == ["/lab"]


async def test_a_member_by_hand_that_is_gone_is_told_and_can_be_taken_out(asked, store):
    await asked.put("/lab")
    await asked.change("/lab", "add", keys=("web",))
    store.say(removed("web", after(60)), scan(["db", "mail"], after(60)))

    answer = await asked.pools(path="/lab", members=True)
    assert answer.members == ()
    assert answer.hint == f"members by hand that are not there: {key('web')}"
    assert await asked.change("/lab", "remove", keys=(key("web"),)) == (key("web"),)
    assert (await asked.pools(path="/lab", members=True)).hint == ""


async def test_what_belongs_by_selector_cannot_be_taken_out_by_hand(asked):
    await asked.put("/lab", "name=web")
    refused = await asked.refused("/lab", "remove", keys=("web",))
    assert "by its selectors" in str(refused)
    assert refused.candidates == (key("web"),)


async def test_what_nobody_knows_is_not_added(asked):
    await asked.put("/lab")
    refused = await asked.refused("/lab", "add", keys=("wep", "db"))
    assert refused.code == "not_found"
    assert key("web") in refused.candidates
    assert await asked.members("/lab") == set()


async def test_a_declared_pool_is_changed_where_it_is_declared(asked, store):
    declare(store.database.transact, "lab", 7, path="/lab", members=["name=web"])
    for act, given in (
        ("put", {"type": "x"}),
        ("delete", {}),
        ("add", {"keys": ("db",)}),
        ("remove", {"keys": ("web",)}),
    ):
        refused = await asked.refused("/lab", act, **given)
        assert (refused.code, str(refused)) == ("refused", "/lab is declared in lab.yaml:7: change it there")
    (row,) = (await asked.pools()).items
    assert (row.declared, row.place, row.description) == (True, "lab.yaml:7", "the lab")


async def test_a_pool_with_full_ones_below_is_not_deleted(asked):
    await asked.put("/lab", type="x")
    await asked.put("/lab/front", "name=web")
    await asked.put("/lab/empty")
    refused = await asked.refused("/lab", "delete")
    assert refused.candidates == ("/lab/front",)
    assert await asked.paths() == ["/lab", "/lab/empty", "/lab/front"]

    await asked.change("/lab/front", selectors=())
    assert await asked.change("/lab", "delete") == ("/lab", "/lab/empty", "/lab/front")
    assert await asked.paths() == []


async def test_a_pool_above_a_declared_one_is_not_deleted(asked, store):
    await asked.put("/lab", type="x")
    declare(store.database.transact, "front", 2, path="/lab/front")
    assert "front.yaml:2" in str(await asked.refused("/lab", "delete"))


async def test_deleting_a_pool_lets_its_members_go(asked):
    await asked.put("/lab", "name=web")
    await asked.change("/lab", "add", keys=("db",))
    await asked.change("/lab", "delete")
    assert asked.moved == {key("web"), key("db")}
    assert await asked.paths() == []
    await asked.put("/lab")
    assert await asked.members("/lab") == set()


async def test_a_pool_that_nobody_made_cannot_be_deleted(asked):
    await asked.put("/lab/front")
    refused = await asked.refused("/lab", "delete")
    assert "nobody made /lab" in str(refused)
    assert refused.candidates == ("/lab/front",)


@pytest.mark.parametrize(
    ("path", "given", "told"),
    [
        ("lab", {}, "/like/this"),
        ("/", {}, "/like/this"),
        ("/lab", {"selectors": ("colour=red",)}, "'colour' is none of"),
        ("/lab", {"selectors": ("",)}, "everything"),
        ("/lab", {"keys": ("web",)}, "add and remove"),
        ("/lab", {"act": "add"}, "say which"),
        ("/lab", {"selectors": ("pool=/lab",)}, "/lab -> /lab"),
    ],
)
async def test_a_change_that_makes_no_sense_is_refused_and_changes_nothing(asked, path, given, told):
    await asked.put("/lab", type="x")
    assert told in str(await asked.refused(path, **given))
    assert await asked.paths() == ["/lab"]
    assert (await asked.pools()).items[0].selectors == ()


def document(name, line, **spec):
    manifest = {"apiVersion": API_VERSION, "kind": "ResourcePool", "metadata": {"name": name}, "spec": spec}
    return Document(place=Place(file="lab.yaml", line=line), manifest=manifest, lines={"spec.members": line + 5})


async def test_manifests_become_pools_and_one_in_a_circle_is_a_fault(asked, store, clock):
    first = document("first", 1, path="/a", members=["name=web", "pool=/b"], properties={"rack": 1})

    async def applied(*documents):
        return await declaring.apply(store.database, ExpectApplyQuery(documents=documents), clock.now())

    assert (await applied(first)).faults == []
    assert await asked.members("/a") == {key("web")}
    faults = (await applied(document("second", 11, path="/b/c", members=[{"pool": "/a"}]))).faults
    assert [*map(str, faults)] == ["lab.yaml:16: spec.members: the members depend on themselves: /a -> /b/c -> /a"]
    assert await asked.paths() == ["/a"]


async def test_a_circle_through_other_pools_is_refused(asked):
    await asked.put("/a", "pool=/b")
    assert "/a -> /b -> /a" in str(await asked.refused("/b", selectors=("pool=/a",))).replace(
        "/b -> /a -> /b", "/a -> /b -> /a"
    )


async def test_an_unknown_pool_is_told_with_those_that_are_like_it(asked):
    await asked.put("/lab/front")
    with pytest.raises(Refused) as refused:
        await asked.pools(path="/lab/frnt")
    assert (refused.value.code, refused.value.candidates[0]) == ("not_found", "/lab/front")
    assert (await asked.refused("/lab/frnt", "add", keys=("web",))).code == "not_found"
    assert (await asked.refused("/lab/frnt", "delete")).code == "not_found"


async def test_members_without_a_pool_are_a_bad_question(asked):
    with pytest.raises(Refused, match="of which pool"):
        await asked.pools(members=True)


async def test_pools_are_paged(asked):
    for name in "abc":
        await asked.put(f"/{name}")
    first = await asked.pools(limit=2)
    assert ([row.path for row in first.items], first.total, first.next_cursor) == (["/a", "/b"], 3, "/b")
    assert "2 of 3" in first.hint
    rest = await asked.pools(limit=2, cursor=first.next_cursor)
    assert ([row.path for row in rest.items], rest.next_cursor) == (["/c"], None)


async def test_members_are_paged(asked):
    await asked.put("/lab/all", "kind=container")
    first = await asked.pools(path="/lab", members=True, limit=2)
    assert (first.members, first.total) == ((key("db"), key("mail")), 3)
    rest = await asked.pools(path="/lab", members=True, limit=2, cursor=first.next_cursor)
    assert (rest.members, rest.next_cursor) == ((key("web"),), None)
    assert [row.path for row in first.items] == ["/lab"]


async def test_only_a_pool_and_those_below_it_are_answered(asked):
    for path in ("/lab/a", "/lab", "/lab-2"):
        await asked.put(path)
    assert [row.path for row in (await asked.pools(path="/lab")).items] == ["/lab", "/lab/a"]


async def test_resources_are_found_by_their_pool(asked, store, clock):
    await asked.put("/lab/front", "name=web")
    await asked.put("/labor", "name=db")
    found = await Reading(store.database, clock).resources(ResourcesQuery(pool="/lab"))
    assert [row["key"] for row in found.items] == [key("web")]
