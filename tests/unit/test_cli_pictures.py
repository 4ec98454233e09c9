"""What a person reads: whole pictures, 100 columns wide, without colours."""

import io
import json
from datetime import UTC, datetime, timedelta
from textwrap import dedent

import pytest
from rich.console import Console

from daemon.cli import details, drift, history, probing, resources, sources, sql, status, tables, words
from daemon.runtime.options import FindingProbe, ProbeResult, ScopeProbe
from schemas import queries as q
from schemas.answers import Provenance
from schemas.deviations import Severity
from schemas.resources import Health, Presence, Status
from tests.support.answers import DOCKER, KEY, deviation, event, row

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
LATER = AT + timedelta(minutes=3, seconds=20)
DENIED = "permission denied on /var/run/docker.sock: add the user to the group docker"


def printed(capsys: pytest.CaptureFixture[str], *parts, width: int = 100) -> str:
    tables.show(*parts, to=tables.console(width=width))
    return capsys.readouterr().out


def same(found: str, expected: str) -> None:
    assert found.rstrip("\n").split("\n") == dedent(expected).strip("\n").split("\n")


def listed(**given) -> dict:
    content = row(**{"drift": 0, "managed": False, "changed_at": AT, **given}).model_dump(mode="json")
    return {name: content[name] for name in resources._ASKED}


def answer(kind, **given):
    return kind(as_of=LATER, **given)


def test_resources_are_a_table_of_what_is_filled_in(capsys):
    rows = [
        listed(cpu_cores=1.5, memory_bytes=1 << 30, drift=2, managed=True),
        listed(key="docker/local/container/db", status=Status.STOPPED, native_status="exited", health=Health.UNKNOWN),
    ]
    text = printed(capsys, resources.listing(rows, LATER), width=200)
    same(
        text,
        """
        NAME  KIND       STATUS            HEALTH  SOURCE        CORES   MEMORY  ADDRESSES   DRIFT      CHANGED    KEY
        web   container  running           ok      docker/local    1.5  1.0 GiB  172.17.0.2  changed 2  3 min ago  docker/local/container/web
        db    container  stopped (exited)          docker/local         1.0 MiB  172.17.0.2             3 min ago  docker/local/container/db
        """,  # noqa: E501
    )


def test_on_a_narrow_terminal_names_and_keys_stay_whole(capsys):
    text = printed(capsys, resources.listing([listed()], LATER), width=60)
    assert KEY in text
    assert "web " in text
    assert all(len(line) <= 60 for line in text.splitlines())


LONG = f"docker/local/image/sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (20, ["NAME", "KIND", "STATUS", "KEY"]),
        (80, ["NAME", "KIND", "STATUS", "KEY"]),
        (101, ["NAME", "KIND", "STATUS", "HEALTH", "DRIFT", "KEY"]),
        (200, ["NAME", "KIND", "STATUS", "HEALTH", "SOURCE", "MEMORY", "ADDRESSES", "DRIFT", "CHANGED", "KEY"]),
    ],
)
def test_a_table_shows_what_fits(width, shown):
    sheet = resources.listing([listed(key=LONG, name="web", drift=1)], LATER)
    widths = tables.fitted(sheet, width)
    assert [sheet.columns[index].title for index in widths] == shown
    assert sum(widths.values()) + 2 * (len(widths) - 1) <= max(width, 4 * 8 + 3 * 2)


def test_what_is_cut_shows_that_it_is(capsys):
    text = printed(capsys, resources.listing([listed(key=LONG, name="web")], LATER), width=80)
    assert text.splitlines()[1].endswith("…")
    assert LONG[:50] in text


def test_what_goes_through_a_pipe_is_whole(capsys):
    tables.show(resources.listing([listed(key=LONG, name="web")], LATER))
    assert LONG in capsys.readouterr().out


def test_what_cannot_be_known_is_not_shown_as_what_is(capsys):
    text = printed(capsys, resources.listing([listed(presence=Presence.UNKNOWN)], LATER), width=200)
    assert "was running" in text
    assert " unknown " in text


def test_why_it_cannot_be_known_is_said():
    lost = Provenance(source="docker/local", status="failed", complete=False, detail=DENIED)
    page = answer(q.ResourcesAnswer, sources=(DOCKER, lost), total=0, items=())
    assert resources.pages.caveats(page) == [f"docker/local is failed: {DENIED}"]


def test_the_status_is_one_screen(capsys):
    daemon = answer(
        q.StatusAnswer,
        version="0.1.0",
        started_at=AT,
        pid=7,
        ingest_state="catching_up",
        ingest_detail="",
        ingest_sequence=10,
        ingest_lag_messages=1200,
        last_message_at=AT,
        quarantined=2,
        late_messages=0,
        resources=1234,
        open_deviations={"high": 1, "low": 3},
        store_bytes=12 << 20,
        store_path="/state/homelab.duckdb",
        bus_url="nats://127.0.0.1:4222",
        bus_reconnects=1,
    )
    counts = (
        q.KindCount(provider="host", source="box", kind="node", total=1, running=1, not_running=0, unknown=0),
        q.KindCount(provider="docker", source="local", kind="container", total=9, running=5, not_running=1, unknown=3),
    )
    overview = answer(
        q.OverviewAnswer,
        summary="4 open deviations; docker/local cannot be read.",
        counts=counts,
        open_deviations={"high": 1, "low": 3},
        worst=(deviation(),),
    )
    failed = q.SourceRow(
        provider="docker",
        source="local",
        status="failed",
        detail=DENIED,
        resources=9,
        observed_at=AT,
        next_scan_at=LATER + timedelta(seconds=40),
        agent="box-7",
    )
    well = q.SourceRow(provider="host", source="box", status="ok", resources=1, observed_at=LATER, agent="box-7")
    watched = answer(q.SourcesAnswer, total=2, items=(failed, well))
    same(
        printed(capsys, *status.picture((daemon, overview, watched))),
        f"""
        4 open deviations; docker/local cannot be read.

        daemon     ok 0.1.0, up 3 min, pid 7
        bus        nats://127.0.0.1:4222, 1 reconnect
        ingest     catching_up, 1 200 messages behind, last message 3 min ago
        store      1 234 resources, 12 MiB, /state/homelab.duckdb
        drift      4 open deviations: 1 high, 3 low: homelab drift
        quarantine 2 messages could not be read: homelab sql 'from quarantine'

        SOURCE        STATUS  RESOURCES  READ       NEXT     AGENT
        docker/local  failed          9  3 min ago  in 40 s  box-7
        host/box      ok              1  now                 box-7
        failed: docker/local: {DENIED}

        SOURCE        KIND       TOTAL  RUNNING  NOT RUNNING  UNKNOWN
        docker/local  container      9        5            1        3
        host/box      node           1        1

          high changed docker/local/container/web spec.image: nginx:1 -> nginx:2
        """,
    )


def test_a_source_is_shown_with_its_scopes_and_how_to_release_what_is_held(capsys):
    held = q.ScopeRow(
        scope="containers",
        status="held",
        resources=40,
        observed_at=AT,
        duration_seconds=0.123,
        interval_seconds=60,
        held_scans=2,
        held_missing=38,
    )
    late = q.ScopeRow(scope="volumes", status="failed", resources=3, failures=4, detail="the engine hangs")
    one = q.SourceRow(
        provider="docker",
        source="local",
        status="degraded",
        resources=43,
        agent="box-7",
        heartbeat_at=LATER,
        capabilities=("watch", "metrics"),
        scopes=(held, late),
    )
    text = printed(capsys, *sources.picture(one, answer(q.SourcesAnswer, total=1, items=(one,))), width=120)
    same(
        text,
        """
        docker/local  degraded
          43 resources; agent box-7, last heard of now
          it can: watch, metrics
        SCOPE       STATUS  RESOURCES  READ         TOOK  EVERY  FAILURES
        containers  held           40  3 min ago  0.12 s  1 min
        volumes     failed          3  never                            4
        volumes: the engine hangs
        containers: 38 resources missing at once; held for 2 scans: `homelab source release local` lets it take effect
        """,
    )


def failing(**details):
    scopes = [
        q.ScopeRow(scope=name, status="failed" if detail else "ok", detail=detail, resources=1, observed_at=AT)
        for name, detail in details.items()
    ]
    return {"status": "failed", "resources": 3, "agent": "box-7", "heartbeat_at": LATER, "scopes": tuple(scopes)}


@pytest.mark.parametrize(
    ("details", "whole", "below"),
    [
        ({"disks": "no engine", "networks": "no engine", "nodes": "no engine"}, "no engine", []),
        ({"disks": "no engine", "networks": "no engine", "nodes": ""}, "disks, networks: no engine", []),
        ({"disks": "old", "networks": "new", "nodes": "old"}, "networks: new", ["disks, nodes: old"]),
    ],
)
def test_what_several_scopes_fail_for_is_said_once(capsys, details, whole, below):
    one = q.SourceRow(provider="docker", source="local", detail=whole, **failing(**details))
    lines = printed(capsys, *sources.picture(one, answer(q.SourcesAnswer, total=1, items=(one,)))).splitlines()

    assert lines[:3] == ["docker/local  failed", f"  {whole}", "  3 resources; agent box-7, last heard of now"]
    assert lines[7:] == below


def test_a_source_with_gaps_says_what_they_hide_why_and_what_to_do(capsys):
    gaps = (
        q.GapRow(
            trouble="unauthorized", detail="the token may not read them", kinds=("container", "vm"),
            privilege="VM.Audit", path="/vms",
        ),
        q.GapRow(
            trouble="unauthorized", detail="vanished without a trace", keys=("proxmox/lab/vm/100",) * 20,
            key_count=57, privilege="VM.Audit",
        ),
        q.GapRow(
            trouble="unreachable", detail="pve2 does not answer", kinds=("network",),
            parent="proxmox/lab/node/pve2", keys=("proxmox/lab/disk/pve2/sda",), key_count=1,
        ),
        q.GapRow(trouble="unreachable", detail="the configurations of pve2 are old"),
    )  # fmt: skip
    scope = q.ScopeRow(
        scope="resources", status="partial", resources=40, observed_at=AT, interval_seconds=10, hidden=58,
        detail="the token may not read them", gaps=gaps,
    )  # fmt: skip
    one = q.SourceRow(
        provider="proxmox", source="lab", status="degraded", detail="resources: the token may not read them",
        resources=40, agent="box-7", heartbeat_at=LATER, scopes=(scope,),
    )  # fmt: skip
    same(
        printed(capsys, *sources.picture(one, answer(q.SourcesAnswer, total=1, items=(one,))), width=120),
        """
        proxmox/lab  degraded
          resources: the token may not read them
          40 resources; agent box-7, last heard of now
        SCOPE      STATUS   RESOURCES  HIDDEN  READ       EVERY
        resources  partial         40      58  3 min ago   10 s
        resources: hidden: container, vm: the token may not read them (VM.Audit on /vms)
        resources: hidden: vm 100, vm 100, vm 100 and 54 more: vanished without a trace (VM.Audit on /)
        resources: hidden: network, disk pve2/sda in proxmox/lab/node/pve2: pve2 does not answer
        resources: not all is read: the configurations of pve2 are old
        """,
    )


def test_one_resource_is_shown_with_all_there_is_about_it(capsys):
    found = answer(
        q.ResourceAnswer,
        resource=row(
            native_kind="container",
            cpu_cores=2,
            memory_bytes=512 << 20,
            spec={"image": "nginx:2", "ports": ["80/tcp", "443/tcp"], "mounts": [{"to": "/data", "read_only": True}]},
        ),
        deviations=(deviation(),),
        expected={"status": "running", "spec.image": "nginx:1"},
        events=(event(5),),
    )
    edges = (
        q.RelationEdge(from_key=KEY, type="uses", to_key="docker/local/volume/data", presence="present"),
        q.RelationEdge(from_key="docker/local/stack/media", type="contains", to_key=KEY, presence="unknown"),
    )
    relations = answer(q.RelationsAnswer, key=KEY, edges=edges)
    same(
        printed(capsys, *details.picture(found, relations)),
        """
        web  docker/local/container/web
          kind       container
          status     running
          health     ok
          presence   present
          addresses  172.17.0.2
          size       2 cores, 512 MiB memory
          created    3 min ago (2026-11-20T08:00:00Z)
          first seen 3 min ago (2026-11-20T08:00:00Z)
          observed   3 min ago (2026-11-20T08:00:00Z)
          changed    3 min ago (2026-11-20T08:00:00Z)
          managed    yes, 1 open deviation
        deviations
          high changed spec.image: nginx:1 -> nginx:2
        labels
          tier: front
        spec
          image: nginx:2
          ports:
            - 80/tcp
            - 443/tcp
          mounts:
            -
              to: /data
              read_only: yes
        relations
          uses -> docker/local/volume/data
          <- contains docker/local/stack/media  unknown
        expected
          spec.image: nginx:1
          as it is: status
        last events
        SEQ  AT         OP       STATUS   CHANGED     CAUSE
          5  3 min ago  changed  running  spec.image  scan
        """,
    )


def test_what_is_expected_is_told_where_it_is_not_as_it_is(capsys):
    guest = row(spec={"memory_mib": 2048, "disks": {"scsi0": {"size_bytes": 4 << 30}}, "startup": {"order": None}},
                labels={"web": "", "tier": "front"})  # fmt: skip
    wanted = {"labels": {"web": ""}, "status": "stopped", "spec": {**guest.spec, "memory_mib": 4096}}
    found = answer(q.ResourceAnswer, resource=guest, expected=wanted)
    lines = printed(capsys, *details.picture(found, None)).splitlines()

    same(
        "\n".join(lines[lines.index("labels") :]),
        """
        labels
          web
          tier: front
        spec
          memory_mib: 2048
          disks:
            scsi0:
              size_bytes: 4294967296 (4.0 GiB)
        expected
          status: stopped
          spec.memory_mib: 4096
          as it is: labels
        """,
    )


def test_bytes_that_differ_look_different(capsys):
    path = "spec.disks.scsi0.size_bytes"
    found = [
        deviation().model_copy(update={"path": path, "expected": 4 << 30, "actual": actual})
        for actual in (5 << 30, (4 << 30) + 1, None)
    ]
    lines = printed(capsys, drift.listing(found, LATER), width=150).splitlines()

    told = [words.both(path, one.expected, one.actual) for one in found]
    assert told == [("4.0 GiB", "5.0 GiB"), ("4294967296", "4294967297"), ("4.0 GiB", "")]
    assert "4.0 GiB     5.0 GiB" in lines[1]


def test_what_runs_not_has_no_status_that_could_be_unknown(capsys):
    edges = tuple(
        q.RelationEdge(from_key=f"proxmox/lab/{key}", type="part_of", to_key=KEY, status="unknown", presence="present")
        for key in ("snapshot/100/a", "vm/100")
    )
    found = answer(q.ResourceAnswer, resource=row())
    lines = printed(capsys, *details.picture(found, answer(q.RelationsAnswer, key=KEY, edges=edges))).splitlines()

    assert [line.rstrip() for line in lines[-2:]] == [
        "  <- part_of proxmox/lab/snapshot/100/a", "  <- part_of proxmox/lab/vm/100  unknown",
    ]  # fmt: skip


def test_history_is_a_line_for_each_event(capsys):
    rows = (event(2), event(1, side="expected", op="adopted", changed=(), presence="suspect", cause="cli:me"))
    same(
        printed(capsys, history.listing(rows, LATER, utc=True), width=150),
        """
        SEQ  AT                    SIDE      OP       NAME  STATUS   PRESENCE  CHANGED     CAUSE   KEY
          2  2026-11-20T08:00:00Z            changed  web   running            spec.image  scan    docker/local/container/web
          1  2026-11-20T08:00:00Z  expected  adopted  web   running  suspect               cli:me  docker/local/container/web
        """,  # noqa: E501
    )


def test_a_deviation_is_a_line_with_what_was_expected_and_what_is(capsys):
    found = [deviation(), deviation().model_copy(update={"resolved_at": LATER, "resolved_by": "self"})]
    same(
        printed(capsys, drift.listing(found, LATER), width=120),
        """
        ID  SEVERITY  TYPE     KEY                         FIELD       EXPECTED  ACTUAL   SINCE      RESOLVED  BY
        d1  high      changed  docker/local/container/web  spec.image  nginx:1   nginx:2  3 min ago
        d1  high      changed  docker/local/container/web  spec.image  nginx:1   nginx:2  3 min ago  now       self
        """,
    )


def test_a_probe_says_what_could_be_read_and_why_not(capsys):
    found = [
        ProbeResult("host", "box", 0.2, (ScopeProbe("all", 0.21, {"node": 1, "disk": 2}),)),
        ProbeResult(
            "docker",
            "nas",
            1.5,
            (ScopeProbe("containers", 0.1, {}), ScopeProbe("volumes", 1.4, {}, "unauthorized", DENIED)),
        ),
        ProbeResult("docker", "away", 2.0, (), (), "unreachable", "no route to host"),
    ]
    text = printed(capsys, *probing.picture(found), width=120)
    assert "docker/away              failed unreachable" in text
    assert "host/box     all         ok                   2 disks, 1 node" in text
    assert f"docker/nas: volumes: {DENIED}" in text
    assert [result.is_ok for result in found] == [True, False, False]


def of_scopes(**details) -> ProbeResult:
    scopes = [ScopeProbe(name, 0.1, {}, "unreachable" if detail else "", detail) for name, detail in details.items()]
    return ProbeResult("docker", "nas", 1.5, tuple(scopes))


def test_what_a_probe_could_not_read_for_one_reason_is_told_once(capsys):
    nothing = printed(capsys, *probing.picture([of_scopes(images="no engine", volumes="no engine")]))
    same(
        nothing,
        """
        SOURCE      RESULT               TOOK
        docker/nas  failed unreachable  1.5 s
        docker/nas: no engine
        """,
    )
    some = printed(capsys, *probing.picture([of_scopes(hosts="", images="no engine", volumes="no engine")]))
    assert some.splitlines()[4:] == ["docker/nas: images, volumes: no engine"]
    assert some.count("failed unreachable") == 2


def test_what_a_finding_says_a_probe_does_not_say_again(capsys):
    found = FindingProbe("reachable", "failed", "nobody answers")
    text = printed(
        capsys, *probing.picture([ProbeResult("docker", "nas", 1.5, (), (), "unreachable", "nobody answers", (found,))])
    )
    same(
        text,
        """
        SOURCE      RESULT               TOOK
        docker/nas  failed unreachable  1.5 s

        docker/nas
          failed  reachable: nobody answers
        """,
    )


SQL = q.SqlAnswer(
    columns=("name", "number", "list"),
    types=("VARCHAR", "BIGINT", "VARCHAR[]"),
    rows=(("a|b", 1, ["x"]), (None, 20, None)),
    as_of=AT,
    elapsed_ms=1,
)


def test_rows_of_sql_are_a_table_with_numbers_to_the_right(capsys):
    same(
        printed(capsys, sql.table(SQL)),
        """
        name  number  list
        a|b        1  ["x"]
                  20
        """,
    )


def test_rows_of_sql_can_be_json_csv_or_markdown():
    assert json.loads(sql.rendered(SQL, sql.Format.JSON)) == [
        {"name": "a|b", "number": 1, "list": ["x"]},
        {"name": None, "number": 20, "list": None},
    ]
    assert sql.rendered(SQL, sql.Format.CSV) == 'name,number,list\na|b,1,"[""x""]"\n,20,\n'
    assert sql.rendered(SQL, sql.Format.MARKDOWN) == (
        '| name | number | list |\n| --- | --- | --- |\n| a\\|b | 1 | ["x"] |\n|  | 20 |  |\n'
    )


def test_a_name_cannot_write_to_the_terminal(capsys):
    text = printed(capsys, resources.listing([listed(name="a\x1b]0;owned\x07b\nc")], LATER), width=200)
    assert "\x1b" not in text
    assert len(text.splitlines()) == 2


def test_brackets_in_a_name_are_not_markup(capsys):
    assert "[red]x[/red]" in printed(capsys, resources.listing([listed(name="[red]x[/red]")], LATER), width=200)


def test_colours_are_on_terminals_only():
    plain, coloured = io.StringIO(), io.StringIO()
    made = tables.table((tables.Column("S", coloured=True),), [["running"]])
    Console(file=plain).print(tables.laid_out(made, 80))
    Console(file=coloured, force_terminal=True, color_system="standard").print(tables.laid_out(made, 80))
    assert "\x1b" not in plain.getvalue()
    assert "\x1b[32mrunning" in coloured.getvalue()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "now"),
        (-20, "in 20 s"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (7200, "2 h ago"),
        (86400 * 3, "3 d ago"),
        (86400 * 40, "2026-11-20"),
    ],
)
def test_a_time_is_told_by_how_long_ago_it_was(seconds, expected):
    assert words.ago(AT, AT + timedelta(seconds=seconds)) == expected


def test_what_never_was_is_never():
    assert (words.ago(None, AT), words.utc(None)) == ("never", "never")


@pytest.mark.parametrize(
    ("number", "expected"),
    [(None, ""), (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (10 << 20, "10 MiB"), (1 << 60, "1024 PiB")],
)
def test_bytes_are_told_in_the_unit_that_fits(number, expected):
    assert words.size(number) == expected


def test_severities_have_a_colour_each():
    assert all(severity in tables.STYLES for severity in Severity)
