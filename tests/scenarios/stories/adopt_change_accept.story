# What was adopted and changed on purpose is accepted: only that field, and the story is over.
> web is image=nginx:1 restart=always
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> adopt web
  adopted: web
> expected web
  labels = {} (adopted)
  name = 'web' (adopted)
  spec = {'image': 'nginx:1', 'restart': 'always'} (adopted)
  status = 'running' (adopted)
  present, medium, observe
> advance 60s
> observe web image=nginx:2 restart=no
  log: changed web (running, present) spec.image, spec.restart
  drift: opened changed web spec.image: 'nginx:1' -> 'nginx:2', medium
  drift: opened changed web spec.restart: 'always' -> 'no', medium
> accept web:spec.image
  drift: resolved changed web spec.image (expected_changed), medium
> expected web
  labels = {} (adopted)
  name = 'web' (adopted)
  spec = {'image': 'nginx:2', 'restart': 'always'} (adopted)
  status = 'running' (adopted)
  present, medium, observe
> advance 5s
> observe web restart=always
  log: changed web (running, present) spec.restart
  drift: resolved changed web spec.restart (self), medium
