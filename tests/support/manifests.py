"""Manifests as short as a test wants them."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from daemon.reconcile import manifests
from schemas.expected_queries import Document

WEB = "docker/local/container/web"


def expectation(name: str, key: str | None = WEB, **spec: object) -> dict[str, object]:
    said = {"key": key, **spec} if key else spec
    return {"apiVersion": "homelab.ai/v1", "kind": "Expectation", "metadata": {"name": name}, "spec": said}


def pool(name: str, path: str, **spec: object) -> dict[str, object]:
    said = {"path": path, **spec}
    return {"apiVersion": "homelab.ai/v1", "kind": "ResourcePool", "metadata": {"name": name}, "spec": said}


def write(file: Path, *said: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_text(said))
    return file


def documents(*said: object, file: str = "a.yaml") -> tuple[Document, ...]:
    """As if they were read from a file."""
    found = manifests.Read()
    manifests.parse(_text(said), file, found)
    assert not found.faults
    return tuple(found.documents)


def _text(said: Iterable[object]) -> str:
    return yaml.dump_all(said, Dumper=yaml.CSafeDumper, sort_keys=False)
