"""Zones and virtual networks of SDN, which are the cluster's: what of them is left out is hidden, or gone.

NoAccess on one zone takes it out of the listing without a word, so what was listed before is only gone where the
rights at its own path say that it would be listed.
"""

from collections.abc import Mapping
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from agents.errors import AgentError, Throttled, Unauthorized
from agents.proxmox import gaps, networks
from agents.proxmox.abreast import each
from agents.proxmox.memory import Memory
from agents.proxmox.rights import advice
from agents.proxmox.troubles import Denied, Unsupported
from agents.proxmox.wire_slow import VnetRow, ZoneRow
from schemas.events import Gap, Trouble
from schemas.resources import Key

_SEEN_WITH = frozenset({"SDN.Audit", "SDN.Use", "SDN.Allocate"})
_GRANTED: TypeAdapter[dict[str, dict[str, int]]] = TypeAdapter(dict[str, dict[str, int]])


class Sdn(NamedTuple):
    zones: list[ZoneRow]
    vnets: list[VnetRow]
    refused: Denied | None = None


async def read(memory: Memory) -> Sdn:
    try:
        zones = await memory.api.rows("cluster/sdn/zones", ZoneRow)
        return Sdn(zones, await memory.api.rows("cluster/sdn/vnets", VnetRow))
    except Unsupported:  # before PVE 8 it was no part of the product
        return Sdn([], [])
    except Denied as error:
        return Sdn([], [], error)


async def hidden(memory: Memory, missing: Mapping[str, str]) -> tuple[dict[str, str], list[Gap]]:
    """Return which of ``missing`` (key -> path) are not known to be gone, and the gaps that hide them."""
    failed: dict[str, AgentError] = {}

    async def seen(where: str) -> bool:
        try:
            granted = _GRANTED.validate_python(await memory.api.raw("access/permissions", path=where))
        except ValidationError:
            return False
        except AgentError as error:
            if isinstance(error, Throttled | Unauthorized) and not isinstance(error, Denied):
                raise
            failed[where] = error
            return False
        return not _SEEN_WITH.isdisjoint(granted.get(where, {}))

    paths = sorted(set(missing.values()))
    may = dict(zip(paths, await each(paths, seen), strict=True))
    left = {key: where for key, where in missing.items() if not may[where]}
    found: list[Gap] = []
    for where in sorted(set(left.values())):
        keys = [key for key in sorted(left) if left[key] == where]
        if where in failed:
            what = "a zone or net is not listed any more, and whether it may be seen cannot be asked"
            found.append(gaps.because(failed[where], what, keys=keys))
            continue
        detail = f"what was listed is hidden: SDN.Audit is missing on {where}; "
        detail += advice(memory.config.token_id, "SDN.Audit", where)
        found += gaps.of_keys(keys, detail, Trouble.UNAUTHORIZED, privilege="SDN.Audit", path=where)
    return left, found


def vnets(keys: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the nets among ``keys``."""
    ids = (Key.parse(key).native_id for key in keys)
    return frozenset(one.removeprefix(networks.VNET) for one in ids if one.startswith(networks.VNET))
