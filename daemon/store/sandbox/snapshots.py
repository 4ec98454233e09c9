"""Which snapshot there is, whether it is fresh enough, and the raw copies that become the next one.

``homelab.duckdb`` is a plain file that anybody may open for reading: it is only ever replaced, by one that is whole.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from daemon.runtime.clock import Clock

NAME = "homelab.duckdb"
RAW = "raw-copy-"
YOUNG = timedelta(milliseconds=500)
SHARE = 4  # renewals may take a quarter of the time, while somebody keeps asking


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy of the store says of itself."""

    as_of: datetime
    version: int
    seconds: float


class Snapshots:
    def __init__(
        self, directory: Path, copy: Callable[[Path], Awaitable[Copied]], version: Callable[[], int], clock: Clock
    ) -> None:
        self.path = directory / NAME
        self._directory = directory
        self._copy = copy
        self._version = version
        self._clock = clock
        self._numbers = count(1)
        self.current: Copied | None = None
        self._cost = timedelta(0)

    def prepare(self) -> None:
        """Make the directory, for its owner alone, and drop what an earlier process left half-done."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.discard()

    def discard(self) -> None:
        for left in self._directory.glob(f"{RAW}*"):
            left.unlink(missing_ok=True)

    def is_stale(self) -> bool:
        if self.current is None:
            return True
        age = abs(self._clock.now() - self.current.as_of)  # a wall clock may be set back
        return age > max(YOUNG, SHARE * self._cost) and self._version() != self.current.version

    async def copy(self) -> tuple[Path, Copied]:
        """Copy the store, as it lies: a file and its log, to be merged by the worker."""
        self.discard()  # what a cancelled caller left
        raw = self._directory / f"{RAW}{next(self._numbers)}.duckdb"
        return raw, await self._copy(raw)

    def adopt(self, copied: Copied, *, merged_in: float) -> None:
        self.current = copied
        self._cost = timedelta(seconds=copied.seconds + merged_in)

    def forget(self) -> None:
        """Trust nothing that lies there: the next question makes a new one."""
        self.current = None
        self.discard()
