"""What the token may read.  Proxmox VE leaves out rows without a word: a row that is missing may only be hidden.

``GET access/permissions`` lists the paths where anything at all is allowed: the top ones, those with an entry in the
access list and the members of pools.  An entry *replaces* what was inherited, and acts below its path only where it
propagates (1).  A path whose entry is NoAccess is not listed: of a top path that tells it, of a guest nothing does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import dirname

from pydantic import JsonValue, TypeAdapter, ValidationError

from agents.errors import Malformed
from agents.proxmox.config import ProxmoxConfig
from schemas.events import Gap, Trouble
from schemas.resources import Kind, SourceRef

AUDITOR = frozenset(
    {"VM.Audit", "VM.GuestAgent.Audit", "Sys.Audit", "Datastore.Audit", "SDN.Audit", "Pool.Audit", "Mapping.Audit"}
)
"""What the role PVEAuditor holds."""
_TOP = ("/access", "/nodes", "/pool", "/sdn", "/storage", "/vms")
GUESTS = (Kind.VM, Kind.CONTAINER, Kind.TEMPLATE)
_MOST_KEYS = 1000
_NAMED = 5
_NAMED_IN_PATH = frozenset({*GUESTS, Kind.BACKUP, Kind.POOL})
"""Kinds whose native id is what their path ends in."""
_Granted = dict[str, dict[str, int]]
_GRANTED: TypeAdapter[_Granted] = TypeAdapter(_Granted)


@dataclass(frozen=True, slots=True)
class Rights:
    """Path -> privilege -> whether it propagates."""

    granted: Mapping[str, Mapping[str, int]]

    @classmethod
    def parse(cls, raw: JsonValue) -> "Rights":
        """Read the answer of ``access/permissions``; raise ``Malformed``."""
        try:
            return cls(_GRANTED.validate_python(raw))
        except ValidationError as error:
            raise Malformed(
                "access/permissions was answered in another shape than path -> privilege -> 0 or 1"
            ) from error

    def has(self, path: str, privilege: str) -> bool:
        """Say whether ``privilege`` holds at ``path``, as far as the listing tells."""
        entry = self.granted.get(path)
        if entry is not None:
            return privilege in entry
        return path != "/" and not self._is_closed(path) and self.reaches_below(dirname(path), privilege)

    def everywhere(self, root: str, privilege: str) -> bool:
        """Say whether ``privilege`` holds at ``root`` and at all that is or may come below it."""
        return self.reaches_below(root, privilege) and not any(self.lacking(root, privilege))

    def lacking(self, root: str, privilege: str) -> Iterator[str]:
        """Yield the listed paths below ``root`` whose own entry does not have ``privilege``."""
        below = root.rstrip("/") + "/"
        return (path for path, entry in self.granted.items() if path.startswith(below) and privilege not in entry)

    def reaches_below(self, path: str, privilege: str) -> bool:
        """Say whether ``privilege`` holds for what is below ``path`` and has no entry of its own."""
        entry = self.granted.get(path, {})
        if entry.get(privilege):
            return True
        replaced = any(entry.values()) or self._is_closed(path)
        return not replaced and path != "/" and self.reaches_below(dirname(path), privilege)

    def _is_closed(self, path: str) -> bool:
        """Is it NoAccess?  Each of the top paths is listed, whatever is allowed there, unless that is nothing."""
        return path in _TOP and path not in self.granted and any(other in self.granted for other in _TOP)


@dataclass(frozen=True, slots=True)
class Need:
    """A privilege, where it has to hold, and what is not seen without it."""

    privilege: str
    path: str
    what: str
    hides: tuple[Kind, ...] = ()
    details: tuple[Kind, ...] = ()
    """Kinds that are listed all the same, with less told of them."""
    below: bool = True
    """It has to hold for all below ``path``, too."""
    optional: bool = False
    """It is not part of PVEAuditor, and most is seen without."""
    instead: tuple[str, str] | None = None
    """Another privilege and its path that does as well."""

    def met(self, rights: Rights) -> bool:
        if self.instead is not None and rights.everywhere(self.instead[1], self.instead[0]):
            return True
        holds = rights.everywhere if self.below else rights.has
        return holds(self.path, self.privilege)


NEEDED = (
    Need(
        *("VM.Audit", "/vms", "guests, their configuration, snapshots and replication"),
        (*GUESTS, Kind.SNAPSHOT, Kind.SCHEDULE),
    ),
    Need("Datastore.Audit", "/storage", "storages", (Kind.STORAGE,)),
    Need("Sys.Audit", "/nodes", "the nodes' load, state and disks", (Kind.DISK,), (Kind.NODE,)),
    Need(
        *("Sys.Audit", "/", "membership and quorum, high availability, backup jobs and tasks"),
        (Kind.CLUSTER, Kind.RULE, Kind.SCHEDULE),
        below=False,
    ),
    Need("Pool.Audit", "/pool", "pools and which guest is in which", (Kind.POOL,), GUESTS),
    Need("SDN.Audit", "/sdn", "zones and virtual networks", (Kind.NETWORK,)),
    Need("Sys.Syslog", "/", "the log that tells at once whose configuration was edited", below=False, optional=True),
    Need(
        *("Datastore.AllocateSpace", "/storage", "backups, which are only listed to who may make them"),
        (Kind.BACKUP,),
        optional=True,
        instead=("Datastore.Allocate", "/storage"),
    ),
    Need(
        *("VM.Backup", "/vms", "backups, which are only listed to who may make them"),
        (Kind.BACKUP,),
        optional=True,
        instead=("Datastore.Allocate", "/storage"),
    ),
    Need("Sys.Modify", "/nodes", "pending updates of the nodes", optional=True),
)


def advice(token_id: str, privilege: str, path: str = "/") -> str:
    """Return the exact commands that grant ``privilege`` on ``path`` and below."""
    user, role, made = token_id.rpartition("!")[0], "PVEAuditor", ""
    if privilege not in AUDITOR:
        role = f"Homelab{privilege.replace('.', '')}"
        made = f"pveum role add {role} --privs {privilege} && "
    command = f"{made}pveum acl modify {path} --tokens '{token_id}' --roles {role}"
    return f"{command} (and the same with --users '{user}' if the token is privilege-separated)"


def gaps(rights: Rights, kinds: Iterable[Kind], config: ProxmoxConfig) -> list[Gap]:
    """Return what of ``kinds`` cannot be seen with these rights."""
    asked = frozenset(kinds)
    found: list[Gap] = []
    for need in NEEDED:
        hidden = tuple(kind for kind in need.hides if kind in asked)
        told = not asked.isdisjoint(need.details)
        if (hidden or told) and not need.met(rights):
            found += _gaps(need, hidden, rights, config)
    return found


def missing(need: Need, rights: Rights) -> Sequence[str]:
    """Return the paths where ``need`` is not met: its own, or only some below it."""
    reached = rights.reaches_below(need.path, need.privilege) if need.below else rights.has(need.path, need.privilege)
    return sorted(rights.lacking(need.path, need.privilege)) if reached and need.below else [need.path]


def detail(need: Need, rights: Rights, token_id: str) -> str:
    """Return what is not seen, why, and the commands that mend it."""
    paths = missing(need, rights)
    where = f"{', '.join(paths[:_NAMED])}{' and others' if len(paths) > _NAMED else ''}"
    inherited = paths[0] != "/" and rights.reaches_below("/", need.privilege)
    command = advice(token_id, need.privilege, paths[0] if inherited else "/")
    return f"{need.what} cannot be seen: {need.privilege} is missing on {where}; {command}"


def _gaps(need: Need, hidden: tuple[Kind, ...], rights: Rights, config: ProxmoxConfig) -> Iterator[Gap]:
    """Where only some paths lack it, the guests and pools that are hidden have a name."""
    paths = missing(need, rights)
    source = SourceRef(provider=config.provider, name=config.name)
    gap = Gap(
        trouble=Trouble.UNAUTHORIZED,
        detail=detail(need, rights, config.token_id),
        kinds=hidden,
        privilege=need.privilege,
        path=paths[0],
        optional=need.optional,
    )
    named = tuple(kind for kind in hidden if kind in _NAMED_IN_PATH)
    ids = [path.removeprefix(f"{need.path}/") for path in paths if path != need.path]
    keys = tuple(source.key(kind, native_id) for native_id in ids for kind in named)
    if not 0 < len(keys) <= _MOST_KEYS:
        yield gap
        return
    yield gap.model_copy(update={"kinds": (), "keys": keys})
    if rest := tuple(kind for kind in hidden if kind not in named):
        yield gap.model_copy(update={"kinds": rest})
