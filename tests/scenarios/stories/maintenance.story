# Under maintenance deviations are recorded and nobody is told; what is left when it ends is told then.
> every 3600s
> scan containers: web db
  log: appeared web (running, present)
  log: appeared db (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: db new -> present
  presence: web new -> present
> adopt all
  adopted: db
  adopted: web
> operator maintenance web 600s new disk
> advance 60s
> observe web status=stopped image=b
  log: changed web (stopped, present) status, spec.image
  quietly: opened changed web spec.image: None -> 'b', medium, maintenance: new disk
  quietly: opened stopped web status: 'running' -> 'stopped', high, maintenance: new disk
> observe db status=stopped
  log: changed db (stopped, present) status
  drift: opened stopped db status: 'running' -> 'stopped', high
> advance 60s
> observe web image=
  log: changed web (stopped, present) spec.image
  quietly: changed changed web spec.image: None -> '', medium, maintenance: new disk
> advance 600s
  drift: opened changed web spec.image: None -> '', medium
  drift: opened stopped web status: 'running' -> 'stopped', high
> operator clear web
> advance 60s
> observe web status=running
  log: changed web (running, present) status
  drift: resolved stopped web status (self), high
> operator maintenance docker/nas moving house
  now quiet: changed web spec.image, maintenance: moving house
  now quiet: stopped db status, maintenance: moving house
> observe db status=running
  log: changed db (running, present) status
  drift: resolved stopped db status (self), high
> observe web status=stopped
  log: changed web (stopped, present) status
  quietly: reopened stopped web status: 'running' -> 'stopped', high, maintenance: moving house
> operator clear docker/nas
  drift: opened changed web spec.image: None -> '', medium
  drift: opened stopped web status: 'running' -> 'stopped', high
