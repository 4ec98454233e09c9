"""Folders of manifests that are watched: each is in force as a whole, as it was when it last could be read.

While anything in a folder is wrong (a file that does not parse, a contradiction, the folder itself is gone) nothing of
it is changed or withdrawn; the fault is logged once and stands in ``faults`` until it is mended.  An empty folder
withdraws what it said only if we saw its last file go: else it may be a disk that is not mounted.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from stat import S_ISDIR
from typing import NoReturn

import structlog

from daemon.reconcile import declaring, manifests
from daemon.reconcile.applying import FOLDER
from daemon.reconcile.loop import Reconciler
from daemon.runtime.clock import Clock
from daemon.store import declarations
from daemon.store.database import Connection, Database, StoreUnavailable
from schemas.expected_queries import Document, ExpectApplyQuery, Fault, Place

EVERY = 0.5
_AGAIN = 10.0
"""What was refused because of something elsewhere is tried again this often, in seconds."""
_GONE = "the folder cannot be read: what it said stays in force"
_EMPTY = "the folder is empty: what it said stays in force; to withdraw it: homelab expect delete --origin {origin}"
_LEFT = "nobody watches this folder any more: what it said stays in force; homelab expect delete --origin {origin}"
Files = tuple[tuple[str, int, int, int], ...]
"""Path, size, time of change and inode of each file."""


@dataclass(frozen=True, slots=True)
class Look:
    """A folder at a glance; ``place`` tells one directory from another of the same name."""

    place: tuple[int, int]
    files: Files


@dataclass(slots=True)
class Watched:
    path: Path
    seen: Look | None = None
    applied: Look | None = None
    """What was dealt with, well or badly."""
    again_at: float = 0.0
    faults: tuple[Fault, ...] = ()
    documents: tuple[Document, ...] = ()

    @property
    def origin(self) -> str:
        return f"{FOLDER}{self.path}"


@dataclass(slots=True)
class Folders:
    database: Database
    clock: Clock
    reconciler: Reconciler
    watched: list[Watched] = field(default_factory=list)
    left: tuple[Fault, ...] = ()
    """Of folders that are in force and that nobody watches any more."""

    def watch(self, paths: Iterable[Path]) -> None:
        self.watched += [Watched(path) for path in dict.fromkeys(path.expanduser().absolute() for path in paths)]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Why what the folders say now is not in force."""
        return (*(fault for one in self.watched for fault in one.faults), *self.left)

    async def run(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        look_at = loop.time()
        while True:
            if loop.time() >= look_at:
                await self.look_for_left()
                look_at = loop.time() + (_AGAIN if self.left else inf)
            for one in self.watched:
                await self.visit(one)
            await asyncio.sleep(EVERY)

    async def look_for_left(self) -> None:
        watched = {one.origin for one in self.watched}
        with suppress(StoreUnavailable):
            origins = await self.database.read(lambda con: {one.origin for one in declarations.fetch(con)})
            self.left = tuple(
                Fault(place=Place(file=origin.removeprefix(FOLDER)), text=_LEFT.format(origin=origin))
                for origin in sorted(origins - watched)
                if origin.startswith(FOLDER)
            )

    async def visit(self, one: Watched) -> None:
        """Look at a folder; apply it when it stands still and is not as it was dealt with."""
        loop = asyncio.get_running_loop()
        look = await loop.run_in_executor(None, glance, one.path)
        still, one.seen = one.seen == look, look
        due = loop.time() >= one.again_at > 0
        if look is None:
            self._told(one, (Fault(place=Place(file=str(one.path)), text=_GONE),))
            one.applied = None
        elif (look != one.applied and (still or one.applied is None)) or due:
            with suppress(StoreUnavailable):  # then it is not dealt with, and the next visit tries again
                await self._apply(one, look)

    async def _apply(self, one: Watched, look: Look) -> None:
        loop = asyncio.get_running_loop()
        if not look.files and (one.applied is None or one.applied.place != look.place):
            faults = await self.database.read(partial(_kept, origin=one.origin, path=one.path))
        elif look == one.applied:
            faults = await self._declare(one)
        else:
            found = await loop.run_in_executor(None, manifests.read, [one.path])
            one.documents = tuple(found.documents)
            faults = tuple(found.faults) or await self._declare(one)
            if await loop.run_in_executor(None, glance, one.path) != look:
                return  # it changed while it was read: what was just applied is read again
        one.applied = look
        one.again_at = loop.time() + _AGAIN if faults else 0.0
        self._told(one, faults)

    async def _declare(self, one: Watched) -> tuple[Fault, ...]:
        query = ExpectApplyQuery(documents=one.documents, origin=one.origin, prune=True)
        made = await declaring.apply(self.database, query, self.clock.now())
        if made.faults:
            return tuple(made.faults)
        if made.changes:
            counts = {
                change: sum(applied.change == change for applied in made.applied)
                for change in ("created", "changed", "withdrawn")
            }
            log.info("expectations_applied", folder=str(one.path), warnings=len(made.warnings), **counts)
            self.reconciler.mark(everything=True)
        return ()

    def _told(self, one: Watched, faults: tuple[Fault, ...]) -> None:
        if faults == one.faults:
            return
        if faults:
            log.warning("expectations_faulty", folder=str(one.path), faults=len(faults), first=str(faults[0]))
        else:
            log.info("expectations_mended", folder=str(one.path))
        one.faults = faults


def glance(folder: Path) -> Look | None:
    """Return what a folder looks like from outside; None: it cannot be read."""
    try:
        own = folder.stat()
        if not S_ISDIR(own.st_mode):
            return None
        return Look((own.st_dev, own.st_ino), tuple(sorted(_files(str(folder)))))
    except OSError:
        return None


def _files(folder: str) -> Iterator[tuple[str, int, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _files(entry.path)
            elif Path(entry.name).suffix in manifests.SUFFIXES:
                with suppress(FileNotFoundError):
                    state = entry.stat()
                    yield entry.path, state.st_size, state.st_mtime_ns, state.st_ino


def _kept(con: Connection, origin: str, path: Path) -> tuple[Fault, ...]:
    if declarations.fetch(con, origin=origin):
        return (Fault(place=Place(file=str(path)), text=_EMPTY.format(origin=origin)),)
    return ()


log = structlog.get_logger(__name__)
