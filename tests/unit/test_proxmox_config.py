"""How a cluster is named, and what cannot be meant."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.proxmox.config import ProxmoxConfig, PushConfig

AA = ":".join(["AA"] * 32)
BB = ":".join(["BB"] * 32)


def config(**more):
    written = {"name": "lab", "url": "pve1", "token_id": "monitor@pve!homelab", "token_secret": "env:PVE_TOKEN"}
    return ProxmoxConfig.model_validate({**written, **more})


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("pve1", "https://pve1:8006"),
        ("pve1.lan:443", "https://pve1.lan:443"),
        ("https://pve1/", "https://pve1:8006"),
        (" https://PVE1:8006/api2/json ", "https://pve1:8006"),
        ("https://proxy:443/pve/", "https://proxy:443/pve"),
        ("https://proxy:443/pve/api2", "https://proxy:443/pve"),
        ("192.0.2.7:8006", "https://192.0.2.7:8006"),
        ("https://[fd00::1]", "https://[fd00::1]:8006"),
        ("https://[fe80::1%eth0]", "https://[fe80::1%eth0]:8006"),
        ("pve1.lan.", "https://pve1.lan.:8006"),
        (f"{'a' * 63}.lan", f"https://{'a' * 63}.lan:8006"),
    ],
)
def test_a_url_may_be_written_short(written, url):
    assert config(url=written).urls == (url,)


def test_several_nodes_keep_their_order():
    assert config(url=["pve2", "pve1"]).urls == ("https://pve2:8006", "https://pve1:8006")


def test_little_has_to_be_written():
    made = config()

    assert made.timeout == timedelta(seconds=10)
    assert (made.verify, made.ca, made.fingerprint, made.push, made.sweep) == (True, None, None, None, 1)
    assert made.fingerprints == (None,)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"url": "http://pve1:8006"}, "only asked over https"),
        ({"url": "https://root:hunter2@pve1:8006"}, "no user or password"),
        ({"url": "https://pve1:8006/#v1:0:18:4"}, "without what the browser shows"),
        ({"url": "https://pve1:8006/?console=kvm"}, "without what the browser shows"),
        ({"url": "https://"}, "https://pve1:8006"),
        ({"url": "pve1 pve2"}, "https://pve1:8006"),
        ({"url": "fd00::1"}, "[fd00::1]"),
        ({"url": "https://pve1:port"}, "https://pve1:8006"),
        ({"url": "https://pve1:hunter2"}, "https://pve1:8006"),
        ({"url": "https://pve1:99999"}, "https://pve1:8006"),
        ({"url": "pve1:0"}, "https://pve1:8006"),
        ({"url": f"https://{'a' * 64}.lan:8006"}, "1 to 63 characters"),
        ({"url": "pve1..lan"}, "1 to 63 characters"),
        ({"url": ".".join(["a" * 60] * 5)}, "at most 253"),
        ({"url": "https://[fd00::1::2]"}, "[fd00::1]"),
        ({"url": "https://root:hunter2@[fd00::1"}, "[fd00::1]"),
        ({"url": "https://root:hunter2\u2100@pve1"}, "https://pve1:8006"),
        ({"url": []}, "one url, or several"),
        ({"url": ["pve1", "https://pve1:8006/"]}, "one url, or several"),
        ({"token_id": "root@pam"}, "user@realm!name"),
        ({"token_id": "monitor!homelab"}, "user@realm!name"),
        ({"token_id": "monitor@pve!homelab=hunter2"}, "token_secret"),
        ({"token_secret": "hunter2"}, "token_secret"),
        ({"fingerprint": "AA:BB"}, "64 hexadecimal digits"),
        ({"fingerprint": ["hunter2"]}, "64 hexadecimal digits"),
        ({"fingerprint": [AA, BB]}, "a fingerprint for each url"),
        ({"ca": "/ca.pem", "fingerprint": AA}, "only one can be meant"),
        ({"ca": "/ca.pem", "verify": False}, "only one can be meant"),
        ({"fingerprint": AA, "verify": False}, "only one can be meant"),
        ({"timeout": "0s"}, "timeout"),
        ({"sweep": -1}, "sweep"),
        ({"tokn_id": "x"}, "tokn_id"),
        ({"provider": "pve"}, "provider"),
        ({"push": {"listen": "8087", "token": "env:PUSH"}}, "listen"),
        ({"push": {"listen": "127.0.0.1:80870", "token": "env:PUSH"}}, "above 65535"),
        ({"push": {"listen": "127.0.0.1:8087", "token": "hunter2"}}, "token"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_repeating_a_secret(written, told):
    with pytest.raises(ValidationError) as caught:
        config(**written)

    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("written", [AA, AA.replace(":", ""), AA.lower(), f"sha256:{AA.lower()}", f" {AA}\n"])
def test_a_fingerprint_may_be_written_as_it_is_found(written):
    assert config(fingerprint=written).fingerprint == AA


def test_one_fingerprint_stands_for_all_nodes_and_several_for_one_each():
    assert config(url=["pve1", "pve2"], fingerprint=AA).fingerprints == (AA, AA)
    assert config(url=["pve1", "pve2"], fingerprint=[AA, BB]).fingerprints == (AA, BB)


def test_a_user_of_a_directory_may_have_an_at_sign():
    assert config(token_id="me@example.org@ldap!homelab").token_id == "me@example.org@ldap!homelab"


def test_all_that_may_be_written():
    made = config(
        ca="/etc/homelab/pve.pem",
        timeout="30s",
        region="cellar",
        tier="laboratory",
        default_node="pve1",
        default_storage="local-zfs",
        default_bridge="vmbr0",
        sweep=0,
        push={"listen": "[::1]:8087", "token": "cred:push"},
    )

    assert made.ca == Path("/etc/homelab/pve.pem")
    assert (made.push.host, made.push.port) == ("::1", 8087)
    assert PushConfig(listen="127.0.0.1:8087", token="env:PUSH").host == "127.0.0.1"
