# In a pool that asks for it, what nobody expects is a deviation; a state of the pool means all its members.
> scan containers: web db
  log: appeared web (running, present)
  log: appeared db (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: db new -> present
  presence: web new -> present
> pool front {path: /lab/front, members: ["name=web*"], unmanaged: true}
  drift: opened unmanaged web: None -> 'present', low
> observe web-2
  log: appeared web-2 (running, present)
  presence: web-2 new -> present
  drift: opened unmanaged web-2: None -> 'present', low
> operator maintenance /lab moving
  now quiet: unmanaged web, maintenance: moving
  now quiet: unmanaged web-2, maintenance: moving
> observe web-3
  log: appeared web-3 (running, present)
  presence: web-3 new -> present
  quietly: opened unmanaged web-3: None -> 'present', low, maintenance: moving
> adopt web web-2
  adopted: web
  adopted: web-2
  drift: resolved unmanaged web (operator), low
  drift: resolved unmanaged web-2 (operator), low
> operator clear /lab
  drift: opened unmanaged web-3: None -> 'present', low
> withdraw front
  withdrawn: ResourcePool/front
  drift: resolved unmanaged web-3 (expected_changed), low
