"""Who asked for what: published on ``homelab.audit.<class>`` for every question that may change or cost something."""

from typing import Literal

from pydantic import Field, JsonValue

from schemas.events import Envelope

WHO_HEADER = "Homelab-Who"
"""A request's header in which a front end names its user.  A claim: NATS vouches for the role, not for the name."""


class Audited(Envelope):
    type: Literal["audited"] = "audited"
    question: str
    question_class: str
    who: str = Field(default="unknown", description="as the front end claims")
    query: JsonValue = None
    outcome: str = Field(description="ok, or the code of the error")
    error: str = ""
    duration_seconds: float = Field(ge=0)
