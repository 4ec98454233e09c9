"""Proxmox clusters as the environment describes them, and what it says of choosing one of them."""

import pytest

from agents.proxmox import environment
from agents.proxmox.config import ProxmoxConfig
from daemon.runtime import clusters
from schemas.config import HomelabConfig
from schemas.selection import ClustersConfig

HUNTER = "hunter2"  # stands for a secret wherever it is; no fault and no configuration may show it


def cluster(name: str | None, **given: str | None) -> dict[str, str]:
    """The variables of one cluster; None as its name: of the only one."""
    prefix = "PROXMOX_" if name is None else f"PROXMOX_CLUSTER_{name}_"
    usual = {"API_URL": "https://pve1.lan:8006", "TOKEN_ID": "homelab@pve!daemon", "TOKEN_SECRET": HUNTER}
    return {prefix + suffix: value for suffix, value in {**usual, **given}.items() if value is not None}


def read(*parts: dict[str, str], **more: str) -> environment.Found:
    environ = {"PATH": "/bin", **more}
    for part in parts:
        environ |= part
    found = environment.read(environ)
    assert HUNTER not in repr(found)
    return found


def faults(*parts: dict[str, str], **more: str) -> list[str]:
    return [str(fault).removeprefix("environment: ") for fault in read(*parts, **more).faults]


def names(*parts: dict[str, str], **more: str) -> list[str]:
    return [config.name for config in read(*parts, **more).configs]


# --- which clusters there are ----------------------------------------------------------------------------------------


def test_an_environment_without_proxmox_has_no_cluster_and_no_fault():
    assert read() == environment.Found()


def test_each_cluster_of_the_list_is_a_source_in_its_order():
    found = read(cluster("b"), cluster("a"), cluster(None), PROXMOX_CLUSTERS=" b, a ,")
    assert [config.name for config in found.configs] == ["b", "a"]
    assert (found.faults, found.variables) == (
        [], {"a": "PROXMOX_CLUSTER_a_API_URL", "b": "PROXMOX_CLUSTER_b_API_URL"},
    )  # fmt: skip


def test_a_cluster_has_all_that_the_environment_says_of_it_and_its_secret_by_reference():
    said = {"REGION": "eu", "TIER": "production", "DEFAULT_NODE": "pve1", "DEFAULT_STORAGE": "zfs"}
    urls = "https://pve1.lan:8006, https://pve2.lan:8006"
    (found,) = read(
        cluster("a", API_URL=urls, VERIFY="true", CA="/etc/ca.pem", DEFAULT_BRIDGE="vmbr0", **said),
        PROXMOX_CLUSTERS="a",
    ).configs
    assert found == ProxmoxConfig(
        name="a", url=("https://pve1.lan:8006", "https://pve2.lan:8006"), token_id="homelab@pve!daemon",
        token_secret="env:PROXMOX_CLUSTER_a_TOKEN_SECRET", ca="/etc/ca.pem", region="eu", tier="production",
        default_node="pve1", default_storage="zfs", default_bridge="vmbr0",
    )  # fmt: skip


def test_without_a_list_one_cluster_may_be_described():
    (found,) = read(cluster(None, VERIFY="no", DEFAULT_NODE="pve")).configs
    assert (found.name, found.url, found.verify, found.default_node) == ("pve", "https://pve1.lan:8006", False, "pve")
    assert found.token_secret == "env:PROXMOX_TOKEN_SECRET"


def test_an_empty_variable_counts_as_not_set():
    (found,) = read(cluster(None, VERIFY="", REGION=" ", CA="", TIER=" a "), PROXMOX_CLUSTERS="").configs
    assert (found.verify, found.region, found.ca, found.tier) == (True, None, None, "a")


@pytest.mark.parametrize(
    ("word", "verify"),
    [("true", True), ("1", True), ("YES", True), ("False", False), ("0", False), ("no", False)],
)
def test_a_boolean_is_written_in_one_of_six_ways(word, verify):
    assert read(cluster(None, VERIFY=word)).configs[0].verify is verify


@pytest.mark.parametrize(
    ("written", "variables"),
    [
        ("prod-eu", "prod-eu"),
        ("prod-eu", "PROD-EU"),
        ("prod-eu", "prod_eu"),
        ("prod-eu", "PROD_EU"),
        ("Prod_EU", "Prod_EU"),
        ("prod.eu", "PROD_EU"),
    ],
)
def test_a_cluster_is_found_however_its_variables_spell_it(written, variables):
    assert names(cluster(variables), PROXMOX_CLUSTERS=written) == ["prod-eu"]


def test_what_is_written_as_the_list_says_counts_for_more():
    (found,) = read(
        cluster("PROD", API_URL="https://other.lan"), cluster("prod"), PROXMOX_CLUSTERS="prod"
    ).configs  # fmt: skip
    assert found.url == "https://pve1.lan:8006"


def test_what_is_described_elsewhere_is_left_to_that():
    environ = {**cluster("b"), "PROXMOX_CLUSTERS": "A.1,b"}
    assert [config.name for config in environment.read(environ, ["a-1"]).configs] == ["b"]
    assert environment.read(environ, ["a-1"]).faults == []
    assert environment.read(cluster(None, TOKEN_ID=None), ["pve"]) == environment.Found()


def test_a_name_that_begins_with_anothers_keeps_its_variables():
    found = read(cluster("a"), cluster("a_b", REGION="eu"), PROXMOX_CLUSTERS="a,a_b")
    assert [(config.name, config.region) for config in found.configs] == [("a", None), ("a-b", "eu")]
    assert found.faults == []


# --- what is wrong ---------------------------------------------------------------------------------------------------

ONE_FAULT = {
    "no address": ({"API_URL": None}, "PROXMOX_CLUSTER_a_API_URL: is missing"),
    "no token": ({"TOKEN_ID": None}, "PROXMOX_CLUSTER_a_TOKEN_ID: is missing"),
    "no secret": ({"TOKEN_SECRET": ""}, "PROXMOX_CLUSTER_a_TOKEN_SECRET: is missing"),
    "a mistyped name": (
        {"TOKEN_SECRET": None, "TOKEN_SECERT": HUNTER},
        "PROXMOX_CLUSTER_a_TOKEN_SECERT: nobody reads it; did you mean PROXMOX_CLUSTER_a_TOKEN_SECRET?",
    ),
    "a name in lower case": (
        {"verify": "no"},
        "PROXMOX_CLUSTER_a_verify: nobody reads it; did you mean PROXMOX_CLUSTER_a_VERIFY?",
    ),
    "a name nobody can guess": ({"XYZZY": HUNTER}, "PROXMOX_CLUSTER_a_XYZZY: nobody reads it"),
    "no boolean": ({"VERIFY": HUNTER}, "PROXMOX_CLUSTER_a_VERIFY: must be true or false, not text"),
    "two ways to trust": ({"CA": "/ca.pem", "VERIFY": "no"}, "PROXMOX_CLUSTER_a_*: of ca, fingerprint and verify"),
    "an address without a host": ({"API_URL": "https://:8006"}, "PROXMOX_CLUSTER_a_API_URL: write the url as"),
    "an address with a password": ({"API_URL": f"https://root:{HUNTER}@pve1"}, "PROXMOX_CLUSTER_a_API_URL: no user"),
    "an address of strange letters": (
        {"API_URL": f"https://pve\u2100{HUNTER}"},
        "PROXMOX_CLUSTER_a_API_URL: write the url as",
    ),
    "a port that is none": ({"API_URL": f"https://pve1:{HUNTER}"}, "PROXMOX_CLUSTER_a_API_URL: "),
    "one of several addresses": ({"API_URL": "https://pve1,"}, "PROXMOX_CLUSTER_a_API_URL: write the url as"),
    "the secret in the token": (
        {"TOKEN_ID": f"homelab@pve!daemon={HUNTER}"},
        "PROXMOX_CLUSTER_a_TOKEN_ID: write only user@realm!name",
    ),
    "a token without a name": ({"TOKEN_ID": "root@pam"}, "PROXMOX_CLUSTER_a_TOKEN_ID: write it as Proxmox VE shows it"),
    "a fingerprint that is none": ({"FINGERPRINT": "AB:CD"}, "PROXMOX_CLUSTER_a_FINGERPRINT: write the SHA-256"),
}


@pytest.mark.parametrize(("given", "expected"), ONE_FAULT.values(), ids=ONE_FAULT)
def test_a_fault_names_the_variable_and_leaves_the_others_whole(given, expected):
    said = (cluster("a", **given), cluster("b"))
    told = faults(*said, PROXMOX_CLUSTERS="a,b")
    assert any(fault.startswith(expected) for fault in told), told
    assert len(told) == 1 + ("TOKEN_SECERT" in given)  # the right name is missing, too
    assert names(*said, PROXMOX_CLUSTERS="a,b") == ["b"]


def test_all_that_is_missing_is_told_at_once():
    assert faults(PROXMOX_CLUSTERS="a") == [
        f"PROXMOX_CLUSTER_a_{suffix}: is missing" for suffix in ("API_URL", "TOKEN_ID", "TOKEN_SECRET")
    ]
    assert faults(cluster(None, API_URL=None)) == ["PROXMOX_API_URL: is missing"]


def test_two_names_that_make_one_are_neither():
    said = (cluster("A"), cluster("a"), cluster("c"))
    assert faults(*said, PROXMOX_CLUSTERS="A,a,c") == [
        f"PROXMOX_CLUSTERS: entry {number}: another entry makes the same source name" for number in (1, 2)
    ]
    assert names(*said, PROXMOX_CLUSTERS="A,a,c") == ["c"]


@pytest.mark.parametrize("name", ["my lab", "früh", "-x", "a/b", "x" * 64])
def test_a_name_that_no_source_may_have_is_told_by_its_place(name):
    told = faults(cluster("a"), PROXMOX_CLUSTERS=f"a,{name}")
    assert told == ["PROXMOX_CLUSTERS: entry 2: write letters, digits, - and _, at most 63"]


def test_a_variable_of_no_cluster_is_told_and_keeps_none_away():
    said = (cluster("a"), cluster("old", TOKEN_ID=None, TOKEN_SECRET=None))
    told = "PROXMOX_CLUSTER_old_API_URL: is of no cluster that PROXMOX_CLUSTERS names"
    assert faults(*said, PROXMOX_CLUSTERS="a") == [told]
    assert names(*said, PROXMOX_CLUSTERS="a") == ["a"]
    assert faults(said[1]) == [told]


def test_a_mistyped_list_is_told_with_the_right_name():
    (first, *_) = faults(cluster("a"), PROXMOX_CLUSTER="a")
    assert first.startswith("PROXMOX_CLUSTER: is of no cluster")
    assert first.endswith("did you mean PROXMOX_CLUSTERS?")


def test_other_programs_variables_are_no_fault():
    others = {
        "PROXMOX_VE_ENDPOINT": "x",
        "PROXMOX_TOKEN": "x",
        "PROXMOX_URL": "x",
        "PROXMOX_USER": "x",
        "PROXMOXER": "x",
    }
    assert read(others) == environment.Found()
    assert names(cluster(None), others) == ["pve"]
    assert faults(cluster(None), others) == []


def test_a_mistyped_variable_of_the_only_cluster_is_told():
    assert faults(cluster(None, VERFIY="no")) == ["PROXMOX_VERFIY: nobody reads it; did you mean PROXMOX_VERIFY?"]
    assert names(cluster(None, VERFIY="no")) == []


# --- choosing one ----------------------------------------------------------------------------------------------------


def choosing(config: HomelabConfig | None = None, **environ: str) -> tuple[clusters.Clusters, list[str]]:
    found, faults = clusters.read(config or HomelabConfig(), environ)
    return found, [str(fault).removeprefix("environment: ") for fault in faults]


def test_patterns_ranges_and_the_default_are_read():
    found, faults = choosing(
        PROXMOX_CLUSTERS="Prod,dr", PROXMOX_CLUSTER_PATTERNS='{"prod-": "Prod", "*-dr": "dr"}',
        PROXMOX_CLUSTER_VMIDS='{"100-199": "prod", "7": "DR"}', PROXMOX_DEFAULT_CLUSTER="DR",
    )  # fmt: skip
    assert faults == []
    assert found == clusters.Clusters(
        names=("prod", "dr"), patterns={"prod-": "prod", "*-dr": "dr"}, vmids={"100-199": "prod", "7": "dr"},
        default="dr",
    )  # fmt: skip


def test_the_file_counts_for_more_entry_by_entry():
    said = ClustersConfig(patterns={"a": "file"}, vmids={"7": "file"}, default="file")
    sources = ({"provider": "proxmox", "name": "file"}, {"provider": "proxmox", "name": "off", "enabled": False})
    found, faults = choosing(
        HomelabConfig(sources=sources, clusters=said), PROXMOX_CLUSTERS="env,off",
        PROXMOX_CLUSTER_PATTERNS='{"a": "env", "b": "env", "c": "file"}', PROXMOX_DEFAULT_CLUSTER="env",
    )  # fmt: skip
    assert faults == []
    assert found == clusters.Clusters(
        names=("env", "file"), patterns={"a": "file", "b": "env", "c": "file"}, vmids={"7": "file"}, default="file"
    )


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PROXMOX_CLUSTER_PATTERNS", f"{{{HUNTER}", 'must be a JSON object such as {"prod-": "a"}; in a .env file'),
        ("PROXMOX_CLUSTER_PATTERNS", f'["{HUNTER}"]', "must be a JSON object"),
        ("PROXMOX_CLUSTER_PATTERNS", f'{{"": "a", "x": "{HUNTER}"}}', "entry 1: "),
        ("PROXMOX_CLUSTER_PATTERNS", f'{{"b": "a", "x": "{HUNTER}"}}', "entry 2: names no cluster; there are: a"),
        ("PROXMOX_CLUSTER_PATTERNS", '{"b": "a", "x": 7}', "entry 2: must be text, not a whole number"),
        ("PROXMOX_CLUSTER_VMIDS", f'{{"{HUNTER}": "a"}}', "entry 1: write vmids as 100 or 100-199"),
        ("PROXMOX_CLUSTER_VMIDS", '{"200-100": "a"}', "entry 1: write vmids as 100 or 100-199"),
        ("PROXMOX_DEFAULT_CLUSTER", HUNTER, "names no cluster; there are: a"),
    ],
)
def test_what_chooses_badly_is_told_without_its_words_and_the_rest_counts(variable, value, expected):
    found, faults = choosing(PROXMOX_CLUSTERS="a", **{variable: value})
    assert faults[0].startswith(f"{variable}: {expected}")
    assert HUNTER not in "".join(faults)
    assert set(found.patterns.values()) <= {"a"}
    assert (found.vmids, found.default) == ({}, None)


def test_the_only_cluster_has_its_name_where_it_is_chosen():
    found, faults = choosing(PROXMOX_API_URL="https://pve1", PROXMOX_DEFAULT_CLUSTER="pve")
    assert (found.names, found.default, faults) == (("pve",), "pve", [])
