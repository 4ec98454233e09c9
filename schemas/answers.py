"""What every answer has: where it came from, how fresh and how complete that is, and how lists are paged."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from schemas.base import Message

PAGE = 50
MAX_PAGE = 1000
ANSWER_BYTES = 256 * 1024


class QuestionClass(StrEnum):
    """The middle of ``homelab.api.<class>.<question>``: NATS permissions are given by it."""

    READ = "read"
    INTENT = "intent"
    PLAN = "plan"
    APPROVE = "approve"
    EXECUTE = "execute"
    SQL = "sql"


class Provenance(Message):
    """A source that an answer drew on."""

    source: str = Field(description="<provider>/<name>")
    status: str = Field(description="ok, degraded, failed, late, paused or new")
    observed_at: AwareDatetime | None = Field(default=None, description="the last complete reading")
    age_seconds: float | None = None
    complete: bool = Field(description="false: something of this source could not be read, so absence means nothing")
    detail: str = ""


class Answer(Message):
    as_of: AwareDatetime
    sources: tuple[Provenance, ...] = ()
    hint: str = Field(default="", description="how to narrow or go on, where the answer was cut")


class Page(Answer):
    total: int = Field(description="how many there are in all")
    next_cursor: str | None = None
