"""What somebody says a resource should be: per field, with its owner."""

from enum import StrEnum

from pydantic import AwareDatetime, Field, JsonValue

from schemas.base import Message


class Owner(StrEnum):
    DECLARED = "declared"
    ADOPTED = "adopted"
    WITNESSED = "witnessed"


class Criticality(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Remediation(StrEnum):
    OBSERVE = "observe"
    PLAN = "plan"
    AUTO = "auto"


class ExpectedField(Message):
    value: JsonValue
    owner: Owner


class Expectation(Message):
    """``fields`` maps a path (``status``, ``spec.image``, ``labels."a.b"``) to what is expected there."""

    key: str
    fields: dict[str, ExpectedField] = Field(default_factory=dict)
    criticality: Criticality = Criticality.MEDIUM
    remediation: Remediation = Remediation.OBSERVE
    ignore: tuple[str, ...] = ()
    file: str | None = None
    since: AwareDatetime = Field(description="when it was last changed")
