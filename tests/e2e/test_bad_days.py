"""Engines that are missing, refuse, die or hang: each is named with its reason, the rest goes on."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.docker_engine import RealEngine, SpareEngine, engine, hung, spare_engine
from tests.support.instance import HOST, Instance, docker, prepared, running
from tests.support.waiting import until

pytestmark = pytest.mark.docker
QUICK = {"interval": "1s", "deadline": "1s"}
NOBODY = 65534


@dataclass
class Site:
    lab: Instance
    spare: SpareEngine
    folder: Path

    async def source(self, name: str) -> dict[str, Any]:
        found = [row for row in (await self.lab.ask("sources"))["items"] if row["source"] == name]
        return found[0] if found else {"status": "unheard"}

    async def is_now(self, name: str, status: str) -> bool:
        return (await self.source(name))["status"] == status

    async def presences(self, name: str) -> set[str]:
        answer = await self.lab.ask("resources", provider="docker", source=name, limit=1000)
        return {row["presence"] for row in answer["items"]}


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    """A host, an engine of our own, one that is missing, one that refuses us, one that hangs."""
    async with AsyncExitStack() as stack:
        spare = await stack.enter_async_context(spare_engine())
        sockets = spare.folder
        sources = [
            {**HOST, "interval": "1s"},
            docker("spare", spare.url, **QUICK),
            docker("missing", f"unix://{sockets}/missing.sock", **QUICK),
            docker("denied", f"unix://{sockets}/denied.sock", **QUICK),
            docker("hung", f"unix://{sockets}/hung.sock", **QUICK),
        ]
        await stack.enter_async_context(hung(sockets / "hung.sock"))
        await stack.enter_async_context(hung(sockets / "denied.sock"))
        os.chown(sockets / "denied.sock", NOBODY, NOBODY)
        (sockets / "denied.sock").chmod(0o600)
        lab = prepared(folder, sources)
        lab.before = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
        await stack.enter_async_context(running(lab))
        yield Site(lab, spare, sockets)


async def test_engines_fail_each_with_its_reason_and_come_back_by_themselves(tmp_path: Path):
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv: root without its right to every file cannot be made")
    async with site(tmp_path) as here, engine(here.spare.socket) as real:
        await _the_reasons_are_told(here)
        await _what_was_missing_is_found(here)
        await _an_engine_dies_and_comes_back(here, real)
        await _an_engine_hangs_and_goes_on(here)


async def _the_reasons_are_told(here: Site) -> None:
    for name, words in (
        ("missing", ("no Docker engine at unix://", "is it running?")),
        ("denied", ("permission denied on", "group docker")),
        ("hung", ("no answer in 1 s",)),
    ):
        await until(lambda name=name: here.is_now(name, "failed"), seconds=20)
        detail = (await here.source(name))["detail"]
        assert all(word in detail for word in words), detail
    await until(lambda: here.is_now("spare", "ok"), seconds=20)
    assert await here.is_now("here", "ok")
    screen = (await here.lab.cli("sources")).out
    assert all(f"docker/{name}" in screen for name in ("missing", "denied", "hung", "spare"))
    lost = [(line["source"], line["detail"]) for line in here.lab.said("source_lost")]
    assert len(lost) == len(set(lost)), "each is said once, however many scopes it strikes"


async def _what_was_missing_is_found(here: Site) -> None:
    """The socket that was missing appears: another way to the same engine."""
    (here.folder / "missing.sock").symlink_to(here.spare.socket)
    await until(lambda: here.is_now("missing", "ok"), seconds=20)


async def _an_engine_dies_and_comes_back(here: Site, real: RealEngine) -> None:
    names = [real.name("made") for _ in range(5)]
    for name in names:
        await real.create(name)
    runs = await real.run(real.name("runs"))
    await until(lambda: _all_known(here, {*names}), seconds=10)
    await until(lambda: _runs(here), seconds=10)
    before = await _log(here.lab)

    await here.spare.kill()
    await until(lambda: here.is_now("spare", "failed"), seconds=20)
    await until(lambda: _equals(here.presences("spare"), {"unknown"}), seconds=5)
    told = await _log(here.lab, after=before)
    assert [row["op"] for row in told] == ["source_lost"], "an outage is one row, and says nothing of what was there"
    seen_at = (await here.source("here"))["observed_at"]
    await until(lambda: _newer(here, seen_at), seconds=10)
    assert (await here.lab.ask("status"))["ingest_state"] == "live"

    await here.spare.start()
    await until(lambda: here.is_now("spare", "ok"), seconds=30)
    await until(lambda: _equals(here.presences("spare"), {"present"}), seconds=10)
    back = [row for row in await _log(here.lab, after=before) if row["kind"] == "container"]
    assert {row["op"] for row in back} <= {"changed"}, "nothing is lost or invented"
    assert len({row["key"] for row in back}) <= 1, "only what ran has stopped with its engine"
    await real.remove(runs)
    await until(lambda: _all_known(here, {*names}, exactly=True), seconds=10)


async def _an_engine_hangs_and_goes_on(here: Site) -> None:
    await until(lambda: _equals(here.presences("spare"), {"present"}), seconds=10)
    before = await _log(here.lab)
    here.spare.freeze()
    await until(lambda: _equals(here.presences("spare"), {"unknown"}), seconds=20)
    assert "no answer in 1 s" in (await here.source("spare"))["detail"]
    here.spare.thaw()
    await until(lambda: here.is_now("spare", "ok"), seconds=30)
    await until(lambda: _equals(here.presences("spare"), {"present"}), seconds=10)
    told = await _log(here.lab, after=before)
    assert {row["kind"] for row in told} <= {"source"}, "nothing is said of what was there"


async def _all_known(here: Site, names: set[str], *, exactly: bool = False) -> bool:
    answer = await here.lab.ask("resources", provider="docker", source="spare", kind="container", limit=1000)
    known = {row["name"] for row in answer["items"] if row["presence"] == "present"}
    return known == names if exactly else known > names


async def _runs(here: Site) -> bool:
    """The one container that was started is known to run: between made and started it may be read once."""
    answer = await here.lab.ask("resources", provider="docker", source="spare", kind="container", limit=1000)
    return [row["status"] for row in answer["items"]].count("running") == 1


async def _log(lab: Instance, after: list[dict] = ()) -> list[dict[str, Any]]:
    """The log rows of the spare engine, oldest first."""
    last = after[-1]["seq"] if after else 0
    answer = await lab.ask("events", provider="docker", source="spare", after_seq=last, limit=1000)
    return answer["items"]


async def _newer(here: Site, than: str) -> bool:
    return (await here.source("here"))["observed_at"] > than


async def _equals(answer, wanted: object) -> bool:
    return await answer == wanted
