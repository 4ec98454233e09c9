"""`homelab resources` and `homelab show`: what there is."""

from datetime import datetime
from typing import Annotated, Any

import typer
from pydantic import JsonValue

from daemon.cli import details, pages, saying, tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, UtcOption, Where, ask
from daemon.cli.exits import say, told
from daemon.cli.saying import SelectorOption
from daemon.cli.tables import Column, Sheet
from schemas.queries import RelationsQuery, ResourceQuery, ResourcesQuery
from schemas.resources import Health, Kind, Presence, Status

COLUMNS = (
    Column("NAME", keep=True),
    Column("KIND"),
    Column("STATUS", coloured=True),
    Column("HEALTH", coloured=True, spare=2),
    Column("PRESENCE", coloured=True),
    Column("SOURCE", spare=9),
    Column("CORES", right=True, spare=7),
    Column("MEMORY", right=True, spare=6),
    Column("ADDRESSES", spare=5),
    Column("DRIFT", coloured=True, spare=1),
    Column("CHANGED", spare=4),
    Column("KEY", keep=True),
)
_ASKED = (
    *("key", "name", "kind", "provider", "source", "status", "native_status", "health", "presence", "addresses"),
    *("cpu_cores", "memory_bytes", "changed_at", "managed", "drift"),
)
ProviderOption = Annotated[str | None, typer.Option("--provider", "-p", help="`docker`, `host`...")]
SourceOption = Annotated[
    str | None, typer.Option("--source", "-s", "--cluster", help="The name of a source: an engine, a cluster.")
]
ClusterOption = Annotated[
    str | None, typer.Option("--cluster", "--source", "-s", help="The cluster, or other source, that has it.")
]
KindOption = Annotated[Kind | None, typer.Option("--kind", "-k", help="`container`, `volume`, `node`...")]
NameOption = Annotated[str | None, typer.Option("--name", "-n", help="A name, or a glob: 'web-*'.")]
LabelOption = Annotated[
    list[str] | None, typer.Option("--label", "-l", help="`name` or `name=value`; may be repeated: all must match.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.")]


@told
def resources(  # noqa: PLR0917 - a command line
    provider: ProviderOption = None,
    source: SourceOption = None,
    kind: KindOption = None,
    name: NameOption = None,
    label: LabelOption = None,
    status: Annotated[Status | None, typer.Option(help="Power or run state.")] = None,
    health: Annotated[Health | None, typer.Option()] = None,
    presence: Annotated[Presence | None, typer.Option(help="Whether it is there at all.")] = None,
    parent: Annotated[str | None, typer.Option(help="The key of what it sits in or on.")] = None,
    pool: Annotated[str | None, typer.Option(help="The path of a pool: what is in it or in those below it.")] = None,
    text: Annotated[str | None, typer.Option("--text", "-t", help="A part of the key, name or address.")] = None,
    selector: SelectorOption = None,
    *,
    managed: Annotated[
        bool | None, typer.Option("--managed/--unmanaged", help="Whether somebody says what it should be.")
    ] = None,
    drifting: Annotated[bool, typer.Option("--drifting", help="Only with open deviations.")] = False,
    gone: Annotated[bool, typer.Option("--gone", help="Those that are gone, too.")] = False,
    fields: Annotated[str | None, typer.Option(help="Columns, by comma; `*` is all.")] = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """List resources.

    homelab resources -k container --status running
    homelab resources --label com.docker.compose.project=media --json | jq '.[].name'
    homelab resources --selector 'kind=container name=web-* pool=/lab'
    """
    wanted = saying.selector(
        selector,
        provider=provider,
        source=source,
        kind=kind,
        name=name,
        label=tuple(label or ()),
        status=status,
        health=health,
        presence=presence,
        parent=parent,
        pool=pool,
    )
    chosen = tuple(field.strip() for field in fields.split(",") if field.strip()) if fields else ()
    query = ResourcesQuery(
        **wanted.model_dump(),
        text=text,
        managed=managed,
        drifting=drifting or None,
        include_gone=gone or drifting or wanted.presence is Presence.GONE,  # what is missing drifts most of all
        fields=chosen or (("*",) if as_json else _ASKED),
    )
    found, page = ask(Where(state, nats, creds), lambda answers: pages.every(answers.resources, query, limit))
    if as_json:
        tables.show_json(found)
        return
    tables.show(chosen_fields(found, chosen) if chosen else listing(found, page.as_of, utc=utc))
    if len(found) < page.total:
        say(f"{len(found)} of {page.total}: leave --limit away to see all")
    for caveat in pages.caveats(page):
        say(caveat)
    if not found:
        say("no resource matches")


def listing(rows: list[dict[str, JsonValue]], now: datetime, *, utc: bool = False) -> Sheet:
    return tables.table(COLUMNS, (_row(row, now, utc=utc) for row in rows))


def _row(row: dict[str, Any], now: datetime, *, utc: bool) -> tuple[object, ...]:
    changed = datetime.fromisoformat(row["changed_at"]) if row.get("changed_at") else None
    presence = row["presence"]
    return (
        row["name"],
        row["kind"],
        status_words(row["status"], row["native_status"], presence),
        "" if row["health"] == "unknown" else row["health"],
        "" if presence == "present" else presence,
        f"{row['provider']}/{row['source']}",
        words.value(row.get("cpu_cores")),
        words.size(row.get("memory_bytes")),
        words.some(row.get("addresses") or (), 1),
        drift_words(row),
        words.utc(changed) if utc else words.ago(changed, now),
        row["key"],
    )


def status_words(status: str, native: str, presence: str = "present") -> str:
    """The normalised word, and the provider's own where it does not run; `was running` where nobody can know."""
    if status == "unknown":
        return native or ""
    same = status == "running" or native.lower() in {"", status}
    told = status if same else f"{status} ({native})"
    return told if presence == "present" else f"was {told}"


def drift_words(row: dict[str, Any]) -> str:
    if row.get("drift"):
        return f"changed {row['drift']}"
    return "ok" if row.get("managed") else ""


def chosen_fields(rows: list[dict[str, JsonValue]], fields: tuple[str, ...]) -> Sheet:
    names = list(dict.fromkeys(name for row in rows for name in row)) if "*" in fields else fields
    columns = [Column(name.upper(), keep=name in {"key", "name"}) for name in names]
    return tables.table(columns, ([words.value(row.get(name)) for name in names] for row in rows))


@told
def show(
    what: Annotated[str, typer.Argument(metavar="KEY|NAME|VMID", help="A key, or a name or vmid.")],
    cluster: ClusterOption = None,
    *,
    events: Annotated[int, typer.Option(min=0, max=200, help="How many of its last events.")] = 10,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Show all about one resource.

    homelab show web
    homelab show docker/local/container/web
    homelab show 100 --cluster prod
    """
    where, query = Where(state, nats, creds), ResourceQuery(key=what, cluster=cluster, events=events)
    if as_json:
        tables.show_json(ask(where, lambda answers: answers.resource(query)))
        return
    answer, relations = ask(where, lambda answers: details.of(answers, query, RelationsQuery(key=what)))
    tables.show(*details.picture(answer, relations, utc=utc))
    if answer.hint:
        say(answer.hint)
