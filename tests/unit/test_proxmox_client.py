"""A cluster is asked, by one node or another; whatever comes back is a value or one of our errors."""

import asyncio
import gzip
import json
import socket
import threading
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from pydantic import BaseModel, SecretStr

from agents import errors
from agents.proxmox import config, troubles
from agents.proxmox.client import Api
from agents.proxmox.config import ProxmoxConfig
from daemon.runtime.secrets import SecretUnavailable
from tests.support.scripted_node import answering, closed_port, data, http, scripted, silent
from tests.support.waiting import until

TOKEN = "monitor@pve!homelab"
SECRET = "12345678-aaaa-bbbb-cccc-1234567890ab"
QUORUM = http("500 cluster not ready - no quorum?", b'{"data":null}', "Connection: close")


class Row(BaseModel):
    vmid: int
    name: str = ""


@asynccontextmanager
async def api_at(clock, *nodes, **more):
    urls = [one if isinstance(one, str) else one.url for one in nodes]
    settings = {"verify": False, "timeout": "5s", **more}
    secret = settings.pop("secret", lambda: SecretStr(SECRET))
    config = ProxmoxConfig.model_validate(
        {"name": "lab", "url": urls, "token_id": TOKEN, "token_secret": "env:X", **settings}
    )
    api = Api(config, secret, clock)
    try:
        yield api
    finally:
        await api.close()


async def failure(api, path="cluster/resources"):
    with pytest.raises(errors.AgentError) as caught:
        await api.raw(path)
    assert SECRET not in str(caught.value)
    return caught.value


async def test_a_question_carries_its_query_and_the_token(clock):
    async with scripted(answering(data([1]))) as node, api_at(clock, node) as api:
        assert await api.raw("cluster/resources", type="vm", **{"start-time": 5}) == [1]

    (asked,) = node.asked
    assert asked.path == "cluster/resources?type=vm&start-time=5"
    assert asked.headers["Authorization"] == f"PVEAPIToken={TOKEN}={SECRET}"
    assert "Cookie" not in asked.headers
    assert api.entry == node.url


async def test_a_prefix_stands_before_the_path(clock):
    async with scripted() as node, api_at(clock, f"{node.url}/pve/") as api:
        await api.raw("version")

    assert node.paths == ["version"]


async def test_rows_are_models_and_unknown_keys_are_dropped(clock):
    rows = [{"vmid": 100, "name": "nas", "new": {}}, {"vmid": "101"}]
    async with scripted(answering(data(rows), data(rows[0]))) as node, api_at(clock, node) as api:
        assert await api.rows("cluster/resources", Row) == [Row(vmid=100, name="nas"), Row(vmid=101)]
        assert await api.one("nodes/pve1/qemu/100/config", Row) == Row(vmid=100, name="nas")


@pytest.mark.parametrize("wrong", [{"vmid": 1}, None, "text", [{"vmid": 1}, {"name": "x"}], [None], {"errors": "x"}])
async def test_rows_of_another_shape_are_malformed(clock, wrong):
    async with scripted(answering(data(wrong))) as node, api_at(clock, node) as api:
        with pytest.raises(errors.Malformed, match="another shape than expected"):
            await api.rows("cluster/resources", Row)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"data":[{"vmid":100},{"vm', "not whole"),
        (b"<html><body>Welcome</body></html>", "web page"),
        (b"", "nothing"),
        (b"OK", "not JSON"),
        (b'{"errors": "x"}', "not of Proxmox VE"),
        (b"[1]", "not JSON"),
        (b'{"data": "\xff"}', "not whole"),
    ],
)
async def test_a_200_that_is_not_an_answer_of_proxmox_is_malformed(clock, body, told):
    async with scripted(answering(http("200 OK", body))) as node, api_at(clock, node) as api:
        error = await failure(api)

    assert type(error) is errors.Malformed
    assert told in str(error)
    assert node.url in str(error)


async def test_a_packed_answer_is_asked_for_and_unpacked(clock):
    packed = gzip.compress(json.dumps({"data": list(range(1000))}).encode())
    answer = http("200 OK", packed, "Content-Encoding: gzip")
    async with scripted(answering(answer)) as node, api_at(clock, node) as api:
        assert await api.raw("cluster/resources") == list(range(1000))

    assert node.asked[0].headers["Accept-Encoding"] == "gzip"


async def test_what_is_packed_wrongly_is_malformed(clock):
    answer = http("200 OK", b"no gzip", "Content-Encoding: gzip")
    async with scripted(answering(answer)) as node, api_at(clock, node) as api:
        assert type(await failure(api)) is errors.Malformed


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        ("401 No ticket", troubles.Revoked, "No ticket"),
        ("403 Permission check failed (/vms/100, VM.Audit)", troubles.Denied, "VM.Audit is missing on /vms/100"),
        ("400 Parameter verification failed.", errors.Malformed, "Parameter verification failed"),
        ("404 Not Found", errors.Malformed, "is it the API"),
        ("429 Too Many", errors.Throttled, "429"),
        ("501 Method 'GET /x' not implemented", troubles.Unsupported, "not implemented"),
        ("500 Configuration file 'nodes/pve1/qemu-server/1.conf' does not exist", troubles.NoSuchGuest, "was deleted"),
        ("500 VM is locked (backup)", errors.Unreachable, "VM is locked"),
        ("502 Bad Gateway", errors.Unreachable, "pveproxy"),
        ("595 No route to host", errors.Unreachable, "No route to host"),
        ("302 Found", errors.Malformed, "url must be that of the API"),
    ],
)
async def test_a_status_line_is_all_that_is_needed(clock, status, kind, told):
    answer = http(status, b"", "Connection: close", "Location: https://127.0.0.1:1/login")
    async with scripted(answering(answer)) as node, api_at(clock, node) as api:
        error = await failure(api)

    assert isinstance(error, kind)
    assert told in str(error)
    assert len(node.asked) == 1


async def test_a_question_that_was_passed_on_in_vain_names_the_node(clock):
    answer = http("596 Connection timed out", b"", "Connection: close")
    async with scripted(answering(answer)) as node, api_at(clock, node) as api:
        error = await failure(api, "nodes/pve3/network")

    assert isinstance(error, troubles.NodeUnreachable)
    assert error.reason == "Connection timed out"
    assert "pve3" in str(error)


async def test_a_server_that_repeats_the_secret_does_not_make_us_repeat_it(clock):
    body = json.dumps({"message": f"bad PVEAPIToken={SECRET}\n", "errors": {SECRET[:8]: SECRET}}).encode()
    answer = http(f"400 bad {SECRET}", body, "Connection: close")
    async with scripted(answering(answer)) as node, api_at(clock, node) as api:
        assert "***" in str(await failure(api))


async def cut_in_the_body(_, wire):
    await wire.send(http("200 OK", b'{"data":[', length=5000))
    wire.reset()


async def ended_in_the_body(_, wire):
    await wire.send(http("200 OK", b'{"data":[', length=5000))
    wire.end()


async def chunk_cut(_, wire):
    await wire.send(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n{"data":[')
    wire.end()


async def chunks_without_an_end(_, wire):
    await wire.send(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n{"data":[]}\r\n')
    wire.end()


@pytest.mark.parametrize("script", [cut_in_the_body, ended_in_the_body, chunk_cut, chunks_without_an_end])
async def test_an_answer_that_breaks_off_is_unreachable_and_never_half_a_listing(clock, script):
    async with scripted(script) as node, api_at(clock, node) as api:
        error = await failure(api)

    assert isinstance(error, errors.Unreachable)
    assert "in the middle" in str(error)


async def ended_at_once(_, wire):
    wire.end()


async def reset_at_once(_, wire):
    wire.reset()


async def not_http(_, wire):
    await wire.send(b"220 mail ready\r\n\r\n")
    wire.end()


@pytest.mark.parametrize("script", [ended_at_once, reset_at_once, not_http])
async def test_a_connection_without_an_answer_is_unreachable(clock, script):
    async with scripted(script) as node, api_at(clock, node) as api:
        error = await failure(api)

    assert isinstance(error, errors.Unreachable)
    assert len(node.asked) == 1


async def dripping(_, wire):
    await wire.send(http("200 OK", length=1000))
    while True:
        await wire.send(b" ")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("script", [silent, dripping])
async def test_a_slow_answer_is_given_up_in_time_and_its_connection_is_broken(clock, script):
    async with scripted(script) as node, api_at(clock, node, timeout="300ms") as api:
        started = time.monotonic()
        error = await failure(api)
        took = time.monotonic() - started
        await until(lambda: node.open == 0, seconds=5)

    assert isinstance(error, errors.Unreachable)
    assert "timed out after 0.3 s" in str(error)
    assert took < 1.5


async def test_a_node_that_is_late_behind_the_one_that_is_asked_is_named(clock):
    async with scripted(silent) as node, api_at(clock, node, timeout="200ms") as api:
        error = await failure(api, "nodes/pve2/network")

    assert isinstance(error, troubles.NodeUnreachable)
    assert "pve2" in str(error)
    assert error.reason == "timed out after 0.2 s"


async def test_a_refused_connection_names_the_url_and_the_reason(clock):
    url = f"https://127.0.0.1:{closed_port()}"
    async with api_at(clock, url) as api:
        error = await failure(api)

    assert isinstance(error, errors.Unreachable)
    assert f"no answer from {url}: connection refused" in str(error)


async def test_a_name_that_none_can_be_is_a_trouble_and_no_defect(clock, monkeypatch):
    monkeypatch.setattr(config, "_is_host", lambda _: True)
    url = f"https://{'a' * 64}.lan:8006"
    async with api_at(clock, url) as api:
        error = await failure(api)

    assert str(error) == f"no answer from {url}: the name of its host cannot be one: check url"
    assert isinstance(error, troubles.EntryLost)


async def test_a_name_that_does_not_resolve_is_said(clock, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with api_at(clock, "https://pve1.lan:8006") as api:
        assert "the name does not resolve" in str(await failure(api))


async def test_a_name_server_that_hangs_is_not_waited_for(clock, monkeypatch):
    hung = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hung.wait(30) and [])
    async with api_at(clock, "https://pve1.lan:8006", timeout="200ms") as api:
        error = await failure(api, "nodes/pve1/status")
        assert "no answer from https://pve1.lan:8006: timed out" in str(error)
    async with api_at(clock, "https://pve1.lan:8006", timeout="60s") as api, asyncio.TaskGroup() as group:
        task = group.create_task(failure(api))
        await until(lambda: len(hanging()) == 2)
        await api.close()
        assert "is closed" in str(await task)
    assert [one.daemon for one in hanging()] == [True, True]
    hung.set()
    await until(lambda: not hanging())


async def test_a_node_that_takes_connections_but_does_not_encrypt_is_passed_over(clock):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        mute = [f"https://127.0.0.1:{each.getsockname()[1]}" for each in (one, two)]
        async with scripted(answering(data("ok"))) as node, api_at(clock, *mute, node, timeout="600ms") as api:
            assert await api.raw("nodes/pve1/status") == "ok"


async def test_connections_are_kept_and_at_most_eight(clock):
    gate = asyncio.Event()
    waiting = 0

    async def gated(_, wire):
        nonlocal waiting
        waiting += 1
        await gate.wait()
        await wire.send(data([]))

    async with scripted(gated) as node, api_at(clock, node) as api, asyncio.TaskGroup() as group:
        tasks = [group.create_task(api.raw("version")) for _ in range(20)]
        await until(lambda: waiting == 8)
        assert api.requests == 8
        gate.set()
        await asyncio.wait(tasks)
        assert node.connections == 8
        assert api.requests == 20


async def test_a_kept_connection_that_is_gone_at_the_next_question_is_made_anew(clock):
    async def one_each(asked, wire):
        if asked.number > 1:
            wire.reset()
        else:
            await wire.send(data(len(node.asked)))

    async with scripted(one_each) as node, api_at(clock, node) as api:
        assert await api.raw("version") == 1
        assert await api.raw("version") == 3

    assert node.connections == 2


async def test_of_kept_connections_that_are_gone_only_one_is_tried(clock):
    gate = asyncio.Event()

    async def one_each(asked, wire):
        if asked.number > 1:
            wire.reset()
        else:
            await gate.wait()
            await wire.send(data("ok"))

    async with scripted(one_each) as node, api_at(clock, node) as api, asyncio.TaskGroup() as group:
        tasks = [group.create_task(api.raw("version")) for _ in range(3)]
        await until(lambda: len(node.asked) == 3)
        gate.set()
        await asyncio.wait(tasks)
        assert await api.raw("version") == "ok"
        assert len(node.asked) == 5


async def test_an_answer_that_stalls_on_a_kept_connection_is_not_asked_for_again(clock):
    async def stalling(asked, wire):
        await wire.send(data([]) if asked.number == 1 else http("200 OK", b'{"data"', length=5000))

    async with scripted(stalling) as node, api_at(clock, node, timeout="200ms") as api:
        await api.raw("version")
        assert "timed out" in str(await failure(api))
        assert len(node.asked) == 2


async def test_a_question_for_another_node_may_take_all_the_time_there_is(clock):
    async with scripted(silent) as one, scripted() as two, api_at(clock, one, two, timeout="400ms") as api:
        error = await failure(api, "nodes/pve2/network")

    assert error.reason == "timed out after 0.4 s"
    assert two.asked == []


async def test_a_new_connection_that_breaks_is_not_tried_again(clock):
    async with scripted(reset_at_once) as node, api_at(clock, node) as api:
        await failure(api)

    assert node.connections == 1


async def test_a_hundred_questions_and_more_over_connections_of_a_hundred(clock):
    async def hundred(asked, wire):
        await wire.send(data([], *(["Connection: close"] if asked.number == 100 else [])))
        if asked.number == 100:
            wire.end()

    async with scripted(hundred) as node, api_at(clock, node) as api:
        for _ in range(205):
            await api.raw("version")

    assert (len(node.asked), node.connections) == (205, 3)


async def test_another_node_is_asked_where_the_first_does_not_answer_and_stays(clock):
    dead = f"https://127.0.0.1:{closed_port()}"
    async with scripted(answering(data("here"))) as node, api_at(clock, dead, node) as api:
        assert await api.raw("version") == "here"
        assert api.entry == node.url
        assert api.requests == 2
        clock.advance(seconds=3600)
        assert await api.raw("version") == "here"
        assert api.requests == 3


@pytest.mark.parametrize("path", ["cluster/resources", "nodes/pve1/status"])
@pytest.mark.parametrize("bad", [reset_at_once, cut_in_the_body, answering(QUORUM), answering(http("502 Bad"))])
async def test_what_only_the_asked_node_is_guilty_of_is_asked_at_the_next(clock, bad, path):
    async with scripted(bad) as first, scripted(answering(data("ok"))) as second, api_at(clock, first, second) as api:
        assert await api.raw(path) == "ok"

    assert len(first.asked) == 1


@pytest.mark.parametrize("status", ["595 Connection refused", "596 Connection timed out"])
async def test_a_node_whose_own_daemon_is_down_is_passed_over(clock, status):
    bad = answering(http(status, b"", "Connection: close"))
    async with scripted(bad) as first, scripted(answering(data("ok"))) as second, api_at(clock, first, second) as api:
        assert await api.raw("cluster/resources") == "ok"
        await api.raw("cluster/resources")

    assert (len(first.asked), len(second.asked)) == (1, 2)


@pytest.mark.parametrize("status", ["503 Busy", "429 Too Many"])
async def test_who_is_busy_is_left_alone_while_another_is_not(clock, status):
    busy = answering(http(status, b"", "Retry-After: 90", "Connection: close"))
    async with scripted(busy) as first, scripted(answering(data("ok"))) as second, api_at(clock, first, second) as api:
        for _ in range(2):
            assert await api.raw("version") == "ok"

    assert (len(first.asked), len(second.asked)) == (1, 2)


async def test_when_all_are_busy_or_away_the_first_that_may_be_asked_again_says_when(clock):
    busy = [answering(http("503 Busy", b"", f"Retry-After: {wait}", "Connection: close")) for wait in (90, 20)]
    dead = f"https://127.0.0.1:{closed_port()}"
    async with scripted(busy[0]) as one, scripted(busy[1]) as two, api_at(clock, dead, one, two) as api:
        error = await failure(api)

    assert isinstance(error, errors.Throttled)
    assert error.retry_after == timedelta(seconds=20)


def listing(*nodes):
    return data([{"id": f"node/{node}", "type": "node", "node": node} for node in nodes])


@pytest.mark.parametrize("path", ["cluster/resources", "cluster/backup", "nodes/pve1/disks/list"])
async def test_a_node_of_another_cluster_is_asked_for_nothing(clock, path):
    lost = answering(listing("pve1", "pve2"), http("502 Bad Gateway"))
    other = answering(listing("alien"))
    async with (
        scripted(lost) as one, scripted(other) as two, scripted(answering(listing("pve2", "pve3"))) as three,
        api_at(clock, one, two, three) as api,
    ):  # fmt: skip
        await api.raw("cluster/resources")
        assert [row["node"] for row in await api.raw(path)] == ["pve2", "pve3"]
        assert api.entry == three.url

    assert two.paths == ["cluster/resources"]


async def test_where_only_a_node_of_another_cluster_answers_both_are_named(clock):
    async with scripted(answering(listing("alien"))) as node, api_at(clock, node) as api:
        api.is_of(["pve1", "pve2"])
        for path in ("version", "cluster/resources"):
            error = await failure(api, path)
            assert isinstance(error, errors.Unreachable)
            for told in (node.url, "alien", "pve1, pve2", "another name"):
                assert told in str(error)

    assert node.paths == ["cluster/resources"] * 2


@pytest.mark.parametrize("status", ["595 No route to host", "401 No ticket", "403 Permission check failed", "500 x"])
async def test_what_another_node_would_say_too_is_not_asked_there(clock, status):
    bad = answering(http(status, b"", "Connection: close"))
    async with scripted(bad) as first, scripted() as second, api_at(clock, first, second) as api:
        await failure(api, "nodes/pve3/network")

    assert second.asked == []


async def test_a_silent_node_leaves_the_next_its_share_of_the_time(clock):
    async with (
        scripted(silent) as first,
        scripted(answering(data("ok"))) as second,
        api_at(clock, first, second, timeout="500ms") as api,
    ):
        assert await api.raw("cluster/resources") == "ok"


async def test_all_silent_nodes_together_stay_within_the_timeout(clock):
    async with (
        scripted(silent) as one,
        scripted(silent) as two,
        scripted(silent) as three,
        api_at(clock, one, two, three, timeout="600ms") as api,
    ):
        started = time.monotonic()
        error = await failure(api)
        took = time.monotonic() - started

    assert str(error) == f"none of {one.url}, {two.url}, {three.url} answers: timed out"
    assert isinstance(error, errors.Unreachable)
    assert took < 1.6


async def test_an_outage_has_one_text_whichever_node_is_asked_first(clock):
    async with (
        scripted(answering(data("ok"))) as one,
        scripted(answering(data("ok"))) as two,
        api_at(clock, one, two) as api,
    ):
        one.script = answering(QUORUM)
        assert await api.raw("cluster/resources") == "ok"
        two.script = one.script
        error = await failure(api)

    assert [len(one.asked), len(two.asked)] == [2, 2]
    assert str(error).startswith(f"none of {one.url}, {two.url} answers: 500: cluster not ready - no quorum?")


async def test_a_lost_node_is_asked_last_for_half_a_minute(clock):
    lost = answering(QUORUM)
    async with (
        scripted(lost) as one,
        scripted(answering(data("two"))) as two,
        scripted(answering(data("three"))) as three,
        api_at(clock, one, two, three) as api,
    ):
        assert await api.raw("cluster/resources") == "two"
        one.script, two.script = answering(data("one")), lost
        clock.advance(seconds=29)
        assert await api.raw("cluster/resources") == "three"
        three.script = lost
        clock.advance(seconds=2)
        assert await api.raw("cluster/resources") == "one"
        assert len(two.asked) == 2


async def test_a_cancelled_question_breaks_its_connection(clock):
    async with scripted(silent) as node, api_at(clock, node, timeout="60s") as api, asyncio.TaskGroup() as group:
        task = group.create_task(api.raw("version"))
        await until(lambda: len(node.asked) == 1)
        task.cancel()
        await until(lambda: node.open == 0, seconds=5)
        await until(lambda: not hanging(), seconds=5)


def hanging():
    return [one for one in threading.enumerate() if one.name.startswith("proxmox-asks")]


async def test_closing_does_not_wait_for_what_hangs(clock):
    async with scripted(silent) as node, api_at(clock, node, timeout="60s") as api, asyncio.TaskGroup() as group:
        task = group.create_task(failure(api))
        await until(lambda: len(node.asked) == 1)
        started = time.monotonic()
        await api.close()
        assert f"the connection to {node.url} is closed" in str(await task)
        assert time.monotonic() - started < 1
        assert all(one.daemon for one in hanging())


async def test_the_clock_of_the_cluster_is_compared_with_ours(clock):
    dated = data([], "Date: Fri, 20 Nov 2026 08:00:07 GMT")
    async with scripted(answering(data([]), dated, data([], "Date: soon"))) as node, api_at(clock, node) as api:
        await api.raw("version")
        assert api.skew is None
        await api.raw("version")
        assert abs(api.skew - timedelta(seconds=7)) < timedelta(seconds=1)
        await api.raw("version")
        assert api.skew is None


async def test_a_refused_token_is_fetched_anew_for_the_next_question(clock):
    secrets = iter(["old", "new"])
    script = answering(http("401 Authentication failed!", b"", "Connection: close"), data([]))
    async with scripted(script) as node, api_at(clock, node, secret=lambda: SecretStr(next(secrets))) as api:
        assert isinstance(await failure(api), troubles.Revoked)
        await api.raw("version")
        await api.raw("version")

    assert [one.headers["Authorization"].rpartition("=")[2] for one in node.asked] == ["old", "new", "new"]


async def test_a_question_that_is_denied_leaves_secret_and_connections_as_they_are(clock):
    secrets = iter(["first", "second"])
    script = answering(data([]), http("403 Permission check failed (/, Sys.Syslog)"), data([]))
    async with scripted(script) as node, api_at(clock, node, secret=lambda: SecretStr(next(secrets))) as api:
        await api.raw("version")
        assert isinstance(await failure(api, "cluster/log"), troubles.Denied)
        await api.raw("version")

    assert node.connections == 1
    assert {one.headers["Authorization"].rpartition("=")[2] for one in node.asked} == {"first"}


async def test_a_secret_that_is_not_there_is_unauthorized(clock):
    def missing():
        raise SecretUnavailable("env:X: X is not set")

    async with api_at(clock, "https://127.0.0.1:1", secret=missing) as api:
        error = await failure(api)

    assert isinstance(error, errors.Unauthorized)
    assert "env:X" in str(error)


@pytest.mark.parametrize("secret", ["", "a\nb", f"{TOKEN}={SECRET}", "späth"])
async def test_what_is_no_secret_is_refused_before_it_is_sent(clock, secret):
    async with scripted() as node, api_at(clock, node, secret=lambda: SecretStr(secret)) as api:
        error = await failure(api)

    assert isinstance(error, errors.Unauthorized)
    assert not secret or secret not in str(error)
    assert node.asked == []


async def test_a_cookie_is_not_sent_back(clock):
    answer = data([], "Set-Cookie: PVEAuthCookie=x; Path=/")
    async with scripted(answering(answer)) as node, api_at(clock, node) as api:
        await api.raw("version")
        await api.raw("version")

    assert "Cookie" not in node.asked[1].headers


async def test_proxies_and_bundles_of_the_environment_are_not_looked_at(clock, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    async with scripted() as node, api_at(clock, node) as api:
        assert await api.raw("version") == []


async def test_an_answer_without_end_is_not_kept(clock, monkeypatch):
    monkeypatch.setattr("agents.proxmox.entry._LARGEST", 1000)
    async with scripted(answering(data("x" * 2000))) as node, api_at(clock, node) as api:
        assert isinstance(await failure(api), errors.Malformed)


async def test_an_address_of_version_six_is_asked(clock):
    try:
        opened = scripted(host="::1")
        async with opened as node, api_at(clock, node) as api:
            assert await api.raw("version") == []
    except OSError:
        pytest.skip("no IPv6 on loopback")
