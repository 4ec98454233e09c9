"""`homelab sources`: what is watched, and how fresh it is.  Also: read it now, release what is held."""

from functools import partial
from typing import Annotated

import typer
from rich.text import Text

from daemon.api.answers import Answers
from daemon.cli import source_health, tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, UtcOption, Where, ask, where_of
from daemon.cli.exits import Exit, Failure, say, told
from daemon.cli.progress import waiting
from daemon.cli.tables import Column, Sheet
from schemas.queries import GapRow, RefreshQuery, ReleaseQuery, SourceRow, SourcesAnswer, SourcesQuery

_COLUMNS = (
    Column("SOURCE", keep=True),
    Column("STATUS", coloured=True),
    Column("RESOURCES", right=True),
    Column("READ"),
    Column("NEXT", spare=1),
    Column("AGENT", spare=2),
)
_SCOPES = (
    Column("SCOPE", keep=True),
    Column("STATUS", coloured=True),
    Column("RESOURCES", right=True),
    Column("HIDDEN", right=True),
    Column("READ"),
    Column("TOOK", right=True),
    Column("EVERY", right=True),
    Column("FAILURES", right=True),
)
_NAMED = 3
"""So many of the resources that a gap hides are named."""
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name, or PROVIDER/NAME.")]
app = typer.Typer(help="What is watched, and how fresh it is.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
@told
def listing(
    context: typer.Context,
    *,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """List the sources; with a command below, look at or act on one."""
    where = Where(state, nats, creds)
    if context.invoked_subcommand:
        context.obj = where
        return
    answer = ask(where, lambda answers: answers.sources(SourcesQuery()))
    if as_json:
        tables.show_json(answer.items)
    else:
        tables.show(*pictures(answer, utc=utc))


@app.command()
@told
def show(
    context: typer.Context,
    name: NameArgument,
    *,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Show one source on one screen: its scopes, machines, figures, and what is not well."""
    answer = ask(where_of(context, state, nats, creds), partial(_named, name=name))
    row = one(answer, name)
    if as_json:
        tables.show_json(row)
    else:
        tables.show(*picture(row, answer, utc=utc))


@app.command()
@told
def release(
    context: typer.Context,
    name: NameArgument,
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Let a mass absence that is held take effect: what is missing is really gone."""
    where = where_of(context, state, nats, creds)
    answer = ask(where, lambda answers: answers.release(ReleaseQuery(source=name)), "operator")
    if as_json:
        tables.show_json(answer)
    else:
        tables.show(f"released: {', '.join(answer.released)}" if answer.released else f"nothing was held in {name}")


@app.command()
@told
def refresh(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A name, or PROVIDER/NAME; default: all.")
    ] = None,
    *,
    scope: Annotated[str | None, typer.Option(help="Only this part of it.")] = None,
    wait: Annotated[float, typer.Option(min=0, max=120, help="Seconds to wait for the readings.")] = 10,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Read sources now, ahead of their interval."""
    query = RefreshQuery(source=name, scope=scope, wait_seconds=wait)
    with waiting(f"reading {name or 'all sources'}"):
        answer = ask(where_of(context, state, nats, creds), lambda answers: answers.refresh(query), "operator")
    if as_json:
        tables.show_json(answer)
    elif answer.refreshed:
        tables.show(f"read: {', '.join(answer.refreshed)}")
    for source, why in answer.failed.items():
        say(f"{source}: {why}")
    if answer.failed:
        raise typer.Exit(Exit.FAILED)


async def _named(answers: Answers, name: str) -> SourcesAnswer:
    """Ask for one source alone: only then its figures come along."""
    row = one(await answers.sources(SourcesQuery()), name)
    return await answers.sources(SourcesQuery(provider=row.provider, source=row.source))


def one(answer: SourcesAnswer, name: str) -> SourceRow:
    found = [row for row in answer.items if name in {row.source, f"{row.provider}/{row.source}"}]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{row.provider}/{row.source}" for row in found or answer.items) or "none"
    raise Failure(
        f"{name!r} is more than one source: {known}" if found else f"there is no source {name!r}; there are: {known}"
    )


def pictures(answer: SourcesAnswer, *, utc: bool = False) -> list[Text | Sheet | str]:
    """The list, and below it why some are not well."""
    if not answer.items:
        return ["no sources yet: `homelab up` finds what this machine has, `homelab config init` adds more"]
    rows = (
        (
            f"{row.provider}/{row.source}",
            row.status,
            row.resources,
            words.utc(row.observed_at) if utc else words.ago(row.observed_at, answer.as_of),
            words.utc(row.next_scan_at) if utc else _next(row, answer),
            words.plain(row.agent or "none"),
        )
        for row in answer.items
    )
    return [tables.table(_COLUMNS, rows), *_troubles(answer)]


def _next(row: SourceRow, answer: SourcesAnswer) -> str:
    if row.next_scan_at is None:
        return ""
    return words.ago(row.next_scan_at, answer.as_of) if row.next_scan_at > answer.as_of else "now"


def _troubles(answer: SourcesAnswer) -> list[Text]:
    return [
        Text.assemble(tables.text(f"{row.status}: "), words.plain(f"{row.provider}/{row.source}: {row.detail}"))
        for row in answer.items
        if row.detail
    ]


def picture(row: SourceRow, answer: SourcesAnswer, *, utc: bool = False) -> list[Text | Sheet | str]:
    head = Text.assemble((words.plain(f"{row.provider}/{row.source}  "), "bold"), tables.text(row.status))
    parts: list[Text | Sheet | str] = [head]
    parts += [f"  {row.detail}"] if row.detail else []
    beat = words.utc(row.heartbeat_at) if utc else words.ago(row.heartbeat_at, answer.as_of)
    parts.append(f"  {words.count(row.resources, 'resource')}; agent {row.agent or 'none'}, last heard of {beat}")
    if row.capabilities:
        parts.append(f"  it can: {', '.join(row.capabilities)}")
    rows = (
        (
            scope.scope,
            scope.status,
            scope.resources,
            scope.hidden or "",
            words.utc(scope.observed_at) if utc else words.ago(scope.observed_at, answer.as_of),
            "" if scope.duration_seconds is None else f"{scope.duration_seconds:.2f} s",
            "" if scope.interval_seconds is None else words.span(scope.interval_seconds),
            scope.failures or "",
        )
        for scope in row.scopes
    )
    parts.append(tables.table(_SCOPES, rows))
    told = {scope.scope: "" if scope.status == "partial" else scope.detail for scope in row.scopes}
    parts += [Text(words.plain(line)) for line in words.alike(told) if line != row.detail]
    parts += [Text(words.plain(f"{scope.scope}: {_gap(gap)}")) for scope in row.scopes for gap in scope.gaps]
    held = [scope for scope in row.scopes if scope.status == "held"]
    parts += [
        f"{scope.scope}: {words.count(scope.held_missing, 'resource')} missing at once; held for "
        f"{words.count(scope.held_scans, 'scan')}: `homelab source release {row.source}` lets it take effect"
        for scope in held
    ]
    return parts + source_health.picture(row)


def _gap(gap: GapRow) -> str:
    """What a gap hides, why, and the right that is missing."""
    named = [" ".join(key.split("/", 3)[2:]) for key in gap.keys[:_NAMED]]
    hidden = ", ".join([*gap.kinds, *named])
    more = f" and {gap.key_count - len(named)} more" if gap.key_count > len(named) else ""
    what = f"hidden: {hidden}{more}" if hidden else "not all is read"
    where = f" in {gap.parent}" if gap.parent else ""
    right = f" ({gap.privilege} on {gap.path or '/'})" if gap.privilege else ""
    return f"{'optional, ' if gap.optional else ''}{what}{where}: {gap.detail}{right}"
