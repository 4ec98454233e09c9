# What was never seen is missing only when its whole source was read.
> declare later {key: docker/nas/container/web, status: running}
  expected: declared web, later.yaml:1
> declare absent {key: docker/nas/container/rogue, presence: absent}
  expected: declared rogue, absent.yaml:1
> scan containers: db
  log: appeared db (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: db new -> present
  drift: opened missing web: 'present' -> 'gone', high
> observe rogue
  log: appeared rogue (running, present)
  presence: rogue new -> present
  drift: opened unmanaged rogue: 'absent' -> 'present', medium
> advance 60s
> scan containers: db web rogue
  log: appeared web (running, present)
  presence: web new -> present
  drift: resolved missing web (self), high
> removed rogue
  log: removed rogue (running, suspect) presence
  presence: rogue present -> suspect
> scan containers: db web
  log: gone rogue (running, gone) presence
  presence: rogue suspect -> gone
  drift: resolved unmanaged rogue (gone), medium
