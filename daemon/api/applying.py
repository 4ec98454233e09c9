"""Answers to those who declare what should be, and who withdraw it."""

from dataclasses import dataclass
from functools import partial

from daemon.api.answers import Refused
from daemon.reconcile import declaring
from daemon.reconcile.folders import Folders
from daemon.reconcile.loop import Reconciler
from daemon.runtime.clock import Clock
from daemon.store.database import Database, StoreUnavailable
from schemas import expected_queries as e

SHOWN = 1000
_ORDER = ("created", "changed", "withdrawn", "unchanged")


@dataclass(frozen=True, slots=True)
class Applying:
    database: Database
    clock: Clock
    reconciler: Reconciler
    folders: Folders

    async def expect_apply(self, query: e.ExpectApplyQuery) -> e.ExpectApplyAnswer:
        now = self.clock.now()
        try:
            made = await declaring.apply(self.database, query, now)
        except StoreUnavailable as error:
            raise Refused("unavailable", f"nothing was changed: {error}") from error
        if not (query.dry_run or made.faults) and made.changes:
            self.reconciler.mark(everything=True)
        told = sorted(made.applied, key=lambda one: _ORDER.index(one.change))
        same = sum(one.change == "unchanged" for one in told)
        hint = f"{len(told)} in all, {same} of them unchanged; the first {SHOWN} are listed" if told[SHOWN:] else ""
        return e.ExpectApplyAnswer(
            as_of=now, applied=tuple(told[:SHOWN]), faults=tuple(made.faults[:SHOWN]),
            warnings=tuple(made.warnings[:SHOWN]), hint=hint,
        )  # fmt: skip

    async def expect_withdraw(self, query: e.ExpectWithdrawQuery) -> e.ExpectWithdrawAnswer:
        if not (query.names or query.keys):
            raise Refused("bad_query", "say what to withdraw: names of declarations, or keys whose adoption to forget")
        now = self.clock.now()
        work = partial(declaring.withdraw, names=query.names, keys=query.keys, dry_run=query.dry_run)
        try:
            withdrawn, unknown = await (self.database.read(work) if query.dry_run else self.database.write(work))
        except StoreUnavailable as error:
            raise Refused("unavailable", f"nothing was changed: {error}") from error
        if withdrawn and not query.dry_run:
            self.reconciler.mark(everything=True)
        return e.ExpectWithdrawAnswer(as_of=now, withdrawn=tuple(withdrawn), unknown=tuple(unknown))
