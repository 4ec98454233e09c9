# The same key made anew is replaced: its fields are judged, its absence was none.
> web is incarnation=c1 image=nginx:1
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> advance 1s
> adopt web
  adopted: web
> advance 60s
> web is incarnation=c2 image=nginx:2
> scan containers: web
  log: replaced web (running, present) incarnation, spec.image
  drift: opened changed web spec.image: 'nginx:1' -> 'nginx:2', medium
> advance 1s
> adopt web
  adopted: web
  drift: resolved changed web spec.image (expected_changed), medium
