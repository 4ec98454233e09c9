# What nobody expects is told only where somebody asked for it.
> scan containers: web db
  log: appeared web (running, present)
  log: appeared db (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: db new -> present
  presence: web new -> present
> unmanaged
> full pass
  drift: opened unmanaged db: None -> 'present', low
  drift: opened unmanaged web: None -> 'present', low
> adopt web
  adopted: web
  drift: resolved unmanaged web (operator), low
> observe cache
  log: appeared cache (running, present)
  presence: cache new -> present
  drift: opened unmanaged cache: None -> 'present', low
> removed cache
  log: removed cache (running, suspect) presence
  presence: cache present -> suspect
> scan containers: web db
  log: gone cache (running, gone) presence
  presence: cache suspect -> gone
  drift: resolved unmanaged cache (gone), low
