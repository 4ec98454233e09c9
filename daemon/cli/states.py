"""`homelab state`: say that something is on purpose: in maintenance, expected offline, retired, never to be touched."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import typer

from daemon.cli import saying, tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, UtcOption, Where, ask, who
from daemon.cli.exits import say, told
from daemon.cli.resources import ClusterOption
from daemon.cli.saying import ReasonOption, UntilOption
from daemon.cli.tables import Column, Sheet
from schemas.expected_queries import ExpectationsQuery, OperatorStateAnswer, OperatorStateQuery
from schemas.operator import OperatorState, State

_COLUMNS = (
    Column("TARGET", keep=True),
    Column("STATE", coloured=True),
    Column("UNTIL"),
    Column("REASON"),
    Column("BY", spare=1),
    Column("SINCE", spare=2),
)
_MEANING = (
    "maintenance: deviations are recorded and quiet. expected_offline: not running, or not there, is right. "
    "retired: nothing is expected any more. never_auto: nothing is corrected without a person."
)
TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="TARGET", help="A resource's key or name, a pool's path (/homelab/lab), or PROVIDER/SOURCE."
    ),
]
app = typer.Typer(help="Say that something is on purpose.", no_args_is_help=True, epilog=_MEANING)


@app.command("set")
@told
def put(
    target: TargetArgument,
    what: Annotated[State, typer.Argument(metavar="STATE", help="maintenance, expected_offline, retired, never_auto.")],
    until: UntilOption = None,
    reason: ReasonOption = "",
    cluster: ClusterOption = None,
    *,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Say it of a resource, a pool or a source; without --until until it is cleared.

    homelab state set docker/nas maintenance --until 2h --reason "new disks"
    """
    query = OperatorStateQuery(
        target=target, cluster=cluster, state=what, until_at=saying.until(until), reason=reason, by=who()
    )
    _tell(_asked(Where(state, nats, creds), query), as_json=as_json, utc=utc)


@app.command()
@told
def clear(
    target: TargetArgument,
    cluster: ClusterOption = None,
    *,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Take back what was said of a target.

    homelab state clear docker/nas
    """
    query = OperatorStateQuery(target=target, cluster=cluster, by=who())
    _tell(_asked(Where(state, nats, creds), query), as_json=as_json, utc=utc)


@app.command("list")
@told
def listing(
    *,
    as_json: JsonOption = False,
    utc: UtcOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """List what is said to be on purpose now."""
    query = ExpectationsQuery(of="declarations", limit=1)
    answer = ask(Where(state, nats, creds), lambda answers: answers.expectations(query))
    if as_json:
        tables.show_json(answer.operator_states)
        return
    tables.show(sheet(answer.operator_states, answer.as_of, utc=utc))
    if not answer.operator_states:
        say("nothing is said to be on purpose")


def _asked(where: Where, query: OperatorStateQuery) -> OperatorStateAnswer:
    return ask(where, lambda answers: answers.operator_state(query), "operator")


def _tell(answer: OperatorStateAnswer, *, as_json: bool, utc: bool) -> None:
    if as_json:
        tables.show_json(answer.states)
        return
    tables.show(sheet(answer.states, answer.as_of, utc=utc))
    if not answer.states:
        say("cleared: nothing is said of it any more")


def sheet(states: Iterable[OperatorState], now: datetime, *, utc: bool = False) -> Sheet:
    def when(at: datetime | None) -> str:
        if at is None:
            return "cleared"
        return words.utc(at) if utc else words.ago(at, now)

    return tables.table(
        _COLUMNS,
        ((one.target, one.state, when(one.until_at), one.reason, one.set_by, when(one.set_at)) for one in states),
    )
