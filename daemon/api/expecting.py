"""Answers about what should be."""

from dataclasses import dataclass

from daemon.reconcile.loop import Reconciler
from daemon.runtime.clock import Clock
from daemon.store.database import Database


@dataclass(frozen=True, slots=True)
class Expecting:
    database: Database
    clock: Clock
    reconciler: Reconciler
