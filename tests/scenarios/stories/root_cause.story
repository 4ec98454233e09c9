# Children of what is stopped or missing are one problem with it, not three.
> every 3600s
> shop is status=running
> web is parent=docker/nas/stack/shop
> db is parent=docker/nas/stack/shop
> cache is parent=docker/nas/stack/shop
> scan stacks: shop
  log: appeared shop (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: shop new -> present
> scan containers: web db cache
  log: appeared web (running, present)
  log: appeared db (running, present)
  log: appeared cache (running, present)
  presence: cache new -> present
  presence: db new -> present
  presence: web new -> present
> adopt all
  adopted: cache
  adopted: db
  adopted: web
  adopted: shop
> advance 60s
> observe web status=stopped
  log: changed web (stopped, present) status
  drift: opened stopped web status: 'running' -> 'stopped', high
> advance 5s
> observe db status=stopped
  log: changed db (stopped, present) status
  drift: opened stopped db status: 'running' -> 'stopped', high
> observe cache status=stopped
  log: changed cache (stopped, present) status
  drift: opened stopped cache status: 'running' -> 'stopped', high
> observe shop status=stopped
  log: changed shop (stopped, present) status
  drift: opened stopped shop status: 'running' -> 'stopped', high, with cache db web
  now quiet: stopped web status, consequence of stopped shop
  now quiet: stopped db status, consequence of stopped shop
  now quiet: stopped cache status, consequence of stopped shop
> advance 60s
> observe web status=running
  log: changed web (running, present) status
  drift: resolved stopped web status (self), high
> observe shop status=running
  log: changed shop (running, present) status
  drift: opened stopped db status: 'running' -> 'stopped', high
  drift: opened stopped cache status: 'running' -> 'stopped', high
  drift: resolved stopped shop status (self), high
> advance 60s
> observe db status=running
  log: changed db (running, present) status
  drift: resolved stopped db status (self), high
> observe cache status=running
  log: changed cache (running, present) status
  drift: resolved stopped cache status (self), high
> advance 3600s
> scan containers: web db cache
> observe cache status=stopped
  log: changed cache (stopped, present) status
  drift: opened stopped cache status: 'running' -> 'stopped', high
> advance 3600s
> shop is status=stopped
> web is status=stopped
> db is status=stopped
> scan stacks: shop
  log: changed shop (stopped, present) status
  drift: opened stopped shop status: 'running' -> 'stopped', high
> scan containers: web db cache
  log: changed web (stopped, present) status
  log: changed db (stopped, present) status
  quietly: opened stopped db status: 'running' -> 'stopped', high, consequence of stopped shop
  quietly: opened stopped web status: 'running' -> 'stopped', high, consequence of stopped shop
