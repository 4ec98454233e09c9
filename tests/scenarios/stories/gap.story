# What a scan could not see is not missing: it is told once, of the source, and what is open stays as it is.
> in proxmox/lab
> every 3600s
> scan nodes: pve1 pve2
  log: appeared pve1 (running, present)
  log: appeared pve2 (running, present)
  log: source_appeared proxmox/lab (ok, present) status
  presence: pve1 new -> present
  presence: pve2 new -> present
> vm100 is parent=proxmox/lab/node/pve1
> vm101 is parent=proxmox/lab/node/pve2
> vm102 is parent=proxmox/lab/node/pve2
> scan vms: vm100 vm101 vm102
  log: appeared vm100 (running, present)
  log: appeared vm101 (running, present)
  log: appeared vm102 (running, present)
  presence: vm100 new -> present
  presence: vm101 new -> present
  presence: vm102 new -> present
> adopt vm100 vm101
  adopted: vm100
  adopted: vm101
> observe vm101 status=stopped
  log: changed vm101 (stopped, present) status
  drift: opened stopped vm101 status: 'running' -> 'stopped', high
> advance 60s
> gap vms unauthorized "VM.Audit is missing on /vms/101" names=vm101,vm102
> scan vms: vm100
  log: source_lost proxmox/lab (degraded, present) status
  presence: vm101 present -> ineligible
  presence: vm102 present -> ineligible
> adopt vm102
  skipped: vm102, its presence is ineligible: it cannot be read now
> full pass
> advance 60s
> scan vms: vm100
> gap vms unreachable "pve1 does not answer" kinds=vm in=proxmox/lab/node/pve1
> scan vms:
  presence: vm100 present -> unknown
> declare never {key: proxmox/lab/vm/vm999}
  expected: declared vm999, never.yaml:1
> declare bare {key: proxmox/lab/container/ct999}
  expected: declared ct999, bare.yaml:1
  drift: opened missing ct999: 'present' -> 'gone', high
> advance 60s
> whole vms
> vm101 is status=running
> scan vms: vm100 vm101 vm102
  log: changed vm101 (running, present) status
  log: source_recovered proxmox/lab (ok, present) status
  presence: vm100 unknown -> present
  presence: vm101 ineligible -> present
  presence: vm102 ineligible -> present
  drift: resolved stopped vm101 status (self), high
  drift: opened missing vm999: 'present' -> 'gone', high
> advance 60s
> scan vms: vm100 vm102
  log: suspect vm101 (running, suspect) presence
  presence: vm101 present -> suspect
> gap vms unauthorized "VM.Audit is missing" kinds=vm
> advance 60s
> scan vms: vm100 vm102
  log: source_lost proxmox/lab (degraded, present) status
  presence: vm101 suspect -> ineligible
> advance 60s
> whole vms
> scan vms: vm100 vm102
  log: gone vm101 (running, gone) presence
  log: source_recovered proxmox/lab (ok, present) status
  presence: vm101 ineligible -> gone
  drift: opened missing vm101: 'present' -> 'gone', high
> gap vms unauthorized "VM.Audit is missing" kinds=vm
> advance 60s
> removed vm100
  log: removed vm100 (running, suspect) presence
  presence: vm100 present -> suspect
> scan vms: vm102
  log: gone vm100 (running, gone) presence
  log: source_lost proxmox/lab (degraded, present) status
  presence: vm100 suspect -> gone
  drift: opened missing vm100: 'present' -> 'gone', high
> observe vm101 status=running
  log: returned vm101 (running, present) presence
  presence: vm101 gone -> present
  drift: resolved missing vm101 (self), high
> full pass
> advance 60s
> whole vms
> scan vms: vm100 vm101 vm102
  log: returned vm100 (running, present) presence
  log: source_recovered proxmox/lab (ok, present) status
  presence: vm100 gone -> present
  drift: resolved missing vm100 (self), high
