"""What a person writes on the command line for a selector and a moment to come."""

from datetime import datetime, timedelta
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from daemon.runtime.clock import SystemClock
from schemas import selectors
from schemas.config import Duration
from schemas.selectors import BadSelector, Selector

_duration: TypeAdapter[timedelta] = TypeAdapter(Duration)
_moment: TypeAdapter[datetime] = TypeAdapter(datetime)

SelectorOption = Annotated[
    str | None,
    typer.Option("--selector", "-S", help="Which: 'kind=container name=web-* label:tier=front', or a key."),
]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; others will read it.")]
UntilOption = Annotated[
    str | None, typer.Option("--until", "-u", help="For how long (30m, 2h, 7d), or until when (2026-11-21T08:00).")
]


def selector(text: str | None, **more: object) -> Selector:
    """Read ``--selector`` together with what single options say; both saying another thing is a mistake."""
    try:
        said = selectors.parse(text or "")
    except BadSelector as error:
        raise typer.BadParameter(str(error), param_hint="--selector") from error
    given = {name: value for name, value in more.items() if value not in (None, ())}
    for name, value in given.items():
        before = getattr(said, name)
        if isinstance(value, tuple):
            given[name] = (*before, *value)
        elif before is not None:
            raise typer.BadParameter(f"{name} is said by an option, too", param_hint="--selector")
    return said.model_copy(update=given)


def until(text: str | None) -> datetime | None:
    """Read a duration from now, or a moment to come; without a zone it is this machine's."""
    if text is None:
        return None
    now = SystemClock().now()
    try:
        return now + _duration.validate_python(text)
    except (ValidationError, OverflowError):
        pass
    try:
        found = _moment.validate_python(text if "-" in text else "")  # a bare number is no time
    except ValidationError as error:
        complaint = "write how long as 30m, 2h or 7d, or a time as 2026-11-21T08:00"
        raise typer.BadParameter(complaint, param_hint="--until") from error
    found = found if found.tzinfo else found.astimezone()
    if found <= now:
        raise typer.BadParameter("that is over already", param_hint="--until")
    return found
