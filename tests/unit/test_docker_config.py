"""How an engine is named, and which engines a machine has."""

import socket
from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.docker import config
from agents.docker.config import DockerConfig, TlsConfig


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("unix:///run/docker.sock", "http://localhost"),
        ("tcp://nas:2375", "http://nas:2375"),
        ("http://nas:2375/", "http://nas:2375"),
        ("https://nas:2376", "https://nas:2376"),
    ],
)
def test_an_engine_is_named_by_its_url(url, base):
    assert DockerConfig(name="x", url=url).base_url == base


def test_tls_encrypts_a_tcp_url():
    assert DockerConfig(name="x", url="tcp://nas:2376", tls=TlsConfig()).base_url == "https://nas:2376"


@pytest.mark.parametrize(
    "written",
    [
        {"url": "ssh://nas"},
        {"url": "nas:2375"},
        {"url": "unix://"},
        {"url": "tcp://"},
        {"url": "https://me:hunter2@nas:2376"},
        {"url": "unix:///run/docker.sock", "tls": {}},
        {"url": "tcp://nas:2376", "tls": {"cert": "/c.pem"}},
        {"url": "tcp://nas:2376", "tls": {"insecure": True}},
        {"provider": "podman"},
    ],
)
def test_what_cannot_be_meant_is_refused_without_repeating_it(written):
    with pytest.raises(ValidationError) as caught:
        DockerConfig.model_validate({"name": "x", **written})

    assert "hunter2" not in str(caught.value)


@pytest.fixture
def sockets(tmp_path, monkeypatch):
    """A place for sockets; the machine's own does not count."""
    monkeypatch.setattr(config, "SOCKET", str(tmp_path / "none.sock"))
    made = []

    def make(name):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(str(path))
        made.append(bound)
        return str(path)

    yield make
    for bound in made:
        bound.close()


def found(variables):
    return {one.name: one.url for one in config.candidates(variables)}


def test_sockets_that_are_there_are_found_and_named(sockets, tmp_path):
    docker, podman = sockets("docker.sock"), sockets("podman/podman.sock")

    assert found({"XDG_RUNTIME_DIR": str(tmp_path)}) == {"local": f"unix://{docker}", "podman": f"unix://{podman}"}


def test_an_engine_found_by_two_ways_is_one(sockets, tmp_path):
    docker = sockets("docker.sock")

    assert found({"XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_HOST": f"unix://{docker}"}) == {"local": f"unix://{docker}"}


def test_a_socket_that_leads_to_podman_is_podmans(sockets, tmp_path):
    podman = sockets("podman/podman.sock")
    Path(tmp_path, "docker.sock").symlink_to(podman)

    assert list(found({"XDG_RUNTIME_DIR": str(tmp_path)})) == ["podman"]


def test_a_second_docker_gets_a_name_of_its_own(sockets, tmp_path):
    other = sockets("other.sock")
    rootless = sockets("run/docker.sock")

    variables = {"DOCKER_HOST": f"unix://{other}", "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    assert found(variables) == {"local": f"unix://{other}", "local-2": f"unix://{rootless}"}


def test_nothing_is_found_where_nothing_is(sockets, tmp_path):
    (tmp_path / "docker.sock").write_text("not a socket")

    assert found({"XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_HOST": "ssh://nas"}) == {}


def test_an_engine_elsewhere_is_taken_from_the_environment():
    variables = {"DOCKER_HOST": "tcp://nas:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}
    remote = next(one for one in config.candidates(variables) if one.name == "docker-host")

    assert remote.base_url == "https://nas:2376"
    assert remote.tls == TlsConfig(ca=Path("/certs/ca.pem"), cert=Path("/certs/cert.pem"), key=Path("/certs/key.pem"))
