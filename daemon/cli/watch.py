"""`homelab watch`: the command; what it does is in ``watching``, which needs the bus and is imported when it runs."""

import asyncio
from typing import Annotated

import typer

from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, UtcOption, Where, load_bus
from daemon.cli.exits import told
from daemon.cli.resources import KindOption, NameOption, ProviderOption, SourceOption


@told
def watch(
    provider: ProviderOption = None,
    source: SourceOption = None,
    kind: KindOption = None,
    name: NameOption = None,
    *,
    no_drift: Annotated[bool, typer.Option("--no-drift", help="Leave deviations away.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Leave the counts at the start away.")] = False,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Show each change as it happens, until Ctrl-C.  With --json: JSON Lines.

    homelab watch -k container
    homelab watch --json | jq 'select(.change == "removed")'
    """
    load_bus(nats or "")
    from daemon.cli import watching  # noqa: PLC0415 - not for --help

    chosen = watching.Filter(provider, source, kind, name, not no_drift)
    asyncio.run(watching.run(Where(state, nats, creds), chosen, quiet=quiet, as_json=as_json, utc=utc))
