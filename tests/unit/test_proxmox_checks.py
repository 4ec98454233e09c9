"""What a look at a cluster says: at the simulator, and as facts where that has no such trouble."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from agents.contract import Checks, Deps
from agents.errors import Unreachable
from agents.proxmox import PROVIDER, certificates, checks
from agents.proxmox.certificates import Certificate
from agents.proxmox.config import ProxmoxConfig
from agents.proxmox.inspection import Entry, Facts, Node
from agents.proxmox.rights import AUDITOR, Rights
from agents.proxmox.troubles import EntryLost, Revoked
from agents.proxmox.wire import ClusterRow
from daemon.runtime.secrets import SecretUnavailable
from schemas.events import Trouble
from schemas.resources import SourceRef
from tests.support.proxmox import simulated, standard
from tests.support.proxmox.certificates import make

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
TOKEN = "monitor@pve!homelab"
ONE, TWO = "https://pve1:8006", "https://pve2:8006"
FINGERPRINT = ":".join(["AB"] * 32)


def config(**given):
    usual = {"name": "lab", "url": (ONE, TWO), "token_id": TOKEN, "token_secret": "env:X", "fingerprint": FINGERPRINT}
    return ProxmoxConfig(**usual | given)


def world(clock, **given):
    return standard(guests=0, now=lambda: clock.now().timestamp(), **given)


async def looked(sim, clock, *, nodes=None, **given):
    """Return name -> (outcome, detail) of all findings of each name."""
    urls = sim.urls if nodes is None else tuple(sim.url(node) for node in nodes)
    usual = {"url": urls, "token_id": sim.token_id, "ca": sim.ca, "fingerprint": None}
    return by_name(await checks.check(config(**usual | given), lambda: SecretStr(sim.secret), clock))


def by_name(findings):
    found = {}
    for one in findings:
        found.setdefault(one.name, []).append((one.outcome, one.detail))
    return found


def only(found, name):
    ((outcome, detail),) = found[name]
    return outcome, detail


def outcomes(found):
    return {(name, outcome) for name, those in found.items() for outcome, _ in those}


def said(seen, **given):
    return by_name(checks.findings(config(**given), seen, NOW))


# --- a cluster in which all is well ----------------------------------------------------------------------------------


async def test_a_cluster_in_which_all_is_well_is_well_in_everything(clock):
    async with simulated(world(clock)) as sim:
        found = await looked(sim, clock)

    assert {outcome for _, outcome in outcomes(found)} == {"ok"}
    assert only(found, "reachable")[1] == f"{', '.join(sim.urls)}: all answer"
    assert only(found, "token")[1].startswith("homelabd of monitor@pve is accepted")
    assert only(found, "quorum") == ("ok", "lab is quorate, 3 of 3 nodes are online")
    assert only(found, "version") == ("ok", "9.2.11 on pve1, pve2, pve3")
    assert only(found, "clock") == ("ok", "no more than 5 s off on pve1, pve2, pve3")
    assert [detail.startswith(f"{url}: SHA-256 {sim.fingerprint}, valid until 20") for url, (_, detail) in
            zip(sim.urls, found["certificate"], strict=True)] == [True, True, True]  # fmt: skip
    assert sim.secret not in str(found)


async def test_the_agent_of_a_cluster_can_be_asked_to_look(clock):
    async with simulated(world(clock, nodes=1)) as sim:
        deps = Deps(SourceRef(provider="proxmox", name="lab"), clock=clock, secret=lambda _: SecretStr(sim.secret))
        made = config(url=sim.urls, token_id=sim.token_id, ca=sim.ca, fingerprint=None)
        async with PROVIDER.connect(made, deps) as agent:
            assert isinstance(agent, Checks)
            found = by_name(await agent.check())

    assert {outcome for _, outcome in outcomes(found)} == {"ok"}


async def test_a_host_by_itself_is_no_cluster(clock):
    alone = world(clock, nodes=1, name=None)
    async with simulated(alone) as sim:
        found = await looked(sim, clock)

    assert only(found, "quorum") == ("ok", "pve1 stands alone, there is no cluster")


# --- reaching it -----------------------------------------------------------------------------------------------------


async def test_a_url_that_does_not_answer_is_named_and_the_others_are_used(clock):
    async with simulated(world(clock)) as sim:
        sim.faults.refuse("pve1")
        found = await looked(sim, clock)
        sim.faults.refuse()
        nobody = await looked(sim, clock)

    outcome, detail = only(found, "reachable")
    assert (outcome, sim.url("pve1") in detail, sim.url("pve2") in detail) == ("warning", True, False)
    assert len(found["certificate"]) == 2
    assert only(found, "token")[0] == "ok"
    assert dict(outcomes(nobody)) == {"reachable": "failed"}


async def test_where_no_url_can_be_used_it_is_said_that_nothing_can_be_read(clock):
    async with simulated(world(clock, nodes=2)) as sim:
        good = {"url": sim.urls, "token_id": sim.token_id, "fingerprint": None}

        async def troubles(secret=sim.secret, ca=sim.ca):
            found = await checks.check(config(**good, ca=ca), lambda: SecretStr(secret), clock)
            return {(one.name, str(one.trouble)) for one in found if one.trouble}

        assert await troubles() == set()
        assert await troubles("wrong") == {("token", "unauthorized")}
        assert await troubles(ca=None) == {("certificate", "unauthorized")}
        sim.faults.refuse("pve1")
        assert await troubles() == set()
        sim.faults.refuse()
        assert await troubles() == {("reachable", "unreachable")}


@pytest.mark.parametrize("broken", ["html", "truncate", "reset"])
async def test_what_answers_and_is_not_the_api_is_no_use(clock, broken):
    async with simulated(world(clock, nodes=1)) as sim:
        getattr(sim.faults, broken)()
        found = await looked(sim, clock)

    assert only(found, "reachable")[0] == "failed"
    assert "token" not in found


async def test_a_node_that_asks_to_come_back_later_is_a_warning(clock):
    async with simulated(world(clock, nodes=1)) as sim:
        sim.faults.status(503, retry_after=7)
        found = await looked(sim, clock)

    assert (only(found, "reachable")[0], "token" in found) == ("warning", False)


def test_a_url_that_hangs_costs_no_other():
    lost = Entry(ONE, trouble=Unreachable(f"no answer from {ONE}: timed out after 5 s"))
    found = said(Facts([lost, Entry(TWO, version="9.0.3")]))

    assert only(found, "reachable") == (
        "warning", f"1 of 2 urls cannot be used: no answer from {ONE}: timed out after 5 s",
    )  # fmt: skip


def test_what_one_url_refuses_is_refused_though_another_does_not_answer():
    entries = [Entry(ONE, trouble=Unreachable("timed out")), Entry(TWO, trouble=Revoked("401"))]

    assert checks.hopeless(entries) is Trouble.UNAUTHORIZED
    assert checks.hopeless(entries[:1]) is Trouble.UNREACHABLE


def test_urls_that_do_not_answer_for_the_same_reason_are_told_together():
    refused = [Entry(url, trouble=EntryLost(f"no answer from {url}: refused", url=url, why="refused")) for url in "abc"]

    assert only(said(Facts(refused)), "reachable") == ("failed", "none of a, b, c answers: refused")
    some = said(Facts([*refused, Entry(TWO, version="9.0.3")]))
    assert only(some, "reachable") == ("warning", "3 of 4 urls cannot be used: a, b, c: refused")


# --- certificates ----------------------------------------------------------------------------------------------------


async def test_a_certificate_that_nobody_signed_fails_and_says_how_to_pin_it(clock):
    async with simulated(world(clock, nodes=1)) as sim:
        for how in ({"ca": None}, {"ca": make().ca}, {"ca": None, "fingerprint": FINGERPRINT}):
            found = await looked(sim, clock, **how)

            outcome, detail = only(found, "certificate")
            assert (outcome, sim.fingerprint in detail) == ("failed", True)
            assert "fingerprint" in detail
            assert only(found, "reachable")[0] == "ok"
            assert "token" not in found


@pytest.mark.parametrize(
    ("how", "outcome", "told"),
    [
        ({"fingerprint": True}, "ok", "it is the one that is pinned"),
        ({"ca": True}, "ok", "signed by who is in"),
        ({"verify": False}, "warning", "not verified (verify: false)"),
    ],
)
async def test_how_a_certificate_was_verified_is_said(clock, how, outcome, told):
    async with simulated(world(clock, nodes=1)) as sim:
        given = {name: getattr(sim, name) if value is True else value for name, value in how.items()}
        found = await looked(sim, clock, **{"ca": None} | given)

    assert only(found, "certificate")[0] == outcome
    assert told in only(found, "certificate")[1]


@pytest.mark.parametrize(
    ("left", "outcome", "told"),
    [
        (timedelta(days=14), "ok", "valid until 2026-12-04"),
        (timedelta(days=13, hours=23), "warning", "it ends soon; on the node: pvecm updatecerts"),
        (timedelta(seconds=-1), "warning", "it has expired"),
    ],
)
def test_a_certificate_that_ends_soon_is_worth_a_word(left, outcome, told):
    entry = Entry(ONE, certificate=Certificate(FINGERPRINT, NOW + left, trusted=True))
    found = said(Facts([entry]))

    assert only(found, "certificate")[0] == outcome
    assert told in only(found, "certificate")[1]


def test_the_end_of_a_certificate_is_read_from_what_is_shown():
    der = ssl.PEM_cert_to_DER_cert(make().certificate.read_text())
    now = datetime.now(UTC)

    assert now + timedelta(days=29) < certificates.valid_until(der) < now + timedelta(days=31)
    assert {certificates.valid_until(der[:length]) for length in range(80)} == {None}
    assert certificates.valid_until(b"\x30\x84\xff\xff\xff\xff" + der) is None


def test_a_name_that_none_can_be_shows_no_certificate():
    host = f"https://{'a' * 70}.example:8006"

    assert certificates.shown(config(), host, None) is None


@pytest.mark.parametrize(
    ("tag", "text", "year"),
    [(0x17, b"491231235959Z", 2049), (0x17, b"500101000000Z", 1950), (0x18, b"20991231235959Z", 2099)],
)
def test_both_kinds_of_time_are_read(tag, text, year):
    assert certificates._time(tag, text).year == year


# --- the token -------------------------------------------------------------------------------------------------------


async def test_a_token_that_is_revoked_or_wrong_or_not_there_fails(clock):
    async with simulated(world(clock, nodes=1)) as sim:
        good = config(url=sim.urls, token_id=sim.token_id, ca=sim.ca, fingerprint=None)

        def nothing():
            raise SecretUnavailable("X is not set")

        wrong = by_name(await checks.check(good, lambda: SecretStr("0000"), clock))
        absent = by_name(await checks.check(good, nothing, clock))
        sim.world.revoke(sim.token_id)
        revoked = await looked(sim, clock)

    for found, told in ((wrong, "refuses the token"), (absent, "X is not set"), (revoked, "refuses the token")):
        assert only(found, "token")[0] == "failed"
        assert told in only(found, "token")[1]
        assert only(found, "reachable")[0] == "ok"
        assert found.keys() == {"reachable", "certificate", "token"}
        assert "0000" not in str(found)


def test_a_token_that_one_node_refuses_is_refused():
    found = said(Facts([Entry(ONE, trouble=Revoked("no")), Entry(TWO, version="9.0.3")]))

    assert only(found, "token") == ("failed", "no")


# --- privileges ------------------------------------------------------------------------------------------------------


async def test_each_missing_privilege_is_named_with_what_is_not_seen_and_the_command(clock):
    cluster = world(clock, nodes=1)
    cluster.add_role("Some", *(AUDITOR - {"VM.Audit", "Pool.Audit"}))
    async with simulated(cluster) as sim:
        for who in (sim.token_id, "monitor@pve"):
            cluster.disallow(who, "/")
            cluster.allow(who, "/", "Some")
        found = await looked(sim, clock)

    warned = [detail for outcome, detail in found["privileges"] if outcome == "warning"]
    assert [detail.partition(":")[0] for detail in warned] == [
        "guests, their configuration, snapshots and replication cannot be seen",
        "pools and which guest is in which cannot be seen",
    ]
    assert f"VM.Audit is missing on /vms; pveum acl modify / --tokens '{sim.token_id}' --roles PVEAuditor" in warned[0]
    optional = [detail for outcome, detail in found["privileges"] if outcome == "ok"]
    assert [detail.startswith("optional: ") for detail in optional] == [True] * len(optional)
    assert any("Sys.Syslog is missing on /; pveum role add HomelabSysSyslog" in detail for detail in optional)


def test_what_is_optional_is_no_trouble():
    granted = Rights.parse({"/": dict.fromkeys(sorted(AUDITOR), 1)})
    found = said(Facts([Entry(ONE, version="9")], rights=granted))["privileges"]

    assert {outcome for outcome, _ in found} == {"ok"}
    assert found[-1] == ("ok", "all that is needed may be read")


async def test_a_token_that_may_read_nothing_fails(clock):
    async with simulated(world(clock, nodes=1)) as sim:
        sim.world.disallow(sim.token_id, "/")
        found = await looked(sim, clock)

    outcome, detail = only(found, "privileges")
    assert (outcome, "may read nothing at all; pveum acl modify / --tokens" in detail) == ("failed", True)
    assert only(found, "quorum") == ("warning", "membership and quorum cannot be seen without Sys.Audit on /")
    assert only(found, "version")[0] == "ok"


async def test_rights_that_cannot_be_seen_are_no_missing_rights(clock):
    async with simulated(world(clock, nodes=1)) as sim:
        sim.faults.status(500, "access/permissions")
        found = await looked(sim, clock)

    outcome, detail = only(found, "privileges")
    assert (outcome, detail.startswith("they cannot be seen: ")) == ("warning", True)


# --- the cluster -----------------------------------------------------------------------------------------------------


async def test_a_node_that_is_off_is_a_warning_no_quorum_is_a_failure(clock):
    cluster = world(clock)
    async with simulated(cluster) as sim:
        cluster.partition("pve3")
        majority = await looked(sim, clock, nodes=["pve1", "pve2"])
        assert sim.count("nodes/pve3") == 0  # nobody waits for a node that is off
        cut_off = await looked(sim, clock, nodes=["pve3", "pve1"])
        alone = await looked(sim, clock, nodes=["pve3"])

    assert only(majority, "quorum") == ("warning", "2 of 3 nodes are online: not pve3")
    assert only(cut_off, "quorum") == (
        "failed", f"no quorum at {sim.url('pve3')}: 2 of 3 nodes are online; see pvecm status there",
    )  # fmt: skip
    assert only(alone, "quorum")[0] == "failed"
    assert "cluster" not in cut_off


async def test_urls_of_two_clusters_are_told_apart(clock):
    async with simulated(world(clock, nodes=1)) as here, simulated(world(clock, nodes=2)) as there:
        urls = (here.urls[0], there.urls[0])
        found = await looked(here, clock, url=urls)

    outcome, detail = only(found, "cluster")
    assert (outcome, f"{urls[0]} to lab (pve1); {urls[1]} to lab (pve1, pve2)" in detail) == ("failed", True)


def test_two_urls_of_one_node_help_nobody():
    rows = (ClusterRow(type="cluster", name="lab", quorate=1), ClusterRow(type="node", name="pve1", local=1, online=1))
    found = said(Facts([Entry(ONE, version="9", rows=rows), Entry(TWO, version="9", rows=rows)]))

    assert only(found, "cluster") == ("warning", f"{ONE} and {TWO} are the same node pve1: one helps no other")


async def test_a_clock_that_is_off_is_named(clock):
    cluster = world(clock)
    cluster.nodes["pve2"].skew = 12
    cluster.nodes["pve3"].skew = -7
    async with simulated(cluster) as sim:
        found = await looked(sim, clock, nodes=["pve1"])

    outcome, detail = only(found, "clock")
    assert (outcome, detail.partition(" of this machine")[0]) == ("warning", "pve2 12 s ahead, pve3 6 s behind")


async def test_where_nodes_do_not_tell_the_time_the_dates_of_answers_do(clock):
    cluster = world(clock, nodes=2)
    cluster.nodes["pve2"].skew = 30
    async with simulated(cluster) as sim:
        sim.faults.status(403, "nodes/*/time")
        found = await looked(sim, clock)

    outcome, detail = only(found, "clock")
    assert (outcome, sim.url("pve2") in detail, sim.url("pve1") in detail) == ("warning", True, False)


def test_what_an_answer_took_is_no_skew():
    slow = Node("pve1", "9.0.3", skew=timedelta(seconds=8), slack=timedelta(seconds=4))

    assert only(said(Facts([Entry(ONE, version="9")], nodes=[slow])), "clock")[0] == "ok"
    quick = replace(slow, slack=timedelta(seconds=2))
    assert only(said(Facts([Entry(ONE, version="9")], nodes=[quick])), "clock")[0] == "warning"


async def test_versions_that_differ_are_listed(clock):
    cluster = world(clock)
    cluster.nodes["pve3"].version = "8.4.14"
    async with simulated(cluster) as sim:
        differing = await looked(sim, clock)
        sim.faults.status(595, "nodes/pve2/*")
        partly = await looked(sim, clock)

    assert only(differing, "version") == (
        "warning", "nodes run different versions: 8.4.14 on pve3; 9.2.11 on pve1, pve2",
    )  # fmt: skip
    assert only(partly, "version")[1].endswith("9.2.11 on pve1; not known of pve2")


@pytest.mark.parametrize(
    ("version", "outcome"), [("7.4-17", "warning"), ("8.0.2", "ok"), ("10.1", "ok"), ("odd", "ok")]
)
def test_a_version_before_8_is_not_supported(version, outcome):
    found = said(Facts([Entry(ONE, version=version)]))

    assert only(found, "version")[0] == outcome
    assert ("before 8 is not supported" in only(found, "version")[1]) is (outcome == "warning")
