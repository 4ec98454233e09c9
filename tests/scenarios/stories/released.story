# An operator who knows better releases what is held.
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
> advance 60s
> release
> scan containers: f g h
  log: source_lost docker/nas (degraded, present) status
  drift: opened mass_absence docker/nas containers: 8 -> 3, high
> release
  released: containers
> advance 60s
> scan containers: f g h
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
> scan containers: f g h
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
