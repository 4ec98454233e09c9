"""The care of a deviation: acknowledged, muted for a time, or accepted as what should be."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NoReturn

from daemon.api.answers import Refused
from daemon.reconcile import adopt, declared, resolve
from daemon.reconcile.actual import Actual
from daemon.reconcile.settle import muted
from daemon.store import actuals, adopted, declarations, deviations, memberships
from daemon.store.database import Connection
from daemon.store.declarations import Declared
from schemas.deviations import Deviation, DeviationType
from schemas.expected_queries import DeviationActQuery
from schemas.resources import Presence

_INSTEAD = {
    DeviationType.MASS_ABSENCE: "release the source, or wait for the next complete scan",
    DeviationType.UNREACHABLE: "say `expected_offline` of the source",
    DeviationType.DUPLICATE: "remove one of the two, or mute this",
    DeviationType.ORPHANED: "give it a parent again, or mute this",
    DeviationType.STALE_BACKUP: "make a backup, or declare another max_backup_age",
}


def act(con: Connection, query: DeviationActQuery, now: datetime) -> Deviation:
    """Do it and return the deviation as it is then; raises ``Refused``."""
    deviation = one(con, query.id)
    if deviation.resolved_at is not None:
        raise Refused("refused", f"it is resolved ({deviation.resolved_by}): there is nothing left to {query.act}")
    return _ACTS[query.act](con, deviation, query, now)


def one(con: Connection, prefix: str) -> Deviation:
    """Return the deviation whose id begins so; raises ``Refused``."""
    found = deviations.with_prefix(con, prefix) if prefix.strip() else []
    exact = [each for each in found if each.id == prefix]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if not found:
        raise Refused("not_found", f"no deviation has an id that begins with {prefix!r}")
    raise Refused(
        "ambiguous", "more than one id begins so: say more of it", candidates=tuple(each.id for each in found)
    )


def _ack(con: Connection, deviation: Deviation, query: DeviationActQuery, now: datetime) -> Deviation:
    _need_reason(query)
    news = {"acknowledged_at": now, "acknowledged_by": query.by, "note": query.reason}
    return _put(con, deviation.model_copy(update=news))


def _mute(con: Connection, deviation: Deviation, query: DeviationActQuery, now: datetime) -> Deviation:
    _need_reason(query)
    if query.until_at is None or query.until_at <= now:
        raise Refused("bad_query", "say until when, and let it be later than now")
    silent = deviation.model_copy(update={"muted_until": query.until_at, "note": query.reason})
    return _put(con, silent.model_copy(update={"quiet": muted(silent, now)}))


def _unmute(con: Connection, deviation: Deviation, query: DeviationActQuery, now: datetime) -> Deviation:
    """The next cycle tells of it again: it sees that it is still written down as quiet."""
    del query, now
    loud = _put(con, deviation.model_copy(update={"muted_until": None}))
    return loud.model_copy(update={"quiet": "" if deviation.quiet.startswith("muted") else deviation.quiet})


def _accept(con: Connection, deviation: Deviation, query: DeviationActQuery, now: datetime) -> Deviation:
    del query
    if (instead := _INSTEAD.get(deviation.type)) is not None:
        raise Refused("refused", f"{deviation.type} is no state to expect: {instead}")
    key, actual, said = deviation.key, *_known(con, deviation.key)
    before = adopted.fetch(con, [key]).get(key)
    if deviation.type is DeviationType.MISSING:
        _refuse_declared([each.place for each in said], "remove the declaration")
        adopted.delete(con, [key])
        return deviation
    if reason := adopt.refusal(actual):
        raise Refused("refused", f"it cannot be accepted now: {reason}")
    if deviation.type is DeviationType.UNMANAGED:
        if deviation.expected is not None:
            _refuse_declared([each.place for each in said], "it is declared to be absent")
        adopted.put(con, [adopt.adopted(actual, before, now=now)])
        return deviation
    _refuse_declared(resolve.who_says(said, deviation.path), f"change {deviation.path}")
    made = adopt.accepted(before, deviation.path, actual, now=now) if before is not None else None
    if made is None:
        raise Refused("refused", "nothing was adopted there: adopt the resource")
    adopted.put(con, [made])
    return deviation


def _known(con: Connection, key: str) -> tuple[Actual, list[Declared]]:
    """What is seen of a key now, and the declarations that mean it."""
    pools = memberships.paths_of(con, [key]).get(key, set())
    actual = Actual(key, Presence.GONE, pools=frozenset(pools))
    for seen in actuals.fetch(con, [key]):
        actual = Actual(key, Presence(seen.presence), seen.fields, pools=frozenset(pools))
    return actual, declared.index(declarations.fetch(con)).of(actual)


def _refuse_declared(places: Iterable[str], what: str) -> None:
    if found := list(dict.fromkeys(places)):
        _refuse(f"it is declared in {', '.join(found)}: {what} there")


def _refuse(text: str) -> NoReturn:
    raise Refused("refused", text)


def _need_reason(query: DeviationActQuery) -> None:
    if not query.reason.strip():
        raise Refused("bad_query", "say why: others will read it")


def _put(con: Connection, deviation: Deviation) -> Deviation:
    deviations.put(con, [deviation])
    return deviation


_ACTS: dict[str, Callable[[Connection, Deviation, DeviationActQuery, datetime], Deviation]] = {
    "ack": _ack, "mute": _mute, "unmute": _unmute, "accept": _accept,
}  # fmt: skip
