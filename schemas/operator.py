"""What an operator says of a resource, pool or source: that its state is on purpose."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from schemas.base import Message


class State(StrEnum):
    MAINTENANCE = "maintenance"
    """deviations are recorded and quiet"""
    EXPECTED_OFFLINE = "expected_offline"
    """not running, or not there, is right"""
    RETIRED = "retired"
    """nothing is expected of it any more"""
    NEVER_AUTO = "never_auto"
    """nothing is corrected without a person"""


class OperatorState(Message):
    """``target`` is a resource's key, a pool's path or a source's ``<provider>/<name>``."""

    target: str
    state: State
    until_at: AwareDatetime | None = Field(default=None, description="None: until it is cleared")
    reason: str = ""
    set_by: str = ""
    set_at: AwareDatetime
