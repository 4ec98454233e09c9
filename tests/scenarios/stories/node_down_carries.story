# What a dead node carries is unknown two steps down; a stopped guest and a cluster without quorum hide nothing.
> in proxmox/lab
> lab is status=running health=ok
> pve1 is status=running parent=proxmox/lab/cluster/lab
> pve2 is status=running parent=proxmox/lab/cluster/lab
> nfs is parent=proxmox/lab/cluster/lab
> vm100 is parent=proxmox/lab/node/pve1
> vm101 is parent=proxmox/lab/node/pve2 status=stopped
> before is parent=proxmox/lab/vm/vm100
> clean is parent=proxmox/lab/vm/vm101
> scan cluster: lab
  log: appeared lab (running, present)
  log: source_appeared proxmox/lab (ok, present) status
  presence: lab new -> present
> scan nodes: pve1 pve2
  log: appeared pve1 (running, present)
  log: appeared pve2 (running, present)
  presence: pve1 new -> present
  presence: pve2 new -> present
> scan storages: nfs
  log: appeared nfs (running, present)
  presence: nfs new -> present
> scan vms: vm100 vm101
  log: appeared vm100 (running, present)
  log: appeared vm101 (stopped, present)
  presence: vm100 new -> present
  presence: vm101 new -> present
> scan snapshots: before clean
  log: appeared before (running, present)
  log: appeared clean (running, present)
  presence: before new -> present
  presence: clean new -> present
> adopt all
  adopted: lab
  adopted: pve1
  adopted: pve2
  adopted: nfs
  adopted: vm100
  adopted: vm101
> adopt before clean
  adopted: before
  adopted: clean
> observe pve1 status=stopped
  log: changed pve1 (stopped, present) status
  presence: before present -> unknown
  presence: vm100 present -> unknown
  drift: opened stopped pve1 status: 'running' -> 'stopped', high, with vm100
> observe before status=stopped
  log: changed before (stopped, present) status
> observe lab health=failing
  log: changed lab (running, present) health
> observe lab status=failed
  log: changed lab (failed, present) status
  drift: opened stopped lab status: 'running' -> 'failed', high, with pve1
  now quiet: stopped pve1 status, consequence of stopped lab
> observe pve1 status=running
  log: changed pve1 (running, present) status
  presence: before unknown -> present
  presence: vm100 unknown -> present
  drift: resolved stopped pve1 status (self), high
> observe lab status=running health=ok
  log: changed lab (running, present) status, health
  drift: resolved stopped lab status (self), high
