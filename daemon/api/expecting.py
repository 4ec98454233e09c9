"""Answers about what should be."""

from dataclasses import dataclass

from daemon.runtime.clock import Clock
from daemon.store.database import Database


@dataclass(frozen=True, slots=True)
class Expecting:
    database: Database
    clock: Clock
