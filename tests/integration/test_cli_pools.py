"""`homelab pools` as a person meets it: what is asked of the daemon, and what is said."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.api.answers import Refused
from schemas.expected_queries import PoolChangeQuery, PoolsQuery
from schemas.queries import ResourcesQuery
from tests.support.answers import KEY
from tests.support.cli import Lab, laboratory


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with laboratory(tmp_path) as running:
        yield running


async def test_pools_are_listed_shown_and_machine_readable(lab):
    said = await lab.run("pools")
    assert (said.code, said.err) == (0, "")
    assert [line.split()[0] for line in said.out.splitlines()] == ["POOL", "/lab", "/compute"]
    assert [row["path"] for row in (await lab.run("pools", "--json")).json] == ["/lab", "/lab/compute"]

    shown = await lab.run("pools", "show", "/lab", "--limit", "5")
    assert KEY in shown.out
    assert lab.answers.asked[-1] == PoolsQuery(path="/lab", members=True, limit=5)


async def test_a_change_is_asked_as_it_was_written(lab):
    said = await lab.run(
        *("pools", "put", "/lab", "--select", "kind=container label:tier=front", "--select", "kind=vm"),
        *("--property", "rack=1", "--property", "old=", "--type", "compute", "--unmanaged"),
    )
    assert (said.code, said.out) == (0, "said: /lab\n")
    assert lab.answers.asked[-1] == PoolChangeQuery(
        path="/lab", selectors=("kind=container label:tier=front", "kind=vm"), properties={"rack": 1, "old": None},
        type="compute", unmanaged=True,
    )  # fmt: skip
    for act, told in (("add", "added to /lab"), ("remove", "taken out of /lab")):
        said = await lab.run("pools", act, "/lab", KEY)
        assert (said.code, said.out) == (0, f"{told}: {KEY}\n")
        assert lab.answers.asked[-1] == PoolChangeQuery(path="/lab", act=act, keys=(KEY,))
    await lab.run("pools", "delete", "/lab")
    assert lab.answers.asked[-1] == PoolChangeQuery(path="/lab", act="delete")


async def test_what_is_not_said_is_not_asked_and_an_empty_selector_takes_all_away(lab):
    await lab.run("pools", "put", "/lab", "--description", "d")
    assert lab.answers.asked[-1] == PoolChangeQuery(path="/lab", description="d")
    await lab.run("pools", "put", "/lab", "--select", "")
    assert lab.answers.asked[-1] == PoolChangeQuery(path="/lab", selectors=())


async def test_a_refused_change_is_one_line_and_exit_1(lab):
    lab.answers.failure = Refused("refused", "/lab is declared in lab.yaml:7: change it there")
    said = await lab.run("pools", "delete", "/lab")
    assert (said.code, said.out) == (1, "")
    assert said.err == "homelab: /lab is declared in lab.yaml:7: change it there\n"


async def test_resources_are_listed_by_pool(lab):
    await lab.run("resources", "--pool", "/lab")
    assert isinstance(lab.answers.asked[-1], ResourcesQuery)
    assert lab.answers.asked[-1].pool == "/lab"
