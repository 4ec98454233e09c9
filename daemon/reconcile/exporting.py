"""A resource as the manifest that expects it to be as it was seen, under names that are unique and safe.  Pure."""

import re
from collections.abc import Mapping

from pydantic import JsonValue

from daemon.reconcile import adopt
from daemon.reconcile.actual import STATUS, Actual
from daemon.store.pictures import Pictured
from schemas.base import content_hash
from schemas.manifests import API_VERSION
from schemas.resources import Key, Presence

Manifest = dict[str, JsonValue]

_PLAIN = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_UNFIT = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 63
_LONGEST_FILE = 100
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""Names that Windows keeps to itself, whatever follows the dot."""


def manifest(one: Pictured) -> Manifest:
    """Expect of ``one`` what adopting it would."""
    values: Mapping[str, JsonValue] = {
        "name": one.name, STATUS: one.status, "parent": one.parent, "incarnation": one.incarnation,
        "labels": dict(one.labels), "spec": one.spec,
    }  # fmt: skip
    adopted = adopt.fields(Actual(one.key, Presence(one.presence), values))
    fields = {path: owned.value for path, owned in adopted.items()}
    status = fields.pop(STATUS, None)
    spec: Manifest = {"key": one.key}
    if status is not None:
        spec[STATUS] = status
    return {
        "apiVersion": API_VERSION, "kind": "Expectation", "metadata": {"name": manifest_name(one.key)},
        "spec": spec | {"fields": fields},
    }  # fmt: skip


def manifest_name(key: str) -> str:
    """The key with dots, where that can be read back; else its beginning and its hash."""
    dotted = key.replace("/", ".", 3)
    return dotted if len(dotted) <= _LONGEST_NAME and _PLAIN.fullmatch(dotted) else _short(key, key, "-", _LONGEST_NAME)


def file_name(key: str) -> str:
    """A path below the folder of an export; two keys never have the same, on a disk without cases neither."""
    part = Key.parse(key)
    own = part.native_id
    fits = len(own) <= _LONGEST_FILE and _PLAIN.fullmatch(own) and not _DEVICES.fullmatch(own)
    return f"{part.provider}/{part.source}/{part.kind}/{own if fits else _short(own, key, '~', _LONGEST_FILE)}.yaml"


def _short(text: str, key: str, mark: str, longest: int) -> str:
    hashed = content_hash(key)
    begin = _UNFIT.sub("-", text.lower()).strip("-")[: longest - len(hashed) - 1].strip("-")
    return f"{begin or 'x'}{mark}{hashed}"
