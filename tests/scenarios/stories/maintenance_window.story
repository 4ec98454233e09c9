# A window of a policy is quiet while it is open, in its own time zone.
> every 3600s
> scan containers: backup
  log: appeared backup (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: backup new -> present
> adopt all
  adopted: backup
> policy nights {selector: "name=backup*", maintenance: [{start: "09:05", end: "09:10", timezone: Europe/Berlin, reason: rotation}]}
> observe backup status=stopped
  log: changed backup (stopped, present) status
  drift: opened stopped backup status: 'running' -> 'stopped', high
> advance 240s
> observe backup status=running
  log: changed backup (running, present) status
  drift: resolved stopped backup status (self), high
> advance 61s
> observe backup status=stopped
  log: changed backup (stopped, present) status
  quietly: reopened stopped backup status: 'running' -> 'stopped', high, maintenance window: rotation
> advance 120s
> full pass
> advance 180s
  drift: opened stopped backup status: 'running' -> 'stopped', high
