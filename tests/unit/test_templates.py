"""Manifests of what was seen: their names, their YAML, their variables, and how far facts carry a template."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli.folders import as_yaml
from daemon.reconcile import exporting, manifests, templates
from daemon.reconcile.manifests import Read
from daemon.reconcile.templates import Facts
from daemon.store.pictures import Pictured
from schemas.resources import Status

FACTS = Facts(
    days_managed=30, days_in_sync=30, deviations=0, open_deviations=0, replacements=0, siblings=0, likeness=0.0
)


def one(native_id="web", name="web", **given) -> Pictured:
    usual = {
        "key": f"docker/nas/container/{native_id}", "name": name, "status": "running", "presence": "present",
        "incarnation": "c1", "labels": {}, "parent": None, "spec": {},
    }  # fmt: skip
    return Pictured(**(usual | given))


def filled(tree, variables):
    """What a person does with a template: put in values.  A value that is a placeholder alone keeps its type."""
    match tree:
        case dict():
            return {name: filled(inner, variables) for name, inner in tree.items()}
        case list():
            return [filled(inner, variables) for inner in tree]
        case str():
            if whole := re.fullmatch(r"\$\{(\w+)\}", tree):
                return variables[whole[1]]
            return re.sub(r"\$\$\{|\$\{(\w+)\}", lambda found: str(variables[found[1]]) if found[1] else "${", tree)
    return tree


# --- as a manifest ---------------------------------------------------------------------------------------------------


def test_a_manifest_expects_what_adopting_would():
    manifest = exporting.manifest(one(labels={"tier": "front"}, spec={"image": "a:1", "env": {"PASS": "<redacted>"}}))
    assert manifest == {
        "apiVersion": "homelab.ai/v1",
        "kind": "Expectation",
        "metadata": {"name": "docker.nas.container.web"},
        "spec": {
            "key": "docker/nas/container/web",
            "status": "running",
            "fields": {
                "name": "web",
                "labels": {"tier": "front"},
                "spec": {"image": "a:1", "env": {"PASS": "<redacted>"}},
            },
        },
    }


@pytest.mark.parametrize("status", [Status.PENDING, Status.FAILED, Status.UNKNOWN])
def test_only_a_status_to_stay_in_is_expected(status):
    assert "status" not in exporting.manifest(one(status=str(status)))["spec"]
    assert exporting.manifest(one(status="paused"))["spec"]["status"] == "paused"


def test_no_labels_are_expected_to_be_none_so_that_a_new_one_is_seen():
    assert exporting.manifest(one())["spec"]["fields"]["labels"] == {}


def test_plain_keys_give_plain_names():
    assert exporting.manifest_name("docker/nas/container/web") == "docker.nas.container.web"
    assert exporting.file_name("docker/nas/container/web") == "docker/nas/container/web.yaml"
    assert exporting.file_name("docker/nas/image/nginx:1.25").startswith("docker/nas/image/nginx-1-25~")


@pytest.mark.parametrize(
    "native_id",
    [
        "Web",
        "/dev/sda",
        "..",
        ".",
        ".hidden",
        "a/../../b",
        "nul",
        "con.txt",
        "x" * 300,
        "ü",
        "a b",
        "a\nb",
        "a\0b",
        "-",
        "~",
    ],
)
def test_odd_keys_give_safe_names(native_id):
    key = f"host/box/disk/{native_id}"
    file = exporting.file_name(key)
    assert re.fullmatch(r"host/box/disk/[a-z0-9][a-z0-9._~-]{0,100}\.yaml", file)
    assert ".." not in file
    assert file != f"host/box/disk/{native_id}.yaml"
    assert re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", exporting.manifest_name(key))


NATIVE = st.text(st.sampled_from("aAbB1./:-_~ üß\\"), min_size=1, max_size=6)


@given(NATIVE, NATIVE)
def test_two_keys_never_share_a_name_or_a_file_on_a_disk_without_cases(mine, other):
    keys = [f"docker/nas/container/{native}" for native in (mine, other)]
    if keys[0] != keys[1]:
        assert len({exporting.file_name(key).casefold() for key in keys}) == 2
        assert len({exporting.manifest_name(key) for key in keys}) == 2


ANY = st.characters(exclude_characters="\0", exclude_categories=("Cs",))
TEXT = st.text(ANY, max_size=12) | st.sampled_from(
    ("${HOME}", "$${x}", "yes", "1e3", "22:30", "0x1f", "null", "2026-11-20", "=")
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PICTURED = st.builds(
    one,
    name=st.text(ANY, max_size=8) | st.just("web"),
    status=st.sampled_from([str(status) for status in Status]),
    key=st.sampled_from(
        ("docker/nas/container/web", "docker/nas/container/A/b", "host/box/disk/web", "host/box/disk/sda")
    ),
    parent=st.none() | st.just("docker/nas/host/engine"),
    labels=st.dictionaries(st.text(ANY, max_size=8), TEXT, max_size=4),
    spec=st.dictionaries(
        st.sampled_from(("image", "memory_bytes", "cpus", "hostname", "env", "command")),
        VALUE | st.sampled_from(("nginx:1.25", "reg:5000/x", "reg:5000/x:v2", "x@sha256:ab", "web", 512)),
    ),
)


@given(PICTURED)
def test_a_manifest_in_yaml_is_read_back_as_it_was(pictured):
    manifest = exporting.manifest(pictured)
    text = as_yaml(manifest)
    found = Read()
    manifests.parse(text, "x.yaml", found)
    assert not found.faults, text
    assert [document.manifest for document in found.documents] == [manifest]


# --- as a template ---------------------------------------------------------------------------------------------------


def test_a_template_says_what_varies():
    made = templates.template(
        one(
            labels={"tier": "front", "com.example.app": "web"},
            spec={
                "image": "reg:5000/nginx:1.25",
                "memory_bytes": 2**28,
                "hostname": "web",
                "command": ["${HOME}"],
            },
        )
    )
    assert made.manifest["metadata"] == {"name": "docker.${source}.container.${name}"}
    assert made.manifest["spec"] == {
        "key": "docker/${source}/container/${name}",
        "status": "running",
        "fields": {
            "name": "${name}",
            "labels": {"tier": "${label_tier}", "com.example.app": "${name}"},
            "spec": {
                "image": "reg:5000/nginx:${image_tag}",
                "memory_bytes": "${memory_bytes}",
                "hostname": "${name}",
                "command": ["$${HOME}"],
            },
        },
    }
    assert made.variables == {
        "name": "web", "source": "nas", "image_tag": "1.25", "memory_bytes": 2**28, "label_tier": "front",
    }  # fmt: skip


def test_variables_of_one_name_and_two_values_are_two():
    made = templates.template(one(labels={"a.b": "x", "a-b": "y", "a_b": "x"}))
    assert {name: value for name, value in made.variables.items() if name.startswith("label")} == {
        "label_a_b": "x", "label_a_b_2": "y",
    }  # fmt: skip


def test_a_key_that_does_not_follow_from_the_name_is_a_variable_itself():
    made = templates.template(one(native_id="p-web-1", name="other"))
    assert made.manifest["spec"]["key"] == "${key}"
    assert made.variables["key"] == "docker/nas/container/p-web-1"


@given(PICTURED)
def test_with_the_values_it_had_a_template_is_the_manifest_again(pictured):
    made = templates.template(pictured)
    assert filled(made.manifest, made.variables) == exporting.manifest(pictured)


@pytest.mark.parametrize(
    ("image", "base"),
    [
        ("nginx", "nginx"), ("nginx:1", "nginx"), ("reg:5000/nginx", "reg:5000/nginx"),
        ("reg:5000/a/nginx:1", "reg:5000/a/nginx"), ("nginx@sha256:ab", "nginx"), ("nginx:1@sha256:ab", "nginx"),
        (None, ""), ("", ""), (["x"], ""),
    ],
)  # fmt: skip
def test_an_image_is_called_the_same_with_any_tag(image, base):
    assert templates.image_base(image) == base


# --- how far the facts carry -----------------------------------------------------------------------------------------


def test_siblings_that_differ_in_what_varies_are_wholly_alike():
    mine = templates.template(one(labels={"tier": "a"}, spec={"image": "x:1", "memory_bytes": 1}))
    same = templates.template(one("b", "b", labels={"tier": "x"}, spec={"image": "x:2", "memory_bytes": 2}))
    half = templates.template(one("c", "c", spec={"image": "x:2", "memory_bytes": 2, "privileged": True}))
    assert templates.likeness(mine, same) == 1
    assert 0 < templates.likeness(mine, half) < 1
    assert templates.likeness(mine, half) == templates.likeness(half, mine)
    assert templates.mean_likeness(mine, []) == 0


FACTS_OF_ANY = st.builds(
    Facts,
    days_managed=st.floats(0, 4000),
    days_in_sync=st.floats(0, 4000),
    deviations=st.integers(0, 50),
    open_deviations=st.integers(0, 5),
    replacements=st.integers(0, 50),
    siblings=st.integers(0, 100),
    likeness=st.floats(0, 1),
)
BETTER_WITH = {"days_in_sync": 1, "siblings": 1, "likeness": 1, "deviations": -1, "replacements": -1}


@given(FACTS_OF_ANY, st.sampled_from(sorted(BETTER_WITH)), st.data())
def test_confidence_never_falls_when_one_fact_gets_better(facts, name, data):
    now = getattr(facts, name)
    most = {"likeness": 1.0, "days_in_sync": 5000.0}.get(name, 200)
    other = data.draw(st.floats(now, most) if isinstance(now, float) else st.integers(now, most))
    low, high = templates.confidence(facts), templates.confidence(replace(facts, **{name: other}))
    assert 0 <= low <= 1
    assert high >= low if BETTER_WITH[name] > 0 else high <= low


def test_confidence_in_figures():
    def confidence(**given):
        return templates.confidence(
            Facts(**{name: getattr(FACTS, name) for name in FACTS.__dataclass_fields__} | given)
        )

    assert confidence(days_in_sync=0) == 0
    assert confidence(days_in_sync=7) == 0.35
    assert confidence() == 0.57
    assert confidence(deviations=1) == 0.28
    assert confidence(replacements=2) == 0.28
    assert confidence(siblings=3, likeness=1.0) == 0.75
    assert confidence(siblings=3, likeness=0.0) == confidence()
