"""Who may do what: roles, the walk along the access lists, tokens (facts 9, 16, 17, 20)."""

from tests.support.proxmox.base import State
from tests.support.proxmox.model import Acl, Token

AUDITOR = frozenset(
    {"VM.Audit", "VM.GuestAgent.Audit", "Sys.Audit", "Datastore.Audit", "SDN.Audit", "Pool.Audit", "Mapping.Audit"}
)
VM_ADMIN = frozenset(
    [
        "VM.Allocate",
        "VM.Audit",
        "VM.Backup",
        "VM.Clone",
        "VM.Config.CDROM",
        "VM.Config.CPU",
        "VM.Config.Cloudinit",
        "VM.Config.Disk",
        "VM.Config.HWType",
        "VM.Config.Memory",
        "VM.Config.Network",
        "VM.Config.Options",
        "VM.Console",
        "VM.Migrate",
        "VM.PowerMgmt",
        "VM.Snapshot",
        "VM.Snapshot.Rollback",
        "VM.GuestAgent.Audit",
    ]
)
ALL = (
    AUDITOR
    | VM_ADMIN
    | frozenset(
        [
            "Sys.Syslog",
            "Sys.Modify",
            "Sys.PowerMgmt",
            "Sys.Console",
            "Sys.Incoming",
            "Sys.AccessNetwork",
            "Datastore.Allocate",
            "Datastore.AllocateSpace",
            "Datastore.AllocateTemplate",
            "Pool.Allocate",
            "SDN.Allocate",
            "SDN.Use",
            "Permissions.Modify",
            "User.Modify",
            "Group.Allocate",
            "Realm.Allocate",
            "Realm.AllocateUser",
            "Mapping.Modify",
            "Mapping.Use",
        ]
    )
)
ROLES = {"PVEAuditor": AUDITOR, "PVEVMAdmin": VM_ADMIN, "Administrator": ALL, "NoAccess": frozenset[str]()}
TOP = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")


class Rights:
    """What one token or user may do, of one moment's access lists."""

    def __init__(self, state: State, who: str) -> None:
        self.who = who
        self.user, _, self._token = who.partition("!")
        self._state = state
        self._known: dict[str, dict[str, bool]] = {}
        self._pools = {f"/vms/{vmid}": pool.name for pool in state.pools.values() for vmid in pool.guests}
        self._pools |= {f"/storage/{name}": pool.name for pool in state.pools.values() for name in pool.storages}
        groups = {f"@{group}" for group, users in state.groups.items() if self.user in users}
        self._holders = {"token": {who} if self._token else set(), "user": {self.user}, "group": groups}
        self._of_user = Rights(state, self.user) if self._token else None
        self._acls: dict[tuple[str, str], list[Acl]] = {}
        for acl in state.acls:
            for holder, names in self._holders.items():
                if acl.who in names:
                    self._acls.setdefault((holder, acl.path), []).append(acl)

    def has(self, path: str, *privileges: str) -> bool:
        """All of them at this very path."""
        held = self.privileges(path)
        return all(privilege in held for privilege in privileges)

    def any(self, path: str, *privileges: str) -> bool:
        held = self.privileges(path)
        return any(privilege in held for privilege in privileges)

    def privileges(self, path: str) -> dict[str, bool]:
        """Privilege -> does it hold below as well."""
        if path not in self._known:
            self._known[path] = self._find(path)
        return self._known[path]

    def listing(self) -> dict[str, dict[str, int]]:
        """The answer of access/permissions: only paths with any right."""
        paths = {*TOP, *(acl.path for acl in self._state.acls), *self._pools}
        return {
            path: {privilege: int(below) for privilege, below in sorted(held.items())}
            for path in sorted(paths)
            if (held := self.privileges(path))
        }

    def _find(self, path: str) -> dict[str, bool]:
        if self._of_user is None:
            return self._privileges(("user", "group"), path) if self.user != "root@pam" else dict.fromkeys(ALL, True)
        token = self._state.tokens[self.who]
        of_user = self._of_user.privileges(path)
        if not token.privsep:
            return of_user
        return {
            privilege: below and of_user[privilege]
            for privilege, below in self._privileges(("token",), path).items()
            if privilege in of_user
        }

    def _privileges(self, holders: tuple[str, ...], path: str) -> dict[str, bool]:
        roles = self._roles(holders, path)
        if "NoAccess" in roles:
            return {}
        if path in self._pools:
            of_pool = self._roles(holders, f"/pool/{self._pools[path]}")
            if "NoAccess" in of_pool:
                return {}
            roles = dict.fromkeys(of_pool, False) | roles
        held: dict[str, bool] = {}
        for role, below in roles.items():
            for privilege in self._state.roles.get(role) or ROLES.get(role, frozenset()):
                held[privilege] = held.get(privilege, False) or below
        return held

    def _roles(self, holders: tuple[str, ...], path: str) -> dict[str, bool]:
        """Role -> propagates; the deepest path with an entry replaces what stands above, users beat groups."""
        roles: dict[str, bool] = {}
        for prefix in _prefixes(path):
            for holder in holders:
                here = {
                    acl.role: acl.propagate
                    for acl in self._acls.get((holder, prefix), ())
                    if prefix == path or acl.propagate
                }
                if here:
                    roles = here
                    break
        return roles


def granted(state: State) -> object:
    """Equal as long as nobody's rights have changed."""
    pools = [(pool.name, frozenset(pool.guests), frozenset(pool.storages)) for pool in state.pools.values()]
    tokens = [(token.id, token.privsep) for token in state.tokens.values()]
    groups = [(name, frozenset(users)) for name, users in state.groups.items()]
    return tuple(state.acls), dict(state.roles), pools, tokens, groups


def token_of(state: State, header: str) -> Token | None:
    """The token of an Authorization header, None unless it is valid at this moment."""
    id_, _, secret = header.removeprefix("PVEAPIToken=").partition("=")
    token = state.tokens.get(id_)
    if token is None or token.secret != secret or not header.startswith("PVEAPIToken="):
        return None
    return None if token.expires_at is not None and token.expires_at < state.now() else token


def _prefixes(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part]
    return ["/", *("/" + "/".join(parts[: count + 1]) for count in range(len(parts)))]
