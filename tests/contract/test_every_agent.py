"""What every provider must do, tried on every provider: the first eight lines of the provider scale.

A case is a folder ``cases/<provider>/<name>/`` with a ``case.json``: what was recorded, redacted, and under
``expected`` what must come of it (per resource its key and any fields that matter).  ``replay/<provider>.py`` plays
one to the real agent, whole or broken:

``connect(case, *, breakage=None, failing=None)``  an agent for the source ``<provider>/case``
``requests(case)``   what may fail alone, each a value for ``failing``
``BREAKAGES``        the ways to break it, and the reason that each must give
``SECRETS``          values planted in its cases that must never come out
"""

import asyncio
import json
import time
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import ValidationError

from agents import errors, registry
from schemas.resources import hash_of

CASES = Path(__file__).parent / "cases"
HANGS = "hangs"
NEVER_THROTTLE = {"docker": "its API has no rate limit", "host": "a kernel has no rate limit"}
PATIENCE = 0.25
"""Seconds until a reading that is meant to hang is cancelled."""
AT_ONCE = 5.0
"""Seconds within which a cancelled reading has to be over."""


def replay(provider):
    return import_module(f"tests.contract.replay.{provider}")


def recorded(provider):
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(CASES.glob(f"{provider}/*/case.json"))}


def every_case(test):
    cases = [
        pytest.param(provider, case, id=f"{provider}-{name}")
        for provider in registry.NAMES
        for name, case in recorded(provider).items()
    ]
    return pytest.mark.parametrize(("provider", "case"), cases)(test)


every_provider = pytest.mark.parametrize("provider", registry.NAMES)


async def by_scope(agent):
    return {scope: await agent.collect(scope) for scope in agent.scopes()}


async def everything(agent):
    return [resource for found in (await by_scope(agent)).values() for resource in found]


def hashes(resources):
    return sorted((resource.key, hash_of(resource)) for resource in resources)


async def outcomes(agent, *, patience=10):
    """Read each scope, whatever became of the others: its hashes, or the error."""
    found = {}
    for scope in agent.scopes():
        try:
            async with asyncio.timeout(patience):
                found[scope.name] = hashes(await agent.collect(scope))
        except (errors.AgentError, TimeoutError) as error:
            found[scope.name] = error
    return found


@every_provider
def test_a_provider_has_a_recorded_case(provider):
    assert recorded(provider), f"record one: tests/contract/cases/{provider}/<name>/case.json"


@every_case
async def test_a_recording_gives_the_expected_resources(provider, case):
    async with replay(provider).connect(case) as agent:
        found = {resource.key: resource.model_dump(mode="json") for resource in await everything(agent)}

    expected = {row["key"]: row for row in case["expected"]}
    assert found.keys() == expected.keys()
    assert {key: {name: found[key][name] for name in row} for key, row in expected.items()} == expected


@every_case
async def test_keys_are_unique_and_of_the_source(provider, case):
    async with replay(provider).connect(case) as agent:
        found = await everything(agent)

    assert len({resource.key for resource in found}) == len(found)
    assert {str(resource.ref) for resource in found} <= {f"{provider}/case"}


@every_case
async def test_only_declared_kinds_come_out_each_in_its_scope(provider, case):
    async with replay(provider).connect(case) as agent:
        found = await by_scope(agent)

    assert len({scope.name for scope in found}) == len(found)
    for scope, resources in found.items():
        assert scope.kinds <= registry.provider(provider).kinds
        assert {resource.kind for resource in resources} <= scope.kinds
        assert {resource.scope for resource in resources} <= {scope.name}


@every_case
async def test_the_same_machine_gives_the_same_answer_twice(provider, case):
    async with replay(provider).connect(case) as agent:
        first, second = hashes(await everything(agent)), hashes(await everything(agent))
    async with replay(provider).connect(case) as restarted:
        third = hashes(await everything(restarted))

    assert first == second == third


@every_provider
def test_a_provider_can_give_every_reason(provider):
    reasons = set(replay(provider).BREAKAGES.values())
    never = {errors.Throttled} if provider in NEVER_THROTTLE else set()

    assert reasons | never >= {errors.Unreachable, errors.Unauthorized, errors.Malformed, errors.Throttled}


def every_breakage(test):
    """One test per case and breakage; a provider without a replay fails here rather than being passed over."""
    found = []
    for provider in registry.NAMES:
        try:
            breakages = replay(provider).BREAKAGES
        except ModuleNotFoundError:
            breakages = {"no replay": errors.AgentError}
        found += [
            pytest.param(provider, case, breakage, reason, id=f"{provider}-{name}-{breakage}")
            for name, case in recorded(provider).items()
            for breakage, reason in breakages.items()
            if breakage != HANGS
        ]
    return pytest.mark.parametrize(("provider", "case", "breakage", "reason"), found)(test)


@every_breakage
async def test_a_broken_source_says_why(provider, case, breakage, reason):
    async with replay(provider).connect(case) as agent:
        whole = await outcomes(agent)
    async with replay(provider).connect(case, breakage=breakage) as agent:
        broken = await outcomes(agent)

    failed = {scope: error for scope, error in broken.items() if error != whole[scope]}
    assert failed, "nothing noticed that it was broken"
    assert {type(error) for error in failed.values()} == {reason}
    for error in failed.values():
        assert str(error), "an error tells a person what to do"
        assert not any(secret in str(error) for secret in replay(provider).SECRETS)


@every_case
async def test_a_source_that_hangs_can_be_left(provider, case):
    """The deadline is the runner's; the agent only has to let go at once."""
    if HANGS not in replay(provider).BREAKAGES:
        pytest.skip(f"{provider} cannot hang")
    began = time.monotonic()
    async with replay(provider).connect(case, breakage=HANGS) as agent:
        assert TimeoutError in {type(outcome) for outcome in (await outcomes(agent, patience=PATIENCE)).values()}
        scopes = len(agent.scopes())

    assert time.monotonic() - began < PATIENCE * scopes + AT_ONCE


@every_case
async def test_half_a_listing_is_no_listing(provider, case):
    """Whichever request fails, a scope gives all it gave before or an error, never fewer."""
    async with replay(provider).connect(case) as agent:
        whole = await outcomes(agent)
    assert replay(provider).requests(case)
    for failing in replay(provider).requests(case):
        async with replay(provider).connect(case, failing=failing) as agent:
            found = await outcomes(agent)

        failed = {scope: error for scope, error in found.items() if error != whole[scope]}
        assert failed, f"nothing noticed that {failing} failed"
        assert all(isinstance(error, errors.AgentError) for error in failed.values()), f"{failing}: {failed}"


@every_provider
def test_the_secrets_to_look_for_are_in_a_recording(provider):
    text = "".join(json.dumps(case, ensure_ascii=False) for case in recorded(provider).values())

    assert replay(provider).SECRETS
    assert all(secret in text for secret in replay(provider).SECRETS)


@every_case
async def test_no_secret_leaves_the_mapping(provider, case):
    async with replay(provider).connect(case) as agent:
        published = "".join(resource.model_dump_json() for resource in await everything(agent))

    assert not any(secret in published for secret in replay(provider).SECRETS)


@every_provider
def test_an_unknown_setting_is_refused_without_repeating_what_was_written(provider):
    written = {"provider": provider, "name": "case", "no_such_setting": "hunter2-in-the-wrong-place"}

    with pytest.raises(ValidationError) as caught:
        registry.provider(provider).config.model_validate(written)

    assert ("extra_forbidden", ("no_such_setting",)) in {(row["type"], row["loc"]) for row in caught.value.errors()}
    assert "hunter2" not in str(caught.value)
