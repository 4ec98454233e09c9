# Accepting that something is missing takes its adoption back; what is declared is to be changed where it stands.
> scan containers: web db
  log: appeared web (running, present)
  log: appeared db (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: db new -> present
  presence: web new -> present
> adopt all
  adopted: db
  adopted: web
> declare the-db {key: db, status: running}
  expected: changed db, the-db.yaml:1
> advance 60s
> scan containers: web
  log: suspect db (running, suspect) presence
  presence: db present -> suspect
> advance 60s
> scan containers:
  log: source_lost docker/nas (degraded, present) status
  drift: opened mass_absence docker/nas containers: 1 -> 0, high
> advance 60s
> scan containers:
> advance 60s
> scan containers:
  log: suspect web (running, suspect) presence
  log: gone db (running, gone) presence
  log: source_recovered docker/nas (ok, present) status
  presence: db suspect -> gone
  presence: web present -> suspect
  drift: resolved mass_absence docker/nas containers (self), high
  drift: opened missing db: 'present' -> 'gone', high
> advance 60s
> scan containers:
  log: gone web (running, gone) presence
  presence: web suspect -> gone
  drift: opened missing web: 'present' -> 'gone', high
> accept web
  expected: withdrawn web, adoption withdrawn
  drift: resolved missing web (expected_changed), high
> accept db
  refused: it is declared in the-db.yaml:1: remove the declaration there
> withdraw the-db
  withdrawn: Expectation/the-db
  expected: changed db, no longer declared: the-db.yaml:1
> accept db
  expected: withdrawn db, adoption withdrawn
  drift: resolved missing db (expected_changed), high
> expected db
  nothing
