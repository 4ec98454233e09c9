# The same machine under two keys of one provider is told where it is expected.
> every 3600s
> in proxmox/lab
> vm100 is incarnation=uuid-1
> scan vms: vm100
  log: appeared vm100 (running, present)
  log: source_appeared proxmox/lab (ok, present) status
  presence: vm100 new -> present
> adopt all
  adopted: vm100
> in proxmox/attic
> vm7 is incarnation=uuid-1
> scan vms: vm7
  log: appeared vm7 (running, present)
  log: source_appeared proxmox/attic (ok, present) status
  presence: vm7 new -> present
  drift: opened duplicate proxmox/lab/vm/vm100 incarnation: None -> ['proxmox/attic/vm/vm7'], medium
> advance 60s
> scan vms:
  log: source_lost proxmox/attic (degraded, present) status
  drift: opened mass_absence proxmox/attic vms: 1 -> 0, high
> advance 60s
> scan vms:
> advance 60s
> scan vms:
  log: suspect vm7 (running, suspect) presence
  log: source_recovered proxmox/attic (ok, present) status
  presence: vm7 present -> suspect
  drift: resolved duplicate proxmox/lab/vm/vm100 incarnation (self), medium
  drift: resolved mass_absence proxmox/attic vms (self), high
> advance 60s
> scan vms:
  log: gone vm7 (running, gone) presence
  presence: vm7 suspect -> gone
