"""`homelab probe`: ask each source once, and say what it let us read."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

from daemon.cli import configured, tables, words
from daemon.cli.connection import JsonOption
from daemon.cli.exits import Exit, Failure, say, told
from daemon.cli.processes import ConfigOption
from daemon.cli.progress import counting
from daemon.cli.tables import Column, Sheet
from daemon.runtime.config import Loaded
from daemon.runtime.options import ProbeResult

_COLUMNS = (
    Column("SOURCE", keep=True),
    Column("SCOPE"),
    Column("RESULT", coloured=True),
    Column("FOUND"),
    Column("TOOK", right=True),
)


@told
def probe(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these sources.")] = None,
    file: ConfigOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Ask each source once: is it reachable, what may be read, how much is there?  No daemon is needed.

    homelab probe
    homelab probe nas --config homelab.yaml
    """
    from daemon import allinone  # noqa: PLC0415 - it imports everything

    loaded = configured.loaded(file)
    found = allinone.watched(loaded.config)
    if loaded.sources is None:
        say(f"no sources in {loaded.file or 'a configuration'}: probing what this machine has")
    for line in (*found.hints, *allinone.told(found)):
        say(line)
    wanted = [f"{one.provider}/{one.name}" for one in found.sources if one.enabled]
    results = asyncio.run(_probe(loaded, chosen(wanted, names or ())))
    if as_json:
        tables.show_json([as_row(result) for result in results])
    else:
        tables.show(*picture(results))
    if (found.faults and not names) or not all(result.is_ok for result in results):
        raise typer.Exit(Exit.FAILED)


async def _probe(loaded: Loaded, names: tuple[str, ...]) -> list[ProbeResult]:
    from daemon import allinone  # noqa: PLC0415

    with counting("asking", len(names)) as progress:
        return await allinone.probe(loaded.config, names, asked=lambda: progress.advance(progress.tasks[0].id))


def chosen(sources: list[str], names: Iterable[str]) -> tuple[str, ...]:
    """Return the sources (`PROVIDER/NAME`) that are meant; all where none is named."""
    found: list[str] = []
    for name in names:
        meant = [source for source in sources if name in {source, source.partition("/")[2]}]
        if not meant:
            raise Failure(f"there is no source {name!r}; there are: {', '.join(sources) or 'none'}")
        found += meant
    return tuple(dict.fromkeys(found or sources))


def picture(results: Iterable[ProbeResult]) -> list[Sheet | Text | str]:
    results = sorted(results, key=lambda one: (one.provider, one.source))
    rows = [row for one in results for row in _rows(one)]
    details = [
        Text(words.plain(f"{one.provider}/{one.source}: {detail}")) for one in results for detail in _details(one)
    ]
    return [tables.table(_COLUMNS, rows), *details, *_findings(results)]


def _rows(one: ProbeResult) -> list[tuple[str, ...]]:
    """One per scope; what keeps all of them from being read is one."""
    source = f"{one.provider}/{one.source}"
    (trouble, _), *others = {(scope.trouble, scope.detail) for scope in one.scopes} or {(one.trouble, one.detail)}
    if not one.scopes or (trouble and not others):
        return [(source, "", f"failed {trouble}" if trouble else "ok", "", f"{one.seconds:.1f} s")]
    return [
        (
            source,
            scope.scope,
            f"failed {scope.trouble}" if scope.trouble else "ok",
            _counts(scope.counts),
            f"{scope.seconds:.1f} s",
        )
        for scope in one.scopes
    ]


def _details(one: ProbeResult) -> list[str]:
    """Why something cannot be read, unless a finding says it."""
    if one.detail:
        return [] if any(one.detail == found.detail for found in one.findings) else [one.detail]
    return words.alike({scope.scope: scope.detail for scope in one.scopes})


def _findings(results: Iterable[ProbeResult]) -> Iterator[Text | str]:
    """What the sources themselves were looked at for, whole: a remedy that is cut helps nobody."""
    for one in results:
        if one.findings:
            yield ""
            yield Text(f"{one.provider}/{one.source}", style="bold")
        for found in one.findings:
            yield Text.assemble("  ", tables.text(f"{found.outcome:<8}"), words.plain(f"{found.name}: {found.detail}"))


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(words.count(number, kind) for kind, number in sorted(counts.items())) or "nothing"


def as_row(one: ProbeResult) -> dict[str, Any]:
    return {
        "provider": one.provider,
        "source": one.source,
        "ok": one.is_ok,
        "seconds": round(one.seconds, 3),
        "trouble": one.trouble,
        "detail": one.detail,
        "capabilities": list(one.capabilities),
        "findings": [asdict(found) for found in one.findings],
        "scopes": [
            {
                "scope": scope.scope,
                "seconds": round(scope.seconds, 3),
                "counts": scope.counts,
                "trouble": scope.trouble,
                "detail": scope.detail,
            }
            for scope in one.scopes
        ],
    }
