"""All about one resource, as a tree a person can read.  ``picture`` is pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from pydantic import JsonValue
from rich.text import Text

from daemon.api.answers import Answers
from daemon.cli import history, pages, tables, words
from daemon.cli.tables import Sheet
from schemas import paths
from schemas.deviations import Deviation
from schemas.queries import RelationEdge, RelationsAnswer, RelationsQuery, ResourceAnswer, ResourceQuery, ResourceRow
from schemas.resources import Key, Kind, Status

_RUNNING = frozenset({Kind.NODE, Kind.HOST, Kind.CLUSTER, Kind.VM, Kind.CONTAINER, Kind.POD, Kind.SERVICE, Kind.UNIT})
"""Kinds of which it is news that nobody knows whether they run."""


async def of(
    answers: Answers, query: ResourceQuery, about: RelationsQuery
) -> tuple[ResourceAnswer, RelationsAnswer | None]:
    found = await answers.resource(query)
    return found, await answers.relations(about.model_copy(update={"key": found.resource.key}))


def picture(
    answer: ResourceAnswer, relations: RelationsAnswer | None, *, utc: bool = False
) -> list[Text | Sheet | str]:
    row = answer.resource
    parts: list[Text | Sheet | str] = [Text(words.plain(f"{row.name}  {row.key}"), style="bold")]
    parts += [_fact(name, value) for name, value in _facts(row, answer.as_of, utc=utc) if value]
    parts += [Text(caveat, style="magenta") for caveat in pages.caveats(answer)]
    if answer.deviations:
        parts += [_title("deviations"), *map(deviation, answer.deviations)]
    trees = {"labels": _labels(row.labels), "spec": branches(row.spec, "  "), "native": branches(row.native, "  ")}
    for title, lines in ((title, [*told]) for title, told in trees.items()):
        if lines:
            parts += [_title(title), *map(Text, lines)]
    if relations and relations.edges:
        parts += [_title("relations"), *(_edge(edge, row.key) for edge in relations.edges)]
    if answer.expected is not None:
        parts += [_title("expected"), *map(Text, _expected(answer.expected, row))]
    if answer.events:
        parts += [_title("last events"), history.listing(answer.events, answer.as_of, utc=utc, one=True)]
    return parts


def _facts(row: ResourceRow, now: datetime, *, utc: bool) -> Iterator[tuple[str, str]]:
    def when(at: datetime | None) -> str:
        return "" if at is None else words.utc(at) if utc else f"{words.ago(at, now)} ({words.utc(at)})"

    native = "" if row.native_status.lower() in {"", row.status} else f" ({row.native_status})"
    yield "kind", f"{row.kind} ({row.native_kind})" if row.native_kind not in {"", row.kind} else row.kind
    yield "status", f"{row.status}{native}"
    yield "health", "" if row.health == "unknown" else row.health
    yield "presence", row.presence
    yield "parent", row.parent or ""
    yield "addresses", words.some(row.addresses, 8)
    yield "size", _size(row)
    yield "created", when(row.created_at)
    yield "first seen", when(row.first_seen_at)
    yield "observed", when(row.observed_at)
    yield "changed", when(row.changed_at)
    yield "managed", f"yes, {words.count(row.drift, 'open deviation')}" if row.managed else "no"


def _size(row: ResourceRow) -> str:
    parts = (
        f"{row.cpu_cores:g} cores" if row.cpu_cores else "",
        f"{words.size(row.memory_bytes)} memory" if row.memory_bytes else "",
        f"{words.size(row.disk_bytes)} disk" if row.disk_bytes else "",
        words.count(row.gpus, "GPU") if row.gpus else "",
    )
    return ", ".join(filter(None, parts))


def _fact(name: str, value: str) -> Text:
    return Text.assemble((f"  {name:<11}", "dim"), tables.text(value))


def _title(text: str) -> Text:
    return Text(text, style="bold")


def deviation(found: Deviation, *, named: bool = False) -> Text:
    """``named``: with the key of what it is a deviation of."""
    expected, actual = words.both(found.path, found.expected, found.actual)
    whose = f" {found.key}" if named else ""
    what = f" {found.path}: {expected or 'nothing'} -> {actual or 'nothing'}" if found.path else ""
    return Text.assemble("  ", tables.text(found.severity), " ", words.plain(f"{found.type}{whose}{what}"))


def _edge(edge: RelationEdge, own: str) -> Text:
    outward = edge.from_key == own
    other = edge.to_key if outward else edge.from_key
    state = " ".join(filter(None, (_status(edge, other), "" if edge.presence in {"present", ""} else edge.presence)))
    arrow = f"  {edge.type} -> " if outward else f"  <- {edge.type} "
    return Text.assemble(arrow, words.plain(other), "  ", tables.text(state))


def _status(edge: RelationEdge, key: str) -> str:
    """That the status of what does not run is unknown is no news."""
    return edge.status if edge.status != Status.UNKNOWN or Key.parse(key).kind in _RUNNING else ""


def _labels(labels: Mapping[str, str]) -> Iterator[str]:
    return (f"  {words.plain(name)}{f': {words.plain(text)}' if text else ''}" for name, text in labels.items())


def _expected(expected: Mapping[str, JsonValue], row: ResourceRow) -> Iterator[str]:
    """What is as it is expected is only named: its values stand above."""
    have = row.model_dump(mode="json")
    same = []
    for path, wanted in expected.items():
        seen: JsonValue = have
        for name in paths.split(path):
            seen = seen.get(name) if isinstance(seen, dict) else None
        other: dict[str, JsonValue] = {
            at: want for at, want, _ in paths.differences(wanted, seen, path) if want is not None
        }
        yield from branches(other, "  ")
        same += [] if other else [path]
    if same:
        yield f"  as it is: {', '.join(map(words.plain, same))}"


def branches(tree: JsonValue, indent: str) -> Iterator[str]:
    """Yield the lines of a tree, like YAML; what is empty, or has only empty values, is left out."""
    entries: list[tuple[str, JsonValue]] = []
    if isinstance(tree, dict):
        entries = [(f"{words.plain(key)}:", inner) for key, inner in tree.items()]
    elif isinstance(tree, list):
        entries = [("-", inner) for inner in tree]
    for head, inner in entries:
        below = [*branches(inner, indent + "  ")]
        if below:
            yield f"{indent}{head}"
            yield from below
        elif not isinstance(inner, (dict, list)) and inner not in (None, ""):
            size = f" ({words.size(inner)})" if head.endswith("_bytes:") and isinstance(inner, int) else ""
            yield f"{indent}{head} {words.value(inner)}{size}"
