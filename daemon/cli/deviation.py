"""All about one deviation, as a person reads it.  Pure."""

from datetime import datetime

from rich.text import Text

from daemon.cli import details, tables, words
from daemon.cli.tables import Sheet
from schemas.deviations import Deviation

SHORT = 8
"""So many characters of an id tell it from the others of a homelab."""
_MUTE = '--until 2h --reason "..."'


def sentence(one: Deviation) -> str:
    expected, actual = words.both(one.path, one.expected, one.actual)
    what = f"{one.path}: expected {expected or 'nothing'}, is {actual or 'nothing'}"
    return f"{one.key} {one.severity} {one.type}" + (f" {what}" if one.path else "")


def picture(one: Deviation, others: list[Deviation], now: datetime, *, utc: bool = False) -> list[Text | Sheet | str]:
    """All about one deviation."""

    def when(at: datetime | None) -> str:
        return "" if at is None else words.utc(at) if utc else f"{words.ago(at, now)} ({words.utc(at)})"

    head = Text.assemble(tables.text(one.severity), " ", words.plain(f"{one.type}  {one.key}"))
    expected, actual = words.both(one.path, one.expected, one.actual)
    facts = (
        ("id", one.id),
        ("field", one.path),
        ("expected", expected),
        ("actual", actual),
        ("opened", when(one.detected_at) + (f", re-opened {one.reopened} times" if one.reopened else "")),
        ("last seen", f"{when(one.last_seen_at)}, in {words.count(one.scans_seen, 'scan')}"),
        ("resolved", f"{when(one.resolved_at)} by {one.resolved_by}" if one.resolved_at else ""),
        ("known to", f"{one.acknowledged_by}, {when(one.acknowledged_at)}" if one.acknowledged_at else ""),
        ("muted until", when(one.muted_until)),
        ("note", one.note),
        ("quiet", one.quiet),
        ("because of", one.root_cause or ""),
        ("to mend it", one.corrective_action or ""),
    )
    parts: list[Text | Sheet | str] = [head]
    parts += [Text.assemble((f"  {name:<12}", "dim"), words.plain(value)) for name, value in facts if value]
    if one.evidence:
        parts += [Text("evidence", style="bold"), *(Text(line) for line in details.branches(dict(one.evidence), "  "))]
    if others:
        parts += [
            Text("follows from it", style="bold"),
            *(Text(f"  {words.plain(sentence(other))}") for other in others),
        ]
    return [*parts, *_how_to_act(one)]


def _how_to_act(one: Deviation) -> list[Text | Sheet | str]:
    if one.resolved_at is not None:
        return []
    short = one.id[:SHORT]
    ways = [f"homelab show {one.key}", f'homelab drift ack {short} --reason "..."']
    ways.append(f"homelab drift unmute {short}" if one.muted_until else f"homelab drift mute {short} {_MUTE}")
    ways += [f"homelab drift accept {short}"]
    return [Text("what you can do", style="bold"), *(Text(f"  {words.plain(way)}") for way in ways)]
