# What may not be read is ineligible, never missing.
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> adopt web
  adopted: web
> advance 60s
> fail containers unauthorized "needs the group docker"
  log: source_lost docker/nas (failed, present) status
  presence: web present -> ineligible
  drift: opened unreachable docker/nas: 'read' -> 'denied', high, with web
> full pass
> advance 900s
> scan containers: web
  log: source_recovered docker/nas (ok, present) status
  presence: web ineligible -> present
  drift: resolved unreachable docker/nas (self), high
