"""What an answer means, and what a person can do about it."""

from datetime import timedelta

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from agents import errors
from agents.proxmox import troubles
from agents.proxmox.config import ProxmoxConfig
from agents.proxmox.troubles import Said

TOKEN = "monitor@pve!homelab"
URL = "https://pve1:8006"
CONFIG = ProxmoxConfig(name="lab", url=URL, token_id=TOKEN, token_secret="env:X")
GUEST = "nodes/pve2/qemu/100/config"


def said(clock, path, status, reason="", **more):
    return troubles.of_answer(CONFIG, URL, path, Said(status, reason, **more), clock.now())


@pytest.mark.parametrize(
    ("reason", "path", "privilege"),
    [
        ("Permission check failed (/vms/100, VM.Audit)", "/vms/100", "VM.Audit"),
        ("Permission check failed (/vms/100, VM.Audit|VM.Config.Disk)", "/vms/100", "VM.Audit|VM.Config.Disk"),
        ("Permission check failed (/, Sys.Audit)", "/", "Sys.Audit"),
        ("Permission check failed (/sdn/zones/lan/vmbr0, SDN.Audit)", "/sdn/zones/lan/vmbr0", "SDN.Audit"),
        ("Permission check failed", "", ""),
        ("Forbidden", "", ""),
        ("", "", ""),
    ],
)
def test_a_denial_names_path_and_privilege_where_the_answer_does(clock, reason, path, privilege):
    error = said(clock, GUEST, 403, reason)

    assert isinstance(error, troubles.Denied)
    assert (error.path, error.privilege) == (path, privilege)
    assert f"pveum acl modify / --tokens '{TOKEN}' --roles PVEAuditor" in str(error)
    assert (reason.partition(" (")[0] or "no reason given") in str(error) or privilege in str(error)


def test_the_body_is_read_where_the_status_line_says_nothing(clock):
    error = said(clock, GUEST, 403, "", message="Permission check failed (/vms/100, VM.Audit)\n")

    assert (error.path, error.privilege) == ("/vms/100", "VM.Audit")


def test_a_denial_of_what_an_auditor_may_not_says_which_role_to_make(clock):
    error = said(clock, "nodes/pve1/apt/update", 403, "Permission check failed (/nodes/pve1, Sys.Modify)")

    assert "pveum role add HomelabSysModify --privs Sys.Modify" in str(error)


def test_a_refused_token_says_where_to_look(clock):
    error = said(clock, "version", 401, "Authentication failed!")

    assert isinstance(error, troubles.Revoked)
    assert TOKEN in str(error)
    assert "API Tokens" in str(error)


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        (595, "No route to host", "No route to host"),
        (595, "", "no connection"),
        (596, "Connection timed out", "Connection timed out"),
        (597, "", "an answer that broke off"),
        (599, "Too many redirections", "Too many redirections"),
    ],
)
def test_what_lies_behind_the_asked_node_has_a_reason(clock, status, reason, told):
    error = said(clock, GUEST, status, reason)

    assert isinstance(error, troubles.NodeUnreachable)
    assert error.reason == told
    assert "the node pve2" in str(error)


def test_a_node_that_is_not_in_the_cluster_is_that_node_s_trouble(clock):
    reason = "hostname lookup 'pve2' failed - failed to get address info for: pve2: Name or service not known"

    assert isinstance(said(clock, GUEST, 500, reason), troubles.NodeUnreachable)


@pytest.mark.parametrize("kind", ["qemu-server", "lxc"])
def test_a_guest_that_is_not_there_is_told_from_a_node_in_trouble(clock, kind):
    reason = f"Configuration file 'nodes/pve2/{kind}/100.conf' does not exist"

    assert isinstance(said(clock, GUEST, 500, reason), troubles.NoSuchGuest)
    assert isinstance(said(clock, GUEST, 500, "", message=f"{reason}\n"), troubles.NoSuchGuest)
    assert type(said(clock, GUEST, 500, "VM is locked (backup)")) is errors.Unreachable


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7),
        ("Fri, 20 Nov 2026 08:01:00 GMT", 60),
        ("Fri, 20 Nov 2026 07:00:00 GMT", 0),
        ("soon", 30),
        ("86400", 900),
        ("9" * 5000, 900),
        ("Fri, 20 Nov 2099 07:00:00 GMT", 900),
        ("Fri, 31 Dec 9999 23:59:59 -2300", 900),
        ("-5", 30),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_who_says_when_to_come_back_is_believed(clock, status, retry_after, seconds):
    error = said(clock, "version", status, "Busy", retry_after=retry_after)

    assert isinstance(error, errors.Throttled)
    assert error.retry_after == timedelta(seconds=seconds)


def test_a_503_without_a_time_is_the_asked_node_s_trouble(clock):
    assert isinstance(said(clock, GUEST, 503, "Service Unavailable"), troubles.EntryLost)


@pytest.mark.parametrize("status", [302, 401, 404, 429, 502, 503, 504, 595, 596])
def test_what_any_question_would_be_answered_has_one_text(clock, status):
    one, other = (str(said(clock, path, status, "Sorry")) for path in ("cluster/status", "cluster/resources"))

    assert one == other
    assert "Sorry" in one


def test_a_web_page_is_what_any_question_would_be_answered():
    one, other = (str(troubles.of_text("https://pve1:8006", path, b"<html>")) for path in ("version", "pools"))

    assert one == other


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 501, 502, 503, 595, 596])
def test_the_reason_alone_names_no_guest_and_no_path(clock, status):
    one, other = (said(clock, f"nodes/pve2/qemu/{vmid}/config", status, "Sorry").why for vmid in (100, 101))

    assert one == other
    assert "Sorry" in one


def test_the_reason_alone_of_an_answer_that_cannot_be_read_names_no_path_either():
    for body in (b"<html>", b"", b"{", b"no"):
        one, other = (troubles.of_text(url, path, body).why for url, path in ((URL, GUEST), ("https://pve2", "pools")))
        assert one == other
    one, other = (troubles.of_silence(URL, path, 1, connected=True).why for path in (GUEST, "nodes/pve2/network"))
    assert one == other == "the node pve2 does not answer in time"


def test_an_error_in_plain_terms_says_the_same():
    for error in (
        troubles.Denied("no", path="/", privilege="Sys.Audit"),
        troubles.NodeUnreachable("away", reason="r", why="w"),
        troubles.Unsupported("what"),
        errors.Throttled("wait", retry_after=timedelta(seconds=7)),
    ):
        plain = troubles.plain(error)
        assert type(plain).__module__ == errors.__name__
        assert (str(plain), plain.trouble, plain.why) == (str(error), error.trouble, error.why)
        assert getattr(plain, "retry_after", None) == getattr(error, "retry_after", None)


def test_what_any_question_would_meet_is_told_from_what_only_this_one_does(clock):
    paths = ("cluster/resources", "nodes/pve2/disks/list")
    alike = {
        status: [troubles.concerns_all(said(clock, path, status, "Sorry", retry_after="")) for path in paths]
        for status in (400, 401, 403, 429, 500, 501, 502, 503, 595)
    }

    assert [status for status, both in alike.items() if both == [True, True]] == [401, 429, 502, 503]
    assert [status for status, both in alike.items() if both == [True, False]] == [595]
    assert troubles.concerns_all(troubles.NobodyAnswers("none of a, b answers"))


def test_what_is_wrong_with_a_parameter_is_said(clock):
    error = said(clock, "cluster/log", 400, "Parameter verification failed.", errors={"max": "value must be 1"})

    assert type(error) is errors.Malformed
    assert "Parameter verification failed. (max: value must be 1)" in str(error)


def test_a_long_text_of_many_lines_becomes_a_short_one(clock):
    error = said(clock, "version", 500, "x", message="one\n two\r\n" + "long " * 1000)

    assert "one two long" in str(error)
    assert len(str(error)) < 500


def test_a_shape_error_names_the_place_and_not_the_content():
    class Row(BaseModel):
        vmid: int

    with pytest.raises(ValidationError) as caught:
        TypeAdapter(list[Row]).validate_python([{"vmid": 1}, {"vmid": "hunter2"}])
    text = str(troubles.of_shape(URL, "cluster/resources", caught.value))

    assert "1.vmid" in text
    assert "hunter2" not in text
