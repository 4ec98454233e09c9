"""The bus as a person with the NATS command line meets it: what a viewer may ask, and what nobody may."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from daemon.runtime import bus
from schemas.running import Login
from tests.support.instance import Instance
from tests.support.waiting import until


@dataclass
class Hand:
    """A plain client, as any other program is: no inbox prefix, none of our settings."""

    client: Client
    errors: list[str] = field(default_factory=list)

    async def request(self, subject: str, text: str = "", *, seconds: float = 5):
        return await self.client.request(subject, text.encode(), timeout=seconds)


@asynccontextmanager
async def by_hand(lab: Instance, role: str | None) -> AsyncIterator[Hand]:
    login = getattr(lab.run.nats, role) if role else None
    hand = Hand(Client())

    async def complain(error: Exception) -> None:
        hand.errors.append(str(error))

    who = {"user": login.user, "password": login.password} if login else {}
    await hand.client.connect(lab.run.nats.url, error_cb=complain, max_reconnect_attempts=1, connect_timeout=3, **who)
    try:
        yield hand
    finally:
        await hand.client.close()


async def test_a_viewer_may_ask_for_resources(homelab: Instance):
    async with by_hand(homelab, "viewer") as hand:
        answer = json.loads((await hand.request("homelab.api.read.resources", '{"provider":"docker"}')).data)
    assert answer["total"] == len(answer["items"]) > 0
    assert {row["provider"] for row in answer["items"]} == {"docker"}
    assert {row["source"]: row["complete"] for row in answer["sources"]} == {"docker/local": True}


@pytest.mark.parametrize("login", [None, Login(user="viewer", password="guess")], ids=["nobody", "a wrong password"])
async def test_without_credentials_nothing_can_be_asked(homelab: Instance, login: Login | None):
    with pytest.raises(bus.BusDenied, match="refuses these credentials"):
        async with bus.connect(homelab.run.nats.url, name="stranger", login=login, patient=False):
            pass


async def test_a_viewer_may_not_change_what_is_expected(homelab: Instance):
    async with by_hand(homelab, "viewer") as hand:
        with pytest.raises((NatsError, TimeoutError)):
            await hand.request("homelab.api.intent.adopt", '{"provider":"host"}', seconds=1)
        await until(lambda: any("permissions violation" in said.lower() for said in hand.errors))
    assert (await homelab.ask("resources", provider="host", managed=True))["total"] == 0


@pytest.mark.parametrize("subject", ["homelab.inv.host.here.disk.x", "homelab.scan.host.here.disks"])
async def test_nobody_but_an_agent_may_say_what_there_is(homelab: Instance, subject: str):
    for role in ("viewer", "operator"):
        async with by_hand(homelab, role) as hand:
            await hand.client.publish(subject, b"{}")
            await until(lambda hand=hand: any("permissions violation" in said.lower() for said in hand.errors))


async def test_the_service_tells_what_may_be_asked_and_how(homelab: Instance):
    async with by_hand(homelab, "viewer") as hand:
        told = json.loads((await hand.request("$SRV.INFO.homelab")).data)
        counted = json.loads((await hand.request("$SRV.STATS.homelab")).data)
    subjects = {endpoint["subject"]: endpoint for endpoint in told["endpoints"]}
    assert {"homelab.api.read.resources", "homelab.api.intent.adopt", "homelab.api.sql.query"} <= subjects.keys()
    assert subjects["homelab.api.read.resources"]["metadata"]
    assert counted["name"] == "homelab"


async def test_a_question_that_makes_no_sense_is_answered_with_the_reason(homelab: Instance):
    async with by_hand(homelab, "viewer") as hand:
        for text in ("{", '{"limit": "many"}', "[]", '{"limit": 0}'):
            reply = await hand.request("homelab.api.read.resources", text)
            assert reply.headers["Nats-Service-Error-Code"] == "bad_query", text
            assert json.loads(reply.data)["error"]
