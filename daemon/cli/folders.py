"""Manifests as YAML, and as files in a folder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import JsonValue

from daemon.cli.exits import Failure

Manifests = Sequence[tuple[str, dict[str, JsonValue]]]
_LINE_ENDS = "\x85\u2028\u2029"
"""Of Unicode: PyYAML writes them as they are where it writes Unicode, and reads them as line breaks."""


def as_yaml(tree: dict[str, JsonValue]) -> str:
    """Return what is read back as ``tree``."""
    import yaml  # noqa: PLC0415 - heavy, and for this alone

    text: str = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120)
    if any(end in text for end in _LINE_ENDS):
        text = yaml.safe_dump(tree, sort_keys=False, width=120)
    return text


def check(folder: Path, *, force: bool) -> None:
    """Refuse a folder that has something in it, unless it is insisted on."""
    with _told_of(folder), suppress(FileNotFoundError):
        if not force and any(folder.iterdir()):
            raise Failure(f"{folder} is not empty: take another, or --force")


def write(folder: Path, manifests: Manifests) -> int:
    """Write all to their names below ``folder``; return how many other files are there."""
    with _told_of(folder):
        before = {file for file in folder.rglob("*") if not file.is_dir()}
        for name, manifest in manifests:
            file = folder / name
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise Failure(f"{name}: is not a name below {folder}")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(as_yaml(manifest), encoding="utf-8")
        return len(before - {folder / name for name, _ in manifests})


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failure(f"{error.filename or path}: {error.strerror}") from error
