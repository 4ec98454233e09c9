# A policy says how bad a deviation is, and what does not count.
> web is image=a note=x
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> adopt web
  adopted: web
> policy mine {selector: "kind=container", ignore: [spec.note], severities: [{path: "spec.im*", severity: critical}, {type: stopped, severity: low}]}
  expected: changed web, mine.yaml:1
> observe web image=b note=y status=stopped
  log: changed web (stopped, present) status, spec.image, spec.note
  drift: opened changed web spec.image: 'a' -> 'b', critical
  drift: opened stopped web status: 'running' -> 'stopped', low
> withdraw mine
  withdrawn: Policy/mine
  expected: changed web, a policy is no longer declared
  drift: changed changed web spec.image: 'a' -> 'b', medium
  drift: changed stopped web status: 'running' -> 'stopped', high
  drift: opened changed web spec.note: 'x' -> 'y', medium
