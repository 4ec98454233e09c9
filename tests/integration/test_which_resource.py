"""Which resource is meant by a name or a vmid, where several clusters and an engine are watched."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from daemon.api.answers import Refused
from daemon.api.expecting import Expecting
from daemon.api.intents import Intents
from daemon.api.picturing import Picturing
from daemon.api.pooling import Pooling
from daemon.api.reading import Reading
from daemon.api.resolving import Meant, Resolver
from daemon.reconcile.loop import Reconciler
from schemas import expected_queries as e
from schemas import queries as q
from schemas.resources import Kind, Resource, SourceRef
from schemas.selection import Clusters
from tests.conftest import FakeClock
from tests.support import events
from tests.support.events import NAS, after
from tests.support.store import Fed, fed

PROD, STG = SourceRef(provider="proxmox", name="prod"), SourceRef(provider="proxmox", name="stg-2")
OTHER = SourceRef(provider="docker", name="prod")
WEB, PROD_100, PROD_DB = NAS.key(Kind.CONTAINER, "web"), PROD.key(Kind.VM, "100"), PROD.key(Kind.VM, "101")
STG_100, STG_DB, STG_CI = STG.key(Kind.VM, "100"), STG.key(Kind.CONTAINER, "104"), STG.key(Kind.VM, "106")
DOUBT = "another 'ci' may be in what cannot be read: "
STG_105 = STG.key(Kind.VM, "105")


def of(source: SourceRef, native_id: str, name: str, kind: Kind = Kind.VM) -> Resource:
    return events.resource(native_id, source, kind=kind, scope="all", name=name)


WORLD = {
    PROD: (
        of(PROD, "100", "prod-web01"), of(PROD, "101", "db"), of(PROD, "102", "mail"),
        of(PROD, "100", "prod-web01", Kind.BACKUP), of(PROD, "100/db", "db", Kind.SNAPSHOT), of(PROD, "103", "twin"),
    ),
    OTHER: (of(OTHER, "twin", "twin", Kind.CONTAINER), of(OTHER, "alone", "alone", Kind.CONTAINER)),
    STG: (of(STG, "100", "web"), of(STG, "104", "db", Kind.CONTAINER), of(STG, "105", "104"), of(STG, "106", "ci")),
    NAS: (of(NAS, "web", "web", Kind.CONTAINER), of(NAS, "cache", "cache", Kind.CONTAINER)),
}  # fmt: skip


@contextmanager
def world(*more: events.InventoryEvent) -> Iterator[Fed]:
    clock = FakeClock()
    clock.advance(hours=4)
    with fed(clock) as store:
        for source, found in WORLD.items():
            store.say(*map(events.observed, found), events.scan(found, source=source, scope="all"))
        if more:
            store.say(*more)
        yield store


@pytest.fixture(scope="module")
def well() -> Iterator[Fed]:
    with world() as store:
        yield store


@pytest.fixture(scope="module")
def ill() -> Iterator[Fed]:
    """As ``well``, but prod can be read no longer."""
    with world(events.failed(after(60), detail="no route", source=PROD, scope="all")) as store:
        yield store


def meant(store: Fed, text: str, cluster: str | None = None, intent: str = "read", **known: object) -> Meant:
    resolver = Resolver(Clusters(**known))  # type: ignore[arg-type]
    return store.database.transact(lambda con: resolver.meant(con, text, cluster=cluster, intent=intent))  # type: ignore[arg-type]


def refused(store: Fed, text: str, cluster: str | None = None, intent: str = "read", **known: object) -> Refused:
    with pytest.raises(Refused) as caught:
        meant(store, text, cluster, intent, **known)
    return caught.value


# --- a reader --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cluster", "key"),
    [
        (STG_100, None, STG_100),
        ("prod-web01", None, PROD_100),
        ("mail", None, PROD.key(Kind.VM, "102")),
        ("101", None, PROD_DB),
        ("cache", None, NAS.key(Kind.CONTAINER, "cache")),
        ("100", "prod", PROD_100),
        ("100", "stg-2", STG_100),
        ("100", "STG_2", STG_100),
        ("100", "proxmox/stg-2", STG_100),
        ("vm/100", "prod", PROD_100),
        ("web", "stg-2", STG_100),
        ("web", "nas", WEB),
        ("web", "docker/nas", WEB),
        ("db", "prod", PROD_DB),
        ("twin", "prod", PROD.key(Kind.VM, "103")),
        ("twin", "docker/prod", OTHER.key(Kind.CONTAINER, "twin")),
        (PROD_100, "prod", PROD_100),
    ],
)
def test_a_resource_is_found_by_less_than_its_key(well, text, cluster, key):
    assert meant(well, text, cluster) == Meant(key)


@pytest.mark.parametrize(
    ("text", "known", "key"),
    [
        ("100", {}, PROD_100),
        ("100", {"names": ("stg-2", "prod")}, STG_100),
        ("100", {"default": "stg-2"}, STG_100),
        ("100", {"vmids": {"100-199": "stg-2"}, "default": "prod"}, STG_100),
        ("db", {"patterns": {"d": "stg-2"}}, STG_DB),
        ("db", {"patterns": {"d": "prod"}, "default": "stg-2"}, PROD_DB),
    ],
    ids=str,
)
def test_between_clusters_decides_what_is_said_of_them(well, text, known, key):
    assert meant(well, text, **known).key == key


def test_what_was_taken_by_default_says_so(well):
    hint = "'100' is in stg-2, too; prod was taken because it is the first: say the cluster"
    assert meant(well, "100") == Meant(PROD_100, hint)
    assert meant(well, "100", vmids={"100": "prod"}).hint == ""


@pytest.mark.parametrize(
    ("asked", "known", "code", "candidates"),
    [
        (("web",), {}, "ambiguous", (WEB, STG_100)),
        (("web",), {"patterns": {"web": "stg-2"}}, "ambiguous", (WEB, STG_100)),
        (("104", "stg-2"), {}, "ambiguous", (STG_DB, STG_105)),
        (("104",), {}, "ambiguous", (STG_DB, STG_105)),
        (("db",), {"names": ("dr",), "default": "dr"}, "ambiguous", (PROD_DB, STG_DB)),
        (("db",), {"patterns": {"d": "nobody"}}, "ambiguous", (PROD_DB, STG_DB)),
        (("100", "prd"), {}, "not_found", ("prod", "stg-2")),
        (("ci", "prod"), {}, "not_found", (STG_CI,)),
        (("alone", "prod"), {}, "not_found", (OTHER.key(Kind.CONTAINER, "alone"),)),
        ((PROD_100, "stg-2"), {}, "bad_query", ()),
    ],
    ids=str,
)
def test_what_cannot_be_told_is_refused_with_what_may_be_meant(well, asked, known, code, candidates):
    problem = refused(well, *asked, **known)
    assert (problem.code, problem.candidates) == (code, candidates)


# --- what cannot be read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [("nobody", "prod"), ("prod-db7",), ("900",)])
def test_what_is_not_found_where_nothing_can_be_read_is_not_said_to_be_absent(ill, well, asked):
    known = {"patterns": {"prod-": "prod"}, "vmids": {"900": "prod"}}
    problem = refused(ill, *asked, **known)
    assert problem.code == "unreachable"
    assert str(problem) == f"whether there is {asked[0]!r} cannot be told: proxmox/prod is failed: no route"
    assert refused(well, *asked, **known).code == "not_found"


def test_what_nothing_tells_the_cluster_of_is_not_found_with_what_could_not_be_read(ill, well):
    problem = refused(ill, "nobody")
    assert (problem.code, str(problem)) == (
        "not_found",
        "no resource is called 'nobody'; not everything can be read: proxmox/prod is failed: no route",
    )
    assert str(refused(well, "nobody")) == "no resource is called 'nobody'"
    assert refused(ill, "nobody", "stg-2").code == "not_found"
    assert refused(ill, "999").candidates == refused(ill, "999", "stg-2").candidates == ()
    assert refused(ill, "ail").candidates[0] == PROD.key(Kind.VM, "102")


def test_what_was_read_before_is_still_told(ill):
    assert meant(ill, "prod-web01") == meant(ill, "100", "prod") == Meant(PROD_100)


def test_the_only_one_that_is_known_is_shown_with_the_doubt(ill, well):
    """A pattern puts it into a cluster that cannot be read; another cluster was never read."""
    by_pattern = meant(ill, "ci", patterns={"c": "prod"})
    assert by_pattern == Meant(STG_CI, DOUBT + "proxmox/prod is failed: no route")
    never = meant(well, "ci", names=("dr",))
    assert never == Meant(STG_CI, DOUBT + "proxmox/dr has not been read yet")


# --- a change --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [{}, {"default": "prod"}, {"names": ("prod", "stg-2")}], ids=str)
def test_a_change_is_never_made_in_a_cluster_by_default(well, known):
    problem = refused(well, "100", intent="write", **known)
    assert (problem.code, problem.candidates) == ("ambiguous", (PROD_100, STG_100))
    assert "say which one is meant, or use a key" in str(problem)


@pytest.mark.parametrize(
    ("asked", "known", "key"),
    [
        (("100", "stg-2"), {}, STG_100),
        (("prod-web01",), {}, PROD_100),
        (("ci",), {}, STG_CI),
        ((PROD_100,), {}, PROD_100),
        (("100",), {"vmids": {"100-199": "prod"}}, PROD_100),
        (("db",), {"patterns": {"d*": "stg-2"}}, STG_DB),
        (("ci", "stg-2"), {"names": ("dr",)}, STG_CI),
        (("prod-web01",), {"names": ("dr",)}, PROD_100),  # its name tells
        (("cache",), {"names": ("dr",)}, NAS.key(Kind.CONTAINER, "cache")),  # no cluster's
        (("ci",), {"patterns": {"c": "prod"}}, STG_CI),  # it is not in prod, which can be read
    ],
    ids=str,
)
def test_a_change_is_made_where_it_is_clear_which_is_meant(well, asked, known, key):
    assert meant(well, *asked, intent="write", **known).key == key


def test_a_change_wants_to_be_sure_that_no_other_is_meant(well, ill):
    for store, known in ((well, {"names": ("dr",)}), (ill, {"patterns": {"c": "prod"}})):
        problem = refused(store, "ci", intent="write", **known)
        assert (problem.code, problem.candidates) == ("unreachable", (STG_CI,))
        assert str(problem).startswith(f"say the cluster, or use a key: {DOUBT}")


def test_what_was_read_once_tells_enough(ill):
    """Of what can be read no longer it is known what was there; of what never was, nothing is."""
    assert meant(ill, "ci", intent="write") == Meant(STG_CI)
    dr = SourceRef(provider="proxmox", name="dr")
    with world(events.failed(after(60), source=dr, scope="all")) as store:
        assert refused(store, "ci", intent="write").code == "unreachable"
        store.say(events.scan([], after(120), source=dr, scope="all"))
        assert meant(store, "ci", intent="write") == Meant(STG_CI)


def test_with_one_cluster_it_is_always_that_one(clock):
    clock.advance(hours=4)
    with fed(clock) as store:
        store.say(events.observed(WORLD[PROD][0]), events.scan([WORLD[PROD][0]], source=PROD, scope="all"))
        assert meant(store, "100", intent="write") == meant(store, "prod-web01", "Prod") == Meant(PROD_100)
        assert refused(store, "100", "other").candidates == ("prod",)


# --- told in the log -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("100",), ("prod", "default", "100", "read")),
        (("100", "stg-2"), ("stg-2", "explicit", "100", "read")),
        (("mail",), ("prod", "seen", "mail", "read")),
        (("ci", None, "write"), ("stg-2", "seen", "ci", "write")),
        (("prod-web01",), ("prod", "name", "prod-web01", "read")),
        (("cache",), None),
        ((PROD_100,), None),
    ],
    ids=str,
)
def test_each_decision_is_logged_with_its_reason(well, asked, told):
    with capture_logs() as entries:
        meant(well, *asked)
    decided = [one for one in entries if one["event"] == "cluster_selected" and one["why"]]
    assert [(one["cluster"], one["how"], one["asked"], one["intent"]) for one in decided] == [told][: told is not None]


# --- where it counts -------------------------------------------------------------------------------------------------


async def test_every_question_about_one_resource_understands_a_vmid(well):
    reading, picturing = Reading(well.database, well.clock), Picturing(well.database, well.clock)
    shown = await reading.resource(q.ResourceQuery(key="100", cluster="stg-2"))
    related = await reading.relations(q.RelationsQuery(key="100", cluster="stg-2"))
    metrics = await reading.metrics(q.MetricsQuery(key="100", cluster="stg-2"))
    template = await picturing.template(e.TemplateQuery(key="100", cluster="stg-2"))
    assert {shown.resource.key, related.key, metrics.key, template.key} == {STG_100}
    assert shown.hint == related.hint == ""
    changes = await reading.events(q.EventsQuery(key="100", source="stg-2"))
    assert {event.key for event in changes.items} == {STG_100}
    twin = await reading.events(q.EventsQuery(key="twin", provider="docker", source="prod"))
    assert {event.key for event in twin.items} == {OTHER.key(Kind.CONTAINER, "twin")}
    assert (await reading.deviations(q.DeviationsQuery(key="100", source="proxmox/stg-2"))).total == 0
    by_default = (
        await reading.resource(q.ResourceQuery(key="100")),
        await reading.relations(q.RelationsQuery(key="100")),
        await reading.metrics(q.MetricsQuery(key="100")),
        await picturing.template(e.TemplateQuery(key="100")),
        await reading.events(q.EventsQuery(key="100")),
        await reading.deviations(q.DeviationsQuery(key="100")),
    )
    assert ["prod was taken" in answer.hint and "say the cluster" in answer.hint for answer in by_default] == [True] * 6
    assert changes.hint == twin.hint == ""


async def test_the_questions_know_what_is_said_of_clusters(well):
    resolver = Resolver(Clusters(vmids={"100": "stg-2"}))
    found = await Reading(well.database, well.clock, resolver).resource(q.ResourceQuery(key="100"))
    assert (found.resource.key, found.hint) == (STG_100, "")


async def test_what_is_adopted_is_in_the_cluster_that_was_said(well):
    intents = Intents(well.database, well.clock, None, Reconciler(well.database, well.clock))  # type: ignore[arg-type]

    async def adopted(**query: object) -> tuple[list[str], dict[str, str]]:
        answer = await intents.adopt(q.AdoptQuery(**query, dry_run=True))  # type: ignore[arg-type]
        return [one.key for one in answer.adopted], {text: why.split(":")[0] for text, why in answer.skipped.items()}

    assert await adopted(keys=("100",)) == ([], {"100": f"may be any of {PROD_100}, {STG_100}"})
    assert await adopted(keys=("100",), cluster="stg-2") == ([STG_100], {})
    assert await adopted(keys=("100",), source="stg-2") == ([STG_100], {})
    assert await adopted(keys=("100", "db"), cluster="prod") == ([PROD_100, PROD_DB], {})
    assert await adopted(keys=("ci",), cluster="prod") == ([], {"ci": "no such resource"})
    assert await adopted(cluster="stg-2", kind="container") == ([STG_DB], {})
    assert await adopted(keys=(PROD_100,), cluster="stg-2") == ([], {PROD_100: f"{PROD_100} is not in proxmox/stg-2"})
    assert len((await adopted(cluster="stg-2"))[0]) == len(WORLD[STG])
    with pytest.raises(Refused, match="cluster and source name different places"):
        await adopted(keys=("100",), cluster="prod", source="docker/nas")


async def test_what_operators_say_is_of_the_resource_that_is_meant():
    with world() as store:
        expecting = Expecting(store.database, store.clock, Reconciler(store.database, store.clock))

        async def said(target: str, cluster: str | None = None) -> str:
            query = e.OperatorStateQuery(target=target, cluster=cluster, state="maintenance")
            return (await expecting.operator_state(query)).states[0].target

        assert await said("100", "stg-2") == STG_100
        assert await said("prod-web01") == PROD_100
        assert await said("stg-2") == "proxmox/stg-2"
        with pytest.raises(Refused) as caught:
            await said("100")
        assert caught.value.code == "ambiguous"


async def test_a_pools_members_by_hand_are_never_taken_by_default():
    with world() as store:
        by_hand = e.PoolChangeQuery(path="/lab", act="add", keys=("100",))
        await Pooling(store.database, store.clock).pool_change(e.PoolChangeQuery(path="/lab"))
        with pytest.raises(Refused) as caught:
            await Pooling(store.database, store.clock).pool_change(by_hand)
        telling = Pooling(store.database, store.clock, resolver=Resolver(Clusters(vmids={"100": "prod"})))
        assert (caught.value.code, (await telling.pool_change(by_hand)).changed) == ("ambiguous", (PROD_100,))
