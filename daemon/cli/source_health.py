"""How one source is as a whole, on the screen of `homelab sources show`.  Pure."""

from collections.abc import Iterable, Iterator

from rich.text import Text

from daemon.cli import tables, words
from daemon.cli.tables import Column, Sheet
from schemas.health import STALE_DAYS, BackupHealth, Fill, KindHealth, Machine
from schemas.queries import SourceRow
from schemas.resources import Health, Presence, Status

_MACHINES = (
    Column("MACHINE", keep=True),
    Column("KIND"),
    Column("STATUS", coloured=True),
    Column("HEALTH", coloured=True),
    Column("VERSION"),
    Column("SAYS", spare=1),
)
_KINDS = (
    Column("KIND", keep=True),
    Column("TOTAL", right=True),
    Column("RUNNING", right=True),
    Column("STOPPED", right=True),
    Column("FAILED", right=True),
    Column("UNKNOWN", right=True),
    Column("DEGRADED", right=True),
    Column("FAILING", right=True),
)
_STORAGES = (Column("STORAGE", keep=True), Column("FULL", right=True))
Parts = list[Text | Sheet | str]


def picture(row: SourceRow) -> Parts:
    """Tables of figures, then what is not well; nothing of what a source does not have."""
    parts: Parts = []
    if row.health is not None:
        sheets = (_machines(row.health.machines), _kinds(row.health.kinds), _storages(row.health.storages))
        parts += [part for sheet in sheets if sheet.rows for part in ("", sheet)]
        if row.health.backups is not None:
            parts += ["", _backups(row.health.backups)]
    return parts + unwell(row.unwell)


def unwell(sentences: Iterable[str], of: str = "") -> Parts:
    return [Text.assemble(("unwell: ", "red"), words.plain(f"{of}: {one}" if of else one)) for one in sentences]


def _machines(machines: Iterable[Machine]) -> Sheet:
    return tables.table(_MACHINES, map(_machine, machines))


def _machine(one: Machine) -> tuple[str, ...]:
    """What was last seen of one that cannot be read now is not shown as if it were so."""
    if one.presence not in (Presence.PRESENT, Presence.SUSPECT):
        return one.name, one.kind, one.presence, "", one.version, ""
    is_well = one.status is Status.RUNNING and one.health is Health.OK
    says = "" if is_well or one.native_status == one.status else one.native_status
    return one.name, one.kind, one.status, "" if one.health is Health.UNKNOWN else one.health, one.version, says


def _kinds(kinds: Iterable[KindHealth]) -> Sheet:
    return tables.table(_KINDS, ((f"{one.kind} {one.native_kind}".rstrip(), *_figures(one)) for one in kinds))


def _figures(one: KindHealth) -> Iterator[str]:
    yield str(one.total)
    for number in (one.running, one.stopped, one.failed, one.unknown, one.degraded, one.failing):
        yield str(number or "")


def _storages(storages: Iterable[Fill]) -> Sheet:
    return tables.table(_STORAGES, ((one.name, f"{one.used_ratio:.0%}") for one in storages))


def _backups(told: BackupHealth) -> str:
    said = [
        f"{words.count(number, 'guest')} {what}"
        for number, what in (
            (told.without, "without any"),
            (told.stale, f"with none of the last {STALE_DAYS} days"),
            (told.unknown, "of which it is not known"),
        )
        if number
    ]
    return f"backups: {', '.join(said) or f'every guest has one of the last {STALE_DAYS} days'}"
