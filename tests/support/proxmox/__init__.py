"""A Proxmox VE cluster for tests: a world that is the truth, and nodes that answer for it over HTTPS.

    world = standard(guests=20, nodes=3, release=9, seed=1)      # or World(): empty, add_node(), furnish(world)
    async with simulated(world) as sim:                          # nodes=("pve1",): only these can be asked
        ProxmoxConfig(url=sim.urls, token_id=sim.token_id, ca=sim.ca, ...)   # also sim.secret, sim.fingerprint
        world.stop(101)                                          # true at once, shown after ...
        world.pvestatd()                                         # ... a cycle of pvestatd (all nodes or those named)
        sim.faults.status(596, "nodes/pve2/*", times=1)          # see faults.py
        sim.count("config"), sim.requests                        # what was asked

``World(now=lambda: clock.now().timestamp())`` lets a test's clock rule; ``world.advance(seconds)`` works without one.
``simulated(world, pvestatd=1.0)`` runs cycles by itself. Changes made by hand need ``world.touch()``. The figures (cpu,
mem, net) follow from vmid and time. The token ``sim.token_id`` has privsep; it and its user ``monitor@pve`` have
PVEAuditor, Syslog (Sys.Syslog) and BackupReader (what it takes to be shown backups) on /: ``world.allow`` and
``world.disallow`` change that, ``world.revoke(sim.token_id)`` takes the token itself. Commands are done at once unless
``world.task_seconds`` is set; ``world.crm()`` is a round of the HA manager. In a process of its own, for benches:
``with remote.running(guests=500, nodes=3) as sim``, whose ``sim.world("stop", 101)`` reaches the world in it.
"""

from tests.support.proxmox.server import Simulator, simulated
from tests.support.proxmox.wire import Request
from tests.support.proxmox.world import SECRET, TOKEN, World, furnish, standard

__all__ = ["SECRET", "TOKEN", "Request", "Simulator", "World", "furnish", "simulated", "standard"]
