"""`homelab expect`: manifests that say what should be: check, compare, apply, list, withdraw, write out."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from daemon.api.answers import Answers, Refused
from daemon.cli import declared, saying, tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, UtcOption, Where, ask
from daemon.cli.exits import Exit, Failure, say, told
from daemon.cli.progress import waiting
from daemon.cli.saying import SelectorOption
from schemas.expected_queries import (
    Document,
    ExpectApplyAnswer,
    ExpectApplyQuery,
    ExpectationsQuery,
    ExpectWithdrawQuery,
    Fault,
)
from schemas.resources import KEY_PARTS

app = typer.Typer(help="Say what should be, in YAML manifests.", no_args_is_help=True)
PathsArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE|DIR...", help="A folder is read with all below it; `-` is standard input.")
]
PruneOption = Annotated[
    bool, typer.Option("--prune", help="Withdraw what this FILE or DIR said before and says no more.")
]
_WARNINGS = 10
_LINES_UP_TO = 2000
"""More documents than this are sent without the lines of their fields: the bus bounds a message."""


@app.command()
@told
def apply(
    paths: PathsArgument,
    *,
    prune: PruneOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Declare what should be: all of it, or nothing where something is wrong (exit 78).

    homelab expect apply web.yaml
    homelab expect apply expectations/ --prune
    """
    query = _query(paths, prune=prune, dry_run=dry_run)
    with waiting("applying"):
        answer = ask(Where(state, nats, creds), lambda answers: _sent(answers, query), "operator")
    if as_json:
        tables.show_json(answer)
    else:
        tables.show(*declared.applied(answer, dry_run=dry_run))
    _judge(answer)


@app.command()
@told
def diff(
    paths: PathsArgument,
    *,
    prune: PruneOption = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 where something would change.")] = False,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Say what applying would change, field by field; changes nothing.

    homelab expect diff expectations/ --prune
    """
    query = _query(paths, prune=prune, dry_run=True)
    answer, before = ask(Where(state, nats, creds), lambda answers: _compared(answers, query), "operator")
    changes = declared.changes(answer, before, query.documents)
    if as_json:
        tables.show_json({**answer.model_dump(mode="json"), "changes": changes})
    else:
        tables.show(*declared.differences(answer, changes))
    _judge(answer)
    if exit_code and any(one.change != "unchanged" for one in answer.applied):
        raise typer.Exit(Exit.DEVIATIONS)


@app.command()
@told
def check(paths: PathsArgument, *, as_json: JsonOption = False) -> None:
    """Check manifests without a daemon: every fault with its file, line and path.  Exit 78 where there is one.

    homelab expect check expectations/
    """
    documents, faults, files = _read(paths, absolute=False)
    faults = faults or _contradictions(documents)
    if as_json:
        tables.show_json({"files": files, "documents": len(documents), "faults": [*faults]})
    _refuse(faults)
    if not as_json:
        said = ", ".join(words.count(count, kind) for kind, count in declared.kinds(documents).items())
        say(f"ok: {words.count(files, 'file')}: {said or 'no manifest in it'}")


@app.command("list")
@told
def listing(
    selector: SelectorOption = None,
    *,
    declarations: Annotated[bool, typer.Option("--declarations", "-d", help="The documents as applied.")] = False,
    origin: Annotated[str | None, typer.Option(help="Only of this origin: api, file:PATH, folder:PATH.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.")] = None,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """List what is expected of each resource, or what was declared; faults of watched folders are told.

    homelab expect list --selector 'kind=container label:tier=front'
    homelab expect list --declarations
    """
    query = ExpectationsQuery(
        selector=saying.selector(selector), of="declarations" if declarations or origin else "keys", origin=origin
    )
    found, page = ask(Where(state, nats, creds), lambda answers: declared.every(answers, query, limit))
    if as_json:
        tables.show_json(found)
    elif query.of == "declarations":
        tables.show(declared.declarations(found, page.as_of, utc=utc))
    else:
        tables.show(declared.expectations(found, page.as_of, utc=utc))
    for fault in page.faults:
        say(f"not in force: {fault}")
    if not found and not as_json:
        say("nothing is declared" if query.of == "declarations" else "nothing is expected of any such resource")
    if len(found) < page.total and not as_json:
        say(f"{len(found)} of {page.total}: leave --limit away to see all")


@app.command()
@told
def delete(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME|KEY]...", help="Names of declarations (web, ResourcePool/lab), keys of resources."
        ),
    ] = None,
    *,
    origin: Annotated[str | None, typer.Option(help="All that this origin said: file:PATH, folder:PATH.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be withdrawn.")] = False,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Expect it no longer: withdraw declarations by name, or forget what was adopted of a resource by key.

    homelab expect delete web docker/local/container/db
    """
    if not what and not origin:
        raise typer.BadParameter("say what: a NAME, a KEY, or --origin")
    where = Where(state, nats, creds)
    withdrawn: list[str] = []
    unknown: list[str] = []
    if origin:
        emptied = ExpectApplyQuery(documents=(), origin=origin, prune=True, dry_run=dry_run)
        answer = ask(where, lambda answers: answers.expect_apply(emptied), "operator")
        withdrawn += [one.name for one in answer.applied]
    keys = tuple(one for one in what or () if one.count("/") >= KEY_PARTS - 1)
    names = tuple(one for one in what or () if one not in keys)
    if what:
        query = ExpectWithdrawQuery(names=names, keys=keys, dry_run=dry_run)
        gone = ask(where, lambda answers: answers.expect_withdraw(query), "operator")
        withdrawn += gone.withdrawn
        unknown += gone.unknown
    if as_json:
        tables.show_json({"withdrawn": withdrawn, "unknown": unknown})
    else:
        for one in withdrawn:
            tables.show(f"{'would be withdrawn' if dry_run else 'withdrawn'}: {one}")
    for one in unknown:
        say(f"{one}: {'nothing was adopted there' if one in keys else 'no declaration has this name'}")
    if unknown or not withdrawn:
        raise typer.Exit(Exit.FAILED)


@app.command()
@told
def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if it is not there.")],
    selector: SelectorOption = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Write what is expected now as manifests, a file for each resource: adopted or declared, `expect apply` takes it.

    homelab expect export expectations/ --selector kind=container
    """
    query = ExpectationsQuery(selector=saying.selector(selector))
    found, _ = ask(Where(state, nats, creds), lambda answers: declared.every(answers, query, None))
    written = declared.written(found)
    declared.write(directory, written, force=force)
    say(f"wrote {words.count(len(written), 'manifest')} below {directory}")


def _query(paths: Sequence[Path], *, prune: bool, dry_run: bool) -> ExpectApplyQuery:
    """Read what is to be applied; ends with 78 where something is wrong with it."""
    if prune and len(paths) > 1:
        raise typer.BadParameter("--prune needs one FILE or DIR, so that it is clear what belongs together")
    documents, faults, _ = _read(paths, absolute=True)
    _refuse(faults)
    if not documents and not prune:
        raise Failure("there is no manifest in it")
    if len(documents) > _LINES_UP_TO:
        documents = [document.model_copy(update={"lines": {}}) for document in documents]
    return ExpectApplyQuery(documents=tuple(documents), origin=_origin(paths[0]), prune=prune, dry_run=dry_run)


def _read(paths: Sequence[Path], *, absolute: bool) -> tuple[list[Document], list[Fault], int]:
    """Read manifests; each document is of the origin it was read from."""
    from daemon.reconcile import manifests  # noqa: PLC0415 - not for --help

    everything = manifests.Read()
    for path in paths:
        found = manifests.Read()
        if str(path) == "-":
            found.files = 1
            manifests.parse(sys.stdin.read(), "-", found)
        else:
            found = manifests.read([path.absolute() if absolute else path])
        origin = _origin(path)
        everything.documents += [document.model_copy(update={"origin": origin}) for document in found.documents]
        everything.faults += found.faults
        everything.files += found.files
    if len(paths) > 1 and not everything.faults:
        everything.faults += manifests.doubles(everything.documents)
    return everything.documents, everything.faults, everything.files


def _origin(path: Path) -> str:
    return "api" if str(path) == "-" else f"file:{path.absolute()}"


def _contradictions(documents: Iterable[Document]) -> list[Fault]:
    """What two of them say differently of one key they both name."""
    from daemon.reconcile import applying  # noqa: PLC0415 - not for --help
    from daemon.runtime.clock import SystemClock  # noqa: PLC0415

    new, _ = applying.read(documents, "api", SystemClock().now())
    return applying.plan({}, new, origin="api", prune=False, matching={}, known=()).faults


async def _sent(answers: Answers, query: ExpectApplyQuery) -> ExpectApplyAnswer:
    try:
        return await answers.expect_apply(query)
    except Refused as error:
        if error.code != "too_large":
            raise
        raise Failure(
            f"{words.count(len(query.documents), 'document')} at once are larger than the bus allows: "
            "apply them in parts, or name their folder in the configuration (expectations.folder)"
        ) from error


async def _compared(answers: Answers, query: ExpectApplyQuery) -> tuple[ExpectApplyAnswer, list[object]]:
    answer = await _sent(answers, query)
    before: list[object] = []
    if any(one.change == "changed" for one in answer.applied):
        before, _ = await declared.every(answers, ExpectationsQuery(of="declarations"), None)
    return answer, before


def _judge(answer: ExpectApplyAnswer) -> None:
    for warning in answer.warnings[:_WARNINGS]:
        say(f"warning: {warning}")
    if more := len(answer.warnings[_WARNINGS:]):
        say(f"and {words.count(more, 'more warning')}")
    if answer.faults:
        for fault in answer.faults:
            say(str(fault))
        say("homelab: nothing was changed")
        raise typer.Exit(Exit.BAD_CONFIG)


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        for fault in faults:
            say(str(fault))
        raise typer.Exit(Exit.BAD_CONFIG)
