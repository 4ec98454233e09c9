# A guest on another node is the same guest, moved; accepted, it belongs there.
> in proxmox/lab
> pve1 is status=running
> pve2 is status=running
> vm100 is parent=proxmox/lab/node/pve1
> scan nodes: pve1 pve2
  log: appeared pve1 (running, present)
  log: appeared pve2 (running, present)
  log: source_appeared proxmox/lab (ok, present) status
  presence: pve1 new -> present
  presence: pve2 new -> present
> scan vms: vm100
  log: appeared vm100 (running, present)
  presence: vm100 new -> present
> adopt all
  adopted: pve1
  adopted: pve2
  adopted: vm100
> advance 60s
> vm100 is parent=proxmox/lab/node/pve2
> scan vms: vm100
  log: changed vm100 (running, present) parent
  drift: opened moved vm100 parent: 'proxmox/lab/node/pve1' -> 'proxmox/lab/node/pve2', medium
> advance 60s
> vm100 is parent=proxmox/lab/node/pve1
> scan vms: vm100
  log: changed vm100 (running, present) parent
  drift: resolved moved vm100 parent (self), medium
> advance 60s
> vm100 is parent=proxmox/lab/node/pve2
> scan vms: vm100
  log: changed vm100 (running, present) parent
  drift: reopened moved vm100 parent: 'proxmox/lab/node/pve1' -> 'proxmox/lab/node/pve2', medium
> accept vm100
  drift: resolved moved vm100 parent (expected_changed), medium
