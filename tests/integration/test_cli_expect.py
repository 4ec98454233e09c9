"""`homelab expect`, `drift`, `state` and `adopt` as a person and a script meet them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from daemon.reconcile import manifests
from schemas import expected_queries as e
from schemas import queries as q
from schemas.deviations import DeviationType
from schemas.operator import State
from tests.support.answers import KEY, deviation
from tests.support.cli import Lab, homelab, laboratory
from tests.support.manifests import expectation, write

FAULT = e.Fault(place=e.Place(file="/etc/e/web.yaml", line=6), path="spec.status", text="says otherwise")


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with laboratory(tmp_path) as running:
        yield running


@pytest.fixture
def web(tmp_path: Path) -> Path:
    return write(tmp_path / "m" / "web.yaml", expectation("web", KEY, status="stopped"), expectation("new", KEY))


async def test_manifests_are_checked_without_a_daemon(tmp_path: Path, web: Path):
    said = await homelab(tmp_path, "expect", "check", str(web.parent))
    assert (said.code, said.out, said.err) == (0, "", "ok: 1 file: 2 Expectations\n")
    write(web, expectation("web", KEY, staus="stopped"))
    said = await homelab(tmp_path, "expect", "check", str(web))
    assert (said.code, said.err) == (78, f"{web}:7: spec.staus: unknown key; did you mean status?\n")
    as_json = await homelab(tmp_path, "expect", "check", str(web), "--json")
    assert (as_json.code, as_json.json["faults"][0]["path"]) == (78, "spec.staus")


async def test_two_files_that_contradict_are_found_without_a_daemon(tmp_path: Path):
    one = write(tmp_path / "one.yaml", expectation("one", KEY, status="running"))
    two = write(tmp_path / "two.yaml", expectation("two", KEY, status="stopped"))
    said = await homelab(tmp_path, "expect", "check", str(one), str(two))
    assert said.code == 78
    assert said.err.startswith(f"{two}:7: spec.status: Expectation/one in {one}:7 says otherwise of {KEY}")
    same = write(tmp_path / "same.yaml", expectation("one", KEY))
    assert "is in" in (await homelab(tmp_path, "expect", "check", str(one), str(same))).err


async def test_what_is_applied_is_sent_whole_and_told(lab: Lab, web: Path):
    lab.answers.warnings = (e.Fault(place=e.Place(file=str(web), line=6), path="spec.key", text="kept"),)
    said = await lab.run("expect", "apply", str(web), "--prune")
    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        "CHANGE     NAME             RESOURCES  FROM",
        f"changed    Expectation/web          1  {web}:1",
        f"created    Expectation/new          1  {web}:9",
        "withdrawn  Expectation/db              /etc/homelab/web.yaml:3",
        "1 created, 1 changed, 1 withdrawn",
    ]
    assert said.err == f"warning: {web}:6: spec.key: kept\n"
    (asked,) = lab.answers.asked
    assert (asked.origin, asked.prune, asked.dry_run) == (f"file:{web}", True, False)
    assert [one.origin for one in asked.documents] == [f"file:{web}"] * 2


async def test_a_dry_run_says_so_and_a_diff_tells_each_field(lab: Lab, web: Path):
    said = await lab.run("expect", "apply", str(web), "--dry-run")
    assert said.out.splitlines()[-1] == "1 created, 1 changed, if it were applied"
    assert lab.answers.asked[-1].dry_run
    said = await lab.run("expect", "diff", str(web), "--exit-code")
    assert said.code == 3
    assert said.out.splitlines() == [
        "changed Expectation/web",
        "  spec.status: running -> stopped",
        "created Expectation/new",
        "1 created, 1 changed, if it were applied",
    ]
    assert all(one.dry_run for one in lab.answers.asked if isinstance(one, e.ExpectApplyQuery))


async def test_a_fault_in_a_file_asks_no_daemon_and_one_the_daemon_finds_changes_nothing(lab: Lab, web: Path):
    lab.answers.faults = (FAULT,)
    said = await lab.run("expect", "apply", str(web))
    assert (said.code, said.out) == (78, "")
    assert said.err == "/etc/e/web.yaml:6: spec.status: says otherwise\nhomelab: nothing was changed\n"
    write(web, [])
    asked = len(lab.answers.asked)
    assert (await lab.run("expect", "apply", str(web))).code == 78
    assert len(lab.answers.asked) == asked


async def test_what_is_too_much_for_one_message_is_told_with_a_way_out(lab: Lab, tmp_path: Path):
    big = {"spec.x": "y" * 900_000}
    many = write(tmp_path / "many.yaml", *(expectation(f"n{n}", KEY, fields=big) for n in range(10)))
    said = await lab.run("expect", "apply", str(many))
    assert (said.code, said.out) == (1, "")
    assert "10 documents at once are larger than the bus allows: apply them in parts" in said.err


async def test_manifests_come_through_a_pipe_too(lab: Lab, web: Path):
    said = await lab.run("expect", "apply", "-", stdin=yaml.safe_dump(expectation("web", KEY)))
    assert said.code == 0, said.err
    assert [one.origin for one in lab.answers.asked[0].documents] == ["api"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("expect", "apply", "a", "b", "--prune"),
        ("expect", "delete"),
        ("expect", "list", "--selector", "knd=vm"),
        ("drift", "mute", "d1", "--until", "2h"),
        ("drift", "mute", "d1", "--reason", "x"),
        ("drift", "mute", "d1", "--reason", "x", "--until", "tomorrow"),
        ("drift", "mute", "d1", "--reason", "x", "--until", "2020-01-01T00:00Z"),
        ("drift", "ack", "d1"),
        ("state", "set", "docker/local", "sleeping"),
        ("adopt", "--selector", "kind=vm", "--kind", "vm"),
        ("resources", "--selector", "kind=toaster"),
    ],
    ids=" ".join,
)
async def test_a_command_that_makes_no_sense_is_2(tmp_path: Path, arguments: tuple[str, ...]):
    said = await homelab(tmp_path, *arguments)
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err


async def test_what_is_expected_is_listed_per_key_and_as_declared(lab: Lab):
    lab.answers.faults = (FAULT,)
    said = await lab.run("expect", "list", "--utc", "--selector", "kind=container label:tier=front")
    assert said.out.splitlines() == [
        "KEY                         FIELDS              BY                 CRITICALITY  OWNER  FROM        SINCE",
        f"{KEY}  status, spec.image  declared, adopted  high         ann    web.yaml:3  2026-11-20T08:00:00Z",
        "docker/local/container/db   status, spec.image  declared, adopted  high         ann    web.yaml:3  2026-11-20T08:00:00Z",  # noqa: E501
    ]
    assert said.err == "not in force: /etc/e/web.yaml:6: spec.status: says otherwise\n"
    assert lab.answers.asked[0].selector.label == ("tier=front",)
    declared = await lab.run("expect", "list", "--declarations", "--utc")
    assert declared.out.splitlines()[1].split() == [
        *("Expectation/web", KEY, "1", "/etc/homelab/web.yaml:3", "2026-11-20T08:00:00Z"),
    ]
    assert len((await lab.run("expect", "list", "--json")).json) == 2


async def test_names_and_keys_are_withdrawn_and_what_is_not_there_is_told(lab: Lab):
    said = await lab.run("expect", "delete", "web", KEY)
    assert (said.code, said.out) == (0, f"withdrawn: web\nwithdrawn: {KEY}\n")
    assert lab.answers.asked[-1] == e.ExpectWithdrawQuery(names=("web",), keys=(KEY,))
    said = await lab.run("expect", "delete", "nope", "a/b/c/d")
    assert (said.code, said.err) == (
        1,
        "nope: no declaration has this name\na/b/c/d: nothing was adopted there\n",
    )
    said = await lab.run("expect", "delete", "--origin", "file:/gone", "--dry-run")
    assert lab.answers.asked[-1] == e.ExpectApplyQuery(documents=(), origin="file:/gone", prune=True, dry_run=True)
    assert said.out == "would be withdrawn: Expectation/db\nwould be withdrawn: Expectation/web\n"


async def test_what_is_expected_is_written_as_manifests_that_can_be_read_back(lab: Lab, tmp_path: Path):
    said = await lab.run("expect", "export", str(tmp_path / "out"))
    assert (said.code, said.err) == (0, f"wrote 2 manifests below {tmp_path}/out\n")
    found = manifests.read([tmp_path / "out"])
    assert found.faults == []
    assert [one.manifest for one in found.documents][1] == {
        "apiVersion": "homelab.ai/v1",
        "kind": "Expectation",
        "metadata": {"name": "docker.local.container.web", "owner": "ann"},
        "spec": {"key": KEY, "status": "running", "fields": {"spec.image": "nginx:1"}, "criticality": "high"},
    }
    again = await lab.run("expect", "export", str(tmp_path / "out"))
    assert (again.code, "--force writes over it" in again.err) == (1, True)
    assert (await lab.run("expect", "export", str(tmp_path / "out"), "--force")).code == 0


# --- drift -----------------------------------------------------------------------------------------------------------


async def test_drift_lists_whatever_its_first_word_is(lab: Lab):
    for arguments in (("drift",), ("drift", "--severity", "high"), ("drift", KEY), ("drift", "list")):
        said = await lab.run(*arguments)
        assert said.out.startswith("ID  SEVERITY"), arguments
    assert (await lab.run("drift", "--loud", "--history")).code == 0
    asked = lab.answers.asked[-1]
    assert (asked.quiet, asked.history) == (False, True)


async def test_all_about_one_deviation_is_shown_with_what_follows_and_how_to_act(lab: Lab):
    root = deviation().model_copy(update={"evidence": {"scan": "s1"}, "reopened": 2, "corrective_action": "update"})
    child = deviation(2).model_copy(update={"root_cause": "d1", "key": "docker/local/container/db", "path": ""})
    lab.answers.found = (root, child.model_copy(update={"id": "e2", "type": DeviationType.STOPPED}))
    said = await lab.run("drift", "show", "d1", "--utc")
    assert said.out.splitlines() == [
        f"high changed  {KEY}",
        "  id          d1",
        "  field       spec.image",
        "  expected    nginx:1",
        "  actual      nginx:2",
        "  opened      2026-11-20T08:00:00Z, re-opened 2 times",
        "  last seen   2026-11-20T08:00:00Z, in 1 scan",
        "  to mend it  update",
        "evidence",
        "  scan: s1",
        "follows from it",
        "  docker/local/container/db high stopped",
        "what you can do",
        f"  homelab show {KEY}",
        '  homelab drift ack d1 --reason "..."',
        '  homelab drift mute d1 --until 2h --reason "..."',
        "  homelab drift accept d1",
    ]
    assert [one["id"] for one in (await lab.run("drift", "show", "d1", "--json")).json["dependants"]] == ["e2"]
    missing = await lab.run("drift", "show", "zz")
    assert (missing.code, "no deviation has the id zz" in missing.err) == (1, True)


async def test_an_id_that_means_two_is_told_with_both(lab: Lab):
    lab.answers.found = (deviation(1), deviation(2))
    said = await lab.run("drift", "show", "d")
    assert (said.code, said.err) == (1, "homelab: d may be any of d1, d2\n")


async def test_several_deviations_are_answered_at_once_and_one_refusal_keeps_none_from_it(lab: Lab):
    lab.answers.found = (deviation(1), deviation(2))
    said = await lab.run("drift", "mute", "d1", "zz", "d2", "--until", "2h", "--reason", "new disks")
    assert said.code == 1
    assert [line.split()[:2] for line in said.out.splitlines()] == [["muted:", "d1"], ["muted:", "d2"]]
    assert "zz: no deviation has the id zz" in said.err
    asked = lab.answers.asked[0]
    assert (asked.act, asked.reason) == ("mute", "new disks")
    assert abs(asked.until_at - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)
    assert asked.by.startswith("cli:")
    for verb, done in (("unmute", "no longer muted"), ("accept", "accepted")):
        assert (await lab.run("drift", verb, "d1")).out.startswith(f"{done}: d1 {KEY}")


# --- on purpose ------------------------------------------------------------------------------------------------------


async def test_a_state_is_set_listed_and_cleared(lab: Lab):
    said = await lab.run("state", "set", "docker/local", "maintenance", "--until", "2100-01-01T08:00Z", "-r", "disks")
    assert said.code == 0, said.err
    assert said.out.splitlines()[1].split()[:4] == ["docker/local", "maintenance", "2100-01-01", "disks"]
    assert lab.answers.asked[-1].state is State.MAINTENANCE
    assert [one["target"] for one in (await lab.run("state", "list", "--json")).json] == ["docker/local"]
    assert (await lab.run("state", "clear", "docker/local")).err == "cleared: nothing is said of it any more\n"
    assert (await lab.run("state", "list")).err == "nothing is said to be on purpose\n"


# --- selectors -------------------------------------------------------------------------------------------------------


async def test_one_language_chooses_resources_everywhere(lab: Lab):
    await lab.run("resources", "--selector", "kind=container name=web-* label:tier=front pool=/lab", "-l", "a=b")
    asked = lab.answers.asked[-1]
    assert isinstance(asked, q.ResourcesQuery)
    assert (asked.kind, asked.name, asked.pool) == ("container", "web-*", "/lab")
    assert asked.label == ("tier=front", "a=b")
    await lab.run("adopt", "-S", "kind=container", "--source", "local", "-y")
    assert lab.answers.asked[-1] == q.AdoptQuery(kind="container", source="local")


async def test_a_whole_source_is_adopted_after_a_preview_of_each_field(lab: Lab):
    said = await lab.run("adopt", "--all", "--source", "local", "--preview")
    assert said.out.splitlines() == [KEY, "  status: running", "1 resource would be adopted"]
    assert lab.answers.asked[-1] == q.AdoptQuery(source="local", dry_run=True)
    assert (await lab.run("adopt", "--all", "-y")).code == 0
    assert lab.answers.asked[-1] == q.AdoptQuery(name="*")


async def test_the_screen_of_the_whole_tells_which_folder_is_not_in_force(lab: Lab):
    assert "not in force" not in (await lab.run("status")).out
    lab.answers.faults = (FAULT,)
    said = await lab.run("status")
    assert (
        "fault      expectations not in force: /etc/e/web.yaml:6: spec.status: says otherwise" in said.out.splitlines()
    )
