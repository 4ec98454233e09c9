# A backup turns stale by time alone; what cannot be read is neither stale nor mended, and none at all is stale, too.
> in proxmox/lab
> every 86400s
> pve1 is status=running
> vm100 is parent=proxmox/lab/node/pve1 native.newest_backup_at=2026-11-20T02:00:00Z
> vm101 is parent=proxmox/lab/node/pve1 native.newest_backup_at=unknown
> scan nodes: pve1
  log: appeared pve1 (running, present)
  log: source_appeared proxmox/lab (ok, present) status
  presence: pve1 new -> present
> scan vms: vm100 vm101
  log: appeared vm100 (running, present)
  log: appeared vm101 (running, present)
  presence: vm100 new -> present
  presence: vm101 new -> present
> declare nightly {selector: "kind=vm", max_backup_age: 24h}
  expected: declared vm100, nightly.yaml:1
  expected: declared vm101, nightly.yaml:1
> advance 60000s
> full pass
> advance 10000s
> full pass
  drift: opened stale_backup vm100 native.newest_backup_at: 86400.0 -> '2026-11-20T02:00:00Z', medium
> fail vms unreachable hung
  log: source_lost proxmox/lab (degraded, present) status
  presence: vm100 present -> unknown
  presence: vm101 present -> unknown
  drift: opened unreachable proxmox/lab: 'read' -> 'failed', high, with vm100 vm101
> observe vm100 native.newest_backup_at=2026-11-21T02:00:00Z
  log: changed vm100 (running, present) native.newest_backup_at
> scan vms: vm100 vm101
  log: source_recovered proxmox/lab (ok, present) status
  presence: vm100 unknown -> present
  presence: vm101 unknown -> present
  drift: resolved stale_backup vm100 native.newest_backup_at (self), medium
  drift: resolved unreachable proxmox/lab (self), high
> vm101 is native.newest_backup_at=none
> scan vms: vm100 vm101
  drift: opened stale_backup vm101 native.newest_backup_at: 86400.0 -> None, medium
> observe vm101 native.newest_backup_at=unknown
> observe vm101 native.newest_backup_at=2026-11-21T03:00:00Z
  log: changed vm101 (running, present) native.newest_backup_at
  drift: resolved stale_backup vm101 native.newest_backup_at (self), medium
> advance 86400s
> vm100 is native.newest_backup_at=2026-11-21T02:00:00Z
> pve1 is status=stopped
> scan nodes: pve1
  log: changed pve1 (stopped, present) status
  presence: vm100 present -> unknown
  presence: vm101 present -> unknown
> scan vms: vm100 vm101
> full pass
> pve1 is status=running
> scan nodes: pve1
  log: changed pve1 (running, present) status
  presence: vm100 unknown -> present
  presence: vm101 unknown -> present
  drift: opened stale_backup vm100 native.newest_backup_at: 86400.0 -> '2026-11-21T02:00:00Z', medium
  drift: opened stale_backup vm101 native.newest_backup_at: 86400.0 -> '2026-11-21T03:00:00Z', medium
> withdraw nightly
  withdrawn: Expectation/nightly
  expected: withdrawn vm100, no longer declared: nightly.yaml:1
  expected: withdrawn vm101, no longer declared: nightly.yaml:1
  drift: resolved stale_backup vm100 native.newest_backup_at (expected_changed), medium
  drift: resolved stale_backup vm101 native.newest_backup_at (expected_changed), medium
