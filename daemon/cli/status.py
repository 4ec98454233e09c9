"""`homelab status`: one screen that says whether all is well.  ``picture`` is pure."""

from collections.abc import Iterable
from datetime import datetime

from rich.text import Text

from daemon.api.answers import Answers
from daemon.cli import details, source_health, sources, tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, UtcOption, Where, ask
from daemon.cli.exits import told
from daemon.cli.tables import Column, Sheet
from schemas.deviations import Severity
from schemas.operator import OperatorState
from schemas.queries import (
    KindCount,
    OverviewAnswer,
    OverviewQuery,
    SourcesAnswer,
    SourcesQuery,
    StatusAnswer,
    StatusQuery,
)

_FROM_OVERVIEW = {"summary", "counts", "open_deviations", "quiet", "expected", "operator_states", "worst", "unwell"}
Whole = tuple[StatusAnswer, OverviewAnswer, SourcesAnswer]
_COUNTS = (
    Column("SOURCE"),
    Column("KIND"),
    Column("TOTAL", right=True),
    Column("RUNNING", right=True),
    Column("NOT RUNNING", right=True),
    Column("UNKNOWN", right=True),
)


@told
def status(
    *,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Show on one screen how everything is."""
    whole = ask(Where(state, nats, creds), _whole)
    if as_json:
        tables.show_json(together(whole))
    else:
        tables.show(*picture(whole, utc=utc))


async def _whole(answers: Answers) -> Whole:
    return (
        await answers.status(StatusQuery()),
        await answers.overview(OverviewQuery(changes=0)),
        await answers.sources(SourcesQuery()),
    )


def together(whole: Whole) -> dict[str, object]:
    """One object: how the daemon is, with the summary, the counts per kind and the sources."""
    daemon, overview, watched = whole
    return {
        **daemon.model_dump(mode="json", exclude={"sources", "hint"}),
        **overview.model_dump(mode="json", include=_FROM_OVERVIEW),
        "sources": [row.model_dump(mode="json") for row in watched.items],
    }


def picture(whole: Whole, *, utc: bool = False) -> list[Text | Sheet | str]:
    daemon, overview, watched = whole
    parts: list[Text | Sheet | str] = [
        Text(words.plain(overview.summary), style="bold"),
        "",
        *_daemon(daemon, overview, utc=utc),
    ]
    parts += ["", *sources.pictures(watched, utc=utc)]
    parts += [part for source, said in overview.unwell.items() for part in source_health.unwell(said, source)]
    if overview.counts:
        parts += ["", _counts(overview.counts)]
    if overview.worst:
        parts += ["", *(details.deviation(one, named=True) for one in overview.worst)]
    return parts


def _daemon(daemon: StatusAnswer, overview: OverviewAnswer, *, utc: bool) -> list[Text | Sheet | str]:
    up = words.utc(daemon.started_at) if utc else words.span(daemon.as_of - daemon.started_at)
    last = words.utc(daemon.last_message_at) if utc else words.ago(daemon.last_message_at, daemon.as_of)
    lag = f", {words.count(daemon.ingest_lag_messages, 'message')} behind" if daemon.ingest_lag_messages else ""
    why = f": {daemon.ingest_detail}" if daemon.ingest_detail else ""
    reconnects = f", {words.count(daemon.bus_reconnects, 'reconnect')}" if daemon.bus_reconnects else ""
    store = f"{words.count(daemon.resources, 'resource')}, {words.size(daemon.store_bytes)}, {daemon.store_path}"
    lines = [
        _line("daemon", f"ok {daemon.version}, {'since' if utc else 'up'} {up}, pid {daemon.pid}"),
        _line("bus", f"{daemon.bus_url}{reconnects}"),
        _line("ingest", f"{daemon.ingest_state}{lag}, last message {last}{why}"),
        _line("store", store),
        _line("drift", _open(daemon.open_deviations, overview.quiet)),
    ]
    if overview.expected:
        lines.append(_line("expected", f"{words.count(overview.expected, 'resource')}: homelab expect list"))
    lines += [_line("state", _on_purpose(one, daemon.as_of, utc=utc)) for one in overview.operator_states]
    lines += [_line("fault", f"expectations not in force: {fault}") for fault in daemon.expectation_faults]
    if daemon.quarantined:
        refused = words.count(daemon.quarantined, "message")
        lines.append(_line("quarantine", f"{refused} could not be read: homelab sql 'from quarantine'"))
    return [*lines]


def _line(name: str, content: str) -> Text:
    return Text.assemble((f"{name:<11}", "dim"), tables.text(content))


def _open(by_severity: dict[str, int], quiet: dict[str, int]) -> str:
    known = [severity for severity in reversed(Severity) if by_severity.get(severity)]
    silent = f" ({sum(quiet.values())} quiet)" if quiet else ""
    if not known:
        return f"ok: no open deviations{silent}"
    told = ", ".join(f"{by_severity[severity]} {severity}" for severity in known)
    return f"{words.count(sum(by_severity.values()), 'open deviation')}: {told}{silent}: homelab drift"


def _on_purpose(one: OperatorState, now: datetime, *, utc: bool) -> str:
    until = "" if one.until_at is None else f" until {words.utc(one.until_at) if utc else words.ago(one.until_at, now)}"
    return f"{one.state} {one.target}{until}" + (f": {one.reason}" if one.reason else "")


def _counts(counts: Iterable[KindCount]) -> Sheet:
    rows = sorted(counts, key=lambda row: (row.provider, row.source, row.kind))
    return tables.table(
        _COUNTS,
        ((f"{row.provider}/{row.source}", row.kind, row.total, *map(_nothing, _states(row))) for row in rows),
    )


def _states(row: KindCount) -> tuple[int, int, int]:
    return row.running, row.not_running, row.unknown


def _nothing(number: int) -> str:
    return str(number) if number else ""
