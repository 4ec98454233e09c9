"""A watched folder is in force as a whole; what cannot be read changes nothing."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from daemon.reconcile.folders import Folders, Watched
from daemon.reconcile.loop import Reconciler
from daemon.store import declarations
from daemon.store.database import Database
from tests.conftest import FakeClock
from tests.support.manifests import expectation, write


class Lab:
    def __init__(self, database: Database, clock: FakeClock, *folders: Path) -> None:
        self.database = database
        self.reconciler = Reconciler(database, clock)
        self.folders = Folders(database, clock, self.reconciler)
        self.folders.watch(folders)

    @property
    def one(self) -> Watched:
        return self.folders.watched[0]

    async def visit(self) -> None:
        """Twice: a folder is dealt with when it stands still."""
        for _ in range(2):
            for one in self.folders.watched:
                await self.folders.visit(one)

    def names(self) -> list[str]:
        return [one.name.partition("/")[2] for one in self.database.transact(declarations.fetch)]

    @property
    def told(self) -> list[str]:
        return list(map(str, self.folders.faults))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "expect"
    write(made / "web.yaml", expectation("web", status="running"))
    write(made / "sub" / "db.yml", expectation("db", "docker/local/container/db"))
    return made


@pytest.fixture
async def lab(folder: Path, clock: FakeClock) -> AsyncIterator[Lab]:
    async with Database.open(None, clock) as database:
        made = Lab(database, clock, folder)
        await made.visit()
        yield made


async def test_a_folder_is_applied_and_followed(lab: Lab, folder: Path):
    assert lab.names() == ["db", "web"]
    assert not lab.reconciler.is_idle
    write(folder / "new.yaml", expectation("new", "docker/local/container/new"))
    await lab.visit()
    assert lab.names() == ["db", "new", "web"]
    (folder / "web.yaml").unlink()
    await lab.visit()
    assert lab.names() == ["db", "new"]


async def test_a_folder_that_stands_still_is_not_applied_again(lab: Lab, folder: Path):
    (folder / "web.yaml").touch()
    version = lab.database.version
    with capture_logs() as logs:
        await lab.visit()
    assert logs == []
    assert lab.database.version == version


async def test_a_file_that_does_not_parse_changes_and_withdraws_nothing_and_is_told_once(lab: Lab, folder: Path):
    (folder / "sub" / "db.yml").unlink()
    (folder / "web.yaml").write_text("kind: [\n")
    with capture_logs() as logs:
        for _ in range(3):
            await lab.visit()
    assert lab.names() == ["db", "web"]
    (told,) = lab.told
    assert told.startswith(f"{folder}/web.yaml:2: not YAML")
    assert [(line["event"], line["log_level"]) for line in logs] == [("expectations_faulty", "warning")]
    write(folder / "web.yaml", expectation("web", status="stopped"))
    with capture_logs() as logs:
        await lab.visit()
    assert lab.names() == ["web"]
    assert lab.told == []
    assert [line["event"] for line in logs] == ["expectations_applied", "expectations_mended"]


async def test_a_contradiction_within_a_folder_changes_nothing(lab: Lab, folder: Path):
    write(folder / "two.yaml", expectation("two", status="stopped"))
    await lab.visit()
    assert lab.names() == ["db", "web"]
    (told,) = lab.told
    assert f"in {folder}/web.yaml:7 says otherwise" in told


async def test_a_folder_that_disappears_keeps_everything_and_says_so(lab: Lab, folder: Path):
    away = folder.with_name("away")
    shutil.move(folder, away)
    await lab.visit()
    assert lab.names() == ["db", "web"]
    assert lab.told == [f"{folder}: the folder cannot be read: what it said stays in force"]
    await asyncio.to_thread(folder.mkdir)  # such as the place where a disk is mounted
    await lab.visit()
    assert lab.names() == ["db", "web"]
    assert "is empty: what it said stays in force" in lab.told[0]
    shutil.rmtree(folder)
    shutil.move(away, folder)
    (folder / "web.yaml").unlink()
    await lab.visit()
    assert (lab.names(), lab.told) == (["db"], [])


async def test_the_last_file_is_withdrawn_when_it_is_seen_to_go(lab: Lab, folder: Path):
    (folder / "web.yaml").unlink()
    shutil.rmtree(folder / "sub")
    await lab.visit()
    assert (lab.names(), lab.told) == ([], [])


async def test_a_folder_that_is_empty_at_the_start_withdraws_nothing(lab: Lab, folder: Path, clock: FakeClock):
    shutil.rmtree(folder)
    await asyncio.to_thread(folder.mkdir)
    again = Lab(lab.database, clock, folder)
    await again.visit()
    assert again.names() == ["db", "web"]
    assert f"homelab expect delete --origin folder:{folder}" in again.told[0]


async def test_a_folder_that_is_a_file_is_a_fault(folder: Path, clock: FakeClock):
    async with Database.open(None, clock) as database:
        lab = Lab(database, clock, folder / "web.yaml")
        await lab.visit()
        assert lab.told == [f"{folder}/web.yaml: the folder cannot be read: what it said stays in force"]


async def test_what_was_refused_for_something_elsewhere_is_tried_again(lab: Lab, folder: Path, clock: FakeClock):
    other = folder.with_name("other")
    write(other / "web.yaml", expectation("web", status="stopped"))
    lab.folders.watch([other])
    await lab.visit()
    assert "in a folder that is watched: change it there" in lab.told[0]
    (folder / "web.yaml").unlink()
    await lab.visit()
    lab.folders.watched[1].again_at = 0.001  # its time has come
    await lab.visit()
    assert (lab.names(), lab.told) == (["db", "web"], [])


async def test_a_file_that_is_still_being_written_is_waited_for(lab: Lab, folder: Path):
    (folder / "web.yaml").write_text("apiVersion: home")
    await lab.folders.visit(lab.one)
    assert lab.told == []
    write(folder / "web.yaml", expectation("web", status="stopped"))
    await lab.visit()
    assert lab.told == []


async def test_a_folder_that_is_no_longer_configured_keeps_what_it_said_and_says_so(
    lab: Lab, folder: Path, clock: FakeClock
):
    again = Lab(lab.database, clock)
    await again.folders.look_for_left()
    assert again.names() == ["db", "web"]
    (told,) = again.told
    assert told.startswith(f"{folder}: nobody watches this folder any more")
    lab.database.transact(lambda con: declarations.delete(con, ["Expectation/db", "Expectation/web"]))
    await again.folders.look_for_left()
    assert again.told == []
