"""What the nodes push: what it says, how long it is believed, and an endpoint that takes it from those who may."""

import asyncio
import gzip
import socket
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from agents.proxmox import line_protocol, push, wire
from agents.proxmox.config import PushConfig
from agents.proxmox.push import Push
from agents.proxmox.pushed import Overlay
from daemon.runtime.secrets import SecretUnavailable
from schemas.resources import SourceRef
from tests.support.events import NOON, after
from tests.support.proxmox import certificates
from tests.support.waiting import until
from tests.unit.test_proxmox_usage import container, guest, node

LAB = SourceRef(provider="proxmox", name="lab")
TOKEN = "the-token-of-the-metric-server"


def line(vmid=100, status="running", *, kind="qemu", at="pve1", **fields):
    said = {"name": f"VM {vmid}", **({"qmpstatus": status} if kind == "qemu" else {}), "status": status, **fields}
    written = ",".join(f'{name}="{value}"' for name, value in said.items() if value is not None)
    return f"system,object={kind},vmid={vmid},nodename={at},host=VM\\ {vmid} cpu=0.1,{written} 1700000000000000000\n"


def lines(*written):
    return [one for one in line_protocol.parse("".join(written)) if one]


def rows(*some):
    return wire.resources([node(), *some])


# --- what it says ----------------------------------------------------------------------------------------------------


@pytest.fixture
def overlay():
    """The guest 100 was read as running at noon, with the name and tags that are pushed."""
    made = Overlay()
    made.saw(rows(guest(up=1000, name="VM 100", tags="a;b"), container(name="CT200")), NOON)
    return made


def test_the_status_that_was_pushed_is_told_until_a_push_is_missed_twice(overlay):
    overlay.take(lines(line(status="paused", lock="suspending")), after(5))

    told = overlay.status(100, after(30))

    assert told is not None
    assert (told.status, told.node, told.lock, told.at) == ("paused", "pve1", "suspending", after(5))
    assert overlay.status(100, after(31)) is None
    assert overlay.status(101, after(5)) is None


def test_of_a_vm_the_word_of_qemu_counts_and_of_a_container_its_status(overlay):
    overlay.take(lines(line(100, "running", qmpstatus="io-error"), line(200, "stopped", kind="lxc")), NOON)

    assert [overlay.status(vmid, NOON).status for vmid in (100, 200)] == ["io-error", "stopped"]


def test_a_row_that_was_broadcast_after_a_push_goes_before_it(overlay):
    overlay.take(lines(line(status="stopped")), after(5))

    overlay.saw(rows(guest(up=1000)), after(6))
    assert overlay.status(100, after(6)) is not None
    overlay.saw(rows(guest(up=1010)), after(7))
    assert overlay.status(100, after(7)) is None
    overlay.saw(rows(guest(up=1010)), after(8))
    assert overlay.status(100, after(8)) is None


def test_a_row_that_may_have_been_broadcast_before_a_push_does_not_go_before_it(overlay):
    overlay.take(lines(line(status="stopped")), after(5))

    overlay.saw(rows(guest(up=1010)), after(6))

    assert overlay.status(100, after(6)).status == "stopped"


def test_a_status_alone_that_changes_after_a_push_goes_before_it():
    overlay = Overlay()
    for seconds, status in ((0, "suspended"), (6, "stopped"), (7, "suspended")):
        overlay.saw(rows(guest(up=0, status=status)), after(seconds))
        if not seconds:
            overlay.take(lines(line(status="running")), after(5))
        assert (overlay.status(100, after(7)) is None) == (seconds == 7)


def test_tags_and_locks_say_nothing_of_when_a_row_was_broadcast(overlay):
    overlay.take(lines(line(status="stopped")), after(5))
    overlay.saw(rows(guest(up=1000)), after(6))

    overlay.saw(rows(guest(up=1000, tags="new", lock="backup")), after(7))

    assert overlay.status(100, after(7)) is not None


def test_a_guest_that_was_never_read_is_told_of(overlay):
    overlay.take(lines(line(555)), NOON)
    overlay.saw(rows(guest(555, name="VM 555")), after(1))

    assert overlay.status(555, after(1)) is not None


def test_what_is_pushed_of_anything_but_a_guests_state_says_nothing_of_one(overlay):
    overlay.take(
        lines(
            "cpustat,object=nodes,host=pve1 cpu=0.1\n",
            "blockstat,object=qemu,vmid=100,nodename=pve2,host=pve9 rd=1\n",
            "system,object=storages,nodename=pve3,host=local,type=dir used=1\n",
            "other x=1\n",
        ),
        after(3),
    )

    assert overlay.status(100, after(3)) is None


@pytest.mark.parametrize(
    "said",
    [
        {"status": "paused"}, {"name": "new"}, {"tags": "b;c"}, {"tags": None}, {"lock": "backup"}, {"at": "pve2"},
        {"vmid": 101},
    ],
)  # fmt: skip
def test_it_is_news_once_when_a_guest_is_not_as_it_was_last_read(overlay, said):
    pushed = lines(line(**{"tags": "a;b", **said}))

    assert overlay.take(pushed, after(5))
    assert not overlay.take(pushed, after(15))


@pytest.mark.parametrize("said", [{}, {"tags": "b,a"}, {"name": None}])
def test_it_is_no_news_when_a_guest_is_as_it_was_read(overlay, said):
    assert not overlay.take(lines(line(**{"tags": "a;b", **said})), after(5))


def test_it_is_news_again_when_a_guest_changes_back(overlay):
    overlay.take(lines(line(status="paused", tags="a;b")), after(5))
    overlay.saw(rows(guest(status="paused", name="VM 100", tags="a;b")), after(6))

    assert overlay.take(lines(line(status="running", tags="a;b")), after(15))


def test_it_is_news_again_when_pushes_begin_anew_after_a_silence(overlay):
    overlay.take(lines(line(status="paused")), after(5))
    overlay.saw(rows(guest(name="VM 100")), after(60))

    assert overlay.take(lines(line(status="paused")), after(65))


def test_nothing_is_news_before_anything_was_read():
    assert not Overlay().take(lines(line()), NOON)


@pytest.mark.parametrize(
    "written",
    [
        'system,object=qemu,vmid=x,nodename=pve1 status="paused"\n',
        'system,object=qemu,nodename=pve1 status="paused"\n',
        line(status="paused").replace("object=qemu", "object=other"),
        line(status="paused").replace("system", "ballooninfo"),
        line(status=None),
        line().replace('"running"', "1"),
        line().replace('"running"', '""'),
    ],
)
def test_what_tells_of_no_guest_is_passed_over(overlay, written):
    assert not overlay.take(lines(written), NOON)
    assert overlay.status(100, NOON) is None


# --- how it comes ----------------------------------------------------------------------------------------------------


class Served:
    """A Push that listens, and whoever sends to it."""

    def __init__(self, push, session, news):
        self.push, self._session, self.news = push, session, news

    def url(self, path):
        return f"http://127.0.0.1:{self.push.port}{path}"

    async def get(self, path):
        async with self._session.get(self.url(path)) as answer:
            return answer.status, await answer.text()

    async def write(self, body, authorization=f"Token {TOKEN}", **headers):
        given = {"Authorization": authorization, **headers} if authorization else headers
        url = self.url("/api/v2/write?org=proxmox&bucket=proxmox&precision=ns")
        raw = body.encode() if isinstance(body, str) else body
        async with self._session.post(url, data=raw, headers=given, skip_auto_headers=["Content-Type"]) as answer:
            return answer.status


@asynccontextmanager
async def served(clock, token=lambda: SecretStr(TOKEN), **config):
    news = []
    made = Push(
        PushConfig.model_validate({"listen": "127.0.0.1:0", "token": "env:PUSH"} | config), token, LAB, clock,
        news=lambda: news.append(clock.now()),
    )  # fmt: skip
    async with made.serve(), aiohttp.ClientSession() as session:
        yield Served(made, session, news)


@pytest.fixture
async def sender(clock):
    async with served(clock) as made:
        await until(lambda: made.push.port is not None)
        yield made


async def test_proxmox_ve_finds_it_well_when_the_server_is_added(sender):
    status, text = await sender.get("/health")

    assert (status, '"status": "pass"' in text) == (200, True)
    assert (await sender.get("/ping"))[0] == 204
    assert (await sender.get("/other"))[0] == 404


@pytest.mark.parametrize("authorization", [f"Token {TOKEN}", f"token  {TOKEN} ", f"Bearer {TOKEN}"])
async def test_who_knows_the_token_is_heard(sender, authorization):
    assert await sender.write(line(status="paused"), authorization) == 204
    assert sender.push.status(100).status == "paused"


@pytest.mark.parametrize(
    "authorization", [None, "", "Token", "Token wrong", f"Basic {TOKEN}", TOKEN, f"Token {TOKEN}x", "Token \xe9"]
)
async def test_who_does_not_know_the_token_is_not_heard(sender, authorization):
    assert await sender.write(line(), authorization) == 401
    assert sender.push.status(100) is None


async def test_a_token_that_is_no_text_is_refused(sender):
    reader, writer = await asyncio.open_connection("127.0.0.1", sender.push.port)
    writer.write(b"POST /api/v2/write HTTP/1.1\r\nHost: x\r\nAuthorization: Token \xe9\r\nContent-Length: 0\r\n\r\n")

    assert b" 401 " in await reader.readline()
    writer.close()


async def test_a_batch_may_be_packed(sender):
    body = "".join(line(100 + number) for number in range(1200))

    assert await sender.write(gzip.compress(body.encode()), **{"Content-Encoding": "gzip"}) == 204
    assert sender.push.status(1299) is not None


@pytest.mark.parametrize(
    ("body", "packed", "status"),
    [(b"no gzip", "gzip", 400), (gzip.compress(b"x x=1\n")[:-6], "GZIP", 400), (b"", "gzip", 400), (b"x", "br", 415)],
    ids=["not packed", "broken off", "empty", "in a way nobody knows"],
)
async def test_what_is_packed_wrongly_is_refused_and_the_next_is_taken(sender, body, packed, status):
    assert await sender.write(body, **{"Content-Encoding": packed}) == status
    assert await sender.write(line(), **{"Content-Encoding": "identity"}) == 204


async def test_a_body_without_end_is_refused_however_well_it_is_packed(clock, monkeypatch):
    monkeypatch.setattr(push, "BODY_BYTES", 100_000)
    async with served(clock) as sender:
        await until(lambda: sender.push.port is not None)
        large = (line(status="paused") * 1000).encode()

        assert await sender.write(large) == 413
        assert await sender.write(gzip.compress(large), **{"Content-Encoding": "gzip"}) == 413
        assert sender.push.status(100) is None
        assert await sender.write(line()) == 204


async def test_who_breaks_off_or_says_nothing_is_not_waited_for(sender, monkeypatch, caplog):
    monkeypatch.setattr(push, "_BODY_SECONDS", 0.05)
    head = f"POST /api/v2/write HTTP/1.1\r\nHost: x\r\nAuthorization: Token {TOKEN}\r\nContent-Length: 99\r\n\r\nx"

    reader, writer = await asyncio.open_connection("127.0.0.1", sender.push.port)
    writer.write(head.encode())
    assert b" 408 " in await reader.readline()
    writer.close()
    _, writer = await asyncio.open_connection("127.0.0.1", sender.push.port)
    writer.write(head.encode())
    writer.transport.abort()

    assert await sender.write(line()) == 204
    assert "Traceback" not in caplog.text


async def test_a_line_that_cannot_be_read_is_counted_and_the_others_are_taken(sender):
    with capture_logs() as logs:
        for _ in range(2):
            assert await sender.write(f'{line(100)}secret garbage\n{line(101)}x,y="\n{line(102)}') == 204

    assert all(sender.push.status(vmid) for vmid in (100, 101, 102))
    assert sender.push.refused_lines == 4
    assert [(entry["event"], entry["count"]) for entry in logs] == [("push_lines_refused", 2)]


async def test_what_is_no_text_is_refused_line_by_line(sender):
    assert await sender.write(b"\xff\xfe x=\xff\n" + line().encode()) == 204
    assert sender.push.status(100) is not None


async def test_a_burst_is_told_once_and_only_when_something_is_not_as_it_was_read(sender, monkeypatch):
    monkeypatch.setattr(push, "SETTLE_SECONDS", 0.02)
    sender.push.saw(rows(guest(100, name="VM 100"), guest(101, name="VM 101")), NOON)

    await sender.write(line(100) + line(101))
    for status in ("paused", "stopped", "io-error"):
        await sender.write(line(100, status) + line(101, status))
    await until(lambda: bool(sender.news))
    assert len(sender.news) == 1

    await sender.write(line(101, "running"))
    await until(lambda: len(sender.news) == 1)
    await sender.write(line(101, "paused"))
    await until(lambda: len(sender.news) == 2)


async def test_a_renewed_token_is_known_and_the_old_one_forgotten(clock):
    tokens = [SecretStr(TOKEN)]
    async with served(clock, lambda: tokens[-1]) as sender:
        await until(lambda: sender.push.port is not None)
        tokens.append(SecretStr("another"))

        assert await sender.write(line(), "Token another") == 204
        assert await sender.write(line()) == 401


async def test_when_the_token_cannot_be_fetched_any_more_the_one_that_is_known_still_counts(clock):
    tokens = [SecretStr(TOKEN)]

    def fetch():
        if not tokens:
            raise SecretUnavailable("file:/gone: No such file")
        return tokens.pop()

    async with served(clock, fetch) as sender:
        await until(lambda: sender.push.port is not None)

        assert await sender.write(line(), "Token guess") == 401
        assert await sender.write(line()) == 204


# --- where it listens ------------------------------------------------------------------------------------------------


async def test_a_port_that_is_taken_is_told_once_and_tried_again(clock, monkeypatch):
    monkeypatch.setattr(push, "_RETRY_SECONDS", 0.01)
    tries = []

    def fetch():
        tries.append(1)
        return SecretStr(TOKEN)

    with socket.create_server(("127.0.0.1", 0)) as other, capture_logs() as logs:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        async with served(clock, fetch, listen=listen) as sender:
            await until(lambda: len(tries) > 3)
            assert listen in sender.push.trouble
            other.close()
            await until(lambda: sender.push.port is not None)
            assert await sender.write(line()) == 204

    assert [entry["event"] for entry in logs] == ["push_unavailable", "push_listens"]
    assert sender.push.trouble == ""


@pytest.mark.parametrize(("token", "said"), [("", "everybody"), (None, "not set")])
async def test_without_a_token_nothing_listens(clock, token, said):
    def fetch():
        if token is None:
            raise SecretUnavailable("env:PUSH: PUSH is not set")
        return SecretStr(token)

    async with served(clock, fetch) as sender:
        await until(lambda: bool(sender.push.trouble))

    assert said in sender.push.trouble
    assert sender.push.port is None


async def test_with_a_certificate_nobody_on_the_way_can_read_it(clock):
    made = certificates.shared()
    async with served(clock, cert=str(made.certificate), key=str(made.key)) as sender:
        await until(lambda: sender.push.port is not None)
        url = f"https://127.0.0.1:{sender.push.port}/health"
        trusted = ssl.create_default_context(cafile=str(made.ca))

        async with aiohttp.ClientSession() as session, session.get(url, ssl=trusted) as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await sender.get("/health")


async def test_a_certificate_that_cannot_be_read_is_named(clock, tmp_path):
    made = certificates.shared()
    async with served(clock, cert=str(tmp_path / "none.pem"), key=str(made.key)) as sender:
        await until(lambda: bool(sender.push.trouble))

    assert "none.pem" in sender.push.trouble
    assert sender.push.port is None


async def test_nothing_listens_any_more_when_it_is_over(clock):
    async with served(clock) as sender:
        await until(lambda: sender.push.port is not None)
        port = sender.push.port
        assert await sender.write(line()) == 204

    assert sender.push.port is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


async def test_the_token_stands_in_no_log_and_no_error(clock):
    with capture_logs() as logs:
        async with served(clock) as sender:
            await until(lambda: sender.push.port is not None)
            await sender.write(line(), "Token wrong-one")
            await sender.write(f"x {TOKEN}\n")

    assert TOKEN not in str(logs)
    assert "wrong-one" not in str(logs)
    assert TOKEN not in repr(sender.push)
