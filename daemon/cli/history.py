"""`homelab history`: what changed, from the log of states."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Literal

import typer
from pydantic import TypeAdapter, ValidationError

from daemon.cli import pages, tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, UtcOption, Where, ask
from daemon.cli.exits import say, told
from daemon.cli.tables import Column, Sheet
from daemon.runtime.clock import SystemClock
from schemas.config import Duration
from schemas.queries import EventRow, EventsQuery
from schemas.resources import Kind

_COLUMNS = (
    Column("SEQ", right=True, spare=6),
    Column("AT"),
    Column("SIDE", spare=3),
    Column("OP", coloured=True),
    Column("NAME", keep=True),
    Column("STATUS", coloured=True, spare=4),
    Column("PRESENCE", coloured=True),
    Column("CHANGED"),
    Column("CAUSE", spare=5),
    Column("KEY", keep=True),
)
_duration: TypeAdapter[timedelta] = TypeAdapter(Duration)
_moment: TypeAdapter[datetime] = TypeAdapter(datetime)
USUAL = 50


@told
def history(  # noqa: PLR0917 - a command line
    key: Annotated[str | None, typer.Argument(help="Only this resource.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", "-p")] = None,
    source: Annotated[str | None, typer.Option("--source", "-s", "--cluster")] = None,
    kind: Annotated[Kind | None, typer.Option("--kind", "-k")] = None,
    op: Annotated[str | None, typer.Option(help="Only this: appeared, changed, removed, gone, adopted...")] = None,
    side: Annotated[Literal["expected", "actual"] | None, typer.Option(help="What should be, or what is.")] = None,
    since: Annotated[str | None, typer.Option(help="A time (2026-11-20T08:00Z), or how long ago: 2h, 7d.")] = None,
    until: Annotated[str | None, typer.Option(help="As --since.")] = None,
    *,
    spec: Annotated[bool, typer.Option("--spec", help="With the whole spec (JSON only).")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help=f"At most so many; {USUAL} on a screen.")] = None,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """List what changed, newest first.

    homelab history docker/local/container/web
    homelab history -k container --since 2h
    """
    query = EventsQuery(
        key=key,
        provider=provider,
        source=source,
        kind=kind,
        op=op,
        side=side,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        with_spec=spec,
    )
    most = limit if limit or as_json else USUAL
    found, page = ask(Where(state, nats, creds), lambda answers: pages.every(answers.events, query, most))
    if as_json:
        tables.show_json(found)
        return
    tables.show(listing(found, page.as_of, utc=utc))
    if len(found) < page.total:
        say(f"{len(found)} of {page.total}: --limit shows more")
    if not found:
        say("nothing changed")


def listing(rows: Iterable[EventRow], now: datetime, *, utc: bool = False, one: bool = False) -> Sheet:
    """Lay out events; ``one``: they are all of one resource."""
    return tables.table(_COLUMNS, (_row(row, now, utc=utc, one=one) for row in rows))


def _row(row: EventRow, now: datetime, *, utc: bool, one: bool) -> tuple[object, ...]:
    return (
        row.seq,
        words.utc(row.at) if utc else words.ago(row.at, now),
        "" if row.side == "actual" else row.side,
        row.op,
        "" if one else row.name,
        "" if row.status == "unknown" else row.status,
        "" if row.presence == "present" else row.presence,
        words.some(row.changed),
        row.cause,
        "" if one else row.key,
    )


def moment(text: str | None, option: str) -> datetime | None:
    """Read a time, or a duration before now."""
    if text is None:
        return None
    try:
        return SystemClock().now() - _duration.validate_python(text)
    except (ValidationError, OverflowError):
        pass
    try:
        found = _moment.validate_python(text if "-" in text else "")  # a bare number is no time
    except ValidationError as error:
        raise typer.BadParameter(
            "write a time as 2026-11-20T08:00Z, or how long ago as 30m, 2h, 7d", param_hint=option
        ) from error
    return found if found.tzinfo else found.astimezone()
