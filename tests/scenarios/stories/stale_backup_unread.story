# A guest is not stale because of a place that nobody could look into: not while that lasts, nor when it is over.
> in proxmox/lab
> every 864000s
> pve1 is status=running
> pve2 is status=running
> scan nodes: pve1 pve2
  log: appeared pve1 (running, present)
  log: appeared pve2 (running, present)
  log: source_appeared proxmox/lab (ok, present) status
  presence: pve1 new -> present
  presence: pve2 new -> present
> nfs is parent=proxmox/lab/cluster/cluster
> pve2/local is parent=proxmox/lab/node/pve2
> scan storages: nfs pve2/local
  log: appeared nfs (running, present)
  log: appeared pve2/local (running, present)
  presence: nfs new -> present
  presence: pve2/local new -> present
> vm100 is parent=proxmox/lab/node/pve1 native.newest_backup_at=2026-11-20T02:00:00Z
> vm101 is parent=proxmox/lab/node/pve1 native.newest_backup_at=2026-11-20T02:00:00Z
> vm200 is parent=proxmox/lab/node/pve2 native.newest_backup_at=2026-11-20T02:00:00Z
> scan vms: vm100 vm101 vm200
  log: appeared vm100 (running, present)
  log: appeared vm101 (running, present)
  log: appeared vm200 (running, present)
  presence: vm100 new -> present
  presence: vm101 new -> present
  presence: vm200 new -> present
> 100 is of=proxmox/lab/vm/vm100 created_at=2026-11-20T02:00:00Z
> scan backups: 100
  log: appeared 100 (running, present)
  presence: 100 new -> present
> declare nightly {selector: "kind=vm", max_backup_age: 24h}
  expected: declared vm100, nightly.yaml:1
  expected: declared vm101, nightly.yaml:1
  expected: declared vm200, nightly.yaml:1
> gap backups unreachable silent kinds=backup in=proxmox/lab/storage/nfs
> scan backups: 100
  log: source_lost proxmox/lab (degraded, present) status
> advance 172800s
> full pass
> whole backups
> 100 is created_at=2026-11-22T02:00:00Z
> scan backups: 100
  log: source_recovered proxmox/lab (ok, present) status
  drift: opened stale_backup vm101 native.newest_backup_at: 86400.0 -> '2026-11-20T02:00:00Z', medium
  drift: opened stale_backup vm200 native.newest_backup_at: 86400.0 -> '2026-11-20T02:00:00Z', medium
> observe vm100 native.newest_backup_at=2026-11-22T02:00:00Z
  log: changed vm100 (running, present) native.newest_backup_at
> gap backups unreachable silent kinds=backup in=proxmox/lab/storage/nfs
> scan backups: 100
  log: source_lost proxmox/lab (degraded, present) status
> observe vm101 native.newest_backup_at=2026-11-22T03:00:00Z
  log: changed vm101 (running, present) native.newest_backup_at
  drift: resolved stale_backup vm101 native.newest_backup_at (self), medium
> observe vm200 native.newest_backup_at=2026-11-22T03:00:00Z
  log: changed vm200 (running, present) native.newest_backup_at
  drift: resolved stale_backup vm200 native.newest_backup_at (self), medium
> whole backups
> scan backups: 100
  log: source_recovered proxmox/lab (ok, present) status
> fail backups unreachable hung
  log: source_lost proxmox/lab (degraded, present) status
  presence: 100 present -> unknown
> advance 172800s
> full pass
> gap backups unreachable silent kinds=backup in=proxmox/lab/storage/pve2/local
> scan backups: 100
  presence: 100 unknown -> present
  drift: opened stale_backup vm100 native.newest_backup_at: 86400.0 -> '2026-11-22T02:00:00Z', medium
  drift: opened stale_backup vm101 native.newest_backup_at: 86400.0 -> '2026-11-22T03:00:00Z', medium
> 100 is created_at=2026-11-24T02:00:00Z
> scan backups: 100
> full pass
  drift: resolved stale_backup vm100 native.newest_backup_at (self), medium
> removed 100
  log: removed 100 (running, suspect) presence
  presence: 100 present -> suspect
> scan backups:
  log: gone 100 (running, gone) presence
  presence: 100 suspect -> gone
> full pass
  drift: reopened stale_backup vm100 native.newest_backup_at: 86400.0 -> '2026-11-22T02:00:00Z', medium
