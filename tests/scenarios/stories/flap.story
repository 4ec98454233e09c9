# What comes back within ten minutes is the same problem again; later it is another one.
> every 3600s
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> adopt web
  adopted: web
> observe web status=stopped
  log: changed web (stopped, present) status
  drift: opened stopped web status: 'running' -> 'stopped', high
> ack web looking into it
> advance 30s
> observe web status=running
  log: changed web (running, present) status
  drift: resolved stopped web status (self), high
> advance 300s
> observe web status=stopped
  log: changed web (stopped, present) status
  drift: reopened stopped web status: 'running' -> 'stopped', high
> advance 30s
> observe web status=running
  log: changed web (running, present) status
  drift: resolved stopped web status (self), high
> advance 700s
> observe web status=stopped
  log: changed web (stopped, present) status
  drift: opened stopped web status: 'running' -> 'stopped', high
