"""The configuration file: found, read, checked; every fault at once, each with file, line, column and path.

No value of the file stands in a fault: it may be a secret in the wrong place.  A source's own settings are checked by
its provider's model, which the caller passes in: the daemon does not know providers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from daemon.runtime import complaints, marks
from daemon.runtime.secrets import SecretUnavailable, resolve
from schemas.config import HomelabConfig, SecretRef, SourceConfig
from schemas.selection import PROVIDER

FILE_NAME = "homelab.yaml"
_MAX_BYTES = 4 * 1024 * 1024
ModelT = TypeVar("ModelT", bound=BaseModel)
_REFERENCE = get_args(SecretRef)[1]
Models = Callable[[str], type[SourceConfig]]
"""Provider name -> its configuration model; raises ``LookupError`` (its text lists the known ones)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong.  ``line`` and ``column`` count from 1; 0: the file as a whole."""

    file: str
    line: int
    column: int
    path: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.path}: {self.text}" if self.path else f"{where}: {self.text}"


class BadConfig(Exception):
    """The configuration cannot be used; one line for each fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = list(faults)


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A place of the file that refers to a secret."""

    ref: SecretRef
    path: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """``sources`` is None where the file does not speak of them: find what this machine has."""

    config: HomelabConfig
    sources: tuple[SourceConfig, ...] | None
    file: Path | None
    secrets: tuple[SecretUse, ...] = ()


def locate(explicit: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file to read: the one named, ``$HOMELAB_CONFIG``, else the first usual place that has one."""
    if explicit is not None:
        return explicit
    if named := environ.get("HOMELAB_CONFIG"):
        return Path(named)
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".config")
    places = (Path("/etc/homelab") / FILE_NAME, home / "homelab" / FILE_NAME)
    return next((place for place in places if _is_there(place)), None)


def load(file: Path | None, models: Models | None = None, clusters: Sequence[str] = ()) -> Loaded:
    """Read and check ``file`` (None: the defaults); raises ``BadConfig`` with every fault there is.

    Without ``models`` the sources stay as written: a process that reads none of them need not know their providers.
    ``clusters`` are those that the file may name though its sources do not have them.
    """
    if file is None:
        return Loaded(HomelabConfig(), None, None)
    return _Check(file, models, clusters).run()


def check(
    file: Path | None, models: Models, secret: Callable[[SecretRef], SecretStr] = resolve, clusters: Sequence[str] = ()
) -> Loaded:
    """As ``load``, and every secret of an enabled source and of the daemon must be where its reference says."""
    loaded = load(file, models, clusters)
    if faults := missing_secrets(loaded, secret=secret):
        raise BadConfig(faults)
    return loaded


def sources_of(config: HomelabConfig, models: Models) -> tuple[SourceConfig, ...] | None:
    """Return the typed sources of a configuration that ``load`` has passed."""
    if config.sources is None:
        return None
    return tuple(models(str(entry["provider"])).model_validate(entry) for entry in config.sources)


def missing_secrets(
    loaded: Loaded, *, below: str = "", secret: Callable[[SecretRef], SecretStr] = resolve
) -> list[Fault]:
    """Return a fault for each reference that leads nowhere; ``below`` narrows it to paths that begin so."""
    faults = []
    for use in loaded.secrets:
        if use.path.startswith(below):
            try:
                secret(use.ref)
            except SecretUnavailable as error:
                text = f"the secret cannot be had: {error}"
                faults.append(Fault(str(loaded.file), use.line, use.column, use.path, text))
    return sorted(faults, key=lambda fault: (fault.line, fault.column))


def secret_refs(value: object, path: marks.Path = ()) -> Iterator[tuple[marks.Path, SecretRef]]:
    """Yield each secret reference in a checked value, with its path."""
    if isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            inner, here = getattr(value, name), (*path, info.alias or name)
            if any(map(_is_reference, (*info.metadata, info.annotation))):
                yield from _strings(inner, here)
            else:
                yield from secret_refs(inner, here)
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            yield from secret_refs(entry, (*path, index))


def _is_reference(annotation: object) -> bool:
    if annotation == _REFERENCE:
        return True
    return any(map(_is_reference, (*get_args(annotation), *getattr(annotation, "__metadata__", ()))))


def _strings(value: object, path: marks.Path) -> Iterator[tuple[marks.Path, SecretRef]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _strings(entry, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            yield from _strings(entry, (*path, index))


class _Check:
    """One reading of one file, gathering faults."""

    def __init__(self, file: Path, models: Models | None, clusters: Sequence[str]) -> None:
        self._file = file
        self._models = models
        self._clusters = clusters
        self._tree = marks.Tree()
        self._faults: list[Fault] = []

    def run(self) -> Loaded:
        self._tree = marks.parse(self._text())
        for fault in self._tree.faults:
            self._add(fault.path, fault.text, fault.mark or marks.Mark(0, 0))
        written = self._mapping()
        if written is None:
            raise BadConfig(self._faults)
        config = self._validate(HomelabConfig, written, ())
        sources = self._sources(written.get("sources"))
        if config is not None and self._models is not None:
            self._refuse_strangers(config)
        if self._faults or config is None:
            raise BadConfig(sorted(self._faults, key=lambda fault: (fault.line, fault.column)))
        return Loaded(config, sources, self._file, tuple(self._uses(config, sources)))

    def _text(self) -> str:
        try:
            with self._file.open("rb") as stream:
                raw = stream.read(_MAX_BYTES + 1)
        except OSError as error:
            raise BadConfig([self._whole(f"cannot be read: {(error.strerror or 'I/O error').lower()}")]) from None
        if len(raw) > _MAX_BYTES:
            raise BadConfig([self._whole("larger than 4 MiB: this is not a configuration")])
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            place = marks.place_of(raw.decode("latin-1"), error.start)
            raise BadConfig([Fault(str(self._file), place.line, place.column, "", "not UTF-8 text")]) from None

    def _mapping(self) -> dict[str, Any] | None:
        """Return the top of the file; a known section with nothing in it counts as not written."""
        value = self._tree.value
        if isinstance(value, dict):
            fields = HomelabConfig.model_fields
            return {key: entry for key, entry in value.items() if entry is not None or key not in fields}
        if value is None and not self._tree.faults:
            return {}
        if value is not None:
            self._add((), f"must be a mapping (key: value), not {complaints.kind_of(value)}")
        return None

    def _sources(self, written: object) -> tuple[SourceConfig, ...] | None:
        if not isinstance(written, list) or self._models is None:
            return None
        checked = [
            self._source(entry, index, self._models) if isinstance(entry, dict) else None
            for index, entry in enumerate(written)
        ]
        self._refuse_doubles(written, checked)
        return tuple(source for source in checked if source is not None)

    def _source(self, entry: dict[str, Any], index: int, models: Models) -> SourceConfig | None:
        path: marks.Path = ("sources", index)
        provider = entry.get("provider")
        if provider is None:
            self._add(path, "provider is missing")
            return None
        if not isinstance(provider, str):
            self._add((*path, "provider"), f"must be text, not {complaints.kind_of(provider)}")
            return None
        try:
            model = models(provider)
        except LookupError as error:
            self._add((*path, "provider"), f"unknown provider: {error}")
            return None
        return self._validate(model, entry, path)

    def _refuse_doubles(self, written: list[Any], checked: list[SourceConfig | None]) -> None:
        """A name must be unique among its provider's; one that is not written counts as its default."""
        first: dict[tuple[str, str], int] = {}
        for index, (entry, source) in enumerate(zip(written, checked, strict=True)):
            match source or entry:
                case SourceConfig(provider=provider, name=name) | {"provider": str(provider), "name": str(name)}:
                    path: marks.Path = ("sources", index, "name")
                    if (line := first.get((provider, name))) is not None:
                        self._add(path, f"another {provider} source has this name already (line {line})")
                    else:
                        mark = self._tree.mark(path)
                        first[provider, name] = mark.line if mark else 0

    def _refuse_strangers(self, config: HomelabConfig) -> None:
        here = [str(entry.get("name")) for entry in config.sources or () if entry.get("provider") == PROVIDER]
        known = tuple(dict.fromkeys((*self._clusters, *here)))
        for path, text in complaints.of_clusters(config.clusters, known):
            self._add(("clusters", *path), text)

    def _validate(self, model: type[ModelT], written: dict[str, Any], path: marks.Path) -> ModelT | None:
        try:
            return model.model_validate(written)
        except ValidationError as error:
            for inner, text in complaints.of(error, model, written):
                self._add((*path, *inner), text)
            return None

    def _uses(self, config: HomelabConfig, sources: tuple[SourceConfig, ...] | None) -> Iterator[SecretUse]:
        yield from self._uses_in(config, ())
        for index, source in enumerate(sources or ()):
            if source.enabled:
                yield from self._uses_in(source, ("sources", index))

    def _uses_in(self, value: BaseModel, path: marks.Path) -> Iterator[SecretUse]:
        for inner, ref in secret_refs(value):
            mark = self._tree.mark((*path, *inner)) or marks.Mark(0, 0)
            yield SecretUse(ref, complaints.dotted((*path, *inner)), mark.line, mark.column)

    def _add(self, path: marks.Path, text: str, mark: marks.Mark | None = None) -> None:
        found = mark or self._tree.mark(path) or marks.Mark(0, 0)
        self._faults.append(Fault(str(self._file), found.line, found.column, complaints.dotted(path), text))

    def _whole(self, text: str) -> Fault:
        return Fault(str(self._file), 0, 0, "", text)


def _is_there(place: Path) -> bool:
    """A place that may not even be looked at counts as there: reading it says why it cannot be read."""
    try:
        return place.exists()
    except PermissionError:
        return True
