"""`homelab config`, and what a bad configuration does to every command that reads one."""

import json
import os
import socket
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from daemon import allinone
from daemon.cli import example
from daemon.cli.main import app
from daemon.runtime import secrets

GOOD = "sources:\n  - provider: docker\n    name: nas\n    url: tcp://127.0.0.1:1\n    interval: 90s\n"
BAD = "sources:\n  - provider: docker\n    name: nas\n    intervall: 5m\nlog: {level: loud}\n"


@pytest.fixture(autouse=True)
def _away(tmp_path, monkeypatch):
    """Nothing of this machine's own configuration counts."""
    for name in ("HOMELAB_CONFIG", "HOMELAB_STATE", "HOMELAB_NATS", "HOMELAB_CREDS", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("PROXMOX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    yield
    secrets.configured_by(None)


def homelab(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def written(text: str) -> str:
    file = Path("homelab.yaml")
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize(
    "command",
    [
        ("config", "check"),
        ("config", "show"),
        ("up", "--nats-port", "0", "--http-port", "0"),
        ("daemon",),
        ("agent", "nas"),
        ("probe",),
    ],
    ids=" ".join,
)
def test_a_bad_configuration_is_78_with_a_line_for_each_fault(command):
    file = written(BAD)
    said = homelab(*command, "--config", file)
    assert said.exit_code == 78
    assert said.stdout == ""
    lines = said.stderr.splitlines()
    assert "homelab.yaml:5:7: log.level: must be one of debug, info, warning, error" in lines
    if command != ("daemon",):  # the daemon alone reads no source
        assert "homelab.yaml:4:5: sources[0].intervall: unknown key; did you mean interval?" in lines


@pytest.mark.parametrize("command", [("config", "check"), ("up",), ("daemon",)], ids=" ".join)
def test_a_missing_secret_is_78_with_its_reference(command):
    file = written("http:\n  token: env:NO_SUCH_TOKEN\n")
    said = homelab(*command, "--config", file)
    assert said.exit_code == 78
    assert said.stderr.splitlines() == [
        "homelab.yaml:2:3: http.token: the secret cannot be had: env:NO_SUCH_TOKEN: NO_SUCH_TOKEN is not set"
    ]


def test_a_configuration_that_is_named_and_not_there_is_78():
    said = homelab("config", "check", "none.yaml")
    assert (said.exit_code, said.stderr) == (78, "none.yaml: cannot be read: no such file or directory\n")


def test_a_good_configuration_says_so():
    said = homelab("config", "check", written(GOOD))
    assert (said.exit_code, said.stderr) == (0, "homelab.yaml: ok: 1 source, 0 secrets found\n")


def test_no_configuration_is_no_fault():
    said = homelab("config", "check")
    assert said.exit_code == 0
    assert "no configuration file" in said.stderr


# --- clusters of the environment -------------------------------------------------------------------------------------

CLUSTERS = {
    "PROXMOX_CLUSTERS": "prod,stg",
    **{f"PROXMOX_CLUSTER_{name}_API_URL": "https://127.0.0.1:1" for name in ("prod", "stg")},
    **{f"PROXMOX_CLUSTER_{name}_TOKEN_ID": "homelab@pve!daemon" for name in ("prod", "stg")},
    **{f"PROXMOX_CLUSTER_{name}_TOKEN_SECRET": "hunter2" for name in ("prod", "stg")},
}
NO_SECRET = "PROXMOX_CLUSTER_stg_TOKEN_SECRET: is missing"


def in_environment(monkeypatch, **changed: str) -> None:
    for name, value in {**CLUSTERS, **changed}.items():
        monkeypatch.setenv(name, value)


def listed(said: Result) -> dict[str, str]:
    """What stands on the lines behind each source."""
    assert "hunter2" not in said.output
    return {name: rest.strip() for name, _, rest in (line.partition(" ") for line in said.stdout.splitlines()[1:])}


def test_a_check_says_where_each_source_comes_from(monkeypatch):
    in_environment(monkeypatch)
    said = homelab("config", "check", written(GOOD))
    assert (said.exit_code, said.stderr) == (0, "homelab.yaml: ok: 3 sources, 2 secrets found\n")
    assert listed(said) == {
        "docker/nas": "homelab.yaml",
        "proxmox/prod": "environment: PROXMOX_CLUSTER_prod_API_URL",
        "proxmox/stg": "environment: PROXMOX_CLUSTER_stg_API_URL",
    }
    alone = homelab("config", "check")
    assert listed(alone).items() > {"proxmox/prod": "environment: PROXMOX_CLUSTER_prod_API_URL"}.items()


def test_a_source_in_the_file_counts_for_more_than_one_of_its_name_in_the_environment(monkeypatch):
    in_environment(monkeypatch, PROXMOX_CLUSTER_prod_TOKEN_SECRET="")
    prod = "{provider: proxmox, name: prod, url: https://pve1, token_id: a@pve!bc, token_secret: env:HOME}"
    file = written(f"sources: [{prod}]\n")
    assert listed(homelab("config", "check", file))["proxmox/prod"] == "homelab.yaml"
    shown = yaml.safe_load(homelab("config", "show", "-c", file).stdout)
    assert [source["url"] for source in shown["sources"]] == ["https://pve1:8006", "https://127.0.0.1:1"]


def test_a_bad_cluster_of_the_environment_is_78_in_a_check_and_the_others_are_still_asked(monkeypatch):
    in_environment(monkeypatch, PROXMOX_CLUSTER_stg_TOKEN_SECRET="")
    check = homelab("config", "check")
    assert (check.exit_code, check.stderr) == (78, f"environment: {NO_SECRET}\n")
    probe = homelab("probe", "prod", "-c", written("sources: []"), "--json")
    assert f"environment: {NO_SECRET}" in probe.stderr.splitlines()
    assert [one["source"] for one in json.loads(probe.stdout)] == ["prod"]
    prod = "{provider: proxmox, name: prod, url: https://pve1, token_id: a@pve!bc, token_secret: env:HOME, enabled: no}"
    file = written(f"sources: [{{provider: host, name: a}}, {prod}]\n")
    assert (homelab("probe", "-c", file).exit_code, homelab("probe", "a", "-c", file).exit_code) == (1, 0)


def test_what_is_bad_in_the_environment_is_told_at_start_and_the_rest_is_watched(monkeypatch):
    in_environment(monkeypatch, PROXMOX_CLUSTER_stg_TOKEN_SECRET="", PROXMOX_DEFAULT_CLUSTER="hunter2")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        said = homelab("up", "-c", written("sources: []\n"), "--nats-port", port, "--http-port", "0")
    assert said.stderr.splitlines()[:3] == [
        "homelab: watching proxmox/prod",
        f"homelab: environment: {NO_SECRET}",
        "homelab: environment: PROXMOX_DEFAULT_CLUSTER: names no cluster; there are: prod, stg",
    ]


def test_all_that_is_bad_in_the_file_and_in_the_environment_is_told_at_once(monkeypatch):
    in_environment(monkeypatch, PROXMOX_CLUSTER_stg_TOKEN_SECRET="")
    said = homelab("config", "check", written("log: {level: loud}\n"))
    assert said.exit_code == 78
    assert [line.split(": ")[1] for line in said.stderr.splitlines()] == ["log.level", NO_SECRET.partition(":")[0]]


def test_a_file_may_name_the_clusters_of_the_environment(monkeypatch):
    in_environment(monkeypatch, PROXMOX_CLUSTER_stg_TOKEN_SECRET="")
    file = written("sources: []\nclusters: {patterns: {prod-: prod, x: stg, y: other}}\n")
    said = homelab("probe", "-c", file)
    assert said.exit_code == 78
    assert said.stderr.splitlines() == [
        "homelab.yaml:2:44: clusters.patterns.y: names no cluster; there are: prod, stg"
    ]


def test_a_file_beside_the_configuration_counts_as_environment():
    folder = Path("etc")
    folder.mkdir()
    (folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in CLUSTERS.items()))
    (folder / "homelab.yaml").write_text("sources: []\n")
    said = homelab("config", "check", "etc/homelab.yaml")
    assert listed(said)["proxmox/prod"] == f"{folder.absolute()}/.env: PROXMOX_CLUSTER_prod_API_URL"
    assert "others may use it, and it holds secrets" in said.stderr
    assert "proxmox/prod" not in homelab("config", "check").stdout


def test_an_agent_may_be_run_for_a_cluster_of_the_environment(monkeypatch):
    in_environment(monkeypatch)
    assert homelab("agent", "prod", "-c", written("sources: []\n")).exit_code == 69  # there is no bus
    said = homelab("agent", "dr", "-c", "homelab.yaml")
    assert said.stderr.splitlines()[-1].endswith("has no source 'dr'; there are: proxmox/prod, proxmox/stg")


def test_what_is_found_tells_of_proxmox_where_nothing_does(monkeypatch):
    hint = "Proxmox VE clusters: list them under `sources:`, or set PROXMOX_API_URL"
    assert any(line.startswith(hint) for line in allinone.discover().hints)
    in_environment(monkeypatch)
    assert not any("Proxmox" in line for line in allinone.discover().hints)


def test_the_environment_may_name_the_file(monkeypatch):
    monkeypatch.setenv("HOMELAB_CONFIG", written(BAD))
    assert homelab("config", "check").exit_code == 78


def test_what_takes_effect_is_shown_as_it_would_be_written(monkeypatch):
    monkeypatch.setenv("TOKEN", "hunter2")
    file = written(GOOD + "http: {token: env:TOKEN}\nnats: {url: 'nats://me:hunter2@bus:4222'}\n")
    said = homelab("config", "show", "--config", file)
    assert said.exit_code == 0
    assert "hunter2" not in said.output
    shown = yaml.safe_load(said.stdout)
    assert shown["http"]["token"] == "env:TOKEN"
    assert shown["nats"]["url"] == "nats://(not shown)@bus:4222"
    assert shown["reconcile_every"] == "5m"
    assert shown["sources"][0]["interval"] == "1m 30s"
    assert json.loads(homelab("config", "show", "--config", file, "--json").stdout) == shown


def test_what_is_shown_can_be_read_again():
    file = written(GOOD)
    Path("again.yaml").write_text(homelab("config", "show", "--config", file).stdout)
    assert homelab("config", "check", "again.yaml").exit_code == 0


def test_init_writes_an_example_and_never_over_a_file():
    assert homelab("config", "init").exit_code == 0
    assert Path("homelab.yaml").read_text() == example.TEXT
    Path("homelab.yaml").write_text("mine")
    said = homelab("config", "init")
    assert (said.exit_code, Path("homelab.yaml").read_text()) == (1, "mine")
    assert "--force" in said.stderr
    assert homelab("config", "init", "--force").exit_code == 0
    assert homelab("config", "init", "-").stdout == example.TEXT


def test_init_into_a_folder_that_is_not_there_is_one_line():
    said = homelab("config", "init", "none/homelab.yaml")
    assert (said.exit_code, said.stderr) == (1, "homelab: none/homelab.yaml: No such file or directory\n")


def test_users_writes_what_a_nats_server_needs_and_keeps_passwords():
    assert homelab("config", "users", "nats", "docker/nas").exit_code == 0
    first = Path("nats/creds/agent-docker-nas.json").read_text()
    assert homelab("config", "users", "nats", "docker/nas", "host/nas").exit_code == 0
    assert Path("nats/creds/agent-docker-nas.json").read_text() == first
    assert {file.name for file in Path("nats/creds").iterdir()} >= {"viewer.json", "daemon.json", "agent-host-nas.json"}
    assert "agent-host-nas" in Path("nats/users.conf").read_text()
    assert Path("nats/users.conf").stat().st_mode & 0o077 == 0


def test_users_of_something_that_is_no_source_is_2():
    assert homelab("config", "users", "nats", "nas").exit_code == 2
    assert not Path("nats").exists()


def test_an_agent_nobody_configured_is_78_and_names_those_there_are():
    said = homelab("agent", "other", "--config", written(GOOD))
    assert (said.exit_code, said.stderr) == (78, "homelab: homelab.yaml has no source 'other'; there are: docker/nas\n")


def test_an_agent_without_a_bus_is_69():
    said = homelab("agent", "nas", "--config", written(GOOD))
    assert said.exit_code == 69
    assert "Traceback" not in said.output


def test_a_probe_of_a_source_that_is_away_is_1_and_says_why():
    said = homelab("probe", "--config", written(GOOD))
    assert said.exit_code == 1
    assert "docker/nas" in said.stdout
    assert "failed unreachable" in said.stdout
    assert json.loads(homelab("probe", "nas", "--json", "--config", "homelab.yaml").stdout)[0]["ok"] is False


def test_a_probe_of_a_source_nobody_knows_is_1():
    said = homelab("probe", "other", "--config", written(GOOD))
    assert (said.exit_code, said.stderr) == (1, "homelab: there is no source 'other'; there are: docker/nas\n")


def test_mcp_without_a_daemon_is_69_and_writes_nothing_to_stdout():
    said = homelab("mcp")
    assert (said.exit_code, said.stdout) == (69, "")


def test_a_state_directory_that_cannot_be_made_is_1_and_one_line():
    said = homelab("up", "--state", "/proc/none", "--nats-port", "0", "--http-port", "0")
    assert said.exit_code == 1
    assert said.stderr.splitlines()[-1].startswith("homelab: /proc/none: ")


def test_a_port_that_is_taken_is_1_and_says_which():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = homelab("up", "--config", written("sources: []\n"), "--nats-port", port, "--http-port", "0")
    assert said.exit_code == 1
    assert f"port {port} on 127.0.0.1 is taken" in said.stderr.splitlines()[-1]
