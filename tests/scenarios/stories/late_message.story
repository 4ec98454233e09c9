# What is older than what is known is counted and not believed.
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> advance 60s
> scan containers: web
> observe web status=stopped
  log: changed web (stopped, present) status
> 30s ago: observe web status=running
  late: 1
> 30s ago: scan containers:
  late: 1
> 30s ago: fail containers unreachable "no engine"
  late: 1
> 30s ago: removed web
  late: 1
