"""The streams are declared; declaring them again changes nothing, and nothing is ever lost by it."""

import pytest
from nats.js.api import RetentionPolicy, StreamConfig

from daemon.runtime import bus, streams
from tests.support.nats_server import nats_server


@pytest.fixture
async def client(tmp_path):
    async with (
        nats_server(tmp_path) as server,
        bus.connect(server.url, name="test", login=server.logins["daemon"]) as client,
    ):
        yield client


async def configurations(client):
    return {info.config.name: info.config for info in await client.jetstream().streams_info()}


async def test_every_stream_is_created_as_declared(client):
    await bus.ensure(client)

    made = await configurations(client)
    assert set(made) == {"INVENTORY", "METRICS", "DRIFT", "COMMANDS", "JOBS", "AUDIT", "KV_agents"}
    assert {name: streams.differences(made[name], wanted) for wanted in streams.STREAMS if (name := wanted.name)} == {
        name: {} for name in made
    }
    assert made["COMMANDS"].retention == RetentionPolicy.WORK_QUEUE
    assert made["INVENTORY"].max_msgs_per_subject == 64


async def test_declaring_them_again_changes_nothing(client):
    await bus.ensure(client)
    before = await configurations(client)

    await bus.ensure(client)

    assert await configurations(client) == before


async def test_a_stream_of_an_older_release_is_brought_up_to_date_and_keeps_its_messages(client):
    js = client.jetstream()
    await js.add_stream(StreamConfig(name="INVENTORY", subjects=["homelab.inv.>"], max_msgs_per_subject=2))
    await bus.Publisher(client).publish("homelab.inv.docker.local.container.a", b"old", msg_id="1")

    await bus.ensure(client)

    now = (await configurations(client))["INVENTORY"]
    assert streams.differences(now, streams.INVENTORY) == {}
    assert now.subjects == ["homelab.inv.>", "homelab.scan.>"]
    assert (await js.get_last_msg("INVENTORY", "homelab.inv.docker.local.container.a")).data == b"old"


async def test_a_bound_that_an_operator_raised_stays_raised(client):
    await bus.ensure(client)
    js = client.jetstream()
    raised = (await configurations(client))["DRIFT"].evolve(max_age=90 * 86400, description="ours")
    await js.update_stream(raised)

    await bus.ensure(client)

    now = (await configurations(client))["DRIFT"]
    assert (now.max_age, now.description) == (90 * 86400, streams.DRIFT.description)


async def test_only_the_last_messages_of_a_subject_are_kept(client):
    await bus.ensure(client)
    publisher = bus.Publisher(client)
    for number in range(70):
        await publisher.publish("homelab.inv.docker.local.container.a", b"%d" % number, msg_id=str(number))
    await publisher.publish("homelab.inv.docker.local.container.b", b"b", msg_id="b")

    assert (await client.jetstream().stream_info("INVENTORY")).state.messages == 65
    last = [msg.data async for msg in bus.latest(client, "homelab.inv.>", name="reader", batch=1)]
    assert last == [b"69", b"b"]


async def test_reading_the_last_messages_begins_anew_after_a_reader_that_died_half_way(client):
    await bus.ensure(client)
    publisher = bus.Publisher(client)
    for number in range(5):
        await publisher.publish(f"homelab.inv.docker.local.container.{number}", b"x", msg_id=str(number))
    dying = streams.last_of_each("homelab.inv.>", name="reader")
    await client.jetstream().add_consumer("INVENTORY", dying)
    half = await client.jetstream().pull_subscribe_bind(consumer="reader", stream="INVENTORY")
    await half.fetch(3, timeout=5)

    assert len([msg async for msg in bus.latest(client, "homelab.inv.>", name="reader")]) == 5


async def test_nothing_to_read_is_nothing_read(client):
    await bus.ensure(client)

    assert [msg async for msg in bus.latest(client, "homelab.inv.>", name="reader")] == []
