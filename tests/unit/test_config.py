"""What a person who mistyped a configuration is told: every fault, with its place, and never a value."""

from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Literal

import pytest
from pydantic import Field

from daemon.runtime import config
from schemas.base import Config
from schemas.config import HomelabConfig, SecretRef, SourceConfig

HUNTER = "hunter2"  # stands for a secret wherever it is; no fault may show it
AS_REFERENCE = "a secret is written as env:NAME, file:PATH or cred:NAME, never as itself"
AS_TOKEN = "must be 1 to 63 lower-case letters, digits, - and _, beginning with a letter or digit"
UNOBTAINABLE = "the secret cannot be had"


class Tls(Config):
    ca: Path | None = None
    key: SecretRef | None = None


class DockerLike(SourceConfig):
    provider: Literal["docker"] = "docker"
    name: str = "local"
    url: str = "unix:///var/run/docker.sock"
    tls: Tls | None = None
    password: SecretRef | None = None
    tokens: dict[str, SecretRef] = Field(default_factory=dict)
    retries: int = Field(default=1, ge=0, le=9)


class HostLike(SourceConfig):
    provider: Literal["host"] = "host"


def models(name: str) -> type[SourceConfig]:
    known: dict[str, type[SourceConfig]] = {"docker": DockerLike, "host": HostLike}
    if name not in known:
        raise LookupError(f"{name!r} is none of {', '.join(known)}")
    return known[name]


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes) -> Path:
        file = tmp_path / "homelab.yaml"
        file.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        return file

    return write


def faults_of(file: Path) -> list[str]:
    with pytest.raises(config.BadConfig) as caught:
        config.load(file, models)
    assert HUNTER not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return [str(fault).removeprefix(f"{file.parent}/") for fault in caught.value.faults]


ONE_FAULT = {
    "an unknown key": (
        "sources:\n  - provider: docker\n    name: a\n    intervall: 5m\n",
        "homelab.yaml:4:5: sources[0].intervall: unknown key; did you mean interval?",
    ),
    "an unknown key nobody can guess": (
        "log:\n  colour: red\n",
        "homelab.yaml:2:3: log.colour: unknown key; known here: format, level",
    ),
    "an unknown key at the top": ("source:\n  - {}\n", "homelab.yaml:1:1: source: unknown key; did you mean sources?"),
    "an unknown key that holds nothing": ("natz:\n", "homelab.yaml:1:1: natz: unknown key; did you mean nats?"),
    "an unknown key below a provider's setting": (
        "sources:\n- provider: docker\n  tls:\n    caa: x\n",
        "homelab.yaml:4:5: sources[0].tls.caa: unknown key; did you mean ca?",
    ),
    "text for a number": (
        f"nats:\n  port: {HUNTER}\n",
        "homelab.yaml:2:3: nats.port: must be a whole number, not text",
    ),
    "a list for a mapping": ("nats: [1]\n", "homelab.yaml:1:1: nats: must be a mapping (key: value), not a list"),
    "a mapping for a list": ("sources: {a: b}\n", "homelab.yaml:1:1: sources: must be a list, not a mapping"),
    "text for a source": (
        f"sources:\n  - {HUNTER}\n",
        "homelab.yaml:2:5: sources[0]: must be a mapping (key: value), not text",
    ),
    "a word YAML takes for true": (
        "sources:\n- provider: docker\n  url: on\n",
        "homelab.yaml:3:3: sources[0].url: must be text, not true/false; quotation marks make it text",
    ),
    "text for true or false": (
        f"sources:\n- provider: host\n  name: h\n  enabled: {HUNTER}\n",
        "homelab.yaml:4:3: sources[0].enabled: must be true or false, not text",
    ),
    "nothing for a number": ("http:\n  port:\n", "homelab.yaml:2:3: http.port: must be a whole number, not nothing"),
    "a duration without a unit": (
        "reconcile_every: '5'\n",
        "homelab.yaml:1:1: reconcile_every: write a duration as 500ms, 30s, 5m, 2h or 7d",
    ),
    "a duration of nothing": ("reconcile_every: 0s\n", "homelab.yaml:1:1: reconcile_every: must be more than nothing"),
    "a number out of range": (
        "sources:\n- {provider: docker, retries: 10}\n",
        "homelab.yaml:2:22: sources[0].retries: must be at most 9",
    ),
    "a word that is none of those allowed": (
        "log: {level: loud}\n",
        "homelab.yaml:1:7: log.level: must be one of debug, info, warning, error",
    ),
    "a secret itself": (
        f"sources:\n- provider: docker\n  password: {HUNTER}\n",
        f"homelab.yaml:3:3: sources[0].password: {AS_REFERENCE}",
    ),
    "a name that cannot stand in a subject": (
        "sources:\n- provider: host\n  name: My Host\n",
        f"homelab.yaml:3:3: sources[0].name: {AS_TOKEN}",
    ),
    "a source without a name": ("sources:\n- provider: host\n", "homelab.yaml:2:3: sources[0]: name is missing"),
    "a source without a provider": ("sources:\n- name: x\n", "homelab.yaml:2:3: sources[0]: provider is missing"),
    "an unknown provider": (
        "sources:\n- name: x\n  provider: dokcer\n",
        "homelab.yaml:3:3: sources[0].provider: unknown provider: 'dokcer' is none of docker, host",
    ),
    "a provider that is no text": (
        "sources:\n- provider: 7\n",
        "homelab.yaml:2:3: sources[0].provider: must be text, not a whole number",
    ),
    "two sources of one name": (
        "sources:\n- {provider: host, name: a}\n- {provider: docker, name: a}\n- {provider: host, name: a}\n",
        "homelab.yaml:4:20: sources[2].name: another host source has this name already (line 2)",
    ),
    "a key given twice": (
        "log:\n  level: info\n  level: debug\n",
        "homelab.yaml:3:3: log.level: given twice; first in line 2",
    ),
    "a section given twice": ("log: {}\nhttp: {}\nlog: {}\n", "homelab.yaml:3:1: log: given twice; first in line 1"),
    "a key that is no word": ("? [a]\n: b\n", "homelab.yaml:1:3: a key must be a word"),
    "a list at the top": ("- a\n", "homelab.yaml:1:1: must be a mapping (key: value), not a list"),
    "text at the top": (f"{HUNTER}\n", "homelab.yaml:1:1: must be a mapping (key: value), not text"),
    "a tag before something else": (
        "nats: {port: !!int x}\n",
        "homelab.yaml: a tag (!!int, !!timestamp) before what is none",
    ),
}


@pytest.mark.parametrize(("text", "expected"), ONE_FAULT.values(), ids=ONE_FAULT)
def test_a_fault_is_named_with_file_line_column_and_path(write, text, expected):
    assert faults_of(write(text)) == [expected]


SYNTAX = {
    "a bracket that is not closed": ("nats: [1,\n", "homelab.yaml:2:1: not YAML: "),
    "a tab": ("nats:\n\tport: 1\n", "homelab.yaml:2:1: not YAML: "),
    "a colon in a value": ("nats:\n  url: a: b\n", "homelab.yaml:2:9: not YAML: "),
    "a password that looks like an alias": (f"nats:\n  url: *{HUNTER}\n", "homelab.yaml:2:8: not YAML: "),
    "a password that looks like a tag": (f"nats:\n  url: !{HUNTER} x\n", "homelab.yaml:2:8: not YAML: "),
    "a Python object": ("nats: !!python/object/apply:os.system [x]\n", "homelab.yaml:1:7: not YAML: "),
    "a second document": ("log: {}\n---\nlog: {}\n", "homelab.yaml:2:1: not YAML: "),
    "a control character": ("log: {}\n  \x07\n", "homelab.yaml:2:3: a control character"),
    "an alias within itself": ("log: &a {level: *a}\n", "homelab.yaml: nested or repeated too often"),
}


@pytest.mark.parametrize(("text", "expected"), SYNTAX.values(), ids=SYNTAX)
def test_a_text_that_is_not_yaml_is_one_fault_with_its_line(write, text, expected):
    (fault,) = faults_of(write(text))
    assert fault.startswith(expected)
    assert "\n" not in fault


def test_all_faults_are_told_at_once_in_the_order_of_the_file(write):
    file = write("""
        nats: {port: x}
        sources:
          - provider: docker
            nome: a
            password: secret
          - provider: nothing
          - name: b
            name: c
            provider: host
        logg: {}
    """)
    assert [fault.split(": ")[1] for fault in faults_of(file)] == [
        "nats.port",
        "sources[0].nome",
        "sources[0].password",
        "sources[1].provider",
        "sources[2].name",
        "logg",
    ]


def test_a_text_nested_beyond_reason_is_refused_quickly(write):
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    assert faults_of(write(bomb))[-1] == "homelab.yaml: nested or repeated too often to be a configuration"


def test_a_file_that_is_not_there_or_cannot_be_read_says_so(tmp_path):
    assert faults_of(tmp_path / "none.yaml") == ["none.yaml: cannot be read: no such file or directory"]
    assert faults_of(tmp_path) == [f"{tmp_path.name}: cannot be read: is a directory"]


def test_a_file_that_is_not_utf8_is_told_with_its_line(write):
    assert faults_of(write(b"log: {}\n# \xe4\n")) == ["homelab.yaml:2:3: not UTF-8 text"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "nats:\nsources:\n", "\ufeff"])
def test_an_empty_file_is_the_defaults(write, text):
    loaded = config.load(write(text), models)
    assert (loaded.config, loaded.sources) == (HomelabConfig(), None)


def test_no_file_is_the_defaults():
    assert config.load(None, models) == config.Loaded(HomelabConfig(), None, None)


def test_an_empty_list_of_sources_is_not_the_same_as_none(write):
    assert config.load(write("sources: []"), models).sources == ()


def test_each_source_is_read_by_its_provider(write):
    file = write(
        """
        sources:
          - {provider: docker, name: nas, url: tcp://x, interval: 1m 30s}
          - {provider: host, name: here, enabled: false}
    """
    )
    nas, here = config.load(file, models).sources or ()
    assert isinstance(nas, DockerLike)
    assert (nas.url, nas.interval) == ("tcp://x", timedelta(seconds=90))
    assert not here.enabled


def test_what_is_merged_by_an_anchor_counts_as_written(write):
    file = write("""
        sources:
          - &one {provider: docker, name: a, retries: 3}
          - {<<: *one, name: b}
    """)
    a, b = config.load(file, models).sources or ()
    assert (a.name, b.name, b.retries) == ("a", "b", 3)  # type: ignore[attr-defined]


def test_the_sources_of_a_loaded_configuration_can_be_typed_again(write):
    loaded = config.load(write("sources:\n- {provider: docker, name: a}\n"), models)
    assert config.sources_of(loaded.config, models) == loaded.sources
    assert config.sources_of(HomelabConfig(), models) is None


def test_who_reads_no_source_need_not_know_their_providers(write):
    loaded = config.load(write("sources:\n- {provider: future, name: a}\n"))
    assert loaded.sources is None
    assert loaded.config.sources == ({"provider": "future", "name": "a"},)


def test_a_missing_secret_is_told_with_its_reference_and_line(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HAVE", HUNTER)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    file = write(
        f"""
        http: {{token: "env:NO_SUCH_TOKEN"}}
        sources:
          - provider: docker
            password: env:HAVE
            tokens:
              a: file:{tmp_path}/none
            tls:
              key: cred:tls
          - provider: docker
            name: other
            enabled: false
            password: env:NO_SUCH_EITHER
    """
    )
    with pytest.raises(config.BadConfig) as caught:
        config.check(file, models)
    assert [str(fault).removeprefix(f"{tmp_path}/") for fault in caught.value.faults] == [
        f"homelab.yaml:2:8: http.token: {UNOBTAINABLE}: env:NO_SUCH_TOKEN: NO_SUCH_TOKEN is not set",
        f"homelab.yaml:7:7: sources[0].tokens.a: {UNOBTAINABLE}: file:{tmp_path}/none: No such file or directory",
        f"homelab.yaml:9:7: sources[0].tls.key: {UNOBTAINABLE}: cred:tls: CREDENTIALS_DIRECTORY is not set",
    ]


def test_only_the_secrets_of_one_part_can_be_asked_for(write):
    loaded = config.load(write("http: {token: env:NO_A}\nsources:\n- {provider: docker, password: env:NO_B}\n"), models)
    assert [fault.path for fault in config.missing_secrets(loaded, below="sources[0]")] == ["sources[0].password"]


def test_the_file_is_the_one_named_else_the_environments_else_a_usual_place(tmp_path):
    home = tmp_path / "homelab" / "homelab.yaml"
    environ = {"HOMELAB_CONFIG": "/named", "XDG_CONFIG_HOME": str(tmp_path)}
    assert config.locate(Path("/said"), environ) == Path("/said")
    assert config.locate(None, environ) == Path("/named")
    del environ["HOMELAB_CONFIG"]
    assert config.locate(None, environ) is None
    home.parent.mkdir()
    home.touch()
    assert config.locate(None, environ) == home


class ProxmoxLike(SourceConfig):
    provider: Literal["proxmox"] = "proxmox"


def with_clusters(name: str) -> type[SourceConfig]:
    return ProxmoxLike if name == "proxmox" else models(name)


CLUSTERS = "sources: [{provider: proxmox, name: a}, {provider: host, name: h}]\nclusters:\n"


def test_what_tells_a_cluster_may_name_those_of_the_file_and_of_elsewhere(write):
    file = write(CLUSTERS + "  patterns: {prod-: a, '*-dr': b}\n  vmids: {100: a, 200-299: b}\n  default: b\n")
    said = config.load(file, with_clusters, clusters=("b",)).config.clusters
    assert (said.patterns, said.vmids) == ({"prod-": "a", "*-dr": "b"}, {"100": "a", "200-299": "b"})
    assert said.default == "b"
    assert config.load(file).config.clusters == said  # who reads no source does not know them either


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  patterns: {prod-: h}", "3:14: clusters.patterns.prod-: names no cluster; there are: b, a"),
        ("  vmids: {7: c}", "3:11: clusters.vmids.7: names no cluster; there are: b, a"),
        ("  default: c", "3:3: clusters.default: names no cluster; there are: b, a"),
        ("  vmids: {7-: a}", "3:11: clusters.vmids.7-: write vmids as 100 or 100-199"),
        ("  patterns: {prod-: A}", f"3:14: clusters.patterns.prod-: {AS_TOKEN}"),
        ("  pattern: {}", "3:3: clusters.pattern: unknown key; did you mean patterns?"),
    ],
)
def test_what_tells_a_cluster_badly_is_told_with_its_line(write, text, expected):
    with pytest.raises(config.BadConfig) as caught:
        config.load(write(CLUSTERS + text), with_clusters, clusters=("b",))
    assert [str(fault).rpartition("homelab.yaml:")[2] for fault in caught.value.faults] == [expected]


def test_a_cluster_whose_source_is_faulty_is_named_all_the_same(write):
    file = write("sources:\n  - {provider: proxmox, name: a, typo: 1}\nclusters: {default: a}\n")
    with pytest.raises(config.BadConfig) as caught:
        config.load(file, with_clusters)
    assert [fault.path for fault in caught.value.faults] == ["sources[0].typo"]
