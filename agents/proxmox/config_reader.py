"""Reads guest configurations that are due.  One that cannot be read costs nothing but itself.

A node that does not answer is asked for one configuration only; with the next scan it is tried with one again.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from agents.errors import AgentError, Malformed, Throttled, Unauthorized, Unreachable
from agents.proxmox import identity, wire
from agents.proxmox.abreast import each
from agents.proxmox.client import Api
from agents.proxmox.configs import Configs
from agents.proxmox.troubles import Denied, NodeUnreachable, NoSuchGuest

_STRIKES = 3
"""So many configurations of one node that fail while none can be read are the node's failure."""


class Outcome(NamedTuple):
    lost: list[wire.GuestRow]
    """Not where they were listed: deleted, or moved."""
    failed: dict[str, AgentError]
    """Guest (the id of its row) -> why its configuration stays what was last known."""


class ConfigReader:
    def __init__(self, api: Api, configs: Configs) -> None:
        self._api = api
        self._configs = configs
        self.silent: dict[str, AgentError] = {}
        """Nodes that did not answer when they were last asked, and why."""

    async def read(self, due: Sequence[wire.GuestRow]) -> Outcome:
        """Keep each configuration as soon as it is read: a scan that is cut off has not been in vain."""
        scouts = {row.node: row for row in due if row.node in self.silent}
        self.silent = {node: error for node, error in self.silent.items() if node not in scouts}
        reading = _Reading(self._api, self._configs, self.silent)
        await each(scouts.values(), reading.read)
        await each([row for row in due if row is not scouts.get(row.node)], reading.read)
        return reading.outcome


class _Reading:
    def __init__(self, api: Api, configs: Configs, silent: dict[str, AgentError]) -> None:
        self.outcome = Outcome([], {})
        self._api = api
        self._configs = configs
        self._silent = silent
        self._strikes: Counter[str] = Counter()
        self._answering: set[str] = set()

    async def read(self, row: wire.GuestRow) -> None:
        if row.node in self._silent:
            self.outcome.failed[row.id] = self._silent[row.node]
            return
        try:
            config = await self._api.one(f"nodes/{row.node}/{row.type}/{row.vmid}/config", wire.GuestConfig)
            if not config.root:
                raise Malformed(f"the configuration of {row.id} is empty", why="answered with nothing")
        except NoSuchGuest:
            self.outcome.lost.append(row)
        except AgentError as error:
            self._failed(row, error)
        else:
            self._answering.add(row.node)
            if not identity.is_begun(config):
                self._configs.read(row.id, config)

    def _failed(self, row: wire.GuestRow, error: AgentError) -> None:
        if isinstance(error, Throttled) or (isinstance(error, Unauthorized) and not isinstance(error, Denied)):
            raise error
        self.outcome.failed[row.id] = error
        self._strikes[row.node] += 1
        if isinstance(error, NodeUnreachable) or (
            isinstance(error, Unreachable) and self._strikes[row.node] >= _STRIKES and row.node not in self._answering
        ):
            self._silent[row.node] = error
