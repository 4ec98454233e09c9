"""A manifest with variables made from one resource, and how far the facts carry it.  Pure.

``${name}`` stands for a value; a text that itself holds ``${`` is written ``$${``.  With the values the resource had,
the template is that resource's manifest again.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from pydantic import JsonValue

from daemon.reconcile import exporting
from daemon.reconcile.exporting import Manifest
from daemon.store.pictures import Pictured
from schemas import paths
from schemas.resources import Key

_SIZES = re.compile(r".*_bytes|cpus|vcpus|cores|cpu_cores|cpu_shares|replicas")
_TAG = re.compile(r"(?P<base>.+):(?P<tag>[^:/@]+)")
_UNFIT = re.compile(r"[^a-z0-9]+")
WEEK = 7.0


@dataclass(slots=True)
class Template:
    manifest: Manifest = field(default_factory=dict)
    variables: dict[str, JsonValue] = field(default_factory=dict)
    """What each was in the resource."""

    def variable(self, name: str, value: JsonValue) -> str:
        """Return the placeholder for ``value``; a name that is taken by another value gets a number."""
        free, number = name, 2
        while free in self.variables and self.variables[free] != value:
            free, number = f"{name}_{number}", number + 1
        self.variables[free] = value
        return "${" + free + "}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of how a resource did, and of those like it (same kind, same image but for the tag)."""

    days_managed: float
    days_in_sync: float
    """Since it became managed and the last deviation was resolved; 0 while one is open."""
    deviations: int
    """While it was managed, the open ones too."""
    open_deviations: int
    replacements: int
    """How often it was made anew while it was managed."""
    siblings: int
    likeness: float
    """The mean part of their templates that is the same as in this one: 0 to 1."""

    def told(self) -> dict[str, JsonValue]:
        return {name: round(value, 2) for name, value in asdict(self).items()}


def confidence(facts: Facts) -> float:
    """Return 0 to 1: more with days in sync and siblings alike, less with deviations and replacements.

    ``d / (d + 7) * 1 / (1 + deviations + replacements / 2) * (0.7 + 0.3 * likeness * s / (s + 1))``: half after a week
    in sync, halved by the first deviation, and 0.7 at most where nothing like it exists.
    """
    time = facts.days_in_sync / (facts.days_in_sync + WEEK)
    calm = 1 / (1 + facts.deviations + facts.replacements / 2)
    alike = 0.7 + 0.3 * facts.likeness * facts.siblings / (facts.siblings + 1)
    return round(time * calm * alike, 2)


def template(one: Pictured) -> Template:
    """Make a template of ``one``: its name, source, parent, image tag, sizes and labels are variables."""
    made = Template()
    part = Key.parse(one.key)
    whole = exporting.manifest(one)
    made.variable("name", one.name)
    spec = _mapping(whole["spec"])
    fields = _mapping(spec["fields"])
    made.manifest = whole | {"metadata": {"name": _manifest_name(made, part, one)}}
    made.manifest["spec"] = {
        **spec,
        "key": _key(made, part, one),
        "fields": {path: _field(made, path, value, one.name) for path, value in fields.items()},
    }
    return made


def likeness(one: Template, other: Template) -> float:
    """Return which part of all that either expects is expected by both alike: 0 to 1."""
    mine, theirs = (dict(_leaves(_mapping(made.manifest["spec"])["fields"], "")) for made in (one, other))
    both = mine.keys() | theirs.keys()
    same = sum(path in mine and path in theirs and mine[path] == theirs[path] for path in both)
    return same / len(both) if both else 1.0


def image_base(image: JsonValue) -> str:
    """Return what an image is called without tag and digest; empty: there is none."""
    if not isinstance(image, str):
        return ""
    named = image.partition("@")[0]
    tagged = _TAG.fullmatch(named)
    return tagged["base"] if tagged else named


def mean_likeness(one: Template, others: Sequence[Template]) -> float:
    return sum(likeness(one, other) for other in others) / len(others) if others else 0.0


def _is_regular(part: Key, one: Pictured) -> bool:
    """Whether key and name of the manifest follow from the resource's name."""
    return part.native_id == one.name and exporting.manifest_name(one.key) == one.key.replace("/", ".", 3)


def _key(made: Template, part: Key, one: Pictured) -> str:
    if not _is_regular(part, one):
        return made.variable("key", one.key)
    return f"{part.provider}/{made.variable('source', part.source)}/{part.kind}/" + "${name}"


def _manifest_name(made: Template, part: Key, one: Pictured) -> str:
    if not _is_regular(part, one):
        return made.variable("manifest", exporting.manifest_name(one.key))
    return f"{part.provider}.{made.variable('source', part.source)}.{part.kind}." + "${name}"


def _field(made: Template, path: str, value: JsonValue, name: str) -> JsonValue:
    match path, value:
        case "labels", dict():
            return {label: _label(made, label, inner, name) for label, inner in value.items()}
        case "spec", dict():
            return {entry: _entry(made, entry, inner, name) for entry, inner in value.items()}
        case (("name" | "parent"), str()):
            return made.variable(path, value)
    return _escaped(value)


def _label(made: Template, label: str, value: JsonValue, name: str) -> str:
    return "${name}" if value == name else made.variable("label_" + _UNFIT.sub("_", label.lower()).strip("_"), value)


def _entry(made: Template, entry: str, value: JsonValue, name: str) -> JsonValue:
    if value == name and name:
        return "${name}"
    if isinstance(value, (int, float)) and not isinstance(value, bool) and _SIZES.fullmatch(entry):
        return made.variable(entry, value)
    if entry == "image" and isinstance(value, str) and (tagged := _TAG.fullmatch(value)):
        return f"{_escaped(tagged['base'])}:{made.variable('image_tag', tagged['tag'])}"
    return _escaped(value)


def _escaped(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return value.replace("${", "$${")
        case list():
            return [_escaped(inner) for inner in value]
        case dict():
            return {name: _escaped(inner) for name, inner in value.items()}
    return value


def _mapping(value: JsonValue) -> Manifest:
    return value if isinstance(value, dict) else {}


def _leaves(value: JsonValue, prefix: str) -> list[tuple[str, JsonValue]]:
    if not isinstance(value, dict):
        return [(prefix, value)]
    return [leaf for name, inner in value.items() for leaf in _leaves(inner, paths.join(prefix, name))]
