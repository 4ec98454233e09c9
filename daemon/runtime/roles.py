"""Who may say what on the bus: ``users.conf``, computed.  NATS enforces it; we write no authorisation of our own.

Our own processes use a private inbox prefix (``_INBOX_<user>``), so nobody else can read their replies; people's tools
use ``_INBOX``, which ``viewer``, ``operator`` and ``admin`` share.  A viewer cannot list consumers: a reader whose
progress matters takes a random name.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from schemas import subjects
from schemas.resources import SourceRef
from schemas.running import Login

Role = Literal["viewer", "operator", "admin", "agent", "daemon"]
ROLES: tuple[Role, ...] = get_args(Role)
READABLE = ("INVENTORY", "METRICS", "DRIFT", "JOBS", f"KV_{subjects.AGENTS_BUCKET}")
"""The streams a viewer may read."""
_HEARTBEATS = f"$KV.{subjects.AGENTS_BUCKET}.>"
_PEOPLES_INBOX = "_INBOX.>"


@dataclass(frozen=True, slots=True)
class Permissions:
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    responds: bool = False
    """May answer a request wherever it wants its answer."""


def inbox(user: str) -> str:
    """The private inbox prefix of a user's own processes."""
    return f"_INBOX_{user}"


def agent_user(source: SourceRef) -> str:
    """The user of one source; also the name of its consumers, because NATS cannot limit a name to a prefix."""
    return f"agent-{source.provider}-{source.name}"


def permissions(role: Role) -> Permissions:
    match role:
        case "viewer":
            return _person(role, ("read", "sql"))
        case "operator":
            return _person(role, ("read", "sql", "intent", "plan"))
        case "admin":
            allowed = (subjects.EVERYTHING, _HEARTBEATS, "$SRV.>", "$JS.>")
            return Permissions(allowed, (*allowed, _PEOPLES_INBOX, f"{inbox(role)}.>"), responds=True)
        case "agent":
            return _every_source()
        case "daemon":
            return Permissions((">",), (">",))


def source_permissions(source: SourceRef) -> Permissions:
    """What the process of one source may do: speak and read back under its own provider and name only.

    Job subjects carry no source, so any agent may report on any job: the daemon checks whose job it is.
    """
    at = (source.provider, source.name)
    user, own, command = agent_user(source), subjects.inventory_of(*at), subjects.command(*at)
    says = (own, subjects.scans_of(*at), subjects.metrics(*at), subjects.JOBS_ALL, subjects.heartbeats_of(*at))
    reads = (
        f"$JS.API.DIRECT.GET.INVENTORY.{own}",
        f"$JS.API.DIRECT.GET.METRICS.{subjects.metrics(*at)}",
        *_consumer("INVENTORY", user, own),
        *_consumer("COMMANDS", user, command),
    )
    hears = (command, subjects.controls_of(*at), f"{inbox(user)}.>")
    return Permissions((*says, *reads, _HEARTBEAT_BUCKET), hears, responds=True)


_HEARTBEAT_BUCKET = f"$JS.API.STREAM.INFO.KV_{subjects.AGENTS_BUCKET}"


def _every_source() -> Permissions:
    """For agents that share one login.  A user per source is the better way: it cannot speak for another source."""
    says = (subjects.INVENTORY_ALL, subjects.SCANS_ALL, subjects.METRICS_ALL, subjects.JOBS_ALL, _HEARTBEATS)
    reads = (
        f"$JS.API.DIRECT.GET.INVENTORY.{subjects.INVENTORY_ALL}",
        f"$JS.API.DIRECT.GET.METRICS.{subjects.METRICS_ALL}",
        *_consumer("INVENTORY", "*", subjects.INVENTORY_ALL),
        *_consumer("COMMANDS", "*", subjects.COMMANDS_ALL),
    )
    hears = (subjects.COMMANDS_ALL, subjects.CONTROL_ALL, f"{inbox('agent')}.>")
    return Permissions((*says, *reads, _HEARTBEAT_BUCKET), hears, responds=True)


def _consumer(stream: str, name: str, only: str) -> tuple[str, ...]:
    """A pull consumer of this name that sees ``only`` these subjects: the server holds its filter to them."""
    api = "$JS.API.CONSUMER"
    return (
        f"{api}.CREATE.{stream}.{name}.{only}",
        *(f"{api}.{verb}.{stream}.{name}" for verb in ("INFO", "MSG.NEXT", "DELETE")),
        f"$JS.ACK.{stream}.{name}.>",
    )


def _person(role: str, classes: Iterable[str]) -> Permissions:
    asks = tuple(subjects.api_class(each) for each in classes)
    return Permissions(
        publish=(*asks, "$SRV.>", *_reading()),
        subscribe=(
            *(subjects.INVENTORY_ALL, subjects.SCANS_ALL, subjects.METRICS_ALL, subjects.DRIFT_ALL),
            *(subjects.ANOMALY_ALL, subjects.BUDGET_ALL, subjects.JOBS_ALL, _HEARTBEATS),
            *(_PEOPLES_INBOX, f"{inbox(role)}.>"),
        ),
    )


def _reading() -> tuple[str, ...]:
    """Reading streams, by any kind of consumer; never deleting, purging or changing one."""
    api = "$JS.API"
    verbs = ("CREATE.{0}", "CREATE.{0}.>", "INFO.{0}.>", "MSG.NEXT.{0}.>", "DELETE.{0}.>")
    return (
        *(f"{api}.{verb}" for verb in ("INFO", "STREAM.NAMES", "STREAM.LIST")),
        *(f"{api}.STREAM.{verb}.{stream}" for stream in READABLE for verb in ("INFO", "MSG.GET")),
        *(f"{api}.DIRECT.GET.{stream}{more}" for stream in READABLE for more in ("", ".>")),
        *(f"{api}.CONSUMER.{verb.format(stream)}" for stream in READABLE for verb in verbs),
        *(f"$JS.{verb}.{stream}.>" for stream in READABLE for verb in ("ACK", "FC")),
    )


def users_conf(logins: Mapping[str, Login], agents: Mapping[SourceRef, Login]) -> str:
    """Render the users of ``nats.conf``: ``logins`` by role, ``agents`` by source.  The text holds passwords."""
    users = [_user(logins[role], permissions(role)) for role in ROLES if role in logins]
    users += [_user(login, source_permissions(source)) for source, login in agents.items()]
    return "# Written by homelabd: who may say what on the bus.\nusers: " + json.dumps(users, indent=2) + "\n"


def _user(login: Login, may: Permissions) -> dict[str, object]:
    allowed: dict[str, object] = {"publish": {"allow": may.publish}, "subscribe": {"allow": may.subscribe}}
    if may.responds:
        allowed["allow_responses"] = {"max": 100, "expires": "1m"}
    return {"user": login.user, "password": login.password, "permissions": allowed}
