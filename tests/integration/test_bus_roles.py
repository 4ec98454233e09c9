"""A real server with our ``users.conf``: what each user may and may not do."""

import asyncio
from contextlib import asynccontextmanager

import nats.errors
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from daemon.runtime import bus, roles
from schemas import subjects
from schemas.resources import SourceRef
from tests.support.nats_server import nats_server
from tests.support.waiting import until

LOCAL = SourceRef(provider="docker", name="local")
OTHER = SourceRef(provider="docker", name="other")
BARRIER = "forbidden.to.all"
SOURCE = "agent-docker-local"

CASES = [
    # user, what, subject, allowed
    ("viewer", "publish", "homelab.api.read.overview", True),
    ("viewer", "publish", "homelab.api.sql.query", True),
    ("viewer", "publish", "homelab.api.intent.adopt", False),
    ("viewer", "publish", "homelab.api.plan.plan", False),
    ("viewer", "publish", "homelab.api.approve.decide", False),
    ("viewer", "publish", "homelab.api.execute.execute", False),
    ("viewer", "publish", "homelab.inv.docker.local.container.x", False),
    ("viewer", "publish", "homelab.scan.docker.local.all", False),
    ("viewer", "publish", "homelab.cmd.docker.local", False),
    ("viewer", "publish", "homelab.ctl.docker.local.rescan", False),
    ("viewer", "publish", "homelab.audit.read", False),
    ("viewer", "publish", "_INBOX.somebody", False),
    ("viewer", "publish", "$KV.agents.docker.local", False),
    ("viewer", "publish", "$SRV.PING", True),
    ("viewer", "publish", "$JS.API.STREAM.INFO.INVENTORY", True),
    ("viewer", "publish", "$JS.API.STREAM.NAMES", True),
    ("viewer", "publish", "$JS.API.STREAM.INFO.COMMANDS", False),
    ("viewer", "publish", "$JS.API.STREAM.INFO.AUDIT", False),
    ("viewer", "publish", "$JS.API.STREAM.PURGE.INVENTORY", False),
    ("viewer", "publish", "$JS.API.STREAM.DELETE.INVENTORY", False),
    ("viewer", "publish", "$JS.API.STREAM.UPDATE.INVENTORY", False),
    ("viewer", "publish", "$JS.API.STREAM.MSG.DELETE.INVENTORY", False),
    ("viewer", "publish", "$JS.API.STREAM.CREATE.MINE", False),
    ("viewer", "publish", "$JS.API.CONSUMER.LIST.INVENTORY", False),
    ("viewer", "publish", "$JS.API.CONSUMER.NAMES.INVENTORY", False),
    ("viewer", "subscribe", "homelab.inv.>", True),
    ("viewer", "subscribe", "homelab.scan.>", True),
    ("viewer", "subscribe", "homelab.metrics.>", True),
    ("viewer", "subscribe", "homelab.drift.>", True),
    ("viewer", "subscribe", "homelab.anomaly.>", True),
    ("viewer", "subscribe", "homelab.budget.>", True),
    ("viewer", "subscribe", "homelab.job.>", True),
    ("viewer", "subscribe", "_INBOX.>", True),
    ("viewer", "subscribe", "_INBOX_viewer.>", True),
    ("viewer", "subscribe", "_INBOX_daemon.>", False),
    ("viewer", "subscribe", "_INBOX_operator.>", False),
    ("viewer", "subscribe", "homelab.cmd.>", False),
    ("viewer", "subscribe", "homelab.ctl.>", False),
    ("viewer", "subscribe", "homelab.api.>", False),
    ("viewer", "subscribe", "homelab.audit.>", False),
    ("viewer", "subscribe", "homelab.>", False),
    ("viewer", "subscribe", ">", False),
    ("operator", "publish", "homelab.api.read.overview", True),
    ("operator", "publish", "homelab.api.intent.adopt", True),
    ("operator", "publish", "homelab.api.plan.plan", True),
    ("operator", "publish", "homelab.api.approve.decide", False),
    ("operator", "publish", "homelab.api.execute.execute", False),
    ("operator", "publish", "homelab.cmd.docker.local", False),
    ("operator", "subscribe", "homelab.cmd.>", False),
    ("operator", "subscribe", "_INBOX_daemon.>", False),
    ("admin", "publish", "homelab.api.execute.execute", True),
    ("admin", "publish", "homelab.cmd.docker.local", True),
    ("admin", "publish", "$JS.API.STREAM.PURGE.METRICS", True),
    ("admin", "subscribe", "homelab.>", True),
    ("admin", "subscribe", "_INBOX_daemon.>", False),
    ("admin", "publish", "$SYS.REQ.SERVER.PING", False),
    ("agent", "publish", "homelab.inv.docker.local.container.x", True),
    ("agent", "publish", "homelab.inv.proxmox.home.vm.100", True),
    ("agent", "publish", "$KV.agents.docker.local", True),
    ("agent", "publish", "homelab.drift.low.docker.local", False),
    ("agent", "publish", "homelab.cmd.docker.local", False),
    ("agent", "publish", "homelab.api.read.overview", False),
    ("agent", "subscribe", "homelab.ctl.docker.local.*", True),
    ("agent", "subscribe", "homelab.inv.>", False),
    ("agent", "subscribe", "_INBOX.>", False),
    (SOURCE, "publish", "homelab.inv.docker.local.container.x", True),
    (SOURCE, "publish", "homelab.inv.docker.other.container.x", False),
    (SOURCE, "publish", "homelab.inv.docker.local2.container.x", False),
    (SOURCE, "publish", "homelab.inv.proxmox.local.vm.1", False),
    (SOURCE, "publish", "homelab.scan.docker.local.all", True),
    (SOURCE, "publish", "homelab.scan.docker.other.all", False),
    (SOURCE, "publish", "homelab.metrics.docker.local", True),
    (SOURCE, "publish", "homelab.metrics.docker.other", False),
    (SOURCE, "publish", "homelab.job.17", True),
    (SOURCE, "publish", "$KV.agents.docker.local", True),
    (SOURCE, "publish", "$KV.agents.docker.other", False),
    (SOURCE, "publish", "homelab.cmd.docker.local", False),
    (SOURCE, "publish", "homelab.ctl.docker.local.rescan", False),
    (SOURCE, "publish", "homelab.api.read.overview", False),
    (SOURCE, "publish", "_INBOX_daemon.x", False),
    (SOURCE, "publish", "$JS.API.DIRECT.GET.INVENTORY.homelab.inv.docker.local.container.x", True),
    (SOURCE, "publish", "$JS.API.DIRECT.GET.INVENTORY.homelab.inv.docker.other.container.x", False),
    (SOURCE, "publish", "$JS.API.DIRECT.GET.INVENTORY", False),
    (SOURCE, "publish", "$JS.API.DIRECT.GET.METRICS.homelab.metrics.docker.local", True),
    (SOURCE, "publish", "$JS.API.DIRECT.GET.METRICS.homelab.metrics.docker.other", False),
    (SOURCE, "publish", "$JS.API.DIRECT.GET.METRICS", False),
    (SOURCE, "publish", "$JS.API.STREAM.MSG.GET.INVENTORY", False),
    (SOURCE, "publish", "$JS.API.CONSUMER.CREATE.INVENTORY", False),
    (SOURCE, "publish", "$JS.API.CONSUMER.MSG.NEXT.INVENTORY.agent-docker-other", False),
    (SOURCE, "publish", "$JS.API.CONSUMER.MSG.NEXT.COMMANDS.agent-docker-other", False),
    (SOURCE, "subscribe", "homelab.cmd.docker.local", True),
    (SOURCE, "subscribe", "homelab.cmd.docker.other", False),
    (SOURCE, "subscribe", "homelab.ctl.docker.local.*", True),
    (SOURCE, "subscribe", "homelab.ctl.docker.*.*", False),
    (SOURCE, "subscribe", "homelab.inv.docker.local.>", False),
    (SOURCE, "subscribe", "_INBOX.>", False),
    (SOURCE, "subscribe", "_INBOX_agent-docker-local.>", True),
    (SOURCE, "subscribe", "_INBOX_agent.>", False),
]


@pytest.fixture
async def server(tmp_path):
    async with nats_server(tmp_path, sources=[LOCAL, OTHER]) as server:
        yield server


def login_of(server, user):
    return {**server.logins, **{roles.agent_user(source): login for source, login in server.agents.items()}}[user]


@asynccontextmanager
async def as_user(server, user):
    async with bus.connect(server.url, name="test", login=login_of(server, user), patient=False) as client:
        yield client


@asynccontextmanager
async def recorded(server, user):
    """A plain client of that user, and the violations the server reports to it."""
    violations = []
    client = Client()

    async def on_error(error):
        violations.append(str(error))

    login = login_of(server, user)
    await client.connect(server.url, user=login.user, password=login.password, error_cb=on_error)
    try:
        yield client, violations
    finally:
        await client.close()


@pytest.mark.parametrize("user", dict.fromkeys(case[0] for case in CASES))
async def test_a_user_may_do_what_its_role_says_and_nothing_else(server, user):
    async with recorded(server, user) as (client, violations):
        for _, what, subject, allowed in (case for case in CASES if case[0] == user):
            violations.clear()
            await (client.publish(subject) if what == "publish" else client.subscribe(subject))
            await heard(client, violations)
            refused = [text for text in violations if BARRIER not in text]
            assert (not refused) == allowed, f"{user} {what} {subject}: {refused or 'was allowed'}"


async def heard(client, violations):
    """Wait until the server has judged all we sent: what it says of something certainly forbidden comes last.

    (``flush`` does not do: its PING overtakes what the client still buffers.)
    """
    await client.subscribe(BARRIER)
    await until(lambda: any(BARRIER in text for text in violations))


async def test_nobody_gets_in_without_credentials(server):
    with pytest.raises(bus.BusDenied, match="credentials"):
        async with bus.connect(server.url, name="test", patient=False):
            pass


async def test_a_wrong_password_is_denied_even_to_a_patient_service(server):
    wrong = server.logins["daemon"].model_copy(update={"password": "no"})

    async with asyncio.timeout(5):
        with pytest.raises(bus.BusDenied, match="credentials"):
            async with bus.connect(server.url, name="test", login=wrong):
                pass


async def test_a_viewer_reads_streams_every_way_there_is(server):
    async with as_user(server, "daemon") as daemon, as_user(server, "viewer") as viewer:
        await bus.ensure(daemon)
        subject = subjects.inventory("docker/local/container/x")
        await bus.Publisher(daemon).publish(subject, b"{}", msg_id="1")
        js = viewer.jetstream()

        assert (await js.get_last_msg("INVENTORY", subject, direct=True)).data == b"{}"
        assert (await js.get_last_msg("INVENTORY", subject)).data == b"{}"
        assert (await js.stream_info("INVENTORY")).state.messages == 1
        ordered = await js.subscribe("homelab.inv.>", stream="INVENTORY", ordered_consumer=True)
        assert (await ordered.next_msg(timeout=5)).data == b"{}"
        everything = ConsumerConfig(ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.ALL, inactive_threshold=5)
        pull = await js.pull_subscribe("homelab.inv.>", stream="INVENTORY", config=everything)
        assert [msg.data for msg in await pull.fetch(1, timeout=5)] == [b"{}"]


async def test_a_viewer_is_answered_in_its_private_inbox_and_in_the_common_one(server):
    async def answer(request):
        await request.respond(b"yes")

    async with as_user(server, "daemon") as daemon, as_user(server, "viewer") as viewer:
        await daemon.subscribe("homelab.api.read.overview", cb=answer)
        await daemon.flush()

        assert (await viewer.request("homelab.api.read.overview", timeout=5)).data == b"yes"
        async with recorded(server, "viewer") as (plain, _):
            assert (await plain.request("homelab.api.read.overview", timeout=5)).data == b"yes"


async def test_a_source_answers_the_daemon_though_it_may_not_write_to_it_unasked(server):
    async def answer(request):
        await request.respond(b"done")

    async with as_user(server, "daemon") as daemon, as_user(server, SOURCE) as agent:
        await agent.subscribe(subjects.controls_of("docker", "local"), cb=answer)
        await agent.flush()

        reply = await daemon.request(subjects.control("docker", "local", "rescan"), timeout=5)

        assert reply.data == b"done"


async def test_a_source_puts_its_heartbeat_and_takes_its_commands(server):
    async with as_user(server, "daemon") as daemon, as_user(server, SOURCE) as agent:
        await bus.ensure(daemon)
        bucket = await agent.jetstream().key_value(subjects.AGENTS_BUCKET)
        await bucket.put(subjects.agent_key("docker", "local"), b"alive")
        watched = await daemon.jetstream().key_value(subjects.AGENTS_BUCKET)
        assert (await watched.get("docker.local")).value == b"alive"

        await bus.Publisher(daemon).publish(subjects.command("docker", "local"), b"stop", msg_id="c1")
        js, mine = agent.jetstream(), subjects.command("docker", "local")
        await js.add_consumer("COMMANDS", ConsumerConfig(name=SOURCE, durable_name=SOURCE, filter_subject=mine))
        reader = await js.pull_subscribe_bind(consumer=SOURCE, stream="COMMANDS")
        (command,) = await reader.fetch(1, timeout=5)
        await command.ack_sync(timeout=5)

        assert command.data == b"stop"
        assert (await daemon.jetstream().stream_info("COMMANDS")).state.messages == 0


async def test_a_source_reads_back_its_own_inventory_only(server):
    async with as_user(server, "daemon") as daemon, as_user(server, SOURCE) as agent:
        await bus.ensure(daemon)
        publisher = bus.Publisher(daemon)
        for number in range(3):
            await publisher.publish("homelab.inv.docker.local.container.a", b"%d" % number, msg_id=f"a{number}")
        await publisher.publish("homelab.inv.docker.other.container.b", b"secret", msg_id="b")

        own = [msg.data async for msg in bus.latest(agent, subjects.inventory_of("docker", "local"), name=SOURCE)]
        again = [msg.data async for msg in bus.latest(agent, subjects.inventory_of("docker", "local"), name=SOURCE)]

        assert own == again == [b"2"]
        with pytest.raises(nats.errors.TimeoutError):
            await agent.jetstream(timeout=0.2).add_consumer(
                "INVENTORY", ConsumerConfig(name=SOURCE, filter_subject=subjects.inventory_of("docker", "other"))
            )


async def test_a_source_cannot_smuggle_another_filter_into_its_consumer(server):
    async with as_user(server, "daemon") as daemon, as_user(server, SOURCE) as agent:
        await bus.ensure(daemon)

        answer = await agent.request(
            f"$JS.API.CONSUMER.CREATE.INVENTORY.{SOURCE}.homelab.inv.docker.local.>",
            b'{"stream_name":"INVENTORY","config":{"name":"%s","filter_subject":"homelab.inv.docker.other.>",'
            b'"ack_policy":"none"}}' % SOURCE.encode(),
            timeout=5,
        )

        assert b"error" in answer.data
