"""The passwords of the bus and the files a nats-server reads: made once, kept, readable by us alone."""

import importlib.resources
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from daemon.runtime import roles, state
from schemas.resources import SourceRef
from schemas.running import Login

LOGINS_FILE = "logins.json"
_logins: TypeAdapter[dict[str, Login]] = TypeAdapter(dict[str, Login])


@dataclass(frozen=True, slots=True)
class Logins:
    roles: Mapping[str, Login]
    sources: Mapping[SourceRef, Login]


def write(folder: Path, sources: Iterable[SourceRef]) -> Logins:
    """Write ``nats.conf`` and ``users.conf`` there.  A password survives, so that agents elsewhere need not be told."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = _read(folder / LOGINS_FILE)
    users = {source: roles.agent_user(source) for source in sources}
    every = {user: known.get(user) or _new(user) for user in (*roles.ROLES, *users.values())}
    state.write_private(folder / LOGINS_FILE, _logins.dump_json(known | every, indent=2).decode() + "\n")
    logins = Logins({role: every[role] for role in roles.ROLES}, {source: every[users[source]] for source in users})
    state.write_private(folder / "users.conf", roles.users_conf(logins.roles, logins.sources))
    state.write_private(folder / "nats.conf", configuration())
    return logins


def configuration() -> str:
    """The text of our ``nats.conf``: package data, which in a source checkout is a link to the top-level file."""
    return (importlib.resources.files("daemon") / "nats.conf").read_text()


def _new(user: str) -> Login:
    return Login(user=user, password=secrets.token_urlsafe(32))


def _read(path: Path) -> dict[str, Login]:
    try:
        return _logins.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return {}
