# Two declarations that contradict each other: that path is not judged, both places are told, all else is.
> web is image=nginx:1 tier=front
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> declare a {key: web, status: running, fields: {spec.image: "nginx:2"}}
  expected: declared web, a.yaml:1
  drift: opened changed web spec.image: 'nginx:2' -> 'nginx:1', medium
> declare b {selector: "name=w*", fields: {spec.image: "nginx:3", spec.tier: front}}
  expected: changed web, a.yaml:1, b.yaml:1
  drift: resolved changed web spec.image (expected_changed), medium
> expected web
  spec.tier = 'front' (declared)
  status = 'running' (declared)
  ignored: spec.image
  contradiction: spec.image: a.yaml:1 says 'nginx:2', b.yaml:1 says 'nginx:3'
  present, medium, observe
> observe web image=nginx:9 tier=back status=stopped
  log: changed web (stopped, present) status, spec.image, spec.tier
  drift: opened changed web spec.tier: 'front' -> 'back', medium
  drift: opened stopped web status: 'running' -> 'stopped', high
> withdraw b
  withdrawn: Expectation/b
  expected: changed web, a.yaml:1
  drift: resolved changed web spec.tier (expected_changed), medium
  drift: opened changed web spec.image: 'nginx:2' -> 'nginx:9', medium
