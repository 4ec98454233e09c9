"""Questions about what happened: the log, deviations, and samples over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from daemon.store import deviations
from daemon.store.database import Connection
from daemon.store.inventory import instant
from schemas.deviations import Deviation
from schemas.queries import DeviationsQuery, EventRow, EventsQuery, Point, Series

_EVENT = (
    'seq, epoch_us("at"), side, op, key, provider, source, kind, name, incarnation, status, presence, changed, cause'
)
_NAMES = tuple(name.removeprefix('epoch_us("').removesuffix('")') for name in _EVENT.split(", "))
_ORDER = "list_position(['critical', 'high', 'medium', 'low'], severity)"


def events(con: Connection, query: EventsQuery, *, limit: int) -> list[EventRow]:
    """Newest first; with ``after_seq`` oldest first from there.  The cursor is a ``seq``."""
    terms, parameters = _event_terms(query)
    forward = query.after_seq is not None
    if query.after_seq is not None:
        terms.append("seq > ?")
        parameters.append(max(query.after_seq, int(query.cursor or 0)))
    elif query.cursor is not None:
        terms.append("seq < ?")
        parameters.append(int(query.cursor))
    spec = ", spec" if query.with_spec else ", NULL"
    found = con.execute(
        f"SELECT {_EVENT}{spec} FROM state_log WHERE {' AND '.join(terms)}"
        f" ORDER BY seq {'ASC' if forward else 'DESC'} LIMIT ?",
        [*parameters, limit],
    ).fetchall()
    return [_event(row) for row in found]


def count_events(con: Connection, query: EventsQuery) -> int:
    terms, parameters = _event_terms(query)
    row = con.execute(f"SELECT count(*) FROM state_log WHERE {' AND '.join(terms)}", parameters).fetchone()
    return row[0] if row else 0


def _event_terms(query: EventsQuery) -> tuple[list[str], list[object]]:
    terms, parameters = ["true"], []
    for name in ("key", "provider", "source", "kind", "op", "side"):
        value = getattr(query, name)
        if value is not None:
            terms.append(f"{name} = ?")
            parameters.append(str(value))
    for name, operator in (("since", ">="), ("until", "<")):
        moment = getattr(query, name)
        if moment is not None:
            terms.append(f'"at" {operator} ?')
            parameters.append(moment)
    return terms, list(parameters)


def _event(row: Sequence[object]) -> EventRow:
    values = dict(zip(_NAMES, row, strict=False))
    at, spec = row[1], row[-1]
    return EventRow.model_validate(
        values | {"at": instant(at if isinstance(at, int) else None), "spec": orjson.loads(str(spec)) if spec else None}
    )


def found_deviations(
    con: Connection, query: DeviationsQuery, severities: Sequence[str], *, limit: int
) -> list[Deviation]:
    """Worst first, then oldest first; quiet ones last.  The cursor is how many were passed."""
    term, parameters = _deviation_term(query, severities)
    tail = f"ORDER BY resolved_at IS NOT NULL, quiet <> '', {_ORDER}, detected_at, id LIMIT ? OFFSET ?"
    return deviations.find(con, term, [*parameters, limit, int(query.cursor or 0)], tail=tail)


def count_deviations(con: Connection, query: DeviationsQuery, severities: Sequence[str]) -> int:
    term, parameters = _deviation_term(query, severities)
    row = con.execute(f"SELECT count(*) FROM deviations WHERE {term}", parameters).fetchone()
    return row[0] if row else 0


def open_by_severity(con: Connection) -> dict[str, int]:
    """How many are open and not quiet."""
    found = con.execute(
        "SELECT severity, count(*) FROM deviations WHERE resolved_at IS NULL AND quiet = '' GROUP BY severity"
    ).fetchall()
    counts = dict(found)
    return {severity: counts.get(severity, 0) for severity in ("critical", "high", "medium", "low")}


def quiet_by_reason(con: Connection) -> dict[str, int]:
    """How many are open and quiet, by the first word of why: ``muted``, ``maintenance``, ``consequence``."""
    found = con.execute(
        "SELECT split_part(split_part(quiet, ':', 1), ' ', 1) AS why, count(*) FROM deviations"
        " WHERE resolved_at IS NULL AND quiet <> '' GROUP BY why ORDER BY why"
    ).fetchall()
    return dict(found)


def _deviation_term(query: DeviationsQuery, severities: Sequence[str]) -> tuple[str, list[object]]:
    terms = ["true"] if query.history or query.id is not None else ["resolved_at IS NULL"]
    parameters: list[object] = []
    if query.id is not None:
        terms.append("starts_with(id, ?)")
        parameters.append(query.id)
    if not query.quiet:
        terms.append("quiet = ''")
    for part, value in enumerate((query.provider, query.source, query.kind), start=1):
        if value is not None:
            terms.append(f"split_part(key, '/', {part}) = ?")
            parameters.append(str(value))
    for name, value in (("key", query.key), ("type", query.type)):
        if value is not None:
            terms.append(f"{name} = ?")
            parameters.append(str(value))
    if severities:
        terms.append(f"severity IN ({', '.join('?' * len(severities))})")
        parameters += severities
    return " AND ".join(terms), parameters


@dataclass(frozen=True, slots=True)
class Span:
    """Which samples are asked for, and in how wide steps."""

    since: datetime
    until: datetime
    table: str
    step: timedelta


def series(con: Connection, key: str, metric: str | None, span: Span) -> list[Series]:
    """Return mean, least and greatest value per step and metric."""
    values = "avg(value), min(value), max(value)"
    if span.table != "samples":
        values = "sum(value * count) / sum(count), min(low), max(high)"
    found = con.execute(
        f"SELECT metric, epoch_us(time_bucket(to_seconds(?), sampled_at, ?::TIMESTAMPTZ)) AS slot, {values}"
        f" FROM {span.table}"
        " WHERE key = ? AND sampled_at >= ? AND sampled_at < ? AND (?::VARCHAR IS NULL OR metric = ?)"
        " GROUP BY metric, slot ORDER BY metric, slot",
        [span.step.total_seconds(), span.since, key, span.since, span.until, metric, metric],
    ).fetchall()
    made: dict[str, list[Point]] = {}
    for name, slot, value, low, high in found:
        at = instant(slot)
        if at is not None:
            made.setdefault(name, []).append(Point(at=at, value=value, low=low, high=high))
    return [Series(metric=name, points=tuple(points)) for name, points in made.items()]
