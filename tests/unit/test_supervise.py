import asyncio
import os
import signal
from itertools import pairwise

import pytest

from daemon.runtime import supervise


async def for_ever():
    await asyncio.Event().wait()


async def fail():
    raise ZeroDivisionError


def interrupt(number):
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_every_task_and_waits_for_what_they_put_away(number):
    put_away = []

    async def work(name):
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0.01)
            put_away.append(name)

    tasks = {"a": work("a"), "b": work("b")}
    await asyncio.wait_for(supervise.run_until_signal(tasks, ready=lambda: _later(interrupt(number))), 5)

    assert sorted(put_away) == ["a", "b"]


def _later(call):
    asyncio.get_running_loop().call_later(0.02, call)


async def test_ready_is_said_when_a_signal_can_no_longer_be_missed():
    await asyncio.wait_for(supervise.run_until_signal({"a": for_ever()}, ready=interrupt(signal.SIGTERM)), 5)


async def test_the_first_task_to_fail_brings_the_rest_down_and_is_named():
    ended = asyncio.Event()

    async def work():
        try:
            await for_ever()
        finally:
            ended.set()

    with pytest.raises(supervise.TaskEnded, match="broken") as caught:
        await supervise.run_until_signal({"broken": fail(), "well": work()}, ready=lambda: None)

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert ended.is_set()


async def test_a_task_that_comes_back_is_a_failure_too():
    async def work():
        return

    with pytest.raises(supervise.TaskEnded, match="short"):
        await supervise.run_until_signal({"short": work(), "well": for_ever()}, ready=lambda: None)


async def test_what_fails_while_it_is_put_away_does_not_hide_the_signal():
    async def work():
        try:
            await for_ever()
        finally:
            raise ZeroDivisionError

    await supervise.run_until_signal({"a": work()}, ready=lambda: _later(interrupt(signal.SIGTERM)))


async def test_a_process_that_has_ended_its_tasks_no_longer_takes_signals():
    await supervise.run_until_signal({"a": for_ever()}, ready=lambda: _later(interrupt(signal.SIGTERM)))

    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again():
    swallowed = []

    async def stubborn():
        while True:
            try:
                await for_ever()
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed.append(1)

    task = asyncio.get_running_loop().create_task(stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await supervise.cancel([task])

    assert task.cancelled()


@pytest.mark.looptime
async def test_a_crashing_task_starts_again_slower_and_slower_and_its_siblings_do_not_notice():
    started_at = []

    async def work():
        started_at.append(asyncio.get_running_loop().time())
        raise ZeroDivisionError

    sibling = asyncio.get_running_loop().create_task(for_ever())
    task = asyncio.get_running_loop().create_task(supervise.restarting("agent", work))
    await asyncio.sleep(200)

    pauses = [round(later - earlier) for earlier, later in pairwise(started_at)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert not sibling.done()
    await supervise.cancel([task, sibling])


@pytest.mark.looptime
async def test_a_task_that_stood_long_starts_again_at_once():
    started_at = []

    async def work():
        started_at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0 if len(started_at) < 5 else 300)
        raise ZeroDivisionError

    task = asyncio.get_running_loop().create_task(supervise.restarting("agent", work))
    await asyncio.sleep(320)
    await supervise.cancel([task])

    assert started_at[5] - started_at[4] == pytest.approx(301)


@pytest.mark.looptime
async def test_a_task_that_comes_back_starts_again_like_one_that_crashed():
    started = []

    async def work():
        started.append(1)

    task = asyncio.get_running_loop().create_task(supervise.restarting("agent", work))
    await asyncio.sleep(2)
    await supervise.cancel([task])

    assert len(started) == 2
