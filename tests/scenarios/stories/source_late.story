# A source that nobody hears of for three intervals is late: its resources are unknown, and known again when it speaks.
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> adopt web
  adopted: web
> advance 180s
> advance 5s
  log: source_lost docker/nas (late, present) status
  presence: web present -> unknown
  drift: opened unreachable docker/nas: 'read' -> 'late', high, with web
> advance 600s
> scan containers: web
  log: source_recovered docker/nas (ok, present) status
  presence: web unknown -> present
  drift: resolved unreachable docker/nas (self), high
