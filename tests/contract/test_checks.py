"""What a look at a source must be like, tried on every provider whose agents can be asked for one."""

import asyncio
import time
from contextlib import suppress

import pytest

from agents.contract import Checks
from tests.contract.test_every_agent import (
    AT_ONCE,
    HANGS,
    PATIENCE,
    every_breakage,
    every_case,
    every_provider,
    recorded,
    replay,
)

LOOKED_AT = {"proxmox"}


def of_those(every):
    """Only of the providers that can be asked."""

    def parametrized(test):
        (mark,) = every(test).pytestmark
        names, cases = mark.args
        test.pytestmark = [pytest.mark.parametrize(names, [one for one in cases if one.values[0] in LOOKED_AT]).mark]
        return test

    return parametrized


def leaked(provider, findings):
    return [secret for secret in replay(provider).SECRETS if secret in repr(findings)]


@every_provider
async def test_those_that_can_be_asked_are_these(provider):
    case = next(iter(recorded(provider).values()))
    async with replay(provider).connect(case) as agent:
        assert isinstance(agent, Checks) is (provider in LOOKED_AT)


@of_those(every_case)
async def test_a_look_says_of_each_thing_how_it_is(provider, case):
    async with replay(provider).connect(case) as agent:
        findings = await agent.check()

    assert {one.outcome for one in findings} <= {"ok", "warning", "failed"}
    assert all(one.name and one.detail for one in findings)
    assert findings
    assert leaked(provider, findings) == []


@of_those(every_breakage)
async def test_a_look_at_a_broken_source_raises_nothing_and_finds_that_it_is(provider, case, breakage, reason):
    async with replay(provider).connect(case, breakage=breakage) as agent:
        findings = await agent.check()

    assert {one.outcome for one in findings} - {"ok"}, f"{reason.__name__}, and nothing was found"
    assert leaked(provider, findings) == []


@of_those(every_case)
async def test_a_look_at_a_source_that_hangs_can_be_left(provider, case):
    began = time.monotonic()
    async with replay(provider).connect(case, breakage=HANGS) as agent:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await agent.check()

    assert time.monotonic() - began < PATIENCE + AT_ONCE
