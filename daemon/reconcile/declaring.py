"""Applying and withdrawing in one transaction: all of it or nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from daemon.reconcile import applying
from daemon.reconcile.applying import Plan
from daemon.reconcile.manifests import KINDS
from daemon.store import adopted, declarations, memberships
from daemon.store.database import Connection, Database
from daemon.store.views import resources
from schemas.expected_queries import ExpectApplyQuery
from schemas.manifests import ExpectationManifest, PoolManifest
from schemas.selectors import Selector

EVERY = 10_000_000
POOL = "ResourcePool/"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan, and what was declared when it was made."""

    plan: Plan
    stands_on: tuple[int, int]


async def apply(database: Database, query: ExpectApplyQuery, now: datetime) -> Plan:
    """Plan, and unless it is a dry run or there are faults, do it.

    Planning many documents takes seconds and is a reader's work; the writer only looks whether the plan still stands.
    """
    while True:
        prepared = await database.read(partial(prepare, query=query, now=now))
        made = prepared.plan
        if query.dry_run or made.faults or not (made.put or made.withdrawn):
            return made
        if await database.write(partial(carry_out, prepared=prepared)):
            return made


def prepare(con: Connection, query: ExpectApplyQuery, now: datetime) -> Prepared:
    stands_on = declarations.fingerprint(con)
    new, faults = applying.read(query.documents, query.origin, now)
    if faults:
        return Prepared(Plan(faults=faults), stands_on)
    current = {one.name: one for one in declarations.fetch(con)}
    everything = {**current, **{declared.name: declared for declared, _ in new}}
    made = applying.plan(
        current, new, origin=query.origin, prune=query.prune,
        matching=matching(con, everything.values()), known=_known(con, [declared for declared, _ in new]),
    )  # fmt: skip
    return Prepared(made, stands_on)


def carry_out(con: Connection, prepared: Prepared) -> bool:
    """Do it, in one transaction; False, and nothing is done, where something else is declared by now."""
    if declarations.fingerprint(con) != prepared.stands_on:
        return False
    made = prepared.plan
    declarations.delete(con, made.withdrawn)
    declarations.put(con, made.put)
    if any(name.startswith(POOL) for name in (*made.withdrawn, *(one.name for one in made.put))):
        memberships.refresh(con, None)
    return True


def matching(con: Connection, declared: Iterable[declarations.Declared]) -> dict[str, list[str]]:
    """Look up what the selectors of these mean now."""
    asked: dict[str, Selector] = {}
    for one in declared:
        asked |= {str(selector): selector for selector in applying.selectors(one)}
    found: dict[str, list[str]] = {text: [] for text in asked}
    texts = tuple(asked)
    for key, places in resources.meant(con, tuple(asked.values())).items():
        for place in places:
            found[texts[place]].append(key)
    return found


def withdraw(
    con: Connection, names: Iterable[str], keys: Iterable[str], *, dry_run: bool
) -> tuple[list[str], list[str]]:
    """Forget declarations (`<Kind>/<name>`, or a bare name) and adoptions; return what, and what there was not."""
    there = {one.name for one in declarations.fetch(con)}
    found = {name: _meant(name, there) for name in dict.fromkeys(names)}
    chosen = sorted({name for meant in found.values() for name in meant})
    forgotten = set(adopted.fetch(con, keys))
    if not dry_run and (chosen or forgotten):
        declarations.delete(con, chosen)
        adopted.delete(con, forgotten)
        if any(name.startswith(POOL) for name in chosen):
            memberships.refresh(con, None)
    missing = [name for name, meant in found.items() if not meant] + sorted(set(keys) - forgotten)
    return [*chosen, *sorted(forgotten)], missing


def _meant(name: str, there: set[str]) -> list[str]:
    if name in there or "/" in name:
        return [name] if name in there else []
    return [f"{kind}/{name}" for kind in KINDS if f"{kind}/{name}" in there]


def _known(con: Connection, declared: Iterable[declarations.Declared]) -> set[str]:
    """Return what of the keys these name is in the inventory."""
    named = tuple(_named(declared))
    if not named:
        return set()
    return set(resources.keys(con, resources.condition(Selector(keys=named)), limit=EVERY))


def _named(declared: Iterable[declarations.Declared]) -> Iterator[str]:
    for one in declared:
        match one.manifest:
            case ExpectationManifest(spec=spec) if spec.key is not None:
                yield spec.key
            case PoolManifest(spec=pool):
                yield from pool.keys
