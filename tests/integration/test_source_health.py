"""How a source is as a whole, told from a real store that was filled as ingest fills it."""

from datetime import timedelta

import pytest

from daemon.api.reading import Reading
from daemon.store import samples
from daemon.store.views import health
from schemas import queries as q
from schemas.events import Sample
from schemas.resources import Kind, SourceRef
from tests.support import events
from tests.support.events import NAS, NOON, after
from tests.support.store import fed

LAB = SourceRef(provider="proxmox", name="lab")
CLUSTER = LAB.key(Kind.CLUSTER, "cluster")
NODES = [LAB.key(Kind.NODE, name) for name in ("pve1", "pve2")]


@pytest.fixture
def store(tmp_path, clock):
    clock.advance(hours=4)
    with fed(clock, tmp_path / "store.duckdb") as made:
        yield made


def listed(store, *found, scope="resources", source=LAB, at=NOON):
    rows = [one.model_copy(update={"scope": scope}) for one in found]
    store.say([events.observed(one, at) for one in rows], events.scan(rows, at, source=source, scope=scope))


def thing(native_id, kind, source=LAB, **given):
    return events.resource(native_id, source, kind=kind, **given)


def nodes(**second):
    return [
        thing("cluster", Kind.CLUSTER, name="lab", health="ok"),
        thing("pve1", Kind.NODE, parent=CLUSTER, native={"version": "9.0.3"}),
        thing("pve2", Kind.NODE, parent=CLUSTER, native={"version": "8.4.1"}, **second),
    ]


def guest(name, backup="unset", kind=Kind.VM, **given):
    native = {} if backup == "unset" else {"newest_backup_at": backup}
    return thing(name, kind, native=native, **{"parent": NODES[1]} | given)


def told(store, source=LAB):
    found = store.database.transact(lambda con: health.health(con, None, None, now=NOON))
    return found[source.provider, source.name]


def kinds(found):
    return {
        f"{one.kind} {one.native_kind}".strip(): {
            name: value for name, value in one if name not in {"kind", "native_kind"} and value
        }
        for one in found.kinds
    }


def test_figures_tell_per_kind_how_many_are_how(store):
    listed(
        store, *nodes(),
        guest("1"), guest("2", status="stopped"), guest("3", status="paused"),
        guest("4", status="failed", health="failing"),
        guest("5", status="unknown"), guest("6", health="degraded", kind=Kind.CONTAINER),
        thing("a", Kind.NETWORK, status="unknown"),
        thing("x", Kind.RULE, native_kind="ha-resource"), thing("y", Kind.RULE, native_kind="ha-group"),
    )  # fmt: skip

    assert kinds(told(store)) == {
        "cluster": {"total": 1, "running": 1},
        "node": {"total": 2, "running": 2},
        "vm": {"total": 5, "running": 1, "stopped": 2, "failed": 1, "failing": 1, "unknown": 1},
        "container": {"total": 1, "running": 1, "degraded": 1},
        "network": {"total": 1},
        "rule ha-resource": {"total": 1, "running": 1},
        "rule ha-group": {"total": 1, "running": 1},
    }


def test_what_is_on_a_dead_node_is_unknown_and_not_ill(store):
    listed(store, *nodes(status="stopped"), guest("1", health="failing"), guest("2", backup=None))
    listed(store, thing("b", Kind.BACKUP, parent=CLUSTER), scope="backups")
    found = told(store)

    assert kinds(found)["vm"] == {"total": 2, "unknown": 2}
    assert found.unwell == ()
    assert found.backups is None  # of nobody of whom it could be said
    assert [(one.name, one.status) for one in found.machines] == [
        ("lab", "running"), ("pve1", "running"), ("pve2", "stopped"),
    ]  # fmt: skip


def test_a_source_that_cannot_be_read_is_not_well_in_nothing(store):
    listed(store, *nodes(health="failing"), guest("1", health="failing"))
    store.say(events.failed(after(60), source=LAB, scope="resources"))
    found = told(store)

    assert {one.presence for one in found.machines} == {"unknown"}
    assert (found.unwell, kinds(found)["vm"]) == ((), {"total": 1, "unknown": 1})


def test_what_is_gone_is_no_part_of_it(store):
    listed(store, *nodes(), guest("1", health="failing"))
    for seconds in (60, 120):
        listed(store, *nodes(), at=after(seconds))

    assert told(store).unwell == ()
    assert "vm" not in kinds(told(store))


def test_the_worst_are_named_first_and_twenty_at_most(store):
    ill = [guest(f"{n:02}", health="degraded") for n in range(30)]
    listed(store, *nodes(), *ill, guest("99", health="failing"), guest("98", status="failed"))
    found = told(store)

    assert [one.name for one in found.unwell][:3] == ["99", "98", "00"]
    assert len(found.unwell) == 20
    assert kinds(found)["vm"]["degraded"] == 30


def test_versions_are_those_of_the_nodes(store):
    listed(store, *nodes())
    listed(store, thing("engine", Kind.HOST, NAS, native={"version": "29.1"}), source=NAS)

    assert told(store).versions == {"8.4.1": 1, "9.0.3": 1}
    assert told(store, NAS).versions == {}
    assert [one.version for one in told(store, NAS).machines] == ["29.1"]


# --- storages --------------------------------------------------------------------------------------------------------


def measured(store, name, at=NOON, **values):
    key = LAB.key(Kind.STORAGE, name)
    said = [Sample(key=key, metric=metric, value=value, at=at) for metric, value in values.items()]
    store.database.transact(lambda con: samples.put(con, said))


def test_the_fill_of_a_storage_is_its_newest_sample_however_the_provider_says_it(store):
    names = ("both", "ratio", "size", "old", "nothing", "empty")
    listed(store, *[thing(name, Kind.STORAGE, size={"disk_bytes": 1000}) for name in names])
    measured(store, "both", NOON - timedelta(minutes=1), disk_used_bytes=99, disk_total_bytes=100)
    measured(store, "both", disk_used_bytes=95, disk_total_bytes=100)
    measured(store, "ratio", used_bytes=1, used_ratio=0.4)
    measured(store, "size", used_bytes=250)
    measured(store, "old", NOON - timedelta(minutes=11), used_ratio=0.99)
    measured(store, "empty", disk_used_bytes=0, disk_total_bytes=0)

    assert [(one.name, one.used_ratio) for one in told(store).storages] == [
        ("both", 0.95), ("ratio", 0.4), ("size", 0.25),
    ]  # fmt: skip


def test_of_many_storages_the_fullest_are_shown_and_all_that_are_too_full(store):
    listed(store, *[thing(f"s{n:02}", Kind.STORAGE) for n in range(30)])
    for n in range(30):
        measured(store, f"s{n:02}", used_ratio=n / 40)
    assert [one.name for one in told(store).storages] == ["s29", "s28", "s27", "s26", "s25"]

    for n in range(30):
        measured(store, f"s{n:02}", after(1), used_ratio=0.9 if n < 8 else 0.1)
    found = store.database.transact(lambda con: health.health(con, None, None, now=after(1)))["proxmox", "lab"]
    assert [one.name for one in found.storages] == [f"s{n:02}" for n in range(8)]


# --- backups ---------------------------------------------------------------------------------------------------------


def kept(store, *guests, scope="backups"):
    listed(store, *nodes(), *guests)
    listed(store, thing("1", Kind.BACKUP), scope=scope)


def test_guests_without_or_with_an_old_backup_are_named_and_unknown_is_neither(store):
    kept(
        store, guest("never", None), guest("old", (NOON - timedelta(days=7, seconds=1)).isoformat()),
        guest("new", (NOON - timedelta(days=7)).isoformat()), guest("unread"), guest("odd", "yesterday"),
        guest("box", None, Kind.CONTAINER),
    )  # fmt: skip
    found = told(store).backups

    assert (found.without, found.stale, found.unknown) == (2, 1, 2)
    assert [one.name for one in found.named_without] == ["box", "never"]
    assert [one.key for one in found.named_stale] == [LAB.key(Kind.VM, "old")]


def test_many_guests_are_counted_and_twenty_named(store):
    kept(store, *[guest(f"{n:02}", None) for n in range(25)])
    found = told(store).backups

    assert (found.without, [one.name for one in found.named_without]) == (25, [f"{n:02}" for n in range(20)])


def test_backups_count_only_where_some_are_kept_or_planned(store):
    listed(store, *nodes(), guest("1", None))
    assert told(store).backups is None

    listed(store, thing("nightly", Kind.SCHEDULE), scope="schedules")
    assert told(store).backups.without == 1


def test_where_backups_cannot_be_read_nobody_is_without(store):
    kept(store, guest("1", None), guest("2", "2026-01-01T00:00:00Z"))
    store.say(events.failed(after(60), source=LAB, scope="backups"))
    found = told(store).backups

    assert (found.without, found.stale, found.unknown) == (0, 0, 2)


@pytest.mark.parametrize(
    ("gap", "known"),
    [
        ({"parent": LAB.key(Kind.STORAGE, "nfs")}, (0, 0, 3)),
        ({}, (0, 0, 3)),
        ({"parent": LAB.key(Kind.STORAGE, "two/local")}, (1, 1, 1)),
        ({"parent": NODES[1]}, (1, 1, 1)),
        ({"optional": True}, (2, 1, 0)),
    ],
)
def test_where_backups_may_be_that_nobody_could_see_only_fresh_ones_are_told(store, gap, known):
    old, new = "2026-01-01T00:00:00Z", NOON.isoformat()
    kept(
        store, guest("1", None, parent=NODES[0]), guest("2", None), guest("3", old, parent=NODES[0]), guest("4", new),
        thing("nfs", Kind.STORAGE), thing("two/local", Kind.STORAGE, parent=NODES[1]),
    )  # fmt: skip
    hidden = events.gap("silent", kinds=(Kind.BACKUP,), **gap)
    store.say(events.scan([thing("1", Kind.BACKUP)], after(60), source=LAB, scope="backups", gaps=[hidden]))
    found = told(store).backups

    assert (found.without, found.stale, found.unknown) == known


def test_one_backup_that_cannot_be_seen_says_nothing_of_the_others(store):
    listed(store, *nodes(status="stopped"), guest("1", None, parent=NODES[0]))
    listed(store, thing("1", Kind.BACKUP), thing("2", Kind.BACKUP, parent=NODES[1]), scope="backups")
    store.say(events.failed(after(60), source=LAB, scope="snapshots"))

    assert told(store).backups.without == 1


# --- the questions ---------------------------------------------------------------------------------------------------


async def test_figures_come_with_the_one_source_that_was_asked_for_sentences_with_all(store, clock):
    listed(store, *nodes(status="stopped", native_status="offline"))
    listed(store, thing("web", Kind.CONTAINER, NAS, health="failing"), source=NAS)
    reading = Reading(store.database, clock)
    every = await reading.sources(q.SourcesQuery())
    (one,) = (await reading.sources(q.SourcesQuery(source="proxmox/lab"))).items
    overview = await reading.overview(q.OverviewQuery())

    assert [(row.source, row.health) for row in every.items] == [("nas", None), ("lab", None)]
    assert {row.source: row.unwell for row in every.items} == {
        "nas": ("failing container: web",),
        "lab": ("node pve2 is stopped (offline)", "nodes run different versions: 8.4.1 (1), 9.0.3 (1)"),
    }
    assert (one.unwell, one.health.versions) == (every.items[1].unwell, {"8.4.1": 1, "9.0.3": 1})
    assert overview.unwell == {f"{row.provider}/{row.source}": row.unwell for row in every.items}


async def test_a_source_in_which_all_is_well_is_not_in_the_overview(store, clock):
    listed(store, thing("web", Kind.CONTAINER, NAS), source=NAS)

    assert (await Reading(store.database, clock).overview(q.OverviewQuery())).unwell == {}
