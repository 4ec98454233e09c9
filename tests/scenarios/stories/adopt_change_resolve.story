# What was adopted and changes is told once per field, follows the value, and ends by itself or by adopting again.
> web is image=nginx:1 restart=always
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> advance 1s
> adopt web
  adopted: web
> advance 1s
> adopt web
  adopted: web, as before
> observe web image=nginx:2 restart=no
  log: changed web (running, present) spec.image, spec.restart
  drift: opened changed web spec.image: 'nginx:1' -> 'nginx:2', medium
  drift: opened changed web spec.restart: 'always' -> 'no', medium
> observe web image=nginx:3
  log: changed web (running, present) spec.image
  drift: changed changed web spec.image: 'nginx:1' -> 'nginx:3', medium
> full pass
> observe web image=nginx:1
  log: changed web (running, present) spec.image
  drift: resolved changed web spec.image (self), medium
> advance 1s
> adopt web
  adopted: web
  drift: resolved changed web spec.restart (expected_changed), medium
