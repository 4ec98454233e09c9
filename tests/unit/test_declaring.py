"""Applying and withdrawing in a real store."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from daemon.reconcile import declaring
from daemon.reconcile.applying import Plan
from daemon.store import adopted, declarations
from daemon.store.adopted import Adopted
from daemon.store.database import Database
from schemas.expectations import ExpectedField
from schemas.expected_queries import Document, ExpectApplyQuery
from tests.conftest import FakeClock
from tests.support import events
from tests.support.manifests import documents, expectation, pool
from tests.support.store import Fed, fed

WEB = events.key("web")


@pytest.fixture
def store(clock: FakeClock, tmp_path: Path) -> Iterator[Fed]:
    clock.advance(hours=4)  # it is noon
    with fed(clock, tmp_path / "store.duckdb") as made:
        found = [events.labelled("web", {"tier": "front"}), events.resource("db")]
        made.say([events.observed(one) for one in found], events.scan(found))
        yield made


async def apply(store: Fed, *said: Document, **query: object) -> Plan:
    return await declaring.apply(store.database, ExpectApplyQuery(documents=said, **query), store.clock.now())


def names(store: Fed) -> list[str]:
    return [one.name for one in store.database.transact(declarations.fetch)]


async def test_what_was_applied_is_there_as_it_was_written(store: Fed):
    (said,) = documents(expectation("web", WEB, status="running", max_backup_age="2d", fields={"labels.a": "x"}))
    await apply(store, said, origin="file:/a.yaml")
    (one,) = store.database.transact(declarations.fetch)
    assert (one.name, one.origin, one.file, one.line) == ("Expectation/web", "file:/a.yaml", "a.yaml", 1)
    assert one.manifest.model_dump(mode="json", by_alias=True, exclude_unset=True)["spec"] == {
        "key": WEB, "status": "running", "max_backup_age": "172800s", "fields": {"labels.a": "x"},
    }  # fmt: skip
    assert not (await apply(store, said, origin="file:/a.yaml")).changes


async def test_with_one_fault_nothing_is_applied(store: Fed):
    good, bad = documents(expectation("web", WEB, status="running"), expectation("two", WEB, status="stopped"))
    made = await apply(store, *documents(expectation("db", events.key("db"))), good, bad)
    assert made.faults
    assert names(store) == []


async def test_a_dry_run_changes_nothing_and_says_the_same(store: Fed):
    said = documents(expectation("web", WEB))
    dry = await apply(store, *said, dry_run=True)
    assert names(store) == []
    assert dry.applied == (await apply(store, *said)).applied


async def test_selectors_are_looked_up_in_the_inventory(store: Fed):
    made = await apply(store, *documents(
        expectation("front", None, selector="label:tier=front", status="running"),
        expectation("none", None, selector="name=nothing-*"),
    ))  # fmt: skip
    assert [one.matches for one in made.applied] == [1, 0]
    assert [str(one) for one in made.warnings] == ["a.yaml:14: spec.selector: matches nothing now; it is kept"]
    (fault,) = (await apply(store, *documents(expectation("web", WEB, status="stopped")))).faults
    assert f"says otherwise of {WEB}" in str(fault)


async def test_a_pool_that_is_applied_has_its_members_at_once(store: Fed):
    await apply(store, *documents(pool("lab", "/lab", members=["kind=container"])))
    assert store.rows("SELECT path, key FROM memberships_ ORDER BY key") == [
        ("/lab", events.key("db")),
        ("/lab", WEB),
    ]
    made = await apply(store, *documents(expectation("lab", None, selector="pool=/lab", status="running")))
    assert made.applied[0].matches == 2
    await apply(store, origin="api", prune=True)
    assert store.rows("SELECT * FROM memberships_") == []


async def test_a_plan_that_no_longer_stands_is_made_anew(store: Fed):
    first = store.database.transact(
        lambda con: declaring.prepare(con, ExpectApplyQuery(documents=documents(expectation("web", WEB))), events.NOON)
    )
    await apply(store, *documents(expectation("db", events.key("db"))))
    assert store.database.transact(lambda con: declaring.carry_out(con, first)) is False
    assert names(store) == ["Expectation/db"]


async def test_declarations_are_withdrawn_by_name_and_adoptions_by_key(store: Fed):
    await apply(store, *documents(expectation("web", WEB), pool("web", "/web"), pool("lab", "/lab")))
    fields = {"status": ExpectedField(value="running", owner="adopted")}
    store.database.transact(lambda con: adopted.put(con, [Adopted(WEB, fields, events.NOON)]))

    def withdraw(*asked: str, keys: tuple[str, ...] = (), dry_run: bool = False) -> tuple[list[str], list[str]]:
        return store.database.transact(lambda con: declaring.withdraw(con, asked, keys, dry_run=dry_run))

    assert withdraw("web", dry_run=True) == (["Expectation/web", "ResourcePool/web"], [])
    assert withdraw("ResourcePool/web", "nope", keys=(WEB, "a/b/c/d")) == (
        ["ResourcePool/web", WEB],
        ["nope", "a/b/c/d"],
    )
    assert names(store) == ["Expectation/web", "ResourcePool/lab"]
    assert store.database.transact(lambda con: adopted.fetch(con, None)) == {}


APPLIER = """
import asyncio, sys
from pathlib import Path
from daemon.reconcile import declaring
from daemon.runtime.clock import SystemClock
from daemon.store.database import Database
from schemas.expected_queries import ExpectApplyQuery
from tests.support.manifests import documents, expectation

async def main():
    said = documents(*(expectation(f"n{n}", f"a/b/vm/{n}", status="running") for n in range(2000)))
    async with Database.open(Path(sys.argv[1]), SystemClock()) as database:
        print("ready", flush=True)
        await declaring.apply(database, ExpectApplyQuery(documents=said), SystemClock().now())
        print("applied", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("delay", [0.0, 0.3, 0.5, 0.7, 0.9, 1.2, None])
def test_a_process_killed_within_an_apply_leaves_all_of_it_or_nothing(tmp_path: Path, clock: FakeClock, delay):
    path = tmp_path / "store.duckdb"
    process = subprocess.Popen(
        [sys.executable, "-c", APPLIER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        if delay is None:
            assert process.stdout.readline() == "applied\n"
        else:
            with suppress(subprocess.TimeoutExpired):
                process.wait(delay)
        process.send_signal(signal.SIGKILL)
    database = Database(path, clock)
    try:
        count = len(database.transact(declarations.fetch))
    finally:
        database.close()
    assert count == 2000 if delay is None else count in {0, 2000}
