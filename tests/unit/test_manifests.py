"""What a person who mistyped a manifest is told: every fault, with its place, and never a value."""

import os
import re
from pathlib import Path
from textwrap import dedent, indent

import pytest

from daemon.reconcile import manifests

HUNTER = "hunter2"  # stands for a secret wherever it is; no fault may show it
KEY = "a key is <provider>/<source>/<kind>/<native id>"
HEAD = "apiVersion: homelab.ai/v1\nkind: {kind}\nmetadata: {{name: web}}\nspec:\n"


def document(spec: str, kind: str = "Expectation") -> str:
    """The spec begins in line 5."""
    return HEAD.format(kind=kind) + indent(dedent(spec), "  ")


def faults(tmp_path: Path, text: str | bytes, name: str = "web.yaml") -> list[str]:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = manifests.read([file])
    told = [str(fault).removeprefix(f"{tmp_path}/") for fault in found.faults]
    assert HUNTER not in "".join(told)
    return told


ONE_FAULT = {
    "no mapping": ("- a\n", "web.yaml:1: must be a mapping (apiVersion, kind, metadata, spec), not a list"),
    "no kind": (
        "apiVersion: homelab.ai/v1\n",
        "web.yaml:1: kind is missing: one of Expectation, ResourcePool, Policy",
    ),
    "a kind mistyped": ("kind: Expectaton\n", "web.yaml:1: kind: unknown kind; did you mean Expectation?"),
    "a kind nobody knows": (
        f"kind: {HUNTER}\n",
        "web.yaml:1: kind: unknown kind; known are Expectation, ResourcePool, Policy",
    ),
    "another version": (
        document("key: a/b/c/d\n").replace("/v1", "/v2"),
        "web.yaml:1: apiVersion: must be homelab.ai/v1",
    ),
    "an unknown field": (
        document("key: a/b/vm/d\nstaus: running\n"),
        "web.yaml:6: spec.staus: unknown key; did you mean status?",
    ),
    "an unknown field of metadata": (
        document("key: a/b/vm/d\n").replace("name: web", "name: web, ownr: x"),
        "web.yaml:3: metadata.ownr: unknown key; did you mean owner?",
    ),
    "a wrong type": (
        document("key: 1\n"),
        "web.yaml:5: spec.key: must be text, not a whole number; quotation marks make it text",
    ),
    "a wrong word": (
        document(f"key: a/b/vm/d\nstatus: {HUNTER}\n"),
        "web.yaml:6: spec.status: must be one of 'running', 'stopped', 'paused', 'pending', 'failed' or 'unknown'",
    ),
    "a bad name": (
        document("key: a/b/vm/d\n").replace("name: web", f"name: {HUNTER} X"),
        "web.yaml:3: metadata.name: must be 1 to 63 lower-case letters, digits, ., - and _, beginning and ending with",
    ),
    "a bad key": (document(f"key: {HUNTER}/b\n"), f"web.yaml:5: spec.key: {KEY}"),
    "both key and selector": (
        document("key: a/b/vm/d\nselector: kind=vm\n"),
        "web.yaml:4: spec: say either key or selector",
    ),
    "a selector of everything": (
        document("selector: ''\n"),
        "web.yaml:4: spec: an empty selector would mean everything",
    ),
    "a selector with an unknown word": (
        document(f"selector: knd={HUNTER}\n"),
        "web.yaml:5: spec.selector: unknown condition; did you mean kind?",
    ),
    "a selector with labels as in a mapping": (
        document(f"selector: labels={HUNTER}\n"),
        "web.yaml:5: spec.selector: unknown condition; labels are written label:NAME=VALUE",
    ),
    "a selector with an unknown kind": (
        document(f"selector: kind={HUNTER}\n"),
        "web.yaml:5: spec.selector: kind: Input should be ",
    ),
    "a selector that says a thing twice": (
        document("selector: name=a name=b\n"),
        "web.yaml:5: spec.selector: name is said twice",
    ),
    "a selector with an open quotation mark": (
        document(f"""selector: "name='{HUNTER}"\n"""),
        "web.yaml:5: spec.selector: a quotation mark is open",
    ),
    "a selector with half a key": (
        document(f"selector: docker/{HUNTER}\n"),
        f"web.yaml:5: spec.selector: a word without = is a key, and {KEY}",
    ),
    "a selector as mapping with an unknown key": (
        document(f"selector:\n  kind: vm\n  naem: {HUNTER}\n"),
        "web.yaml:7: spec.selector.naem: unknown key; did you mean name?",
    ),
    "a selector as mapping with a key that is none": (
        document(f"selector:\n  keys: [{HUNTER}]\n"),
        f"web.yaml:6: spec.selector.keys[0]: {KEY}",
    ),
    "a selector that is a list": (
        document("selector: [a]\n"),
        "web.yaml:5: spec.selector: must be a text or a mapping, not a list",
    ),
    "a bad path": (
        document(f"key: a/b/vm/d\nfields:\n  spec..{HUNTER}: 1\n").replace(HUNTER, "x"),
        "web.yaml:7: spec.fields.spec..x: a path is names joined by dots",
    ),
    "a path of nothing there is": (
        document("key: a/b/vm/d\nfields:\n  image: nginx\n"),
        "web.yaml:7: spec.fields.image: a path begins with one of name, status",
    ),
    "a bad path to ignore": (
        document("key: a/b/vm/d\nignore: [spec.]\n"),
        "web.yaml:6: spec.ignore[0]: a path is names joined by dots",
    ),
    "a status said twice": (
        document("key: a/b/vm/d\nstatus: running\nfields: {status: stopped}\n"),
        "web.yaml:7: spec.fields.status: spec.status says something else",
    ),
    "a duration that is none": (
        document(f"key: a/b/vm/d\nmax_backup_age: {HUNTER}\n"),
        "web.yaml:6: spec.max_backup_age: write a duration as 500ms, 30s, 5m, 2h or 7d",
    ),
    "a time zone mistyped": (
        document("maintenance:\n- {start: 01:00, end: 02:00, timezone: Europe/Berln}\n", "Policy"),
        "web.yaml:6: spec.maintenance[0].timezone: no time zone has this name; did you mean Europe/Berlin?",
    ),
    "a time zone that leads elsewhere": (
        document("maintenance:\n- {start: 01:00, end: 02:00, timezone: ../../etc/passwd}\n", "Policy"),
        "web.yaml:6: spec.maintenance[0].timezone: no time zone has this name; write it as Europe/Berlin or UTC",
    ),
    "a window of no length": (
        document("maintenance:\n- {start: 01:00, end: 01:00}\n", "Policy"),
        "web.yaml:6: spec.maintenance[0].end: the window ends when it begins",
    ),
    "a pool with a bad path": (
        document("path: lab\n", "ResourcePool"),
        "web.yaml:5: spec.path: a pool's path is /like/this",
    ),
    "a pool with a bad member": (
        document(f"path: /lab\nmembers:\n- kind=vm\n- knd={HUNTER}\n", "ResourcePool"),
        "web.yaml:8: spec.members[1]: unknown condition; did you mean kind?",
    ),
    "a pool with a member that is no key": (
        document(f"path: /lab\nkeys: [{HUNTER}]\n", "ResourcePool"),
        f"web.yaml:6: spec.keys[0]: {KEY}",
    ),
    "a number beyond all": (
        document("key: a/b/vm/d\nfields: {spec.n: 99999999999999999999}\n"),
        "web.yaml:6: spec.fields.spec.n: a number beyond 64 bits; quotation marks make it text",
    ),
    "no number": (
        document("key: a/b/vm/d\nfields: {spec.n: .nan}\n"),
        "web.yaml:6: spec.fields.spec.n: must be a number, not an infinite one or none",
    ),
    "a NUL": (
        document('key: a/b/vm/d\nfields: {spec.n: "a\\0b"}\n'),
        "web.yaml:6: spec.fields.spec.n: holds a NUL character",
    ),
    "a field given twice": (
        document("key: a/b/vm/d\nkey: a/b/vm/e\n"),
        "web.yaml:6: spec.key: given twice; first in line 5",
    ),
    "an alias of nothing": (
        document(f"key: *{HUNTER}\n"),
        "web.yaml:5: not YAML: found undefined alias ... (a value that begins with * needs quotation marks)",
    ),
    "a tag": (
        document(f"key: !{HUNTER} x\n"),
        "web.yaml:5: not YAML: could not determine a constructor for the tag",
    ),
    "a list that is never closed": (document("key: [\n"), "web.yaml:6: not YAML: while parsing a flow node"),
    "a tabulator": (document("key: a/b/vm/d\n") + "\tx: 1\n", "web.yaml:6: not YAML: "),
    "a control character": ("a: \x01\n", "web.yaml:1: a control character; YAML text has none"),
    "no UTF-8": (b"a: 1\nb: \xff\n", "web.yaml:2: not UTF-8 text"),
    "UTF-16": ("a: 1\n".encode("utf-16"), "web.yaml:1: not UTF-8 text"),
    "nesting without end": ("[" * 200_000, "web.yaml: nested or repeated too often to be a configuration"),
    "an alias within itself": ("a: &a [*a]\n", "web.yaml:1: nested or repeated too often to be a configuration"),
    "merge keys that multiply": (
        "l0: &l0 {a: 1}\n" + "".join(f"l{n}: &l{n} {{<<: [{','.join([f'*l{n - 1}'] * 10)}]}}\n" for n in range(1, 12)),
        "web.yaml:1: nested or repeated too often to be a configuration",
    ),
}


@pytest.mark.parametrize(("text", "told"), ONE_FAULT.values(), ids=ONE_FAULT.keys())
def test_a_fault_is_told_with_file_line_and_path(tmp_path, text, told):
    (found,) = faults(tmp_path, text)
    assert found.startswith(told)


def test_every_fault_of_every_document_is_told_at_once(tmp_path):
    text = "---\n".join([document("kye: a/b/vm/d\n"), document("key: a/b/vm/d\n"), document("key: x\n")])
    assert faults(tmp_path, text) == [
        "web.yaml:5: spec.kye: unknown key; did you mean key?",
        f"web.yaml:17: spec.key: {KEY}",
    ]


def test_a_document_is_kept_as_written_with_its_place_and_lines(tmp_path):
    file = tmp_path / "web.yaml"
    file.write_text(document("key: a/b/vm/d\nstatus: running\nfields:\n  spec.image: nginx\n"))
    (one,) = manifests.read([file]).documents
    assert one.manifest["spec"] == {"key": "a/b/vm/d", "status": "running", "fields": {"spec.image": "nginx"}}
    assert (one.place.file, one.place.line) == (str(file), 1)
    assert (one.lines["spec.status"], one.lines["spec.fields.spec.image"]) == (6, 8)


def test_anchors_and_merge_keys_work(tmp_path):
    (tmp_path / "web.yaml").write_text(
        document("key: a/b/vm/d\nfields: &f {spec.image: nginx, labels.tier: front}\n")
        + "---\n"
        + document("key: a/b/vm/e\nfields:\n  <<: &g {spec.image: caddy}\n  labels.tier: back\n").replace("web", "two")
    )
    found = manifests.read([tmp_path])
    assert found.faults == []
    assert found.documents[1].manifest["spec"]["fields"] == {"spec.image": "caddy", "labels.tier": "back"}
    assert found.documents[1].lines["spec.fields.spec.image"] == 14


def test_words_times_and_dates_stay_texts(tmp_path):
    text = document("maintenance:\n- {start: 22:30, end: 23:00}\n", "Policy").replace(
        "name: web", "name: web, owner: 2026-11-20"
    )
    (tmp_path / "web.yaml").write_text(text)
    (one,) = manifests.read([tmp_path]).documents
    assert one.manifest["spec"]["maintenance"] == [{"start": "22:30", "end": "23:00"}]
    assert one.manifest["metadata"]["owner"] == "2026-11-20"


def test_a_name_is_unique_among_all_that_is_read(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(document("key: a/b/vm/d\n"))
    (tmp_path / "c.yaml").write_text(document("path: /web\n", "ResourcePool"))
    told = [str(fault) for fault in manifests.read([tmp_path]).faults]
    assert told == [f"{tmp_path}/b.yaml:1: metadata.name: Expectation/web is in {tmp_path}/a.yaml:1 already"]


def test_a_folder_is_read_with_all_below_it_in_order_without_what_is_hidden(tmp_path):
    (tmp_path / "sub" / ".git").mkdir(parents=True)
    for number, name in enumerate(
        ("z.yml", "sub/a.yaml", "sub/.b.yaml", "sub/.git/c.yaml", "sub/notes.txt", ".d.yaml")
    ):
        (tmp_path / name).write_text(document("key: a/b/vm/d\n").replace("web", f"n{number}"))
    (tmp_path / "sub" / "empty.yaml").write_text("# nothing yet\n---\n")
    found = manifests.read([tmp_path])
    assert [one.manifest["metadata"]["name"] for one in found.documents] == ["n1", "n0"]
    assert found.files == 3
    assert found.faults == []


def test_a_folder_that_is_not_there_and_a_file_nobody_may_read_are_faults(tmp_path):
    (tmp_path / "dangling.yaml").symlink_to(tmp_path / "nowhere")
    told = [str(fault) for fault in manifests.read([tmp_path / "gone", tmp_path]).faults]
    assert told == [
        f"{tmp_path}/gone: cannot be read: no such file or directory",
        f"{tmp_path}/dangling.yaml: cannot be read: no such file or directory",
    ]


def test_folders_that_lead_into_themselves_end(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    found = manifests.read([tmp_path])
    assert found.documents == []


def test_a_file_beyond_the_bound_is_refused_in_words(tmp_path):
    (tmp_path / "big.yaml").touch()
    os.truncate(tmp_path / "big.yaml", manifests.MAX_BYTES + 1)
    assert [fault.text for fault in manifests.read([tmp_path]).faults] == ["larger than 16 MiB: split it"]


def test_ten_megabytes_in_few_documents_are_read(tmp_path):
    big = "x" * 1000
    fields = "".join(f"  spec.f{number}: {big}\n" for number in range(100))
    text = "---\n".join(document(f"key: a/b/vm/d\nfields:\n{fields}").replace("web", f"n{n}") for n in range(100))
    assert len(text) > 10_000_000
    (tmp_path / "big.yaml").write_text(text)
    found = manifests.read([tmp_path])
    assert (found.faults, len(found.documents)) == ([], 100)


def test_more_documents_than_one_apply_takes_are_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(manifests, "MAX_DOCUMENTS", 3)
    text = "---\n".join(document("key: a/b/vm/d\n").replace("web", f"n{n}") for n in range(9))
    assert faults(tmp_path, text) == ["web.yaml: more than 3 documents: apply them in parts"]


def test_a_file_full_of_faults_is_told_in_part(tmp_path):
    text = "---\n".join(document("kye: x\n").replace("web", f"n{n}") for n in range(500))
    told = faults(tmp_path, text)
    assert len(told) <= manifests.MAX_FAULTS + 1


def test_the_manifests_of_the_readme_are_right():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "apiVersion" in block]
    found = manifests.Read()
    for block in blocks:
        manifests.parse(block, "README.md", found)
    assert found.faults == []
    assert {one.manifest["kind"] for one in found.documents} == set(manifests.KINDS)
