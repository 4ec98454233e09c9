# An outage is one row; what was open stays open, and nothing is judged until it is over.
> scan containers: web db
  log: appeared web (running, present)
  log: appeared db (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: db new -> present
  presence: web new -> present
> scan volumes: data
  log: appeared data (running, present)
  presence: data new -> present
> adopt all
  adopted: db
  adopted: web
  adopted: data
> advance 60s
> observe db status=stopped
  log: changed db (stopped, present) status
  drift: opened stopped db status: 'running' -> 'stopped', high
> fail containers unreachable "no engine"
  log: source_lost docker/nas (degraded, present) status
  presence: db present -> unknown
  presence: web present -> unknown
  drift: opened unreachable docker/nas: 'read' -> 'failed', high, with db web
> fail volumes unreachable "no engine"
  presence: data present -> unknown
> full pass
> adopt web
  skipped: web, its presence is unknown: it cannot be read now
> advance 120s
> fail containers unreachable "no engine"
> advance 60s
> db is status=running
> scan containers: web db
  log: changed db (running, present) status
  presence: db unknown -> present
  presence: web unknown -> present
  drift: resolved stopped db status (self), high
> scan volumes: data
  log: source_recovered docker/nas (ok, present) status
  presence: data unknown -> present
  drift: resolved unreachable docker/nas (self), high
