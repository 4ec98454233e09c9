"""What a person declares, as YAML documents fit for Git: expectations, resource pools, policies.

``apiVersion``, ``kind``, ``metadata`` and ``spec``; several documents in a file.  A typing mistake is refused, and a
fault names file, line and path.
"""

from datetime import time
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, JsonValue, StringConstraints, model_validator

from schemas import selectors
from schemas.base import Config
from schemas.config import Duration
from schemas.deviations import DeviationType, Severity
from schemas.expectations import Criticality, ExpectedPresence, Remediation
from schemas.pools import PoolPath
from schemas.resources import Key, Status
from schemas.selectors import Selector

API_VERSION = "homelab.ai/v1"


def _selector(value: object) -> object:
    if isinstance(value, str):
        return selectors.parse(value)
    if isinstance(value, dict):
        unknown = value.keys() - Selector.model_fields.keys() - {"labels"}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(map(str, unknown)))}")
        labels = value.get("labels")
        if isinstance(labels, dict):
            rest = {name: inner for name, inner in value.items() if name != "labels"}
            return rest | {"label": tuple(f"{name}={inner}" for name, inner in labels.items())}
    return value


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$")]
SelectorLike = Annotated[Selector, BeforeValidator(_selector)]
"""A text (``kind=container label:tier=front``) or a mapping (``kind: container``, ``labels: {tier: front}``)."""


class Metadata(Config):
    name: Name
    owner: str = ""
    cost_center: str = ""
    description: str = ""


class ExpectationSpec(Config):
    """What a resource, or each that a selector means, should be.  ``fields`` maps paths to values."""

    key: str | None = None
    selector: SelectorLike | None = None
    presence: ExpectedPresence = ExpectedPresence.PRESENT
    status: Status | None = None
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    criticality: Criticality | None = None
    remediation: Remediation | None = None
    max_backup_age: Duration | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> "ExpectationSpec":
        if (self.key is None) == (self.selector is None):
            raise ValueError("say either key or selector")
        if self.key is not None:
            Key.parse(self.key)
        if self.selector is not None and self.selector.is_empty:
            raise ValueError("an empty selector would mean everything")
        return self


class PoolSpec(Config):
    path: PoolPath
    type: str = ""
    members: tuple[SelectorLike, ...] = ()
    keys: tuple[str, ...] = Field(default=(), description="members by hand")
    properties: dict[str, JsonValue] = Field(default_factory=dict, description="inherited by pools below and members")
    unmanaged: bool = Field(default=False, description="members that nobody expects are deviations")


class SeverityRule(Config):
    type: DeviationType | None = None
    path: str | None = Field(default=None, description="a glob over field paths")
    severity: Severity


class MaintenanceWindow(Config):
    """Every week on ``days`` (none is every day), from ``start`` to ``end`` in ``timezone`` (an IANA name)."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()
    start: time
    end: time = Field(description="before start: on the next day")
    timezone: str = "UTC"
    reason: str = ""


class PolicySpec(Config):
    """Rules for what a selector means; none is everything."""

    selector: SelectorLike = Selector()
    ignore: tuple[str, ...] = ()
    severities: tuple[SeverityRule, ...] = ()
    maintenance: tuple[MaintenanceWindow, ...] = ()


class ExpectationManifest(Config):
    api_version: Literal["homelab.ai/v1"] = Field(alias="apiVersion")
    kind: Literal["Expectation"]
    metadata: Metadata
    spec: ExpectationSpec


class PoolManifest(Config):
    api_version: Literal["homelab.ai/v1"] = Field(alias="apiVersion")
    kind: Literal["ResourcePool"]
    metadata: Metadata
    spec: PoolSpec


class PolicyManifest(Config):
    api_version: Literal["homelab.ai/v1"] = Field(alias="apiVersion")
    kind: Literal["Policy"]
    metadata: Metadata
    spec: PolicySpec


Manifest = Annotated[ExpectationManifest | PoolManifest | PolicyManifest, Field(discriminator="kind")]
