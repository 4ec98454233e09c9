# A node that is down makes its guests unknown, not gone; up again, what differs is told at once.
> in proxmox/lab
> pve1 is status=running
> vm100 is parent=proxmox/lab/node/pve1
> vm101 is parent=proxmox/lab/node/pve1
> scan nodes: pve1
  log: appeared pve1 (running, present)
  log: source_appeared proxmox/lab (ok, present) status
  presence: pve1 new -> present
> scan vms: vm100 vm101
  log: appeared vm100 (running, present)
  log: appeared vm101 (running, present)
  presence: vm100 new -> present
  presence: vm101 new -> present
> adopt all
  adopted: pve1
  adopted: vm100
  adopted: vm101
> advance 60s
> pve1 is status=stopped
> scan nodes: pve1
  log: changed pve1 (stopped, present) status
  presence: vm100 present -> unknown
  presence: vm101 present -> unknown
  drift: opened stopped pve1 status: 'running' -> 'stopped', high, with vm100 vm101
> observe vm100 status=stopped
  log: changed vm100 (stopped, present) status
> advance 60s
> pve1 is status=running
> scan nodes: pve1
  log: changed pve1 (running, present) status
  presence: vm100 unknown -> present
  presence: vm101 unknown -> present
  drift: resolved stopped pve1 status (self), high
  drift: opened stopped vm100 status: 'running' -> 'stopped', high
> observe vm100 status=running
  log: changed vm100 (running, present) status
  drift: resolved stopped vm100 status (self), high
