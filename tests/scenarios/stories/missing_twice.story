# Missing once is suspect, missing twice is gone; nobody hurries to tell.
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
> adopt web
  skipped: web, it may be gone: wait for the next scan
> advance 60s
> scan containers: db
  log: gone web (running, gone) presence
  presence: web suspect -> gone
  drift: opened missing web: 'present' -> 'gone', high
> adopt web
  skipped: web, it is gone
> advance 60s
> scan containers: web db
  log: returned web (running, present) presence
  presence: web gone -> present
  drift: resolved missing web (self), high
