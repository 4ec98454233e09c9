# What is declared goes before what was adopted, path by path.
> web is image=nginx:1 restart=always
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> adopt web
  adopted: web
> declare newer {key: web, fields: {spec.image: "nginx:2"}, criticality: critical, ignore: [spec.restart]}
  expected: changed web, newer.yaml:1
  drift: opened changed web spec.image: 'nginx:2' -> 'nginx:1', critical
> expected web
  labels = {} (adopted)
  name = 'web' (adopted)
  spec = {'image': 'nginx:1', 'restart': 'always'} (adopted)
  spec.image = 'nginx:2' (declared)
  status = 'running' (adopted)
  ignored: spec.restart
  present, critical, observe
> observe web restart=no
  log: changed web (running, present) spec.restart
> observe web image=nginx:2
  log: changed web (running, present) spec.image
  drift: resolved changed web spec.image (self), critical
> withdraw newer
  withdrawn: Expectation/newer
  expected: changed web, no longer declared: newer.yaml:1
  drift: opened changed web spec.image: 'nginx:1' -> 'nginx:2', medium
  drift: opened changed web spec.restart: 'always' -> 'no', medium
