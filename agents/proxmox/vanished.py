"""What became of what was listed and is not any more: gone, or only hidden from us.

Proxmox VE checks permissions before it looks: whoever gets another answer than a refusal may see it, so it would be
listed if it were there.  A refusal says nothing about whether it is.
"""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from pydantic import JsonValue

from agents.errors import AgentError, Throttled, Unauthorized, Unreachable
from agents.proxmox import gaps
from agents.proxmox.abreast import each
from agents.proxmox.client import Api
from agents.proxmox.rights import Rights, advice
from agents.proxmox.troubles import Denied, EntryLost, NodeUnreachable, NoSuchGuest
from schemas.events import Gap, Trouble
from schemas.resources import Key, Kind, Resource


class Fate(StrEnum):
    GONE = "gone"
    HIDDEN = "hidden"
    THERE = "there"
    UNKNOWN = "unknown"


class Vanished:
    def __init__(self, api: Api, token_id: str) -> None:
        self._api = api
        self._token_id = token_id
        self._fates: dict[str, Fate] = {}
        self._missing: dict[str, Resource] = {}

    @property
    def missing(self) -> Mapping[str, Resource]:
        """What is not listed, and of which it is not known that it is gone."""
        return self._missing

    @property
    def there(self) -> list[Resource]:
        """What answers, though it is not listed."""
        return [one for key, one in self._missing.items() if self._fates[key] is Fate.THERE]

    async def look(
        self, missing: Mapping[str, Resource], rights: Rights, *, online: Collection[str], anew: bool
    ) -> None:
        """Find out about ``missing``, which is all that is not listed; ``anew``: the hidden may be seen again."""
        known = {key: fate for key, fate in self._fates.items() if fate is Fate.HIDDEN and key in missing}
        asked = []
        for key, resource in missing.items():
            if not rights.has(*_right(resource)):
                known[key] = Fate.HIDDEN
            elif anew or key not in known:
                asked.append(resource)

        async def fate(resource: Resource) -> Fate:
            return await self._fate(resource, online)

        found = dict(zip((one.key for one in asked), await each(asked, fate), strict=True))
        self._fates = {key: one for key, one in (known | found).items() if one is not Fate.GONE}
        self._missing = {key: missing[key] for key in self._fates}

    def gaps(self, covered: Sequence[Gap]) -> list[Gap]:
        """Return what hides the missing, but for what is ``covered`` already."""
        kinds, keys = {kind for gap in covered for kind in gap.kinds}, {key for gap in covered for key in gap.keys}
        hidden = [
            one
            for key, one in self._missing.items()
            if self._fates[key] is Fate.HIDDEN and one.kind not in kinds and key not in keys
        ]
        unknown = [key for key, fate in self._fates.items() if fate is Fate.UNKNOWN]
        found: list[Gap] = []
        for what in sorted({_right(one)[1] for one in hidden}):
            some = [one for one in hidden if _right(one)[1] == what]
            paths = sorted({_right(one)[0] for one in some})
            detail = f"what was listed is hidden: {what} is missing on {gaps.named(paths)}; "
            detail += advice(self._token_id, what, paths[0])
            found += gaps.of_keys(
                [one.key for one in some], detail, Trouble.UNAUTHORIZED, privilege=what, path=paths[0]
            )
        detail = "what was listed is not any more, and whether it is gone cannot be asked now"
        return found + gaps.of_keys(unknown, detail, Trouble.UNREACHABLE)

    async def _fate(self, resource: Resource, online: Collection[str]) -> Fate:
        node = _node(resource)
        try:
            found = await self._ask(resource, node or min(online, default=""))
        except Denied:
            return Fate.HIDDEN
        except NoSuchGuest:
            return Fate.GONE
        except NodeUnreachable:  # passed on, so permitted; but of a node that should answer, nothing is believed
            return Fate.UNKNOWN if node is None or node in online else Fate.GONE
        except (Throttled, Unauthorized):
            raise
        except (EntryLost, AgentError) as error:
            plain = isinstance(error, Unreachable) and not isinstance(error, EntryLost)
            return Fate.GONE if plain and resource.kind in (Kind.STORAGE, Kind.POOL) else Fate.UNKNOWN
        return Fate.THERE if found else Fate.HIDDEN

    async def _ask(self, resource: Resource, node: str) -> JsonValue:
        """Return something that is there.  A pool that is and may not be seen is an empty list, none is an error."""
        match resource.kind:
            case Kind.POOL:
                return await self._api.raw("pools", poolid=resource.native_id)
            case Kind.STORAGE:
                return await self._api.raw(f"nodes/{node}/storage/{resource.name}/status")
        return await self._api.raw(f"nodes/{node}/{resource.native_kind}/{resource.native_id}/config")


def _right(resource: Resource) -> tuple[str, str]:
    """Return the path and the privilege without which it is not listed."""
    match resource.kind:
        case Kind.POOL:
            return f"/pool/{resource.native_id}", "Pool.Audit"
        case Kind.STORAGE:
            return f"/storage/{resource.name}", "Datastore.Audit"
    return f"/vms/{resource.native_id}", "VM.Audit"


def _node(resource: Resource) -> str | None:
    """Return the node it is on; a shared storage and a pool are on none."""
    parent = Key.parse(resource.parent) if resource.parent else None
    return parent.native_id if parent and parent.kind == Kind.NODE else None
