# Expected to run and does not; on its way up it is neither.
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> adopt web
  adopted: web
> observe web status=stopped
  log: changed web (stopped, present) status
  drift: opened stopped web status: 'running' -> 'stopped', high
> observe web status=pending
  log: changed web (pending, present) status
> observe web status=unknown
  log: changed web (unknown, present) status
> observe web status=running
  log: changed web (running, present) status
  drift: resolved stopped web status (self), high
> observe web status=pending
  log: changed web (pending, present) status
> adopt web
  adopted: web, as before
> observe web status=stopped
  log: changed web (stopped, present) status
  drift: reopened stopped web status: 'running' -> 'stopped', high
