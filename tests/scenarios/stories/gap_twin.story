# A twin that a gap hides may still be there: what was told of it stays open.
> every 3600s
> in proxmox/attic
> vm7 is incarnation=uuid-1
> scan vms: vm7
  log: appeared vm7 (running, present)
  log: source_appeared proxmox/attic (ok, present) status
  presence: vm7 new -> present
> in proxmox/lab
> vm100 is incarnation=uuid-1
> scan vms: vm100
  log: appeared vm100 (running, present)
  log: source_appeared proxmox/lab (ok, present) status
  presence: vm100 new -> present
> adopt all
  adopted: vm100
  drift: opened duplicate vm100 incarnation: None -> ['proxmox/attic/vm/vm7'], medium
> in proxmox/attic
> gap vms unauthorized "VM.Audit is missing" kinds=vm
> scan vms:
  log: source_lost proxmox/attic (degraded, present) status
  presence: vm7 present -> ineligible
> full pass
> whole vms
> removed vm7
  log: removed vm7 (running, suspect) presence
  presence: vm7 ineligible -> suspect
  drift: resolved duplicate proxmox/lab/vm/vm100 incarnation (self), medium
> scan vms:
  log: gone vm7 (running, gone) presence
  log: source_recovered proxmox/attic (ok, present) status
  presence: vm7 suspect -> gone
