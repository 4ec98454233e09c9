"""`homelab pools`: resources in a hierarchy of places, with what the places say of them and what they hold."""

import json
from collections.abc import Iterable
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.text import Text

from daemon.cli import pages, tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, Where, ask, where_of
from daemon.cli.exits import Failure, say, told
from daemon.cli.tables import Column, Sheet
from schemas.expected_queries import PoolChangeQuery, PoolRow, PoolsAnswer, PoolsQuery

_COLUMNS = (
    Column("POOL", keep=True),
    Column("TYPE", spare=2),
    Column("MEMBERS", right=True),
    Column("RUNNING", right=True),
    Column("DRIFT", right=True),
    Column("CORES", right=True),
    Column("USED", right=True, spare=3),
    Column("MEMORY", right=True),
    Column("USED", right=True, spare=3),
    Column("DISK", right=True, spare=4),
    Column("DESCRIPTION", spare=5),
)
_SHOWN = 20
PathArgument = Annotated[str, typer.Argument(metavar="PATH", help="Such as /homelab/compute.")]
KeysArgument = Annotated[list[str], typer.Argument(metavar="KEY...", help="Keys, or names that only one resource has.")]
app = typer.Typer(help="Resources in a hierarchy of places.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
@told
def listing(
    context: typer.Context,
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """List the pools as a tree; with a command below, look at or change one.

    A pool's members are its own and those of the pools below it.
    """
    where = Where(state, nats, creds)
    if context.invoked_subcommand:
        context.obj = where
        return
    found, page = ask(where, lambda answers: pages.every(answers.pools, PoolsQuery(), None))
    if as_json:
        tables.show_json(found)
        return
    tables.show(tree(found))
    if not found:
        say("no pools yet: `homelab pools put /homelab/compute --select kind=container` makes one")
    for caveat in pages.caveats(page):
        say(caveat)


@app.command()
@told
def show(
    context: typer.Context,
    path: PathArgument,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="So many members.")] = _SHOWN,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Show one pool: its properties and who says them, its members, what it holds and uses."""
    query = PoolsQuery(path=path, members=True, limit=limit)
    answer = ask(where_of(context, state, nats, creds), lambda answers: answers.pools(query))
    if as_json:
        tables.show_json(answer)
        return
    tables.show(*picture(answer))
    if answer.hint and not answer.next_cursor:
        say(answer.hint)


@app.command()
@told
def put(  # noqa: PLR0917 - a command line
    context: typer.Context,
    path: PathArgument,
    select: Annotated[
        list[str] | None,
        typer.Option("--select", help="Members: 'kind=container label:tier=front'; several: any of them; '' is none."),
    ] = None,
    prop: Annotated[
        list[str] | None, typer.Option("--property", help="NAME=VALUE, VALUE in JSON or a text; NAME= removes it.")
    ] = None,
    type_: Annotated[str | None, typer.Option("--type", help="compute, storage, network...")] = None,
    description: Annotated[str | None, typer.Option()] = None,
    *,
    unmanaged: Annotated[
        bool | None,
        typer.Option("--unmanaged/--no-unmanaged", help="Whether members that nobody expects are deviations."),
    ] = None,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Make a pool, or change what is said of it; what is not said stays.

    homelab pools put /homelab/compute --select kind=container --property rack=attic
    """
    query = PoolChangeQuery(
        path=path,
        type=type_,
        description=description,
        selectors=None if select is None else tuple(text for text in select if text.strip()),
        properties=None if prop is None else dict(map(_property, prop)),
        unmanaged=unmanaged,
    )
    _change(where_of(context, state, nats, creds), query, as_json=as_json)


@app.command()
@told
def delete(
    context: typer.Context,
    path: PathArgument,
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Delete a pool; its members stay what they are.  Empty pools below it go with it."""
    _change(where_of(context, state, nats, creds), PoolChangeQuery(path=path, act="delete"), as_json=as_json)


@app.command()
@told
def add(
    context: typer.Context,
    path: PathArgument,
    keys: KeysArgument,
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Make resources members by hand."""
    query = PoolChangeQuery(path=path, act="add", keys=tuple(keys))
    _change(where_of(context, state, nats, creds), query, as_json=as_json)


@app.command()
@told
def remove(
    context: typer.Context,
    path: PathArgument,
    keys: KeysArgument,
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Take members by hand out of a pool."""
    query = PoolChangeQuery(path=path, act="remove", keys=tuple(keys))
    _change(where_of(context, state, nats, creds), query, as_json=as_json)


def _change(where: Where, query: PoolChangeQuery, *, as_json: bool) -> None:
    answer = ask(where, lambda answers: answers.pool_change(query), "operator")
    if as_json:
        tables.show_json(answer)
        return
    done = {"put": "said", "delete": "deleted", "add": f"added to {query.path}", "remove": f"taken out of {query.path}"}
    for one in answer.changed:
        tables.show(f"{done[query.act]}: {one}")
    if not answer.changed:
        say(answer.hint)


def _property(text: str) -> tuple[str, JsonValue]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Failure(f"{text!r}: write a property as NAME=VALUE")
    try:
        return name, json.loads(value) if value else None
    except ValueError:
        return name, value


def tree(found: Iterable[PoolRow]) -> Sheet:
    """The pools, each indented below the one it lies in; the rows must be in the order of their paths."""
    return tables.table(_COLUMNS, (_row(row) for row in sorted(found, key=lambda row: row.path.split("/"))))


def _row(row: PoolRow) -> tuple[object, ...]:
    depth = row.path.count("/") - 1
    return (
        f"{'  ' * depth}{row.path if depth == 0 else row.path[row.path.rindex('/') :]}",
        row.type,
        row.members,
        row.running,
        row.drifting or "",
        words.value(row.capacity.cpu_cores),
        _cores(row.used_cpu_cores),
        words.size(row.capacity.memory_bytes),
        words.size(row.used_memory_bytes),
        words.size(row.capacity.disk_bytes),
        row.description,
    )


def _cores(number: float | None) -> str:
    return "" if number is None else f"{number:.2f}"


def picture(answer: PoolsAnswer) -> list[Text | Sheet | str]:
    """All about one pool."""
    row = answer.items[0]
    head = f"{row.path}  {row.type}".rstrip()
    parts: list[Text | Sheet | str] = [Text(words.plain(head), style="bold")]
    parts += [Text.assemble((f"  {name:<12}", "dim"), words.plain(value)) for name, value in _facts(row) if value]
    if row.properties:
        parts.append(Text("properties", style="bold"))
        names = (Column("  NAME"), Column("VALUE"), Column("FROM"))
        values = (
            (f"  {one.name}", words.value(one.value), "" if one.origin == row.path else one.origin)
            for one in row.properties
        )
        parts.append(tables.table(names, values))
    if answer.members:
        more = answer.total - len(answer.members)
        parts.append(Text("members", style="bold"))
        parts += [Text(f"  {words.plain(key)}") for key in answer.members]
        parts += [f"  and {more} more: homelab resources --pool {row.path}"] if more > 0 else []
    return parts


def _facts(row: PoolRow) -> Iterable[tuple[str, str]]:
    yield "description", row.description
    yield "declared in", row.place
    yield "members", f"{words.count(row.members, 'resource')}, {row.running} running, {row.drifting} drifting"
    for selector in row.selectors:
        yield "by selector", selector
    yield "unmanaged", "members that nobody expects are deviations" if row.unmanaged else ""
    yield "cores", _of(_cores(row.used_cpu_cores), words.value(row.capacity.cpu_cores))
    yield "memory", _of(words.size(row.used_memory_bytes), words.size(row.capacity.memory_bytes))
    yield "disk", words.size(row.capacity.disk_bytes)
    yield "GPUs", words.value(row.capacity.gpus)


def _of(used: str, size: str) -> str:
    return " of ".join(filter(None, (f"{used} used" if used else "", size)))
