"""Every GET the simulator serves is held against the official schema of the API.

The schema file is not part of the repository: it lies beside a checkout where there is one, and the tests that need
it are skipped elsewhere, under CI too. The schema is documentation, not a check Proxmox makes: real answers hold keys
that it does not declare; `UNDECLARED` names those the simulator gives, with the fact or the source that has them.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.proxmox import SECRET, TOKEN, World, standard
from tests.support.proxmox.api import VIEWS, Api
from tests.support.proxmox.routes import ROUTES, Route

FILE = Path(__file__).parents[2].parent / "shared" / "reference" / "pve-schema.json"
needs_schema = pytest.mark.skipif(not FILE.exists(), reason="the official schema is not beside this checkout")

UNDECLARED: dict[str, dict[str, str]] = {
    "cluster/tasks": dict.fromkeys(
        ["node", "type", "id", "user", "starttime", "endtime", "status", "pid", "saved", "tokenid"],
        "fact 27: the schema has upid alone",
    ),
    "cluster/ha/resources": dict.fromkeys(
        ["type", "state", "comment", "group", "digest"], "fact 30: the schema has sid alone"
    ),
    "cluster/ha/groups": dict.fromkeys(["type", "nodes", "digest", "restricted", "nofailback"], "fact 30, PVE 8"),
    "cluster/ha/rules": dict.fromkeys(
        ["type", "order", "resources", "nodes", "digest", "strict", "affinity"], "HA/Rules.pm"
    ),
    "cluster/backup": {"type": "fact 32"},
    "storage": dict.fromkeys(
        [
            "type",
            "content",
            "digest",
            "shared",
            "disable",
            "nodes",
            "path",
            "vgname",
            "thinpool",
            "pool",
            "server",
            "datastore",
        ],
        "a section of storage.cfg: the schema has storage alone",
    ),
    "nodes": dict.fromkeys(
        ["id", "type", "disk", "maxdisk", "cgroup-mode", "ssl_fingerprint"], "fact 35: as in resources"
    ),
    "nodes/{node}/status": dict.fromkeys(
        ["wait", "uptime", "idle", "swap", "ksm", "kversion", "mhz", "user_hz", "hvm", "flags"], "fact 35"
    ),
    "nodes/{node}/qemu": dict.fromkeys(("disk",), "fact 36: always 0"),
    "nodes/{node}/lxc": dict.fromkeys(["type", "swap", "pid"], "fact 38"),
    "nodes/{node}/{type}/{vmid}/status/current": dict.fromkeys(["disk", "type", "swap", "pid"], "facts 36 to 38"),
    "nodes/{node}/{type}/{vmid}/config": {
        "parent": "fact 44: the snapshot it stands on; declared for machines alone",
        "special-sections": "fact 39",
    },
    "nodes/{node}/{type}/{vmid}/snapshot": dict.fromkeys(["digest", "running"], "fact 44"),
    "nodes/{node}/network": dict.fromkeys(["bond_miimon", "bridge_stp", "bridge_fd"], "INotify.pm: as in the file"),
    "nodes/{node}/disks/list": dict.fromkeys(["type", "rpm", "wearout", "by_id_link"], "Diskmanage.pm"),
    "nodes/{node}/storage/{storage}/content": dict.fromkeys(["content", "subtype"], "fact 45"),
    "nodes/{node}/tasks": {"tokenid": "fact 49"},
    "nodes/{node}/tasks/{upid}/status": {"tokenid": "fact 49"},
}
LOOSE: dict[str, dict[str, str]] = {
    "nodes/{node}/{type}/{vmid}/snapshot": {"snaptime": "fact 44: not of `current`"},
    "nodes/{node}/disks/list": {"osdid-list": "null when it is no OSD"},
    "cluster/backup": {"prune-backups": "fact 32: text in older versions"},
}
"""Keys that may be missing, null or text, whatever the schema says."""


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(FILE.read_text())


def furnished(release: int) -> World:
    """A world in which no list is empty, asked by someone who may see all."""
    world = standard(12, 3, seed=1, release=release)
    for who in (TOKEN, TOKEN.partition("!")[0]):
        world.allow(who, "/", "Administrator")
    for vmid in (101, 102):
        world.back_up(vmid, protected=True)
        world.snapshot(vmid, "first")
        world.snapshot(vmid, "second", "with words", vmstate=True)
        world.edit(vmid, memory=4096, description="a\nb")
        world.set_lock(vmid, "backup")
    world.guests[101].config |= {"agent": "1", "serial0": "socket"}
    world.guests[102].config |= {"lxc.apparmor.profile": "unconfined"}
    world.manage(101, "stopped", comment="c", group="g")
    world.add_ha_group("g", "pve1", "pve2", restricted=1)
    world.add_ha_rule("r", resources="vm:101", nodes="pve1", strict=1)
    world.add_backup_job("j", vmid="101")
    world.add_replication(101, "pve3")
    world.add_zone("zone", tag=7)
    world.add_vnet("vnet", "zone", tag=8)
    world.join("lab", 101, storages=("nfs",))
    world.storages["nfs"].nodes = ("pve1", "pve2", "pve3")
    world.clone(100, full=False, target="pve2")
    world.end(world.begin("pve2", "vzdump", 101, who=TOKEN), "WARNINGS: 1")
    world.begin("pve2", "vzdump", 102)
    world.pvestatd()
    return world


def served() -> list[tuple[Route, str, int]]:
    """Each GET with qemu and lxc in place of the type, and the release that serves it."""
    assert VIEWS
    routes = sorted({route.template: route for found in ROUTES.values() for _, route in found}.items())
    assert len(routes) > 40
    return [
        (route, template.replace("{type}", type_), release)
        for (method, _), found in sorted(ROUTES.items())
        for _, route in found
        for template in (route.template,)
        for type_ in (("qemu", "lxc") if "{type}" in template else ("",))
        for release in route.releases
        if method == "GET"
    ]


def filled(template: str, world: World) -> str:
    task = next(task for task in world.nodes["pve2"].tasks if task.token)
    vmid, node = (102, "pve3") if "/lxc" in template else (101, "pve2")
    return template.format(node=node, vmid=vmid, storage="pbs", poolid="lab", upid=task.upid)


@needs_schema
def test_every_path_and_parameter_served_exists_in_the_schema(schema: dict[str, Any]) -> None:
    wrong: list[str] = []
    for (method, _), found in ROUTES.items():
        for _, route in found:
            for type_ in ("qemu", "lxc") if "{type}" in route.template else ("",):
                name = f"{method} /{route.template.replace('{type}', type_)}"
                if name not in schema:
                    wrong.append(name)
                    continue
                known = schema[name]["parameters"].get("properties", {})
                wrong += [f"{name}: {each}" for each in route.required if each not in known]
                if type_ != "lxc":
                    wrong += [f"{name}: {each}" for each in route.params - {"*"} if each not in known]
    assert not wrong


@needs_schema
@pytest.mark.parametrize("release", [8, 9])
def test_every_answer_keeps_to_the_schema(schema: dict[str, Any], release: int) -> None:
    world = furnished(release)
    api = Api(world)
    wrong: list[str] = []
    for route, template, served_by in served():
        if served_by != release or (route.template == "cluster/ha/groups" and release == 9):
            continue
        query = dict.fromkeys(route.required, "hour")
        answer = api.answer("GET", filled(template, world), query, f"PVEAPIToken={TOKEN}={SECRET}", "pve1")
        assert answer.status == 200, (template, answer.reason)
        returns = schema[f"GET /{template}"]["returns"]
        allowed = set(UNDECLARED.get(route.template, ())), set(LOOSE.get(route.template, ()))
        data = orjson.loads(answer.body)["data"]
        assert data, f"{template} is empty: nothing is shown to be right"
        wrong += [f"{template}{problem}" for problem in sorted(set(problems(data, returns, *allowed)))]
    assert not wrong


@needs_schema
def test_who_may_ask_and_which_node_answers_is_what_the_schema_says(schema: dict[str, Any]) -> None:
    world = furnished(9)
    world.add_token("nobody@pve!x", "s")
    for route, template, _ in served():
        said = schema[f"GET /{template}"]
        assert route.proxied == ("proxyto" in said), template
        query = dict.fromkeys(route.required, "hour")
        answer = Api(world).answer("GET", filled(template, world), query, "PVEAPIToken=nobody@pve!x=s", "pve1")
        for_all = said["permissions"].get("user") == "all"
        of_a_task = "{upid}" in template  # said in the description alone: one's own, or Sys.Audit
        assert (answer.status == 403) == (of_a_task or not for_all), template


@needs_schema
def test_nothing_is_excused_that_is_not_given() -> None:
    given: dict[str, set[str]] = {}
    for release in (8, 9):
        world = furnished(release)
        world.storages["local"].enabled = False
        world.touch()
        api = Api(world)
        for route, template, _ in served():
            query = dict.fromkeys(route.required, "hour")
            answer = api.answer("GET", filled(template, world), query, f"PVEAPIToken={TOKEN}={SECRET}", "pve1")
            if answer.status == 200:
                given.setdefault(route.template, set()).update(keys(orjson.loads(answer.body)["data"]))
    needless = {path: set(excused) - given[path] for path, excused in UNDECLARED.items()}
    assert not {path: names for path, names in needless.items() if names - {"affinity", "nofailback"}}


@pytest.mark.parametrize(
    ("data", "returns"),
    [
        ({"a": "x"}, {"type": "object", "properties": {"a": {"type": "integer"}}}),
        ({}, {"type": "object", "properties": {"a": {"type": "integer"}}}),
        ({"a": 1, "b": 2}, {"type": "object", "properties": {"a": {"type": "integer"}}}),
        ([], {"type": "object", "properties": {"a": {"optional": 1}}}),
        ({}, {"type": "array"}),
        (["x"], {"type": "array", "items": {"type": "string", "enum": ["y"]}}),
        (["x"], {"type": "array", "items": {"type": "string", "pattern": "[0-9]+"}}),
        ([2], {"type": "array", "items": {"type": "boolean"}}),
        ([5], {"type": "array", "items": {"type": "integer", "minimum": "6"}}),
    ],
)
def test_what_does_not_keep_to_a_schema_is_found(data: Any, returns: dict[str, Any]) -> None:
    assert list(problems(data, returns, set(), set()))


def problems(data: Any, schema: dict[str, Any], extra: set[str], loose: set[str], at: str = "") -> Iterator[str]:
    """What is wrong with ``data``: numbers may be texts and booleans are 0 and 1, as Perl writes them (fact 5)."""
    type_ = schema.get("type", "any")
    if not _TYPES[type_](data):
        yield f"{at}: {data!r} is no {type_}"
        return
    if "enum" in schema and str(data) not in map(str, schema["enum"]):
        yield f"{at}: {data!r} is none of {schema['enum']}"
    if "pattern" in schema and not re.fullmatch(re.sub(r"\(\?\^(\w*):", "(?:", schema["pattern"]), str(data)):
        yield f"{at}: {data!r} does not fit"
    if type_ in {"integer", "number"} and not (
        float(schema.get("minimum", "-inf")) <= float(data) <= float(schema.get("maximum", "inf"))
    ):
        yield f"{at}: {data!r} is out of range"
    if isinstance(data, list):
        for each in data:
            yield from problems(each, schema.get("items", {}), extra, loose, f"{at}[]")
    elif isinstance(data, dict) and schema.get("properties"):
        yield from _members(data, schema, extra, loose, at)


def _members(data: dict[str, Any], schema: dict[str, Any], extra: set[str], loose: set[str], at: str) -> Iterator[str]:
    known = schema["properties"]
    for name, value in data.items():
        declared = known.get(name) or known.get(re.sub(r"\d+$", "[n]", name))
        if declared is None:
            if name not in extra and not schema.get("additionalProperties"):
                yield f"{at}.{name}: undeclared"
        elif not (name in loose and (value is None or isinstance(value, str))):
            yield from problems(value, declared, extra, loose, f"{at}.{name}")
    for name, declared in known.items():
        if not declared.get("optional") and name not in data and name not in loose:
            yield f"{at}.{name}: missing"


def keys(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        yield from data
    for each in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from keys(each)


_TYPES = {
    "any": lambda _: True,
    "object": lambda data: isinstance(data, dict),
    "array": lambda data: isinstance(data, list),
    "string": lambda data: isinstance(data, str | int | float),
    "boolean": lambda data: data in {0, 1, "0", "1"},
    "integer": lambda data: re.fullmatch(r"-?\d+", str(data)),
    "number": lambda data: re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", str(data)),
    "null": lambda data: data is None,
}
