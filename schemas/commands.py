"""What may be asked of an agent directly (``homelab.ctl.<provider>.<source>.<verb>``), and its answer."""

from enum import StrEnum

from schemas.base import Message


class Verb(StrEnum):
    RESCAN = "rescan"
    """read now, ahead of the interval"""
    REPUBLISH = "republish"
    """forget what was published and publish everything with the next scan"""
    PAUSE = "pause"
    RESUME = "resume"


class Control(Message):
    scope: str | None = None
    """None is every scope of the source."""
    reason: str = ""


class ControlAnswer(Message):
    accepted: bool
    detail: str = ""
