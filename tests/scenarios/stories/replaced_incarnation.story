# Only who declares the incarnation is told that a thing was made anew.
> web is incarnation=c1
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> adopt web
  adopted: web
> declare pinned {key: web, fields: {incarnation: c1}}
  expected: changed web, pinned.yaml:1
> advance 60s
> web is incarnation=c2
> scan containers: web
  log: replaced web (running, present) incarnation
  drift: opened replaced web incarnation: 'c1' -> 'c2', medium
> accept web
  refused: it is declared in pinned.yaml:1: change incarnation there
> withdraw pinned
  withdrawn: Expectation/pinned
  expected: changed web, no longer declared: pinned.yaml:1
  drift: resolved replaced web incarnation (expected_changed), medium
