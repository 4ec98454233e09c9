# A managed child of what is gone is an orphan.
> shop is status=running
> web is parent=docker/nas/stack/shop
> scan stacks: shop
  log: appeared shop (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: shop new -> present
> scan containers: web
  log: appeared web (running, present)
  presence: web new -> present
> adopt web
  adopted: web
> advance 60s
> removed shop
  log: removed shop (running, suspect) presence
  presence: shop present -> suspect
> scan stacks:
  log: gone shop (running, gone) presence
  presence: shop suspect -> gone
  drift: opened orphaned web parent: 'docker/nas/stack/shop' -> 'gone', low
> advance 60s
> observe web parent=docker/nas/stack/other
  log: changed web (running, present) parent
  drift: resolved orphaned web parent (self), low
  drift: opened moved web parent: 'docker/nas/stack/shop' -> 'docker/nas/stack/other', medium
> full pass
