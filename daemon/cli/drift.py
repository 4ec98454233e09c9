"""`homelab drift`: what differs from what should be; `homelab adopt`: make what is what should be."""

import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import typer

from daemon.api.answers import Answers
from daemon.cli import pages, tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, UtcOption, Where, ask
from daemon.cli.exits import Exit, Failure, say, told
from daemon.cli.progress import waiting
from daemon.cli.resources import KindOption, LabelOption, LimitOption, NameOption, ProviderOption, SourceOption
from daemon.cli.tables import Column, Sheet
from schemas.deviations import Deviation, DeviationType, Severity
from schemas.queries import AdoptAnswer, AdoptQuery, DeviationsQuery

_COLUMNS = (
    Column("SEVERITY", coloured=True),
    Column("TYPE"),
    Column("KEY", keep=True),
    Column("FIELD"),
    Column("EXPECTED"),
    Column("ACTUAL"),
    Column("SINCE", spare=1),
    Column("RESOLVED", spare=2),
    Column("BY", spare=3),
)
_ASK_ABOVE = 20
_SHOWN = 10


@told
def drift(  # noqa: PLR0917 - a command line
    key: Annotated[str | None, typer.Argument(help="Only of this resource.")] = None,
    provider: ProviderOption = None,
    source: SourceOption = None,
    kind: KindOption = None,
    severity: Annotated[Severity | None, typer.Option(help="This one and above.")] = None,
    type_: Annotated[DeviationType | None, typer.Option("--type", help="Only of this type.")] = None,
    limit: LimitOption = None,
    *,
    history: Annotated[bool, typer.Option("--history", help="Those that are resolved, too.")] = False,
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
    """
    query = DeviationsQuery(
        key=key, provider=provider, source=source, kind=kind, severity=severity, type=type_, history=history
    )
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
                one.severity,
                one.type,
                one.key,
                one.path,
                words.value(one.expected),
                words.value(one.actual),
                when(one.detected_at),
                when(one.resolved_at) if one.resolved_at else "",
                one.resolved_by or "",
            )
            for one in found
        ),
    )


@told
def adopt(  # noqa: PLR0917 - a command line
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Keys of resources.")] = None,
    provider: ProviderOption = None,
    source: SourceOption = None,
    kind: KindOption = None,
    label: LabelOption = None,
    name: NameOption = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be adopted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Make the present state the expected one: from now on, what differs from it is a deviation.

    homelab adopt docker/local/container/web
    homelab adopt --kind container --label com.docker.compose.project=media
    """
    query = AdoptQuery(
        keys=tuple(keys or ()),
        provider=provider,
        source=source,
        kind=kind,
        label=tuple(label or ()),
        name=name,
        dry_run=dry_run,
    )
    if not any((keys, provider, source, kind, label, name)):
        raise typer.BadParameter("say what to adopt: a KEY, --provider, --source, --kind, --label or --name")
    answer = ask(Where(state, nats, creds), lambda answers: _adopted(answers, query, sure=yes), "operator")
    if as_json:
        tables.show_json(answer)
    else:
        _tell(answer, dry_run=dry_run)


async def _adopted(answers: Answers, query: AdoptQuery, *, sure: bool) -> AdoptAnswer:
    if not query.dry_run and not sure and sys.stdin.isatty() and sys.stderr.isatty():
        preview = await answers.adopt(query.model_copy(update={"dry_run": True}))
        many = max(preview.total, len(preview.adopted))
        if many > _ASK_ABOVE and not typer.confirm(f"Adopt {words.count(many, 'resource')}?", err=True):
            raise Failure("nothing was adopted")
    with waiting("adopting"):
        return await answers.adopt(query)


def _tell(answer: AdoptAnswer, *, dry_run: bool) -> None:
    new = [adopted for adopted in answer.adopted if adopted.changed]
    for adopted in new[:_SHOWN]:
        tables.show(f"{adopted.key}  {words.some(adopted.fields, 6)}")
    if len(new) > _SHOWN:
        tables.show(f"and {len(new) - _SHOWN} more")
    same = len(answer.adopted) - len(new)
    done = "would be adopted" if dry_run else "adopted"
    tables.show(f"{words.count(len(new), 'resource')} {done}" + (f", {same} already were as expected" if same else ""))
    for key, why in answer.skipped.items():
        say(f"{key}: {why}")
