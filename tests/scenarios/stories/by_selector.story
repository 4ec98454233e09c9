# A selector means what is there: what comes is expected at once, what goes is expected no more.
> scan containers: web-1 db
  log: appeared web-1 (running, present)
  log: appeared db (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: db new -> present
  presence: web-1 new -> present
> declare front {selector: "kind=container name=web-*", status: running}
  expected: declared web-1, front.yaml:1
> observe web-2 status=stopped
  log: appeared web-2 (stopped, present)
  expected: declared web-2, front.yaml:1
  presence: web-2 new -> present
  drift: opened stopped web-2 status: 'running' -> 'stopped', high
> advance 60s
> scan containers: web-1 db
  log: suspect web-2 (stopped, suspect) presence
  presence: web-2 present -> suspect
> advance 60s
> scan containers: web-1 db
  log: gone web-2 (stopped, gone) presence
  expected: withdrawn web-2, it is gone, and front.yaml:1 means what is there
  presence: web-2 suspect -> gone
  drift: resolved stopped web-2 status (gone), high
