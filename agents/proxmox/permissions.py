"""What the token may read, looked up now and then: rows it may not read are left out without a word."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from agents.proxmox import rights
from agents.proxmox.client import Api
from agents.proxmox.rights import NEEDED, Need, Rights
from daemon.runtime.clock import Clock

VALID_FOR = timedelta(minutes=5)


class Permissions:
    def __init__(self, api: Api, clock: Clock) -> None:
        self.rights: Rights | None = None
        """As last looked up."""
        self.changes = 0
        """How often something else was missing than before."""
        self._api = api
        self._clock = clock
        self._read_at: datetime | None = None
        self._doubted = False
        self._missing: dict[Need, Sequence[str]] = {}

    @property
    def due(self) -> bool:
        age = self._clock.now() - self._read_at if self._read_at else VALID_FOR
        return self.doubted or not timedelta(0) <= age < VALID_FOR

    @property
    def doubted(self) -> bool:
        """Something was refused since, or a person has to grant what is missing: that may have been done."""
        return self._doubted or not all(need.optional for need in self._missing)

    async def current(self) -> Rights:
        if self.rights is None or self.due:
            return await self.anew()
        return self.rights

    async def anew(self) -> Rights:
        """Look them up now: something is missing."""
        at = self._clock.now()
        found = Rights.parse(await self._api.raw("access/permissions"))
        missing = {need: rights.missing(need, found) for need in NEEDED if not need.met(found)}
        if missing != self._missing:
            self.changes += 1
        self.rights, self._missing = found, missing
        self._read_at, self._doubted = at, False
        return found

    def expire(self) -> None:
        """Something was refused that was allowed: look them up with the next question."""
        self._doubted = True
