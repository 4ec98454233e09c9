"""The simulator on its wire: proxmoxer and requests meet what a pveproxy, or what stands before it, sends."""

import asyncio
import contextlib
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest
import requests
from proxmoxer import ProxmoxAPI, ResourceException

from tests.support.proxmox import Simulator, certificates, remote, simulated, standard
from tests.support.waiting import until


@pytest.fixture
def sim() -> Iterator[Simulator]:
    simulator = Simulator(standard(12, 3, seed=1))
    simulator.start()
    yield simulator
    simulator.stop()


@pytest.fixture
def api(sim: Simulator) -> Iterator[ProxmoxAPI]:
    user, name = sim.token_id.split("!")
    host = sim.urls[0].removeprefix("https://")
    made = ProxmoxAPI(host, user=user, token_name=name, token_value=sim.secret, verify_ssl=str(sim.ca), timeout=5)
    yield made
    made._store["session"].close()


@pytest.fixture
def session(sim: Simulator) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        made.verify = str(sim.ca)
        made.headers["Authorization"] = f"PVEAPIToken={sim.token_id}={sim.secret}"
        yield made


def url(sim: Simulator, path: str, node: str = "pve1") -> str:
    return f"{sim.url(node)}/api2/json/{path}"


def test_proxmoxer_reads_it_as_it_reads_a_cluster(sim: Simulator, api: ProxmoxAPI) -> None:
    assert api.version.get()["release"] == "9.2"
    assert len(api.cluster.resources.get(type="vm")) == 12
    assert api.nodes("pve2").qemu(101).config.get()["name"] == "guest-101"
    sim.world.allow("monitor@pve", "/", "Administrator")
    sim.world.allow(sim.token_id, "/", "Administrator")
    upid = api.nodes("pve2").qemu(101).status.stop.post()
    assert api.nodes("pve2").tasks(upid).status.get()["exitstatus"] == "OK"
    assert [(request.method, request.path, request.status, request.entry) for request in sim.requests[1:4:2]] == [
        ("GET", "cluster/resources", 200, "pve1"),
        ("POST", "nodes/pve2/qemu/101/status/stop", 200, "pve1"),
    ]
    assert sim.count("qemu/101") == 2


def test_the_reason_phrase_says_why(api: ProxmoxAPI) -> None:
    with pytest.raises(ResourceException) as caught:
        api.nodes("pve1").qemu(101).config.get()
    assert caught.value.status_code == 500
    assert caught.value.content == "Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist"


def test_an_error_has_an_envelope_and_the_errors_of_parameters(sim: Simulator, session: requests.Session) -> None:
    answer = session.get(url(sim, "cluster/nextid?vmid=101"))
    assert (answer.status_code, answer.reason) == (400, "Parameter verification failed.")
    assert answer.json() == {
        "data": None,
        "message": "Parameter verification failed.\n",
        "errors": {"vmid": "VM 101 already exists"},
    }


def test_401_and_59x_have_no_body(sim: Simulator, session: requests.Session) -> None:
    sim.world.kill("pve2")
    answer = session.get(url(sim, "nodes/pve2/status"))
    assert (answer.status_code, answer.reason, answer.content) == (595, "No route to host", b"")
    session.headers["Authorization"] = "PVEAPIToken=x@pve!y=z"
    answer = session.get(url(sim, "version"))
    assert (answer.status_code, answer.reason, answer.content) == (401, "Authentication failed!", b"")


def test_a_refused_token_waits() -> None:
    simulator = Simulator(standard(1, 1), delay_401=0.2)
    simulator.start()
    began = time.monotonic()
    requests.get(url(simulator, "version"), verify=str(simulator.ca), timeout=5)
    assert time.monotonic() - began >= 0.2
    simulator.stop()


def test_an_error_ends_its_connection_and_so_do_100_requests(sim: Simulator, session: requests.Session) -> None:
    for _ in range(101):
        assert session.get(url(sim, "version")).ok
    session.get(url(sim, "nothing"))
    session.get(url(sim, "version"))
    assert [request.connection for request in sim.requests] == [1] * 100 + [2] * 2 + [3]


def test_long_answers_are_packed_for_who_asks(sim: Simulator, session: requests.Session) -> None:
    packed = session.get(url(sim, "cluster/resources"))
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in session.get(url(sim, "version")).headers
    session.headers["Accept-Encoding"] = "identity"
    plain = session.get(url(sim, "cluster/resources"))
    assert "Content-Encoding" not in plain.headers
    assert plain.json() == packed.json()


def test_bodies_stand_only_where_they_may_and_are_not_too_large(sim: Simulator, session: requests.Session) -> None:
    answer = session.delete(url(sim, "nodes/pve2/qemu/101"), data={"purge": 1})
    assert (answer.status_code, answer.reason) == (501, "Unexpected content for method 'DELETE'")
    answer = session.put(url(sim, "nodes/pve2/qemu/101/config"), data=b"x" * (600 * 1024))
    assert (answer.status_code, answer.reason) == (501, "for data too large")
    sim.world.allow("monitor@pve", "/vms", "Administrator")
    sim.world.allow(sim.token_id, "/vms", "Administrator")
    assert session.put(url(sim, "nodes/pve2/qemu/101/config"), json={"onboot": 1}).json() == {"data": None}
    assert sim.world.guests[101].config["onboot"] == "1"


def test_the_certificate_is_signed_by_its_authority_and_has_its_fingerprint(sim: Simulator) -> None:
    port = int(sim.urls[0].rsplit(":", 1)[1])
    trusting = ssl.create_default_context(cafile=str(sim.ca))
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        trusting.wrap_socket(raw, server_hostname="127.0.0.1") as tls,
    ):
        seen = hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest().upper()
    assert sim.fingerprint.replace(":", "") == seen
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(url(sim, "version"), verify=str(certificates.make().ca), timeout=5)


def test_the_date_is_the_clock_of_the_asked_node(sim: Simulator, session: requests.Session) -> None:
    sim.world.nodes["pve2"].skew = 3600
    first, second = (
        parsedate_to_datetime(session.get(url(sim, "version", node)).headers["Date"]) for node in ("pve1", "pve2")
    )
    assert 3598 <= (second - first).total_seconds() <= 3602


def test_a_dead_node_takes_no_connection_and_the_others_still_answer(sim: Simulator, session: requests.Session) -> None:
    assert session.get(url(sim, "version")).ok
    sim.world.kill("pve1")
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get(url(sim, "version"))
    answer = session.get(url(sim, "cluster/status", "pve2")).json()["data"]
    assert {row["name"]: row["online"] for row in answer[1:]} == {"pve1": 0, "pve2": 1, "pve3": 1}
    sim.world.revive("pve1")
    assert session.get(url(sim, "version")).ok


def test_a_whole_cluster_refuses_connections_until_it_accepts_them(sim: Simulator, session: requests.Session) -> None:
    sim.faults.refuse()
    for node in sim.world.nodes:
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(url(sim, "version", node))
    sim.faults.accept()
    assert session.get(url(sim, "version")).ok


def test_a_silent_node_takes_connections_and_says_nothing(sim: Simulator, session: requests.Session) -> None:
    sim.faults.silence("pve1")
    with pytest.raises(requests.exceptions.Timeout):
        session.get(url(sim, "version"), timeout=0.1)
    assert session.get(url(sim, "version", "pve2")).ok
    with socket.create_connection(("127.0.0.1", int(sim.urls[0].rsplit(":", 1)[1]))) as waiting:
        sim.faults.clear()
        waiting.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert waiting.recv(1) == b""
    assert session.get(url(sim, "version")).ok


def test_a_fault_acts_on_its_path_and_node_so_many_times(sim: Simulator, session: requests.Session) -> None:
    fault = sim.faults.status(503, "nodes/pve2/*", node="pve1", times=2, retry_after=7)
    assert session.get(url(sim, "nodes/pve1/status")).ok
    assert session.get(url(sim, "nodes/pve2/status", "pve3")).ok
    broken = [session.get(url(sim, "nodes/pve2/status")) for _ in range(3)]
    assert [answer.status_code for answer in broken] == [503, 503, 200]
    assert broken[0].headers["Retry-After"] == "7"
    assert fault.hits == 2
    lasting = sim.faults.status(596)
    assert session.get(url(sim, "version")).status_code == 596
    lasting.clear()
    assert session.get(url(sim, "version")).ok


def test_proxmoxer_takes_half_a_document_and_a_page_for_an_answer(sim: Simulator, api: ProxmoxAPI) -> None:
    sim.faults.truncate(times=1)
    assert api.cluster.resources.get().keys() == {"errors"}
    sim.faults.html(times=1)
    assert b"<html>" in api.cluster.resources.get()["errors"]
    sim.faults.answer({"data": {"rows": []}}, times=1)
    assert api.cluster.resources.get() == {"rows": []}
    assert len(api.cluster.resources.get()) > 12


def test_a_connection_breaks_in_the_middle_of_an_answer(sim: Simulator, session: requests.Session) -> None:
    sim.faults.reset("cluster/resources", times=1)
    with pytest.raises(requests.exceptions.RequestException):
        session.get(url(sim, "cluster/resources"))
    assert sim.requests[-1].status == 0
    assert session.get(url(sim, "cluster/resources")).ok


def test_answers_may_be_slow_drip_or_never_come(sim: Simulator, session: requests.Session) -> None:
    sim.faults.slow(0.15, times=1)
    began = time.monotonic()
    assert session.get(url(sim, "version")).ok
    assert time.monotonic() - began >= 0.15
    sim.faults.drip(0.2, "cluster/resources", times=1)
    began = time.monotonic()
    with session.get(url(sim, "cluster/resources"), stream=True) as answer:
        assert time.monotonic() - began < 0.15
        assert answer.json()["data"]
    assert time.monotonic() - began >= 0.2
    sim.faults.hang(times=1)
    with pytest.raises(requests.exceptions.ReadTimeout):
        session.get(url(sim, "version"), timeout=0.1)
    assert session.get(url(sim, "version")).ok


async def test_it_runs_beside_a_test_and_leaves_nothing_behind() -> None:
    world = standard(3, 1)
    async with simulated(world, pvestatd=0.01) as sim:
        world.stop(101)
        answer = await asyncio.to_thread(requests.get, url(sim, "version"), verify=str(sim.ca), timeout=5)
        assert answer.status_code == 401
        sim.faults.hang()
        await until(lambda: world.broadcasts.guests[101][1]["status"] == "stopped")
    assert all(thread.name != "proxmox-simulator" for thread in threading.enumerate())
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(sim.urls[0].rsplit(":", 1)[1]))


def test_a_cluster_in_another_process_is_changed_from_here() -> None:
    with remote.running(guests=9, nodes=2, pvestatd=0, release=8) as sim:
        auth = {"Authorization": f"PVEAPIToken={sim.token_id}={sim.secret}"}
        ask = f"{sim.urls[1]}/api2/json/"
        assert (
            requests.get(f"{ask}version", headers=auth, verify=str(sim.ca), timeout=5).json()["data"]["release"]
            == "8.4"
        )
        sim.world("stop", 101)
        assert sim.truth()[101]["status"] == "stopped"
        assert len(sim.storm(1, 30)) == 30
        sim.faults("status", 596, "version", times=1)
        assert requests.get(f"{ask}version", headers=auth, verify=str(sim.ca), timeout=5).status_code == 596
        assert [request["status"] for request in sim.requests()] == [200, 596]
        sim.forget_requests()
        assert sim.requests() == []
