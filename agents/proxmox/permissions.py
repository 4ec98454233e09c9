"""What the token may read, looked up now and then: rows it may not read are left out without a word."""

from datetime import datetime, timedelta

from agents.proxmox.client import Api
from agents.proxmox.rights import Rights
from daemon.runtime.clock import Clock

VALID_FOR = timedelta(minutes=5)


class Permissions:
    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._rights: Rights | None = None
        self._read_at: datetime | None = None

    @property
    def due(self) -> bool:
        return self._read_at is None or not timedelta(0) <= self._clock.now() - self._read_at < VALID_FOR

    async def current(self) -> Rights:
        if self._rights is None or self.due:
            return await self.anew()
        return self._rights

    async def anew(self) -> Rights:
        """Look them up now: something is missing."""
        at = self._clock.now()
        self._rights = Rights.parse(await self._api.raw("access/permissions"))
        self._read_at = at
        return self._rights

    def expire(self) -> None:
        """Something was refused that was allowed: look them up with the next question."""
        self._read_at = None
