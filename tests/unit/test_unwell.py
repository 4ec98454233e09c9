"""What is not well in a source, in sentences; and the screen they stand on."""

from textwrap import dedent

from daemon.api import unwell
from daemon.cli import source_health, status, tables
from schemas import queries as q
from schemas.health import BackupHealth, Fill, KindHealth, Machine, Named, SourceHealth, Unwell
from schemas.resources import Health, Kind, Presence, Status
from tests.support.answers import AT, DOCKER


def machine(name, kind=Kind.NODE, **given):
    usual = {"status": Status.RUNNING, "native_status": "online", "health": Health.OK, "presence": Presence.PRESENT}
    return Machine(key=f"proxmox/lab/{kind}/{name}", name=name, kind=kind, **usual | given)


def figures(kind, total, **given):
    none = dict.fromkeys(("running", "stopped", "failed", "unknown", "degraded", "failing"), 0)
    return KindHealth(kind=kind, total=total, **none | given)


def ill(name, kind=Kind.VM, **given):
    usual = {"status": Status.RUNNING, "native_status": "", "health": Health.FAILING}
    return Unwell(key=f"proxmox/lab/{kind}/{name}", name=name, kind=kind, **usual | given)


def named(*names):
    return tuple(Named(key=f"proxmox/lab/vm/{name}", name=name) for name in names)


def said(**given):
    return list(unwell.sentences(SourceHealth(**given)))


def test_all_well_is_silent():
    well = (machine("pve1", version="9.0"), machine("lab", Kind.CLUSTER, health=Health.UNKNOWN))
    fine = BackupHealth(unknown=3)

    assert said() == []
    assert said(machines=well, versions={"9.0": 1}, kinds=(figures(Kind.VM, 3, running=1, stopped=2),)) == []
    assert said(storages=(Fill(key="k", name="local", used_ratio=0.85),), backups=fine) == []


def test_machines_come_first_the_stopped_before_the_failing_before_the_degraded():
    ills = (
        machine("pve1", health=Health.DEGRADED),
        machine("lab", Kind.CLUSTER, health=Health.FAILING, native_status="no quorum"),
        machine("pve2", status=Status.STOPPED, native_status="offline"),
        machine("pve3", presence=Presence.UNKNOWN, health=Health.FAILING),
        machine("pve4", status=Status.UNKNOWN, native_status="unknown"),
    )  # fmt: skip

    assert said(machines=ills, versions={"8.4": 1, "9.0": 2}) == [
        "node pve2 is stopped (offline)",
        "node pve4 is unknown",
        "cluster lab is failing (no quorum)",
        "node pve1 is degraded",
        "nodes run different versions: 8.4 (1), 9.0 (2)",
    ]


def test_guests_of_which_nothing_is_known_are_counted_other_kinds_are_not():
    kinds = (figures(Kind.VM, 40, unknown=12), figures(Kind.SNAPSHOT, 9, unknown=9))

    assert said(kinds=kinds) == ["12 of 40 vms: unknown"]


def test_resources_are_grouped_by_how_they_are():
    rows = (ill("a"), ill("b"), ill("c"), ill("d"), ill("r", Kind.RULE, status=Status.FAILED, health=Health.UNKNOWN))

    assert said(unwell=rows) == ["failing vm: a, b, c and 1 more", "failed rule: r"]
    assert said(unwell=tuple(ill(f"v{n}") for n in range(20))) == ["failing vm: v0, v1, v2 and others"]


def test_storages_and_backups():
    fills = (Fill(key="k", name="pve1/local", used_ratio=0.931), Fill(key="k", name="nfs", used_ratio=0.2))
    backups = BackupHealth(without=1, stale=7, named_without=named("web"), named_stale=named("a", "b", "c", "d"))

    assert said(storages=fills, backups=backups) == [
        "storage pve1/local is 93% full",
        "without any backup: web",
        "without a backup in the last 7 days: a, b, c and 4 more",
    ]


def test_there_are_ten_sentences_at_most():
    full = tuple(Fill(key="k", name=f"s{n}", used_ratio=0.9) for n in range(14))

    assert len(said(storages=full)) == 10
    assert said(storages=full)[-1] == "and 5 more like these"
    assert len(said(storages=full[:10])) == 10
    assert said(storages=full[:10])[-1] == "storage s9 is 90% full"


# --- on the screen ---------------------------------------------------------------------------------------------------


def printed(capsys, parts):
    tables.show(*parts, to=tables.console(width=100))
    return capsys.readouterr().out


def source(**given):
    return q.SourceRow(provider="proxmox", source="lab", status="ok", resources=1, **given)


def test_a_source_is_on_one_screen(capsys):
    health = SourceHealth(
        machines=(
            machine("lab", Kind.CLUSTER, health=Health.FAILING, native_status="no quorum"),
            machine("pve1", version="9.0.3"),
            machine("pve2", presence=Presence.UNKNOWN, health=Health.UNKNOWN),
        ),
        kinds=(
            figures(Kind.VM, 12, running=9, stopped=2, unknown=1, failing=1),
            figures(Kind.RULE, 2, running=2, native_kind="ha-resource"),
        ),
        storages=(Fill(key="k", name="pve1/local", used_ratio=0.931),),
        backups=BackupHealth(without=1, stale=2, unknown=3),
    )
    row = source(health=health, unwell=("cluster lab is failing (no quorum)",))

    wanted = """
        MACHINE  KIND     STATUS   HEALTH   VERSION  SAYS
        lab      cluster  running  failing           no quorum
        pve1     node     running  ok       9.0.3
        pve2     node     unknown

        KIND              TOTAL  RUNNING  STOPPED  UNKNOWN  FAILING
        vm                   12        9        2        1        1
        rule ha-resource      2        2

        STORAGE     FULL
        pve1/local   93%

        backups: 1 guest without any, 2 guests with none of the last 7 days, 3 guests of which it is not known
        unwell: cluster lab is failing (no quorum)
        """
    assert printed(capsys, source_health.picture(row)).strip("\n") == dedent(wanted).strip("\n")


def test_what_a_source_does_not_have_is_not_shown(capsys):
    assert printed(capsys, source_health.picture(source(health=SourceHealth()))) == ""
    assert printed(capsys, source_health.picture(source())) == ""
    kept = source(health=SourceHealth(backups=BackupHealth()))
    assert "backups: every guest has one of the last 7 days" in printed(capsys, source_health.picture(kept))


def test_the_status_names_the_source_of_what_is_not_well(capsys):
    overview = q.OverviewAnswer(
        as_of=AT, sources=(DOCKER,), summary="All.", counts=(), open_deviations={},
        unwell={"proxmox/lab": ("node pve2 is stopped (offline)",)},
    )  # fmt: skip
    daemon = q.StatusAnswer(
        as_of=AT, version="0", started_at=AT, pid=1, ingest_state="live", ingest_sequence=1, ingest_lag_messages=0,
        quarantined=0, late_messages=0, resources=1, open_deviations={}, store_bytes=1, store_path="/x", bus_url="nats://x",
        bus_reconnects=0,
    )  # fmt: skip
    whole = (daemon, overview, q.SourcesAnswer(as_of=AT, total=1, items=(source(),)))

    assert "unwell: proxmox/lab: node pve2 is stopped (offline)\n" in printed(capsys, status.picture(whole))
    assert status.together(whole)["unwell"] == {"proxmox/lab": ["node pve2 is stopped (offline)"]}
