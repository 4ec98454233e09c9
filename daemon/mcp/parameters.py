"""The arguments that tools share, with the words an agent reads."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from daemon.api.answers import Refused
from schemas.answers import MAX_PAGE
from schemas.config import Duration
from schemas.deviations import DeviationType, Severity
from schemas.resources import Health, Kind, Presence, Status

Key = Annotated[str, Field(description="provider/source/kind/id, or a name or vmid (in `cluster`)")]
Cluster = Annotated[str | None, Field()]
AnyKey = Annotated[str | None, Field(description="only of this resource key")]
Provider = Annotated[str | None, Field(description="such as docker or host")]
Source = Annotated[str | None, Field(description="name, such as a cluster's")]
AnyKind = Annotated[Kind | None, Field()]
AnyStatus = Annotated[Status | None, Field()]
AnyHealth = Annotated[Health | None, Field()]
AnyPresence = Annotated[Presence | None, Field(description="`gone` finds removed ones, else left out")]
AnyType = Annotated[DeviationType | None, Field()]
AnySeverity = Annotated[Severity | None, Field(description="this one and above")]
Labels = Annotated[list[str], Field(description="each `name` or `name=value`; all must match")]
Columns = Annotated[list[str], Field(description="columns to return, saves tokens: key,name,status; `*` is all")]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE)]
Cursor = Annotated[str | None, Field(description="`next_cursor` of the page before")]
Moment = Annotated[str | None, Field(description="ISO 8601 with zone, or an age: 30m, 2h, 7d")]
Seconds = Annotated[float | None, Field(gt=0, le=120)]

_age: TypeAdapter[timedelta] = TypeAdapter(Duration)
_time: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


def moment(text: str | None, *, now: datetime, name: str) -> datetime | None:
    """Read a time, or an age before ``now``.  Raises ``Refused``."""
    if not text:
        return None
    try:
        return _time.validate_python(text) if "-" in text else now - _age.validate_python(text)
    except (ValidationError, OverflowError) as error:
        complaint = f"{name}: write a time as 2026-01-31T12:00:00Z, or an age as 30m, 2h, 7d"
        raise Refused("bad_query", complaint) from error


def later(text: str | None, *, now: datetime, name: str) -> datetime | None:
    """Read a time, or how long from ``now``.  Raises ``Refused``."""
    if not text:
        return None
    try:
        return _time.validate_python(text) if "-" in text else now + _age.validate_python(text)
    except (ValidationError, OverflowError) as error:
        complaint = f"{name}: write a time as 2026-01-31T12:00:00Z, or how long as 30m, 2h, 7d"
        raise Refused("bad_query", complaint) from error
