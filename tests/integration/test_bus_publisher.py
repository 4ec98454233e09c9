"""Publishing: done when JetStream has it, once, however often the server is away."""

import asyncio
import signal
from datetime import timedelta
from functools import partial

import nats.errors
import nats.js.errors
import pytest
from structlog.testing import capture_logs

from daemon.runtime import bus
from tests.support.nats_server import nats_server
from tests.support.waiting import until

SUBJECT = "homelab.inv.docker.local.container.{}"


@pytest.fixture
async def server(tmp_path):
    async with nats_server(tmp_path) as server:
        yield server


@pytest.fixture
async def client(server):
    async with bus.connect(server.url, name="test", login=server.logins["daemon"]) as client:
        await bus.ensure(client)
        yield client


async def stored(client):
    return (await client.jetstream().stream_info("INVENTORY")).state.messages


async def empty(client):
    return await stored(client) == 0


async def publish_all(publisher, count, *, at_once=64):
    numbers = iter(range(count))

    async def worker():
        for number in numbers:
            await publisher.publish(SUBJECT.format(number), b"%d" % number, msg_id=f"m{number}")

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())


async def test_what_was_published_is_stored(client):
    await bus.Publisher(client).publish(SUBJECT.format(1), b"{}", msg_id="a")

    assert await stored(client) == 1


async def test_the_same_message_twice_is_stored_once(client):
    for _ in range(2):
        await bus.Publisher(client).publish(SUBJECT.format(1), b"{}", msg_id="a")

    assert await stored(client) == 1


async def test_a_message_with_a_time_to_live_goes_away(client):
    await bus.Publisher(client).publish(SUBJECT.format(1), b"{}", msg_id="a", ttl=timedelta(seconds=0.2))

    assert await stored(client) == 1
    await until(lambda: empty(client))


@pytest.mark.parametrize("kills", [1, 3])
async def test_a_server_killed_again_and_again_loses_nothing_and_doubles_nothing(server, client, kills):
    count = 6000
    with capture_logs() as logs:
        async with asyncio.timeout(50), asyncio.TaskGroup() as group:
            group.create_task(publish_all(bus.Publisher(client), count))
            for kill in range(kills):
                await until(partial(reached, client, count * (kill + 1) // (kills + 2)))
                await server.kill()
                await server.restart()

    read = [msg.data async for msg in bus.latest(client, "homelab.inv.>", name="reader")]
    assert await stored(client) == len(read) == count
    assert sorted(map(int, read)) == list(range(count))
    said = [entry["event"] for entry in logs if entry["event"].startswith("publishing")]
    assert len(said) % 2 == 0
    assert 0 < len(said) <= 2 * kills


async def reached(client, number):
    try:
        return await stored(client) >= number
    except (TimeoutError, nats.errors.Error, nats.js.errors.Error):
        return False


async def test_what_is_published_during_an_outage_waits_for_its_end(server, client):
    publisher = bus.Publisher(client)
    await server.kill()
    async with asyncio.timeout(15), asyncio.TaskGroup() as group:
        waiting = group.create_task(publisher.publish(SUBJECT.format(1), b"{}", msg_id="a"))
        await asyncio.sleep(0)
        assert not waiting.done()
        await server.restart()

    assert await stored(client) == 1


async def test_an_acknowledgement_that_died_with_the_server_is_not_waited_for(server, client):
    publisher = bus.Publisher(client)
    await publisher.publish(SUBJECT.format(0), b"{}", msg_id="before")
    server.signal(signal.SIGSTOP)

    async with asyncio.TaskGroup() as group:
        sent = client.stats["out_msgs"]
        group.create_task(publisher.publish(SUBJECT.format(1), b"{}", msg_id="a"))
        await until(lambda: client.stats["out_msgs"] > sent)
        await server.kill()
        await server.restart()
        began = asyncio.get_running_loop().time()

    assert asyncio.get_running_loop().time() - began < 2
    assert await stored(client) == 2


async def test_a_stream_that_is_not_there_yet_is_waited_for(server):
    async with bus.connect(server.url, name="test", login=server.logins["daemon"]) as client, asyncio.timeout(10):
        async with asyncio.TaskGroup() as group:
            with capture_logs() as logs:
                group.create_task(bus.Publisher(client).publish(SUBJECT.format(1), b"{}", msg_id="a"))
                await until(lambda: "publishing_waits" in [entry["event"] for entry in logs])
            await bus.ensure(client)
        assert await stored(client) == 1


async def test_a_message_too_large_is_refused_at_once(client):
    with pytest.raises(bus.TooLarge, match="bytes"):
        await bus.Publisher(client).publish(SUBJECT.format(1), b"x" * client.max_payload, msg_id="a")

    assert client.is_connected


async def test_the_largest_message_that_is_not_refused_fits(client):
    await bus.Publisher(client).publish(SUBJECT.format("x" * 100), b"x" * (client.max_payload - 512), msg_id="a" * 100)

    assert await stored(client) == 1


async def test_a_subject_that_is_not_ours_is_denied_and_others_go_on(server):
    daemon = bus.connect(server.url, name="test", login=server.logins["daemon"])
    agent = bus.connect(server.url, name="test", login=server.logins["agent"])
    async with daemon as owner, agent as client, asyncio.timeout(5):
        await bus.ensure(owner)
        publisher = bus.Publisher(client)

        with pytest.raises(bus.Denied, match=r"homelab\.drift\.low\.Docker"):
            await publisher.publish("homelab.drift.low.Docker", b"{}", msg_id="a")
        await publisher.publish(SUBJECT.format(1), b"{}", msg_id="b")

        assert await stored(owner) == 1


async def test_what_the_stream_will_never_take_is_rejected(client):
    with pytest.raises(bus.Rejected, match="TTL"):
        await bus.Publisher(client).publish("homelab.job.1", b"{}", msg_id="a", ttl=timedelta(seconds=5))


async def test_a_closed_connection_is_not_waited_for(server):
    async with bus.connect(server.url, name="test", login=server.logins["daemon"]) as client:
        publisher = bus.Publisher(client)

    with pytest.raises(bus.BusClosed):
        await publisher.publish(SUBJECT.format(1), b"{}", msg_id="a")


async def test_waiting_for_the_server_can_be_cancelled(server, client):
    await server.kill()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await bus.Publisher(client).publish(SUBJECT.format(1), b"{}", msg_id="a")


async def test_publishing_to_a_server_that_does_not_read_can_be_cancelled(server, client):
    publisher = bus.Publisher(client)
    server.signal(signal.SIGSTOP)

    async with asyncio.timeout(10):
        for number in range(30):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await publisher.publish(SUBJECT.format(number), b"x" * 2_000_000, msg_id=str(number))
    server.signal(signal.SIGCONT)
