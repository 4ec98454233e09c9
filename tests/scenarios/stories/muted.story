# Muted until a time; if it is still there then, it is told again.
> every 3600s
> scan containers: web
  log: appeared web (running, present)
  log: source_appeared docker/nas (ok, present) status
  presence: web new -> present
> adopt web
  adopted: web
> observe web image=b
  log: changed web (running, present) spec.image
  drift: opened changed web spec.image: None -> 'b', medium
> mute web 300s
  refused: say why: others will read it
> mute web 300s vendor ships on Monday
  quiet: muted until 2026-11-20 08:05 UTC: vendor ships on Monday
> advance 60s
> observe web image=c
  log: changed web (running, present) spec.image
  quietly: changed changed web spec.image: None -> 'c', medium, muted until 2026-11-20 08:05 UTC: vendor ships on Monday
> advance 300s
  drift: opened changed web spec.image: None -> 'c', medium
> mute web 900s still waiting
  quiet: muted until 2026-11-20 08:21 UTC: still waiting
> advance 60s
> unmute web
  drift: opened changed web spec.image: None -> 'c', medium
> mute web 900s still
  quiet: muted until 2026-11-20 08:22 UTC: still
> observe web image=
  log: changed web (running, present) spec.image
  quietly: changed changed web spec.image: None -> '', medium, muted until 2026-11-20 08:22 UTC: still
