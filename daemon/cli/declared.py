"""How expectations and declarations read on a screen, and how they are written to files."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from rich.text import Text

from daemon.api.answers import Answers
from daemon.cli import folders, pages, tables, words
from daemon.cli.exits import Failure
from daemon.cli.tables import Column, Sheet
from schemas import paths
from schemas.expectations import Criticality, Expectation, ExpectedPresence, Owner, Remediation
from schemas.expected_queries import (
    Declaration,
    Document,
    ExpectApplyAnswer,
    ExpectationsAnswer,
    ExpectationsQuery,
)
from schemas.manifests import API_VERSION

_APPLIED = (Column("CHANGE"), Column("NAME", keep=True), Column("RESOURCES", right=True), Column("FROM", spare=1))
_EXPECTATIONS = (
    Column("KEY", keep=True),
    Column("PRESENCE"),
    Column("FIELDS"),
    Column("BY"),
    Column("CRITICALITY", spare=2),
    Column("OWNER", spare=3),
    Column("FROM", spare=1),
    Column("SINCE", spare=4),
)
_DECLARATIONS = (
    Column("NAME", keep=True),
    Column("MEANS", keep=True),
    Column("RESOURCES", right=True),
    Column("FROM"),
    Column("APPLIED", spare=1),
)
_SHOWN = 50
_CHANGES = ("created", "changed", "withdrawn", "unchanged")
Change = dict[str, JsonValue]


async def every(answers: Answers, query: ExpectationsQuery, limit: int | None) -> tuple[list[Any], ExpectationsAnswer]:
    """A list whole; which of both it is depends on the query."""
    name = "declarations" if query.of == "declarations" else "items"
    return await pages.every(answers.expectations, query, limit, name)


def applied(answer: ExpectApplyAnswer, *, dry_run: bool) -> list[Text | Sheet | str]:
    """What was done; nothing where there are faults."""
    if answer.faults:
        return []
    changed = [one for one in answer.applied if one.change != "unchanged"]
    rows = [(one.change, one.name, one.matches or "", one.place) for one in changed[:_SHOWN]]
    more = [f"and {len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else []
    return [tables.table(_APPLIED, rows), *more, _counted(answer, dry_run=dry_run)]


def _counted(answer: ExpectApplyAnswer, *, dry_run: bool) -> str:
    counts = Counter(one.change for one in answer.applied)
    said = [
        f"{counts[change]} {change}" for change in ("created", "changed", "withdrawn", "unchanged") if counts[change]
    ]
    return (", ".join(said) or "nothing to apply") + (", if it were applied" if dry_run and said else "")


def changes(answer: ExpectApplyAnswer, before: Iterable[object], documents: Iterable[Document]) -> list[Change]:
    """Say field by field what is to change."""
    old = {one.name: one.manifest for one in before if isinstance(one, Declaration)}
    new = {_name(document): document.manifest for document in documents}
    made: list[Change] = []
    for one in answer.applied:
        if one.change == "unchanged":
            continue
        fields: JsonValue = {
            path: {"before": was, "after": becomes}
            for path, was, becomes in paths.differences(_said(old.get(one.name)), _said(new.get(one.name)))
        }
        made.append({"name": one.name, "change": one.change, "fields": fields if one.change == "changed" else {}})
    return made


def _name(document: Document) -> str:
    metadata = document.manifest["metadata"]
    return f"{document.manifest['kind']}/{metadata['name'] if isinstance(metadata, dict) else ''}"


def _said(manifest: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
    return {name: (manifest or {}).get(name) for name in ("metadata", "spec")}


def differences(answer: ExpectApplyAnswer, found: Iterable[Change]) -> list[Text | Sheet | str]:
    if answer.faults:
        return []
    parts: list[Text | Sheet | str] = []
    for one in found:
        parts.append(f"{one['change']} {one['name']}")
        fields = one["fields"]
        for path, sides in fields.items() if isinstance(fields, dict) else ():
            if isinstance(sides, dict):
                was, becomes = words.both(path, sides["before"], sides["after"])
                parts.append(f"  {path}: {was or '(open)'} -> {becomes or '(open)'}")
    return [*parts, _counted(answer, dry_run=True)]


def kinds(documents: Iterable[Document]) -> Counter[str]:
    return Counter(str(document.manifest["kind"]) for document in documents)


def expectations(found: Iterable[Expectation], now: datetime, *, utc: bool = False) -> Sheet:
    return tables.table(_EXPECTATIONS, (_expectation(one, now, utc=utc) for one in found))


def _expectation(one: Expectation, now: datetime, *, utc: bool) -> tuple[object, ...]:
    owners = [owner for owner in Owner if any(owned.owner is owner for owned in one.fields.values())]
    return (
        one.key,
        "" if one.presence is ExpectedPresence.PRESENT else one.presence,
        words.some(one.fields),
        ", ".join(owners),
        "" if one.criticality is Criticality.MEDIUM else one.criticality,
        one.owner,
        one.file or "",
        words.utc(one.since) if utc else words.ago(one.since, now),
    )


def declarations(found: Iterable[Declaration], now: datetime, *, utc: bool = False) -> Sheet:
    return tables.table(_DECLARATIONS, (_declaration(one, now, utc=utc) for one in found))


def _declaration(one: Declaration, now: datetime, *, utc: bool) -> tuple[object, ...]:
    spec = one.manifest.get("spec")
    path = spec.get("path") if isinstance(spec, dict) else None
    return (
        one.name,
        one.key or one.selector or path or "",
        one.matches,
        str(one.place) or one.origin,
        words.utc(one.applied_at) if utc else words.ago(one.applied_at, now),
    )


# --- as files --------------------------------------------------------------------------------------------------------


def written(found: Iterable[Expectation]) -> list[tuple[str, dict[str, JsonValue]]]:
    """Return each as (file name, manifest)."""
    from daemon.reconcile import exporting  # noqa: PLC0415 - not for --help

    return [
        (exporting.file_name(one.key), manifest(one, exporting.manifest_name(one.key)))
        for one in sorted(found, key=lambda one: one.key)
    ]


def manifest(one: Expectation, name: str) -> dict[str, JsonValue]:
    """The manifest that expects the same; what is as it would be anyway is left out."""
    metadata = {"name": name, "owner": one.owner, "cost_center": one.cost_center}
    fields = {path: owned.value for path, owned in one.fields.items()}
    status = fields.pop("status", None)
    spec: dict[str, JsonValue] = {
        "key": one.key,
        "presence": None if one.presence is ExpectedPresence.PRESENT else one.presence.value,
        "status": status,
        "fields": fields or None,
        "ignore": [*one.ignore] or None,
        "criticality": None if one.criticality is Criticality.MEDIUM else one.criticality.value,
        "remediation": None if one.remediation is Remediation.OBSERVE else one.remediation.value,
        "max_backup_age": f"{one.max_backup_age_seconds:g}s" if one.max_backup_age_seconds else None,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "Expectation",
        "metadata": {key: value for key, value in metadata.items() if value},
        "spec": {
            key: str(value) if isinstance(value, str) else value for key, value in spec.items() if value is not None
        },
    }


def write(directory: Path, manifests: Sequence[tuple[str, dict[str, JsonValue]]], *, force: bool) -> None:
    """Write each to its file below ``directory``."""
    there = [directory / name for name, _ in manifests if (directory / name).exists()]
    if there and not force:
        raise Failure(f"{there[0]} is there already: --force writes over it")
    folders.write(directory, tuple(manifests))
