# What the provider reported as removed is gone with the next scan, and made anew it is the same key replaced.
> web is incarnation=c1 image=nginx:1
> scan containers: web db
  log: appeared web (running, present)
  log: appeared db (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: db new -> present
  presence: web new -> present
> adopt web
  adopted: web
> advance 30s
> removed web
  log: removed web (running, suspect) presence
  presence: web present -> suspect
> scan containers: db
  log: gone web (running, gone) presence
  presence: web suspect -> gone
  drift: opened missing web: 'present' -> 'gone', high
> advance 30s
> web is incarnation=c2 image=nginx:1
> scan containers: web db
  log: replaced web (running, present) incarnation, presence
  presence: web gone -> present
  drift: resolved missing web (self), high
