"""How much a question in SQL may take."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    timeout: timedelta = timedelta(seconds=10)  # of one query; a caller may ask for less
    max_rows: int = 10_000  # a caller may ask for less
    max_bytes: int = 8 * 1024 * 1024  # of the rows, as JSON
    memory_mb: int = 1024  # what a query may take beside the idle worker
    threads: int = 2
    waiting: int = 8  # queries that may stand in line
    patience: timedelta = timedelta(seconds=30)  # how long one stands in line
    idle: timedelta = timedelta(minutes=5)  # then the worker is stopped: it is some 60 MB
