"""What there is to see of a cluster before anything is read of it: each url by itself, then what they lead to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from pydantic import SecretStr

from agents.errors import AgentError
from agents.proxmox import certificates, wire
from agents.proxmox.abreast import each
from agents.proxmox.certificates import Certificate
from agents.proxmox.client import Api
from agents.proxmox.config import ProxmoxConfig
from agents.proxmox.figures import Number
from agents.proxmox.rights import Rights
from agents.proxmox.threads import Threads
from agents.proxmox.troubles import Denied
from daemon.runtime.clock import Clock

_PATIENCE = timedelta(seconds=5)
"""With one question: all of it has to be over before whoever asked for it gives up."""
_HALF_A_SECOND = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True)
class Entry:
    """One url.  ``trouble`` is why it does not answer as it should; ``rows`` is None where we may not see them."""

    url: str
    trouble: AgentError | None = None
    version: str = ""
    skew: timedelta | None = None
    rows: tuple[wire.ClusterRow, ...] | None = None
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """``skew`` is how far its clock is ahead of ours, give or take ``slack``: the answer took that long."""

    name: str
    version: str = ""
    skew: timedelta | None = None
    slack: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Facts:
    entries: Sequence[Entry]
    rights: Rights | AgentError | None = None
    nodes: Sequence[Node] = ()


class _Time(wire.Wire):
    time: Number = None


async def facts(config: ProxmoxConfig, token: Callable[[], SecretStr], clock: Clock) -> Facts:
    config = config.model_copy(update={"timeout": min(config.timeout, _PATIENCE)})
    alone = [
        config.model_copy(update={"url": url, "fingerprint": pinned})
        for url, pinned in zip(config.urls, config.fingerprints, strict=True)
    ]
    entries = await each(alone, partial(_entry, token=token, clock=clock))
    good = next((one for one in zip(alone, entries, strict=True) if one[1].trouble is None), None)
    if good is None:
        return Facts(entries)
    api = Api(good[0], token, clock)
    try:
        return Facts(entries, await _rights(api), await _nodes(api, good[1], clock))
    finally:
        await api.close()


async def _entry(config: ProxmoxConfig, token: Callable[[], SecretStr], clock: Clock) -> Entry:
    """``config`` has this one url."""
    url = config.urls[0]
    certificate = await Threads().run(partial(certificates.shown, config, url, config.fingerprints[0]))
    api = Api(config, token, clock)
    try:
        version = await api.one("version", wire.Version)
        skew = api.skew
        rows = await _rows(api)
    except AgentError as error:
        return Entry(url, trouble=error, certificate=certificate)
    finally:
        await api.close()
    return Entry(url, version=version.version, skew=skew, rows=rows, certificate=certificate)


async def _rows(api: Api) -> tuple[wire.ClusterRow, ...] | None:
    try:
        return tuple(await api.rows("cluster/status", wire.ClusterRow))
    except Denied:
        return None


async def _rights(api: Api) -> Rights | AgentError:
    try:
        return Rights.parse(await api.raw("access/permissions"))
    except AgentError as error:
        return error


async def _nodes(api: Api, entry: Entry, clock: Clock) -> list[Node]:
    """Ask every node that is online through ``entry``; what one does not tell is not known."""
    names = sorted(row.name for row in entry.rows or () if row.type == "node" and row.online)

    async def look(name: str) -> Node:
        version = ""
        try:
            version = (await api.one(f"nodes/{name}/version", wire.Version)).version
            before = clock.now()
            told = (await api.one(f"nodes/{name}/time", _Time)).time
        except AgentError:
            return Node(name, version)
        slack = max(clock.now() - before, timedelta()) / 2
        at = _moment(told)
        return Node(name, version, None if at is None else at - before - slack, slack)

    return await each(names, look)


def _moment(told: float | None) -> datetime | None:
    """Of a time to the second."""
    try:
        return None if told is None else datetime.fromtimestamp(told, UTC) + _HALF_A_SECOND
    except (OverflowError, ValueError, OSError):
        return None
