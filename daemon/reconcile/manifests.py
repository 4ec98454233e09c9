"""Files and folders of manifests, read into documents and faults; every fault with its file, line and path.

Nothing here changes anything, needs a daemon or raises: what cannot be read is a fault.  No value of a manifest is
ever repeated in one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, JsonValue, ValidationError

from daemon.reconcile.actual import FIELDS
from daemon.runtime import complaints, marks
from schemas import paths, selectors
from schemas.expected_queries import MAX_DOCUMENTS, Document, Fault, Place
from schemas.manifests import API_VERSION, ExpectationManifest, PolicyManifest, PoolManifest
from schemas.resources import BadKey, Key
from schemas.selectors import BadSelector, Selector

MAX_BYTES = 16 * 1024 * 1024
"""Of one file.  10 MB in 20 000 documents take 8 s and 150 MB of memory; in 100 documents half a second."""
MAX_FAULTS = 100
SUFFIXES = frozenset({".yaml", ".yml"})
KINDS: dict[str, type[ExpectationManifest | PoolManifest | PolicyManifest]] = {
    "Expectation": ExpectationManifest,
    "ResourcePool": PoolManifest,
    "Policy": PolicyManifest,
}
_LINES_DEPTH = 3
_KEY = "a key is <provider>/<source>/<kind>/<native id>"
_NO_KEY = "<provider>/<source>"
Complaint = tuple[marks.Path, str]


@dataclass(slots=True)
class Read:
    """All there is below some paths; with any fault none of it may take effect."""

    documents: list[Document] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    files: int = 0


def read(places: Sequence[Path]) -> Read:
    """Read files, and folders with all below them; a name must be unique in all of it."""
    found = Read()
    for place in places:
        for file in _files(place, found):
            found.files += 1
            text = _text(file, found)
            if text is not None:
                parse(text, str(file), found)
            if len(found.documents) > MAX_DOCUMENTS:
                more = f"more than {MAX_DOCUMENTS} documents: apply them in parts"
                found.faults.append(Fault(place=Place(file=str(file)), text=more))
                return found
    found.faults += doubles(found.documents)
    if len(found.faults) > MAX_FAULTS:
        rest = Fault(text=f"and {len(found.faults) - MAX_FAULTS} more faults")
        found.faults = [*found.faults[:MAX_FAULTS], rest]
    return found


def parse(text: str, file: str, found: Read) -> None:
    """Add what ``text`` says to ``found``."""
    for tree in marks.documents(text):
        if tree.faults:
            found.faults += [
                _fault(file, fault.mark or tree.mark(()), complaints.dotted(fault.path), fault.text)
                for fault in tree.faults
            ]
        elif tree.value is not None:
            document, complained = examined(tree.value)
            mark = tree.mark(())
            found.faults += [
                _fault(file, tree.mark(path), complaints.dotted(path), words) for path, words in complained
            ]
            if document is not None and not complained:
                place = Place(file=file, line=mark.line if mark else 0)
                found.documents.append(Document(place=place, manifest=document, lines=dict(_lines(tree))))
        if len(found.faults) > MAX_FAULTS or len(found.documents) > MAX_DOCUMENTS:
            return


def examined(written: object) -> tuple[dict[str, JsonValue] | None, list[Complaint]]:
    """Return the manifest as it is stored, and what is wrong with it: path within it and words."""
    if not isinstance(written, dict):
        return None, [((), f"must be a mapping (apiVersion, kind, metadata, spec), not {complaints.kind_of(written)}")]
    kind = written.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        return None, [_no_kind(written, kind)]
    try:
        manifest = model.model_validate(written)
    except ValidationError as error:
        return None, list(_complaints(error, model, written))
    return written, [*_beyond(manifest), *_no_json(written, ())]


def declared(document: Mapping[str, JsonValue]) -> ExpectationManifest | PoolManifest | PolicyManifest:
    """Return the model of a manifest that ``examined`` passed."""
    return KINDS[str(document["kind"])].model_validate(document)


def name_of(document: Document) -> str:
    """``<Kind>/<metadata.name>``."""
    metadata = document.manifest["metadata"]
    return f"{document.manifest['kind']}/{metadata['name'] if isinstance(metadata, dict) else ''}"


def doubles(documents: Iterable[Document]) -> Iterator[Fault]:
    first: dict[str, Place] = {}
    for document in documents:
        name = name_of(document)
        if name in first:
            words = f"{name} is in {first[name]} already"
            yield Fault(place=document.place, path="metadata.name", text=words)
        first.setdefault(name, document.place)


def _files(place: Path, found: Read) -> Iterator[Path]:
    """Yield ``place``, or what lies below it, in order; what is hidden does not count."""
    try:
        if not place.is_dir():
            yield place
            return
        inside = sorted(place.iterdir())
    except OSError as error:
        found.faults.append(_unreadable(place, error))
        return
    for one in inside:
        if one.name.startswith("."):
            continue
        if one.is_dir():
            yield from _files(one, found)
        elif one.suffix in SUFFIXES:
            yield one


def _text(file: Path, found: Read) -> str | None:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        found.faults.append(_unreadable(file, error))
        return None
    if len(raw) > MAX_BYTES:
        found.faults.append(_fault(str(file), None, "", f"larger than {MAX_BYTES // 2**20} MiB: split it"))
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = marks.place_of(raw.decode("latin-1"), error.start)
        found.faults.append(_fault(str(file), mark, "", "not UTF-8 text"))
        return None


def _unreadable(file: Path, error: OSError) -> Fault:
    return Fault(place=Place(file=str(file)), text=f"cannot be read: {(error.strerror or 'I/O error').lower()}")


def _fault(file: str, mark: marks.Mark | None, path: str, text: str) -> Fault:
    return Fault(place=Place(file=file, line=mark.line if mark else 0), path=path, text=text)


def _lines(tree: marks.Tree) -> Iterator[tuple[str, int]]:
    for path, mark in tree.marks.items():
        if 0 < len(path) <= _LINES_DEPTH and all(isinstance(part, str) for part in path):
            yield ".".join(map(str, path)), mark.line


def _no_kind(written: Mapping[Any, object], kind: object) -> Complaint:
    known = ", ".join(KINDS)
    if "kind" not in written:
        return (), f"kind is missing: one of {known}"
    close = get_close_matches(kind, KINDS, n=1) if isinstance(kind, str) else []
    return ("kind",), f"unknown kind; did you mean {close[0]}?" if close else f"unknown kind; known are {known}"


# --- what is wrong ---------------------------------------------------------------------------------------------------


def _complaints(error: ValidationError, model: type[BaseModel], written: Mapping[str, Any]) -> Iterator[Complaint]:
    for path, words in complaints.of(error, model, written):
        match path:
            case ("apiVersion",):
                yield path, f"must be {API_VERSION}"
            case (*_, "selector") | ("spec", "members", int()):
                yield from _selector(path, _at(written, path), words)
            case _ if _NO_KEY in words:  # the model's own words repeat it
                yield (*path, "key") if path == ("spec",) else path, _KEY
            case _:
                yield path, words


def _selector(path: marks.Path, written: object, words: str) -> Iterator[Complaint]:
    """Say what is wrong with a selector without showing what it holds."""
    if isinstance(written, Mapping):
        known = [*Selector.model_fields, "labels"]
        for name in [str(name) for name in written if name not in known]:
            yield (*path, name), f"unknown key; {_meant(name, known)}"
        if not written.keys() - set(known):
            yield path, words
    elif isinstance(written, str):
        yield path, _selector_words(written)
    else:
        yield path, f"must be a text or a mapping, not {complaints.kind_of(written)}"


def _selector_words(text: str) -> str:
    try:
        selectors.parse(text)
    except BadSelector as error:
        if isinstance(error.__cause__, BadKey):
            return f"a word without = is a key, and {_KEY}"
        if isinstance(error.__cause__, ValidationError):
            return str(error)
        if error.__cause__ is not None:
            return "a quotation mark is open"
        if "said twice" in str(error):
            return str(error)
    known = [*selectors.FIELDS, "label"]
    words = [word.partition("=")[0] for word in text.split() if "=" in word and not word.startswith("label:")]
    unknown = next((word for word in words if word not in selectors.FIELDS), "")
    hint = "labels are written label:NAME=VALUE" if unknown in {"label", "labels"} else _meant(unknown, known)
    return f"unknown condition; {hint}"


def _meant(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"


def _at(written: Any, path: marks.Path) -> object:  # noqa: ANN401
    for part in path:
        written = written[part]
    found: object = written
    return found


# --- what the models cannot know -------------------------------------------------------------------------------------


def _beyond(manifest: BaseModel) -> Iterator[Complaint]:
    match manifest:
        case ExpectationManifest(spec=spec):
            yield from _bad_paths(spec.fields, ("spec", "fields"), whole=FIELDS)
            yield from _bad_paths(spec.ignore, ("spec", "ignore"))
            yield from _bad_keys(spec.selector.keys if spec.selector else (), ("spec", "selector", "keys"))
            if spec.status is not None and "status" in spec.fields and spec.fields["status"] != spec.status:
                yield ("spec", "fields", "status"), "spec.status says something else"
        case PoolManifest(spec=pool):
            yield from _bad_keys(pool.keys, ("spec", "keys"))
        case PolicyManifest(spec=policy):
            yield from _bad_paths(policy.ignore, ("spec", "ignore"))
            for index, window in enumerate(policy.maintenance):
                if not _is_zone(window.timezone):
                    path = ("spec", "maintenance", index, "timezone")
                    yield path, f"no time zone has this name{_zone_meant(window.timezone)}"
                if window.start == window.end:
                    yield ("spec", "maintenance", index, "end"), "the window ends when it begins"


def _no_json(value: object, path: marks.Path) -> Iterator[Complaint]:
    """Find what YAML can say and the store cannot keep."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from _no_json(inner, (*path, name))
        case list():
            for index, inner in enumerate(value):
                yield from _no_json(inner, (*path, index))
        case float() if not isfinite(value):
            yield path, "must be a number, not an infinite one or none"
        case int() if not -(2**63) <= value < 2**63:
            yield path, "a number beyond 64 bits; quotation marks make it text"
        case str() if "\0" in value:
            yield path, "holds a NUL character"


def _bad_paths(written: Iterable[str], path: marks.Path, whole: Sequence[str] = FIELDS) -> Iterator[Complaint]:
    for index, text in enumerate(written):
        here = (*path, text if isinstance(written, Mapping) else index)
        try:
            root = paths.split(text)[0]
        except paths.BadPath as error:
            yield here, str(error)
            continue
        if root not in whole:
            yield here, f"a path begins with one of {', '.join(whole)}"


def _bad_keys(keys: Iterable[str], path: marks.Path) -> Iterator[Complaint]:
    for index, key in enumerate(keys):
        try:
            Key.parse(key)
        except BadKey:
            yield (*path, index), _KEY


@lru_cache(maxsize=1000)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _zone_meant(name: str) -> str:
    close = get_close_matches(name, available_timezones(), n=1)
    return f"; did you mean {close[0]}?" if close else "; write it as Europe/Berlin or UTC"
