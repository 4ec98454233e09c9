"""`homelab snapshot`: name the picture of the whole, look at it later, compare, and take it with you as manifests."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from daemon.api.answers import Answers
from daemon.cli import folders, pages, saying, tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, UtcOption, Where, ask, who
from daemon.cli.exits import say, told
from daemon.cli.progress import waiting
from daemon.cli.resources import LimitOption
from daemon.cli.saying import SelectorOption
from daemon.cli.tables import Column, Sheet
from schemas.expected_queries import (
    KeyDiff,
    SnapshotChangeQuery,
    SnapshotDiffQuery,
    SnapshotExportQuery,
    SnapshotRow,
    SnapshotsQuery,
)

_COLUMNS = (
    Column("NAME", keep=True),
    Column("TAKEN"),
    Column("RESOURCES", right=True),
    Column("SEQ", right=True, spare=2),
    Column("BY", spare=1),
    Column("NOTE"),
)
_DIFFERENCES = (
    Column("CHANGE", coloured=True),
    Column("KEY", keep=True),
    Column("FIELD"),
    Column("OLDER"),
    Column("NEWER"),
)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The snapshot's name.")]
app = typer.Typer(help="Named pictures of the whole: take one, compare, export.", no_args_is_help=True)


@app.command()
@told
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and . _ -")],
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Name the picture of this moment.  It takes no room: the log keeps what it needs.

    homelab snapshot create before-upgrade --note "Docker 28"
    """
    query = _change(name, note=note)
    answer = ask(Where(state, nats, creds), lambda answers: answers.snapshot_change(query), "operator")
    if as_json:
        tables.show_json(answer)
    elif answer.snapshot:
        tables.show(f"{answer.snapshot.name}: {words.count(answer.snapshot.resources, 'resource')}")
    if answer.hint:
        say(answer.hint)


@app.command()
@told
def delete(
    name: NameArgument,
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Forget a name; what only it kept of the log may then be forgotten, too."""
    query = _change(name, delete=True)
    answer = ask(Where(state, nats, creds), lambda answers: answers.snapshot_change(query), "operator")
    if as_json:
        tables.show_json(answer)
    else:
        tables.show(f"{name}: deleted")


@app.command("list")
@told
def list_(
    *,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """List the snapshots, newest first."""
    answer = ask(Where(state, nats, creds), lambda answers: answers.snapshots(SnapshotsQuery()))
    if as_json:
        tables.show_json(answer.items)
        return
    rows = (
        (
            one.name,
            words.utc(one.at) if utc else words.ago(one.at, answer.as_of),
            one.resources,
            one.seq,
            one.by,
            one.note,
        )
        for one in answer.items
    )
    tables.show(tables.table(_COLUMNS, rows))
    if not answer.items:
        say("no snapshots yet: `homelab snapshot create NAME` takes one")


@app.command()
@told
def show(
    name: NameArgument,
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Show when a snapshot was taken, what was there, and whether all of it can still be told."""
    answer = ask(Where(state, nats, creds), lambda answers: answers.snapshots(SnapshotsQuery(name=name)))
    one = answer.items[0]
    if as_json:
        tables.show_json(one)
        return
    tables.show(Text(words.plain(one.name), style="bold"), *picture(one))


def picture(one: SnapshotRow) -> Iterator[str]:
    yield f"  taken      {words.utc(one.at)}" + (f" by {one.by}" if one.by else "")
    if one.note:
        yield f"  note       {one.note}"
    yield f"  log        after entry {one.seq}"
    yield f"  resources  {one.resources}"
    if one.lost:
        yield f"  lost       {words.count(one.lost, 'resource')} of these: the log can no longer tell them"
    for what, count in one.counts.items():
        yield f"    {count:>6}  {what}"


@app.command()
@told
def diff(
    older: Annotated[str, typer.Argument(metavar="OLDER", help="A snapshot's name.")],
    newer: Annotated[str | None, typer.Argument(metavar="[NEWER]", help="Another's; default: now.")] = None,
    selector: SelectorOption = None,
    limit: LimitOption = None,
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Say what is different between two snapshots, or a snapshot and now.

    homelab snapshot diff before-upgrade
    homelab snapshot diff monday friday --selector kind=container
    """
    query = SnapshotDiffQuery(older=older, newer=newer, selector=saying.selector(selector))
    with waiting("comparing"):
        found, page = ask(Where(state, nats, creds), lambda answers: pages.every(answers.snapshot_diff, query, limit))
    if as_json:
        tables.show_json(found)
        return
    tables.show(differences(found))
    if not found:
        say("no differences")
    elif limit is not None and page.total > len(found):
        say(f"{len(found)} of {page.total}")
    for caveat in pages.caveats(page):
        say(caveat)


def differences(found: Iterable[KeyDiff]) -> Sheet:
    rows = (
        (one.change, one.key, path, *words.both(path, before, after))
        for one in found
        for path, (before, after) in (one.paths or {"": (None, None)}).items()
    )
    return tables.table(_DIFFERENCES, rows)


@app.command()
@told
def export(
    name: NameArgument,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is empty or not there yet.")],
    selector: SelectorOption = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")] = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Write a snapshot as a folder of manifests, one file for each resource, which `expect apply` takes back.

    homelab snapshot export friday ./expected --selector source=docker/nas
    """
    folders.check(folder, force=force)
    query = SnapshotExportQuery(name=name, selector=saying.selector(selector))
    with waiting("exporting"):
        manifests = ask(Where(state, nats, creds), lambda answers: _manifests(answers, query))
        others = folders.write(folder, manifests)
    tables.show(f"{words.count(len(manifests), 'manifest')} in {folder}")
    if others:
        say(f"{words.count(others, 'other file')} in {folder} left as before")


async def _manifests(answers: Answers, query: SnapshotExportQuery) -> folders.Manifests:
    found, _ = await pages.every(answers.snapshot_export, query, None, of="manifests")
    return found


def _change(name: str, *, note: str = "", delete: bool = False) -> SnapshotChangeQuery:
    try:
        return SnapshotChangeQuery(name=name, act="delete" if delete else "create", note=note, by=who())
    except ValueError as error:
        raise typer.BadParameter(
            "begins with a letter or digit; then . _ - too; at most 63", param_hint="NAME"
        ) from error
