"""`homelab drift`: what differs from what should be, all about one of it, and what a person says to it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import typer

from daemon.api.answers import Answers, Refused, Unavailable
from daemon.cli import deviation, pages, saying, tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, UtcOption, Where, ask, who
from daemon.cli.exits import Exit, Failure, say, told
from daemon.cli.groups import ListingGroup
from daemon.cli.resources import KindOption, LimitOption, ProviderOption, SourceOption
from daemon.cli.saying import ReasonOption, UntilOption
from daemon.cli.tables import Column, Sheet
from schemas.deviations import Deviation, DeviationType, Severity
from schemas.expected_queries import DeviationActQuery
from schemas.queries import DeviationsQuery

_COLUMNS = (
    Column("ID"),
    Column("SEVERITY", coloured=True),
    Column("TYPE"),
    Column("KEY", keep=True),
    Column("FIELD"),
    Column("EXPECTED"),
    Column("ACTUAL"),
    Column("SINCE", spare=1),
    Column("QUIET", spare=2),
    Column("RESOLVED", spare=2),
    Column("BY", spare=3),
)
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Of `homelab drift`; its first characters do.")]
IdsArgument = Annotated[list[str], typer.Argument(metavar="ID...", help="Of `homelab drift`; the first characters do.")]
app = typer.Typer(
    cls=ListingGroup,
    help="List what differs from what should be; with a command below, look at or answer one.",
    epilog="`homelab drift [KEY] [--severity high] [--history]` lists: all its options are in `homelab drift list -h`.",
)


@app.command("list")
@told
def listed(  # noqa: PLR0917 - a command line
    key: Annotated[str | None, typer.Argument(help="Only of this resource.")] = None,
    provider: ProviderOption = None,
    source: SourceOption = None,
    kind: KindOption = None,
    severity: Annotated[Severity | None, typer.Option(help="This one and above.")] = None,
    type_: Annotated[DeviationType | None, typer.Option("--type", help="Only of this type.")] = None,
    limit: LimitOption = None,
    *,
    history: Annotated[bool, typer.Option("--history", help="Those that are resolved, too.")] = False,
    loud: Annotated[
        bool, typer.Option("--loud", help="Without muted ones, those under maintenance, and mere consequences.")
    ] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 where something is open.")] = False,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """List what differs from what should be.

    homelab drift --severity high
    homelab drift --exit-code --json > drift.json
    homelab drift --history -k container
    """
    query = DeviationsQuery(
        key=key, provider=provider, source=source, kind=kind, severity=severity, type=type_, history=history,
        quiet=not loud,
    )  # fmt: skip
    found, page = ask(Where(state, nats, creds), lambda answers: pages.every(answers.deviations, query, limit))
    if as_json:
        tables.show_json(found)
    else:
        tables.show(listing(found, page.as_of, utc=utc))
        if not found:
            say("no deviations")
        for caveat in pages.caveats(page):
            say(caveat)
    if exit_code and any(deviation.resolved_at is None for deviation in found):
        raise typer.Exit(Exit.DEVIATIONS)


def listing(found: Iterable[Deviation], now: datetime, *, utc: bool = False) -> Sheet:
    def when(at: datetime) -> str:
        return words.utc(at) if utc else words.ago(at, now)

    return tables.table(
        _COLUMNS,
        (
            (
                one.id[: deviation.SHORT],
                one.severity,
                one.type,
                one.key,
                one.path,
                *words.both(one.path, one.expected, one.actual),
                when(one.detected_at),
                quiet(one),
                when(one.resolved_at) if one.resolved_at else "",
                one.resolved_by or "",
            )
            for one in found
        ),
    )


def quiet(one: Deviation) -> str:
    """Why nobody is told of it; or that somebody knows."""
    if one.resolved_at is not None:
        return ""
    return one.quiet or ("acknowledged" if one.acknowledged_at else "")


@app.command()
@told
def show(
    id_: IdArgument,
    *,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Show all about one deviation: what should be and what is, evidence, what follows from it, how to act.

    homelab drift show 3f2a91c0
    """
    found, others, now = ask(Where(state, nats, creds), lambda answers: _one(answers, id_))
    if as_json:
        tables.show_json({**found.model_dump(mode="json"), "dependants": others})
    else:
        tables.show(*deviation.picture(found, others, now, utc=utc))


@app.command()
@told
def ack(
    ids: IdsArgument,
    reason: ReasonOption = "",
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Say that somebody knows and cares for it; it stays open.

    homelab drift ack 3f2a91c0 --reason "disk is ordered"
    """
    _need(reason)
    _act(Where(state, nats, creds), ids, Act("ack", reason=reason), as_json=as_json)


@app.command()
@told
def mute(
    ids: IdsArgument,
    until: UntilOption = None,
    reason: ReasonOption = "",
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Hear nothing of it until then; it is recorded and listed all the same.

    homelab drift mute 3f2a91c0 --until 7d --reason "replaced next week"
    """
    _need(reason)
    if until is None:
        raise typer.BadParameter("say how long: --until 2h, or --until 2026-11-21T08:00")
    _act(Where(state, nats, creds), ids, Act("mute", saying.until(until), reason), as_json=as_json)


@app.command()
@told
def unmute(
    ids: IdsArgument,
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Hear of it again."""
    _act(Where(state, nats, creds), ids, Act("unmute"), as_json=as_json)


@app.command()
@told
def accept(
    ids: IdsArgument,
    reason: ReasonOption = "",
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Let what is be what should be: the deviation is resolved.

    homelab drift accept 3f2a91c0
    """
    _act(Where(state, nats, creds), ids, Act("accept", reason=reason), as_json=as_json)


@dataclass(frozen=True, slots=True)
class Act:
    verb: Literal["ack", "mute", "unmute", "accept"]
    until_at: datetime | None = None
    reason: str = ""


_DONE = {"ack": "acknowledged", "mute": "muted", "unmute": "no longer muted", "accept": "accepted"}


def _need(reason: str) -> None:
    if not reason.strip():
        raise typer.BadParameter("say why, others will read it", param_hint="--reason")


def _act(where: Where, ids: list[str], act: Act, *, as_json: bool) -> None:
    """Do it to each; one that cannot be done does not keep the others from it, and the exit is 1."""
    done, refused = ask(where, lambda answers: _each(answers, ids, act), "operator")
    if as_json:
        tables.show_json(done)
    else:
        for one in done:
            tables.show(f"{_DONE[act.verb]}: {one.id[: deviation.SHORT]} {deviation.sentence(one)}")
    for id_, error in refused:
        say(f"homelab: {id_}: {error}")
        for candidate in error.candidates:
            say(f"  {candidate}")
    if refused:
        raise typer.Exit(Exit.FAILED)


async def _each(answers: Answers, ids: Iterable[str], act: Act) -> tuple[list[Deviation], list[tuple[str, Refused]]]:
    done: list[Deviation] = []
    refused: list[tuple[str, Refused]] = []
    for id_ in dict.fromkeys(ids):
        query = DeviationActQuery(id=id_, act=act.verb, until_at=act.until_at, reason=act.reason, by=who())
        try:
            done.append((await answers.deviation_act(query)).deviation)
        except Unavailable:
            raise
        except Refused as error:
            refused.append((id_, error))
    return done, refused


async def _one(answers: Answers, id_: str) -> tuple[Deviation, list[Deviation], datetime]:
    answer = await answers.deviations(DeviationsQuery(id=id_, history=True))
    if not answer.items:
        raise Failure(f"no deviation has the id {id_}: `homelab drift --history` lists them")
    if len(answer.items) > 1:
        raise Failure(f"{id_} may be any of {', '.join(one.id[: 2 * deviation.SHORT] for one in answer.items[:5])}")
    found = answer.items[0]
    everything, _ = await pages.every(answers.deviations, DeviationsQuery(), None)
    return found, [one for one in everything if one.root_cause == found.id], answer.as_of
