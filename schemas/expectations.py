"""What somebody says a resource should be: per field, with its owner."""

from enum import StrEnum

from pydantic import AwareDatetime, Field, JsonValue

from schemas.base import Message


class Owner(StrEnum):
    DECLARED = "declared"
    ADOPTED = "adopted"
    WITNESSED = "witnessed"


class ExpectedPresence(StrEnum):
    PRESENT = "present"
    ABSENT = "absent"


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
    presence: ExpectedPresence = ExpectedPresence.PRESENT
    fields: dict[str, ExpectedField] = Field(default_factory=dict)
    criticality: Criticality = Criticality.MEDIUM
    remediation: Remediation = Remediation.OBSERVE
    ignore: tuple[str, ...] = ()
    file: str | None = Field(default=None, description="where it is declared: `file:line`")
    owner: str = ""
    cost_center: str = ""
    max_backup_age_seconds: float | None = None
    never_auto: bool = Field(default=False, description="an operator said: nothing is corrected without a person")
    contradictions: tuple[str, ...] = Field(default=(), description="declared in two ways: those paths are not judged")
    since: AwareDatetime = Field(description="when it was last changed")
