# When much vanishes at once nothing moves until the third scan in a row; what was reported goes all the same.
> scan containers: a b c d e f g h
  log: appeared a (running, present)
  log: appeared b (running, present)
  log: appeared c (running, present)
  log: appeared d (running, present)
  log: appeared e (running, present)
  log: appeared f (running, present)
  log: appeared g (running, present)
  log: appeared h (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: a new -> present
  presence: b new -> present
  presence: c new -> present
  presence: d new -> present
  presence: e new -> present
  presence: f new -> present
  presence: g new -> present
  presence: h new -> present
> adopt a h
  adopted: a
  adopted: h
> advance 60s
> removed h
  log: removed h (running, suspect) presence
  presence: h present -> suspect
> scan containers: f g
  log: gone h (running, gone) presence
  log: source_lost docker/nas (degraded, present) status
  presence: h suspect -> gone
  drift: opened missing h: 'present' -> 'gone', high
  drift: opened mass_absence docker/nas containers: 8 -> 2, high
> advance 60s
> scan containers: f g
  drift: changed mass_absence docker/nas containers: 8 -> 3, high
> advance 60s
> scan containers: f g
  log: suspect a (running, suspect) presence
  log: suspect b (running, suspect) presence
  log: suspect c (running, suspect) presence
  log: suspect d (running, suspect) presence
  log: suspect e (running, suspect) presence
  log: source_recovered docker/nas (ok, present) status
  presence: a present -> suspect
  presence: b present -> suspect
  presence: c present -> suspect
  presence: d present -> suspect
  presence: e present -> suspect
  drift: resolved mass_absence docker/nas containers (self), high
> advance 60s
> scan containers: f g
  log: gone a (running, gone) presence
  log: gone b (running, gone) presence
  log: gone c (running, gone) presence
  log: gone d (running, gone) presence
  log: gone e (running, gone) presence
  presence: a suspect -> gone
  presence: b suspect -> gone
  presence: c suspect -> gone
  presence: d suspect -> gone
  presence: e suspect -> gone
  drift: opened missing a: 'present' -> 'gone', high
> advance 60s
> scan containers: a f g
  log: returned a (running, present) presence
  presence: a gone -> present
  drift: resolved missing a (self), high
