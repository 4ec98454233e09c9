"""`homelab adopt`: make what is what should be."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from daemon.api.answers import Answers
from daemon.cli import details, saying, tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, Where, ask
from daemon.cli.exits import Exit, Failure, say, told
from daemon.cli.progress import waiting
from daemon.cli.resources import KindOption, LabelOption, NameOption, ProviderOption, SourceOption
from daemon.cli.saying import SelectorOption
from schemas.queries import AdoptAnswer, Adopted, AdoptQuery

_ASK_ABOVE = 20
_SHOWN = 10


@told
def adopt(  # noqa: PLR0917 - a command line
    keys: Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help="Keys of resources.")] = None,
    provider: ProviderOption = None,
    source: SourceOption = None,
    kind: KindOption = None,
    label: LabelOption = None,
    name: NameOption = None,
    selector: SelectorOption = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All there is, or all of a --source.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "--preview", help="Only say what would be adopted, field by field.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Make the present state the expected one: from now on, what differs from it is a deviation.

    homelab adopt docker/local/container/web
    homelab adopt --kind container --label com.docker.compose.project=media
    homelab adopt --all --source nas --preview
    """
    chosen = saying.selector(
        selector,
        keys=tuple(keys or ()),
        provider=provider,
        source=source,
        kind=kind,
        label=tuple(label or ()),
        name=name,
    )
    if chosen.is_empty and not everything:
        raise typer.BadParameter(
            "say what to adopt: a KEY, --provider, --source, --kind, --label, --name, --selector, or --all"
        )
    if chosen.is_empty:
        chosen = chosen.model_copy(update={"name": "*"})
    query = AdoptQuery(**chosen.model_dump(), dry_run=dry_run)
    answer = ask(Where(state, nats, creds), lambda answers: _adopted(answers, query, sure=yes), "operator")
    if as_json:
        tables.show_json(answer)
    else:
        _tell(answer, dry_run=dry_run)
    if answer.skipped and not answer.adopted:
        raise typer.Exit(Exit.FAILED)


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
    if dry_run:
        tables.show(*(line for adopted in new for line in _preview(adopted)))
    else:
        tables.show(*(f"{adopted.key}  {words.some(adopted.fields, 6)}" for adopted in new[:_SHOWN]))
        if len(new) > _SHOWN:
            tables.show(f"and {len(new) - _SHOWN} more")
    same = len(answer.adopted) - len(new)
    done = "would be adopted" if dry_run else "adopted"
    tables.show(f"{words.count(len(new), 'resource')} {done}" + (f", {same} already were as expected" if same else ""))
    for key, why in answer.skipped.items():
        say(f"{key}: {why}")
    if answer.hint:
        say(answer.hint)


def _preview(adopted: Adopted) -> Iterator[str]:
    yield adopted.key
    yield from details.branches(adopted.fields, "  ")
