"""What is wrong with a configuration, in words for the person who wrote it.

A complaint names what was expected and of what type the value is; never the value.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from daemon.runtime.marks import Path
from schemas.selection import ClustersConfig

_SHOWN_KEY = 60
_EXPECTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "time_delta_type": "a duration (500ms, 30s, 5m, 2h, 7d)",
    "time_delta_parsing": "a duration (500ms, 30s, 5m, 2h, 7d)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "dict_type": "a mapping (key: value)",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "path_type": "a path",
    "url_type": "a URL",
}
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true/false"),
    (str, "text"),
    (int, "a whole number"),
    (float, "a number"),
    (Mapping, "a mapping"),
    ((list, tuple), "a list"),
    (date, "a date"),
)


def kind_of(value: object) -> str:
    """Return the type of ``value`` as the writer of YAML would call it."""
    if value is None:
        return "nothing"
    return next((word for kind, word in _KINDS if isinstance(value, kind)), "something else")


def dotted(path: Path) -> str:
    """``("sources", 1, "interval")`` -> ``sources[1].interval``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part[:_SHOWN_KEY]}"
    return text.removeprefix(".")


def of(error: ValidationError, model: type[BaseModel], written: object) -> Iterator[tuple[Path, str]]:
    """Yield the path within ``written`` and the words for each error, once."""
    told: set[tuple[Path, str]] = set()
    for detail in error.errors(include_url=False, include_context=True, include_input=False):
        path = _within(detail["loc"], written)
        if detail["type"] == "extra_forbidden":
            complaint = (path, _unknown_key(path, model))
        elif detail["type"] == "missing":
            complaint = (path, f"{detail['loc'][-1]} is missing")
        else:
            complaint = (path, _words(detail, _at(path, written)))
        if complaint not in told:
            told.add(complaint)
            yield complaint


def of_clusters(said: ClustersConfig, known: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Yield the path within ``said`` and the words for each name that no cluster has."""
    for part, entries in (("patterns", said.patterns), ("vmids", said.vmids)):
        for key, name in entries.items():
            if name not in known:
                yield (part, key), no_cluster(known)
    if said.default is not None and said.default not in known:
        yield ("default",), no_cluster(known)


def no_cluster(known: Sequence[str]) -> str:
    return f"names no cluster; there are: {', '.join(known) or 'none'}"


def _words(detail: ErrorDetails, value: object) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case kind if kind in _EXPECTED:
            quote = "; quotation marks make it text" if kind == "string_type" and _is_scalar(value) else ""
            return f"must be {_EXPECTED[kind]}, not {kind_of(value)}{quote}"
        case "string_pattern_mismatch":
            return _pattern(str(context.get("pattern", "")))
        case "literal_error" | "enum":
            return f"must be one of {context.get('expected', 'the known words')}"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return _bound(detail["type"], next(iter(context.values()), None))
        case "value_error" | "assertion_error":
            return str(context.get("error") or "is not valid")
    return detail["msg"][:1].lower() + detail["msg"][1:]


def _bound(kind: str, bound: object) -> str:
    if kind == "greater_than" and bound in {0, "datetime.timedelta(0)"}:
        return "must be more than nothing"
    words = {"greater_than": "more than", "greater_than_equal": "at least", "less_than": "less than"}
    return f"must be {words.get(kind, 'at most')} {bound}"


def _pattern(pattern: str) -> str:
    if pattern.startswith("^(env|file|cred):"):
        return "a secret is written as env:NAME, file:PATH or cred:NAME, never as itself"
    if pattern.startswith("^[a-z0-9]([a-z0-9._-]"):
        return "must be 1 to 63 lower-case letters, digits, ., - and _, beginning and ending with a letter or digit"
    if pattern.startswith("^[a-z0-9]"):
        return "must be 1 to 63 lower-case letters, digits, - and _, beginning with a letter or digit"
    if pattern.startswith("^(") and pattern.endswith(")$"):
        return f"must be one of {', '.join(pattern[2:-2].split('|'))}"
    return f"must match {pattern}"


def _unknown_key(path: Path, model: type[BaseModel]) -> str:
    known = _fields(model, path[:-1])
    close = get_close_matches(str(path[-1]), known, n=1)
    if close:
        return f"unknown key; did you mean {close[0]}?"
    return f"unknown key; known here: {', '.join(sorted(known))}" if known else "unknown key"


def _fields(annotation: Any, path: Sequence[str | int]) -> list[str]:  # noqa: ANN401 - annotations are of no one type
    """Return the keys allowed at ``path`` below ``annotation``: the union's, where it is one."""
    models = list(_models(annotation))
    if not path:
        return [info.alias or name for model in models for name, info in model.model_fields.items()]
    if isinstance(path[0], int) or not models:
        return _fields(annotation, path[1:])
    inner = [
        info.annotation
        for model in models
        for name, info in model.model_fields.items()
        if path[0] in {name, info.alias}
    ]
    return [key for one in inner for key in _fields(one, path[1:])]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _within(loc: Sequence[str | int], written: object) -> Path:
    """Drop from a pydantic location what names no place in the text: tags of unions, names of validators."""
    path: list[str | int] = []
    for part in loc:
        match written:
            case Mapping() if part in written:
                written = written[part]
            case list() if isinstance(part, int) and part < len(written):
                written = written[part]
            case _:
                continue
        path.append(part)
    return tuple(path)


def _at(path: Path, written: Any) -> object:  # noqa: ANN401
    for part in path:
        written = written[part]
    found: object = written
    return found


def _is_scalar(value: object) -> bool:
    return isinstance(value, (bool, int, float, date))
