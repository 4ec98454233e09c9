"""When a scope that could not be read is hurried.  Time is the test's."""

import asyncio

import pytest
from pydantic import SecretStr

from agents import errors
from agents.contract import Deps
from agents.proxmox.agent import RESOURCES, SCOPES
from agents.proxmox.client import Api
from agents.proxmox.config import ProxmoxConfig
from agents.proxmox.memory import Listing, Memory
from agents.proxmox.recovery import Recovery
from agents.proxmox.rights import Rights
from agents.proxmox.troubles import Denied, NobodyAnswers, Revoked
from schemas.resources import SourceRef

pytestmark = pytest.mark.looptime
CONFIG = ProxmoxConfig(name="lab", url="https://pve1", token_id="monitor@pve!homelab", token_secret="env:X")
BROKEN, SLOW = errors.Unreachable("500: no"), errors.Unreachable("timed out")
DISKS_DENIED = Denied("may not", path="/nodes", privilege="Sys.Audit")


class Lab:
    """Scopes that find what they are told to find, after so many seconds."""

    def __init__(self, clock) -> None:
        deps = Deps(SourceRef(provider="proxmox", name="lab"), clock=clock)
        self.memory = Memory.of(CONFIG, Api(CONFIG, lambda: SecretStr("x"), clock), deps)
        self.recovery = Recovery(self.memory, RESOURCES, SCOPES)
        self.scopes = {scope.name: scope for scope in SCOPES}

    async def read(self, scope, outcome=None, *, seconds=0.0):
        async def scan():
            await asyncio.sleep(seconds)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome or Listing([])

        return await self.recovery.read(self.scopes[scope], scan)

    async def fails(self, scope, error, *, seconds=0.0):
        with pytest.raises(type(error) if type(error).__module__ == errors.__name__ else errors.AgentError):
            await self.read(scope, error, seconds=seconds)

    async def hurried(self):
        """Read ``resources`` well, and return what that hinted at."""
        await self.read(RESOURCES)
        hints = self.memory.hints
        return {hint.scope: hint for hint in (hints.get_nowait() for _ in range(hints.qsize()))}


async def test_what_failed_at_once_is_hurried_with_each_reading(clock):
    lab = Lab(clock)
    await lab.read(RESOURCES)
    for _ in range(2):
        await lab.fails("disks", BROKEN)

        assert list(await lab.hurried()) == ["disks"]
    await lab.read("disks")
    assert await lab.hurried() == {}


@pytest.mark.parametrize("wholly", [True, False])
async def test_what_took_long_to_fail_is_left_alone_for_five_times_as_long(clock, wholly):
    lab = Lab(clock)
    await lab.read(RESOURCES)
    if wholly:
        await lab.fails("disks", SLOW, seconds=10)
    else:
        await lab.read("disks", Listing([], [], [SLOW]), seconds=10)
    assert await lab.hurried() == {}
    await asyncio.sleep(49)
    assert await lab.hurried() == {}
    await asyncio.sleep(2)

    assert list(await lab.hurried()) == ["disks"]
    assert lab.memory.mends("disks") is not wholly


async def test_what_is_being_read_is_not_hurried(clock):
    lab = Lab(clock)
    await lab.read(RESOURCES)
    await lab.fails("disks", BROKEN)
    reading = asyncio.create_task(lab.fails("disks", BROKEN, seconds=1))
    await asyncio.sleep(0.1)

    assert await lab.hurried() == {}
    await reading


async def test_what_was_given_up_is_hurried_in_its_time(clock):
    lab = Lab(clock)
    await lab.read(RESOURCES)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await lab.read("disks", seconds=100)
    await asyncio.sleep(9)
    assert await lab.hurried() == {}
    await asyncio.sleep(2)

    assert list(await lab.hurried()) == ["disks"]


async def test_when_all_was_lost_nothing_is_left_alone(clock):
    lab = Lab(clock)
    await lab.read(RESOURCES)
    await lab.fails("disks", SLOW, seconds=10)
    await lab.fails(RESOURCES, NobodyAnswers("none of a, b answers"))
    with pytest.raises(errors.Unreachable, match="none of a, b answers"):
        await lab.read("networks")

    assert list(await lab.hurried()) == ["networks", "disks"]
    await lab.read("networks")


async def test_a_token_that_is_refused_to_one_scope_is_shown_by_no_other(clock):
    """Each question with one that was revoked is a failure in PVE's log."""
    lab = Lab(clock)
    await lab.fails("disks", Revoked("401: deleted or disabled"))
    with pytest.raises(errors.Unauthorized, match="401: deleted or disabled"):
        await lab.read("networks")
    await lab.read(RESOURCES)

    await lab.read("networks")


async def test_a_scope_that_nobody_answers_loses_only_itself(clock):
    lab = Lab(clock)
    await lab.fails("disks", NobodyAnswers("none of a, b answers"))

    await lab.read("networks")


async def test_a_reading_of_resources_that_fails_by_itself_loses_no_other_scope(clock):
    lab = Lab(clock)
    for error in (BROKEN, errors.Malformed("html"), DISKS_DENIED):
        await lab.fails(RESOURCES, error)

        await lab.read("networks")


async def test_what_the_rights_explain_waits_for_other_ones(clock):
    lab = Lab(clock)
    everything = {"/": dict.fromkeys(("VM.Audit", "Sys.Audit", "Datastore.Audit", "Pool.Audit", "SDN.Audit"), 1)}
    await lab.read(RESOURCES)
    lab.memory.permissions.rights = Rights({"/": {"VM.Audit": 1}})
    await lab.fails("disks", DISKS_DENIED)
    assert await lab.hurried() == {}
    lab.memory.permissions.changes += 1
    lab.memory.permissions.rights = Rights(everything)

    found = await lab.hurried()

    assert found.keys() == lab.scopes.keys() - {RESOURCES}
    assert all(hint.allowed for hint in found.values())
    assert not lab.memory.mends("disks")


async def test_a_refusal_that_the_rights_do_not_explain_is_tried_again_and_the_rights_looked_up(clock):
    lab = Lab(clock)
    everything = {"/": dict.fromkeys(("VM.Audit", "Sys.Audit", "Datastore.Audit", "Pool.Audit", "SDN.Audit"), 1)}
    await lab.read(RESOURCES)
    lab.memory.permissions.rights = Rights(everything)
    assert not lab.memory.permissions.doubted

    await lab.fails("disks", DISKS_DENIED)

    assert lab.memory.permissions.doubted
    assert (await lab.hurried())["disks"].allowed
