"""What should be, from a file to a deviation and back, on a running instance that watches this machine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.instance import HOST, Instance, instance
from tests.support.manifests import expectation, write
from tests.support.waiting import until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "expect"
    made.mkdir()
    return made


@pytest.fixture
async def lab(tmp_path: Path, folder: Path) -> AsyncIterator[Instance]:
    quiet = HOST | {"interfaces_ignore": ["docker*", "br-*", "veth*"]}  # others may run containers here meanwhile
    async with instance(tmp_path / "homelab", [quiet], expectations={"folder": str(folder)}) as one:
        await until(lambda: _has_read(one), seconds=20)
        yield one


async def _has_read(lab: Instance) -> bool:
    return bool((await lab.ask("resources", kind="node"))["items"])


async def drift(lab: Instance, **query: object) -> list[dict]:
    return (await lab.ask("deviations", **query))["items"]


async def node(lab: Instance) -> str:
    return (await lab.ask("resources", kind="node"))["items"][0]["key"]


async def test_a_file_is_applied_drifts_is_answered_and_withdrawn(lab: Instance, tmp_path: Path):
    key = await node(lab)
    file = write(tmp_path / "node.yaml", expectation("node", key, status="stopped", criticality="high"))
    assert (await lab.cli("expect", "apply", str(file))).out.splitlines()[-1] == "1 created"
    await until(lambda: _open(lab, 1))
    (found,) = await drift(lab)
    assert (found["path"], found["expected"], found["actual"]) == ("status", "stopped", "running")

    muted = await lab.cli("drift", "mute", found["id"][:8], "--until", "2h", "--reason", "later")
    assert muted.code == 0, muted.err
    assert "later" in (await lab.cli("drift", "show", found["id"])).out
    assert (await lab.json("drift", "--loud")) == []
    overview = await lab.ask("overview")
    assert overview["quiet"] == {"muted": 1}
    assert overview["expected"] == 1

    refused = await lab.cli("drift", "accept", found["id"])
    assert (refused.code, f"it is declared in {file}:1" in refused.err) == (1, True)
    write(file, expectation("node", key, status="running"))
    assert (await lab.cli("expect", "apply", str(file))).out.splitlines()[-1] == "1 changed"
    await until(lambda: _open(lab, 0))
    assert (await drift(lab, history=True))[0]["resolved_by"] == "expected_changed"

    assert (await lab.cli("expect", "delete", "node")).out == "withdrawn: Expectation/node\n"
    log = await lab.ask("events", side="expected", key=key)
    assert {one["cause"] for one in log["items"]} & {f"{file}:1"}


async def _open(lab: Instance, count: int) -> bool:
    return len(await drift(lab)) == count


async def test_what_is_on_purpose_is_quiet_until_it_is_cleared(lab: Instance, tmp_path: Path):
    key = await node(lab)
    write(tmp_path / "expect" / "node.yaml", expectation("node", key, status="stopped"))
    await until(lambda: _open(lab, 1))
    assert (await lab.cli("state", "set", "host/here", "maintenance", "--until", "1h", "-r", "disks")).code == 0
    await until(lambda: _loud(lab, 0))
    assert (await drift(lab))[0]["quiet"] == "maintenance: disks"
    assert "maintenance host/here" in (await lab.cli("status")).out
    assert (await lab.cli("state", "clear", "host/here")).code == 0
    await until(lambda: _loud(lab, 1))


async def _loud(lab: Instance, count: int) -> bool:
    return len(await drift(lab, quiet=False)) == count


async def test_a_watched_folder_is_followed_and_a_broken_file_changes_nothing(lab: Instance, folder: Path):
    key = await node(lab)
    file = write(folder / "node.yaml", expectation("node", key, status="stopped"))
    await until(lambda: _open(lab, 1))
    write(file, expectation("node", key, staus="running"))
    await until(lambda: _faulty(lab))
    assert len(await drift(lab)) == 1
    said = await lab.cli("expect", "list")
    assert f"not in force: {file}:7: spec.staus: unknown key; did you mean status?" in said.err
    assert f"expectations not in force: {file}:7" in (await lab.cli("status")).out
    assert len(lab.said("expectations_faulty")) == 1
    file.unlink()
    await until(lambda: _open(lab, 0))
    assert (await lab.ask("status"))["expectation_faults"] == []
    (resolved,) = await drift(lab, history=True)
    assert resolved["resolved_by"] == "expected_changed"


async def _faulty(lab: Instance) -> bool:
    return bool((await lab.ask("status"))["expectation_faults"])


async def test_what_was_adopted_is_exported_and_means_the_same_when_it_is_applied(lab: Instance, tmp_path: Path):
    assert (await lab.cli("adopt", "--all", "--source", "here", "-y")).code == 0
    before = {one["key"]: one["fields"].keys() for one in await lab.json("expect", "list")}
    out = tmp_path / "out"
    assert (await lab.cli("expect", "export", str(out))).code == 0
    said = await lab.cli("expect", "delete", *before)
    assert said.code == 0, said.err
    await until(lambda: _expected(lab, 0))
    assert (await lab.cli("expect", "apply", str(out))).code == 0
    await until(lambda: _expected(lab, len(before)))
    assert {one["key"]: one["fields"].keys() for one in await lab.json("expect", "list")} == before
    assert await drift(lab) == []
    again = await lab.cli("expect", "apply", str(out))
    assert again.out == f"{len(before)} unchanged\n"


async def _expected(lab: Instance, count: int) -> bool:
    return (await lab.ask("overview"))["expected"] == count
