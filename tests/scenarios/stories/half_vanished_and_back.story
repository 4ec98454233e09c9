# A held listing that heals leaves no trace but its own deviation.
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
> adopt all
  adopted: a
  adopted: b
  adopted: c
  adopted: d
  adopted: e
  adopted: f
  adopted: g
  adopted: h
> advance 60s
> scan containers:
  log: source_lost docker/nas (degraded, present) status
  drift: opened mass_absence docker/nas containers: 8 -> 0, high
> advance 60s
> scan containers: a b c d e f g h
  log: source_recovered docker/nas (ok, present) status
  drift: resolved mass_absence docker/nas containers (self), high
