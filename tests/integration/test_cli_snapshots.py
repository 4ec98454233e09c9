"""`homelab snapshot` and `homelab export` as a process on a real bus, answered from a real store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from daemon.api.picturing import Picturing
from daemon.reconcile import manifests
from schemas import expected_queries as e
from tests.conftest import FakeClock
from tests.support.answers import FakeAnswers
from tests.support.cli import Lab, homelab, laboratory
from tests.support.events import after, observed, removed, resource, scan
from tests.support.store import Fed, fed


class Answers(FakeAnswers):
    """Answers about pictures come from the store."""

    def __init__(self, store: Fed) -> None:
        super().__init__()
        self.store = store
        self.picturing = Picturing(store.database, store.clock)

    async def snapshots(self, query: e.SnapshotsQuery) -> e.SnapshotsAnswer:
        return await self.picturing.snapshots(query)

    async def snapshot_change(self, query: e.SnapshotChangeQuery) -> e.SnapshotChangeAnswer:
        return await self.picturing.snapshot_change(query)

    async def snapshot_diff(self, query: e.SnapshotDiffQuery) -> e.SnapshotDiffAnswer:
        return await self.picturing.snapshot_diff(query)

    async def snapshot_export(self, query: e.SnapshotExportQuery) -> e.SnapshotExportAnswer:
        return await self.picturing.snapshot_export(query)

    async def template(self, query: e.TemplateQuery) -> e.TemplateAnswer:
        return await self.picturing.template(query)


@pytest.fixture
async def lab(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Lab]:
    clock.advance(hours=4)
    with fed(clock) as store:
        web = {"spec": {"image": "nginx:1.25", "env": {"PASS": "<redacted>"}}, "labels": {"tier": "front"}}
        store.say(observed("web", **web), observed("db"), observed("Odd/Name"))
        async with laboratory(tmp_path, Answers(store)) as running:
            yield running


def store_of(lab: Lab) -> Fed:
    assert isinstance(lab.answers, Answers)
    return lab.answers.store


async def test_a_snapshot_is_taken_listed_shown_compared_and_deleted(lab):
    said = await lab.run("snapshot", "create", "friday", "--note", "before the upgrade")
    assert (said.code, said.out, said.err) == (0, "friday: 3 resources\n", "")
    store_of(lab).say(observed("web", after(1), spec={"image": "nginx:1.26"}), observed("new", after(1)))
    store_of(lab).say(removed("db", after(1)), scan([resource("web"), "new", "Odd/Name"], after(2)))

    listed = (await lab.run("snapshot", "list")).out
    assert "friday" in listed
    assert "before the upgrade" in listed
    (row,) = (await lab.run("snapshots", "list", "--json")).json
    assert (row["name"], row["resources"], row["by"].startswith("cli")) == ("friday", 3, True)
    shown = (await lab.run("snapshot", "show", "friday")).out
    assert "resources  3\n" in shown
    assert "3  docker/nas container" in shown
    assert "lost" not in shown
    diff = (await lab.run("snapshot", "diff", "friday", "--selector", "kind=container")).out
    assert [line.split() for line in diff.splitlines()[1:]] == [
        ["gone", "docker/nas/container/db"],
        ["appeared", "docker/nas/container/new"],
        ["changed", "docker/nas/container/web", "labels.tier", "front"],
        ["changed", "docker/nas/container/web", "spec.env.PASS", "<redacted>"],
        ["changed", "docker/nas/container/web", "spec.image", "nginx:1.25", "nginx:1.26"],
    ]
    assert (await lab.run("snapshot", "delete", "friday")).out == "friday: deleted\n"
    again = await lab.run("snapshot", "show", "friday")
    assert again.code == 1
    assert "no snapshot is called 'friday'" in again.err


async def test_an_export_is_a_folder_of_manifests_that_are_read_back_without_a_fault(lab, tmp_path):
    await lab.run("snapshot", "create", "friday")
    folder = tmp_path / "out"
    said = await lab.run("snapshot", "export", "friday", str(folder))
    assert (said.code, said.err) == (0, "")
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.yaml"))
    assert files[0].startswith("docker/nas/container/")
    assert files[1:] == ["docker/nas/container/odd-name~" + files[1].partition("~")[2], "docker/nas/container/web.yaml"]
    read = manifests.read([folder])
    assert (len(read.documents), read.faults) == (3, [])
    written = yaml.safe_load((folder / "docker/nas/container/web.yaml").read_text())
    assert written["spec"]["fields"]["spec"]["env"] == {"PASS": "<redacted>"}


async def test_an_export_does_not_write_among_other_files_unless_told_to(lab, tmp_path):
    await lab.run("snapshot", "create", "friday")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.yaml").write_text("mine")
    said = await lab.run("snapshot", "export", "friday", str(folder))
    assert (said.code, said.err) == (1, f"homelab: {folder} is not empty: take another, or --force\n")
    assert [file.name for file in folder.iterdir()] == ["mine.yaml"]
    said = await lab.run("snapshot", "export", "friday", str(folder), "--force", "--selector", "name=web")
    assert (said.code, said.err) == (0, f"1 other file in {folder} left as before\n")
    assert len(list(folder.rglob("*.yaml"))) == 2


async def test_a_place_that_cannot_be_written_is_one_line(lab, tmp_path):
    await lab.run("snapshot", "create", "friday")
    file = tmp_path / "file"
    file.write_text("")
    said = await lab.run("snapshot", "export", "friday", str(file))
    assert (said.code, said.err) == (1, f"homelab: {file}: Not a directory\n")


async def test_a_template_is_yaml_under_a_comment_with_its_facts(lab, tmp_path):
    said = await lab.run("export", "template", "web")
    assert said.code == 0
    assert "nothing is expected of it" in said.err
    assert "# A template made of docker/nas/container/web" in said.out
    assert "confidence 0:" in said.out
    assert "#   image_tag: 1.25\n" in said.out
    assert yaml.safe_load(said.out)["spec"]["key"] == "docker/${source}/container/${name}"
    file = tmp_path / "web.yaml"
    assert (await lab.run("export", "template", "web", "-o", str(file))).out == ""
    assert file.read_text() == said.out
    assert (await lab.run("export", "template", "web", "--json")).json["variables"]["name"] == "web"


async def test_a_name_that_is_none_is_a_mistake_in_writing(tmp_path):
    said = await homelab(tmp_path, "snapshot", "create", "../x")
    assert (said.code, said.out) == (2, "")
    said = await homelab(tmp_path, "snapshot", "diff", "a", "--selector", "colour=red")
    assert (said.code, "colour" in said.err) == (2, True)


async def test_a_viewer_cannot_take_a_snapshot_but_may_look(lab, tmp_path):
    creds = tmp_path / "viewer.json"
    creds.write_text(lab.server.logins["viewer"].model_dump_json())
    at = ("--nats", lab.server.url, "--creds", str(creds))
    assert (await homelab(tmp_path / "elsewhere", "snapshot", "list", *at)).code == 0
    said = await homelab(tmp_path / "elsewhere", "snapshot", "create", "x", *at)
    assert (said.code, "may not" in said.err) == (1, True)
