"""All of a cluster that is not a guest: nodes, storages, pools, HA, networks, jobs, tokens."""

from tests.support.proxmox import nodes
from tests.support.proxmox.base import State, change
from tests.support.proxmox.broadcasts import Broadcasts
from tests.support.proxmox.model import Acl, HaResource, Node, Pool, Row, Storage, Token


class Estate(State):
    @change
    def add_node(self, name: str, **fields: object) -> Node:
        number = len(self.nodes) + 1
        node = Node(name, number, booted_at=self.now() - 86_400 * number, version=self.pve_version)
        node.networks, node.disks = nodes.networks(number), nodes.disks(number)
        node.subscription, node.updates = nodes.subscription(number), nodes.updates()
        for field, value in fields.items():
            setattr(node, field, value)
        self.nodes[name] = node
        self.config_version += 1
        return node

    @change
    def remove_node(self, name: str) -> None:
        """Taken out of the cluster for good; its guests must have left it."""
        assert all(guest.node != name for guest in self.guests.values())
        del self.nodes[name]
        self.config_version += 1
        self.broadcasts.nodes.pop(name, None)

    def kill(self, name: str) -> None:
        """Power off: offline to the others at once; its guests stay listed there, and what runs in it is lost."""
        self._switch(name, online=False)

    def revive(self, name: str, *, start: bool = True) -> None:
        """It boots: guests that ran are started again (``start``) or stopped."""
        self._boot(name, start=start)
        self._switch(name, online=True)

    def unplug(self, name: str) -> None:
        """Its network is gone for a while: offline to the others, all in it runs on."""
        self._switch(name, online=False)

    def plug(self, name: str) -> None:
        self._switch(name, online=True)

    def _switch(self, name: str, *, online: bool) -> None:
        with self.lock:
            self.nodes[name].online = online
            self.version += 1
        for changed in self.doors:
            changed()

    @change
    def _boot(self, name: str, *, start: bool) -> None:
        node = self.nodes[name]
        node.booted_at = self.now()
        for task in tuple(node.active):
            self.end(task, "unexpected status")
        for guest in self.guests.values():
            if guest.node == name and guest.alive:
                guest.state = "running" if start else "stopped"
                guest.started_at = self.now() if start else None

    @change
    def hang_pvestatd(self, name: str) -> None:
        self.nodes[name].pvestatd = False

    @change
    def mend_pvestatd(self, name: str) -> None:
        self.nodes[name].pvestatd = True

    @change
    def partition(self, *minority: str) -> None:
        """These nodes see only each other; reads through them say quorate 0 unless they are the majority."""
        self.minority = frozenset(minority)
        self.minority_broadcasts = self.broadcasts.copy()

    @change
    def heal(self) -> None:
        self.minority = frozenset()
        self.broadcasts.update(self.minority_broadcasts)
        self.minority_broadcasts = Broadcasts()

    @change
    def pvestatd(self, *names: str) -> None:
        """One cycle on these nodes (all, if none is named) that are online and not hung."""
        for node in self.nodes.values():
            if node.online and node.pvestatd and (not names or node.name in names):
                guests = [guest for guest in self.guests.values() if guest.node == node.name]
                storages = list(self.storages.values())
                memhost = self.release >= 9
                self.told(node.name).tell(node, guests, storages, self.now(), memhost=memhost)

    def sees(self, entry: str, node: str) -> bool:
        """Is ``node`` online to who asks ``entry``."""
        together = (entry in self.minority) == (node in self.minority)
        return node == entry or (self.nodes[node].online and together)

    def quorate(self, entry: str) -> bool:
        return sum(self.sees(entry, node) for node in self.nodes) * 2 > len(self.nodes)

    @change
    def add_storage(self, name: str, type: str, **fields: object) -> Storage:  # noqa: A002
        storage = Storage(name, type, **fields)  # type: ignore[arg-type]
        self.storages[name] = storage
        return storage

    @change
    def remove_storage(self, name: str) -> None:
        del self.storages[name]
        for pool in self.pools.values():
            pool.storages.discard(name)

    @change
    def break_storage(self, name: str, *on: str) -> None:
        """It does not answer on these nodes (all, if none is named); pvestatd tells nothing of it any more."""
        self.storages[name].inactive |= set(on or self.nodes)

    @change
    def mend_storage(self, name: str) -> None:
        self.storages[name].inactive = set()

    @change
    def add_pool(self, name: str, comment: str = "") -> Pool:
        self.pools[name] = Pool(name, comment)
        return self.pools[name]

    @change
    def remove_pool(self, name: str) -> None:
        del self.pools[name]

    @change
    def join(self, pool: str, *vmids: int, storages: tuple[str, ...] = ()) -> None:
        """A guest is in one pool at most."""
        for other in self.pools.values():
            other.guests -= set(vmids)
        self.pools[pool].guests |= set(vmids)
        self.pools[pool].storages |= set(storages)

    @change
    def leave(self, pool: str, *vmids: int) -> None:
        self.pools[pool].guests -= set(vmids)

    @change
    def manage(self, vmid: int, state: str = "started", *, crm_state: str | None = None, **fields: str) -> HaResource:
        """Under HA with this requested state; ``crm_state`` where the manager says otherwise (error, fence...)."""
        sid = self.guests[vmid].sid
        self.ha[sid] = HaResource(sid, state, crm_state, **fields)
        return self.ha[sid]

    @change
    def unmanage(self, vmid: int) -> None:
        del self.ha[self.guests[vmid].sid]

    @change
    def add_ha_group(self, name: str, *members: str, **fields: object) -> None:
        """PVE 8."""
        self.ha_groups[name] = {"group": name, "type": "group", "nodes": ",".join(members), **fields}

    @change
    def add_ha_rule(self, name: str, type: str = "node-affinity", **fields: object) -> None:  # noqa: A002
        """PVE 9."""
        self.ha_rules[name] = {"rule": name, "type": type, "order": len(self.ha_rules), **fields}

    @change
    def add_zone(self, name: str, type: str = "simple", **fields: object) -> None:  # noqa: A002
        self.zones[name] = {"zone": name, "type": type, "ipam": "pve", **fields}

    @change
    def add_vnet(self, name: str, zone: str, **fields: object) -> None:
        self.vnets[name] = {"vnet": name, "zone": zone, "type": "vnet", **fields}

    @change
    def add_backup_job(self, id_: str, **fields: object) -> Row:
        retention: object = {"keep-last": "7"} if self.release >= 9 else "keep-last=7"
        job = {"schedule": "02:00", "storage": "pbs", "mode": "snapshot", "enabled": 1, "prune-backups": retention}
        self.backup_jobs[id_] = {"id": id_, "type": "vzdump"} | job | fields
        return self.backup_jobs[id_]

    @change
    def add_replication(self, vmid: int, target: str, number: int = 0, **fields: object) -> Row:
        id_ = f"{vmid}-{number}"
        job = {"id": id_, "type": "local", "guest": vmid, "jobnum": number, "target": target, "schedule": "*/15"}
        self.replications[id_] = job | {"source": self.guests[vmid].node} | fields
        return self.replications[id_]

    @change
    def add_token(self, id_: str, secret: str, *, privsep: bool = True, expires_at: float | None = None) -> Token:
        user, _, name = id_.partition("!")
        self.tokens[id_] = Token(user, name, secret, privsep, expires_at)
        return self.tokens[id_]

    @change
    def revoke(self, id_: str) -> None:
        del self.tokens[id_]
        self.acls = [acl for acl in self.acls if acl.who != id_]

    @change
    def allow(self, who: str, path: str, role: str, *, propagate: bool = True) -> None:
        """The access list of ``path``: this role for a user, a token's full id or `@group`."""
        self.disallow(who, path, role)
        self.acls.append(Acl(path, who, role, propagate))

    @change
    def disallow(self, who: str, path: str, role: str | None = None) -> None:
        gone = [acl for acl in self.acls if (acl.who, acl.path) == (who, path) and role in {None, acl.role}]
        self.acls = [acl for acl in self.acls if acl not in gone]

    @change
    def add_role(self, name: str, *privileges: str) -> None:
        self.roles[name] = frozenset(privileges)
