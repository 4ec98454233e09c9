"""Sources asked once, and what the person at the terminal sees of it; time is the test's."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from agents import process
from agents.contract import Finding, Provider, Scope
from agents.errors import Unauthorized, Unreachable
from agents.process import Source
from daemon import allinone
from daemon.cli import probing
from daemon.cli.tables import show
from daemon.runtime.options import FindingProbe, ProbeResult
from schemas.config import HomelabConfig, SourceConfig
from schemas.events import Trouble
from schemas.resources import Kind
from tests.support.events import resource

pytestmark = pytest.mark.looptime
CONTAINERS = Scope("containers", frozenset({Kind.CONTAINER}))
EXPIRES = Finding("certificate", "warning", "pve1's is valid until 2026-11-30")
REVOKED = Finding("token", "failed", "root@pam!lab is not accepted")
SILENT = Finding("reachable", "failed", "nobody answers", Trouble.UNREACHABLE)


class Plain:
    """Has one container; ``takes`` seconds for it, or raises."""

    def __init__(self, *, takes=0.0, raises=None) -> None:
        self.takes, self.raises = takes, raises

    def scopes(self):
        return [CONTAINERS]

    async def collect(self, scope):
        await asyncio.sleep(self.takes)
        if self.raises:
            raise self.raises
        return [resource("web")]


class Checking(Plain):
    def __init__(self, *findings, takes=0.0, breaks=None) -> None:
        super().__init__()
        self.findings, self.check_takes, self.breaks = findings, takes, breaks
        self.done: list[str] = []

    async def check(self):
        await asyncio.sleep(self.check_takes)
        self.done.append("check")
        if self.breaks:
            raise self.breaks
        return self.findings

    async def collect(self, scope):
        self.done.append("collect")
        return await super().collect(scope)


def source(agent, name="lab"):
    @asynccontextmanager
    async def connect(config, deps):
        yield agent

    deadline = timedelta(seconds=30)
    provider = Provider("fake", SourceConfig, frozenset({Kind.CONTAINER}), connect, deadline=deadline)
    return Source(provider, SourceConfig(provider="fake", name=name))


async def probed(monkeypatch, *sources, asked=lambda: None):
    monkeypatch.setattr(allinone, "sources_of", lambda config, names: list(sources))
    return await allinone.probe(HomelabConfig(), (), asked=asked)


async def test_a_source_is_looked_at_before_it_is_read(monkeypatch):
    agent = Checking(EXPIRES)
    (result,) = await probed(monkeypatch, source(agent))

    assert agent.done == ["check", "collect"]
    assert result.findings == (FindingProbe("certificate", "warning", "pve1's is valid until 2026-11-30"),)
    assert [scope.counts for scope in result.scopes] == [{"container": 1}]


@pytest.mark.parametrize(("finding", "ok"), [(EXPIRES, True), (REVOKED, False)])
async def test_a_warning_is_no_failure(monkeypatch, finding, ok):
    (result,) = await probed(monkeypatch, source(Checking(finding)))

    assert result.is_ok is ok


async def test_where_nothing_can_be_read_nothing_is_asked_for(monkeypatch):
    agent = Checking(EXPIRES, SILENT)
    (result,) = await probed(monkeypatch, source(agent))

    assert agent.done == ["check"]
    assert (result.trouble, result.detail, result.scopes) == ("unreachable", "nobody answers", ())
    assert [one.name for one in result.findings] == ["certificate", "reachable"]
    assert not result.is_ok


async def test_a_look_that_hangs_is_a_finding_and_the_scopes_are_read_all_the_same(monkeypatch):
    (result,) = await probed(monkeypatch, source(Checking(takes=999)))

    assert [(one.outcome, one.detail) for one in result.findings] == [("failed", "no answer in 30 s: is it hung?")]
    assert result.scopes[0].trouble == ""


async def test_sources_are_asked_a_few_at_a_time_and_told_in_their_order(monkeypatch):
    loop, began, asked = asyncio.get_running_loop(), asyncio.get_running_loop().time(), []
    sources = [source(Plain(takes=10 - number), f"s{number}") for number in range(6)]
    results = await probed(monkeypatch, *sources, asked=lambda: asked.append(round(loop.time() - began)))

    assert [one.source for one in results] == [f"s{number}" for number in range(6)]
    assert asked == [7, 8, 9, 10, 13, 13]  # not 45, one after the other; nor all at once


async def test_one_sources_defect_hides_no_other_and_tells_its_place_not_its_text(monkeypatch):
    defect = KeyError("hunter2")
    broken, well = await probed(monkeypatch, source(Plain(raises=defect), "broken"), source(Plain(), "well"))

    assert (broken.trouble, well.is_ok) == ("defect", True)
    assert "KeyError at test_probing.py:" in broken.detail
    assert "hunter2" not in broken.detail


async def test_findings_are_told_whole_below_what_could_be_read(capsys):
    detail = "VM.Audit on /vms is missing: " + "guests are not seen; " * 20
    found = ProbeResult("fake", "lab", 0.1, findings=(FindingProbe("privileges", "failed", detail),))
    show(*probing.picture([found]))

    assert f"  failed  privileges: {detail.strip()}\n" in capsys.readouterr().out
    assert json.loads(json.dumps(probing.as_row(found)))["findings"] == [
        {"name": "privileges", "outcome": "failed", "detail": detail}
    ]


# --- at the start of an agent ----------------------------------------------------------------------------------------


async def logged(agent):
    with capture_logs() as logs:
        await process._check(source(agent), agent)
    return [{name: value for name, value in line.items() if name != "exc_info"} for line in logs]


async def test_only_what_is_not_well_is_logged_at_the_start():
    assert await logged(Checking(Finding("clock", "ok", "0.2 s off"), EXPIRES, SILENT)) == [  # which the scans tell
        {
            "event": "source_check", "log_level": "warning", "source": "fake/lab", "name": "certificate",
            "outcome": "warning", "detail": "pve1's is valid until 2026-11-30",
        }
    ]  # fmt: skip


@pytest.mark.parametrize("breaks", [Unreachable("nobody"), Unauthorized("no"), KeyError("x")])
async def test_a_look_that_breaks_ends_nothing(breaks):
    (line,) = await logged(Checking(breaks=breaks))

    assert line["event"] == ("agent_defect" if isinstance(breaks, KeyError) else "source_check_broken")


async def test_a_look_at_the_start_has_an_end():
    began = asyncio.get_running_loop().time()
    await logged(Checking(takes=999))

    assert asyncio.get_running_loop().time() - began == pytest.approx(30)
