# One bad reading loses nothing.
> scan containers: web db
  log: appeared web (running, present)
  log: appeared db (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: db new -> present
  presence: web new -> present
> adopt all
  adopted: db
  adopted: web
> advance 60s
> scan containers: db
  log: suspect web (running, suspect) presence
  presence: web present -> suspect
> advance 60s
> scan containers: web db
  log: returned web (running, present) presence
  presence: web suspect -> present
> full pass
