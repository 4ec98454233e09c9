# Expected to be offline: neither stopped nor missing is a deviation, a field still is.  Retired: nothing is expected.
> every 3600s
> scan containers: web db old
  log: appeared web (running, present)
  log: appeared db (running, present)
  log: appeared old (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: db new -> present
  presence: old new -> present
  presence: web new -> present
> adopt all
  adopted: db
  adopted: old
  adopted: web
> observe web status=stopped
  log: changed web (stopped, present) status
  drift: opened stopped web status: 'running' -> 'stopped', high
> operator expected_offline web 3600s summer
  drift: resolved stopped web status (operator), high
> observe web image=b
  log: changed web (stopped, present) spec.image
  drift: opened changed web spec.image: None -> 'b', medium
> removed web
  log: removed web (stopped, suspect) presence
  presence: web present -> suspect
> scan containers: db old
  log: gone web (stopped, gone) presence
  presence: web suspect -> gone
  drift: resolved changed web spec.image (gone), medium
> advance 3601s
  drift: opened missing web: 'present' -> 'gone', high
> scan containers: web db old
  log: returned web (stopped, present) presence
  presence: web gone -> present
  drift: resolved missing web (self), high
  drift: opened changed web spec.image: None -> 'b', medium
  drift: opened stopped web status: 'running' -> 'stopped', high
> observe old status=stopped
  log: changed old (stopped, present) status
  drift: opened stopped old status: 'running' -> 'stopped', high
> operator retired old replaced by web
  expected: withdrawn old, retired: replaced by web
  drift: resolved stopped old status (operator), high
> advance 60s
> observe old status=stopped
> operator clear old
  drift: opened stopped old status: 'running' -> 'stopped', high
> operator never_auto db
  expected: changed db, operator: never_auto
> expected db
  labels = {} (adopted)
  name = 'db' (adopted)
  spec = {} (adopted)
  status = 'running' (adopted)
  present, medium, observe, never_auto
