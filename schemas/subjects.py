"""Every NATS subject, built and parsed in one place.  No other module writes a dot."""

import re
from typing import NamedTuple
from urllib.parse import unquote

from schemas.resources import Key

ROOT = "homelab"
INVENTORY_ALL = f"{ROOT}.inv.>"
SCANS_ALL = f"{ROOT}.scan.>"
METRICS_ALL = f"{ROOT}.metrics.>"
DRIFT_ALL = f"{ROOT}.drift.>"
ANOMALY_ALL = f"{ROOT}.anomaly.>"
BUDGET_ALL = f"{ROOT}.budget.>"
COMMANDS_ALL = f"{ROOT}.cmd.>"
JOBS_ALL = f"{ROOT}.job.>"
AUDIT_ALL = f"{ROOT}.audit.>"
API_ALL = f"{ROOT}.api.>"
CONTROL_ALL = f"{ROOT}.ctl.>"
EVERYTHING = f"{ROOT}.>"
AGENTS_BUCKET = "agents"
HEARTBEATS_ALL = f"$KV.{AGENTS_BUCKET}.>"

_ENCODED = re.compile(r"[.*>%\s\x00-\x1f\x7f]|[^\x00-\x7f]")
_MAX_TOKEN = 1200
_INVENTORY_TOKENS = 5


class BadSubject(ValueError):
    """A text that cannot stand in a subject, or a subject of another shape."""


def encode(text: str) -> str:
    """Make any text one subject token: `. * > %`, white space and non-ASCII are percent-encoded."""
    if not text:
        raise BadSubject("an empty text cannot be a subject token")
    try:
        token = _ENCODED.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)
    except UnicodeEncodeError as error:
        raise BadSubject("half a character (a lone surrogate) cannot be sent") from error
    if len(token) > _MAX_TOKEN:
        raise BadSubject(f"a subject token of {len(token)} characters is too long")
    return token


def decode(token: str) -> str:
    return unquote(token)


def inventory(key: str) -> str:
    """``homelab.inv.<provider>.<source>.<kind>.<id>`` for a resource key."""
    return ".".join((ROOT, "inv", *(encode(part) for part in Key.parse(key))))


def inventory_of(provider: str, source: str) -> str:
    """The wildcard of all a source may say of its resources."""
    return f"{ROOT}.inv.{encode(provider)}.{encode(source)}.>"


def inventory_of_kind(provider: str, source: str, kind: str) -> str:
    return f"{ROOT}.inv.{encode(provider)}.{encode(source)}.{encode(kind)}.*"


def parse_inventory(subject: str) -> str:
    """Return the resource key that an inventory subject names."""
    root, *tokens = subject.split(".")
    if root != ROOT or tokens[:1] != ["inv"] or len(tokens) != _INVENTORY_TOKENS:
        raise BadSubject(f"not an inventory subject: {subject!r}")
    return "/".join(map(decode, tokens[1:]) if "%" in subject else tokens[1:])


class ScanSubject(NamedTuple):
    provider: str
    source: str
    scope: str


def scan(provider: str, source: str, scope: str) -> str:
    return f"{ROOT}.scan.{encode(provider)}.{encode(source)}.{encode(scope)}"


def scans_of(provider: str, source: str) -> str:
    return f"{ROOT}.scan.{encode(provider)}.{encode(source)}.>"


def parse_scan(subject: str) -> ScanSubject:
    match subject.split("."):
        case [str(root), "scan", provider, source, scope] if root == ROOT:
            return ScanSubject(decode(provider), decode(source), decode(scope))
    raise BadSubject(f"not a scan subject: {subject!r}")


def is_scan(subject: str) -> bool:
    return subject.startswith(f"{ROOT}.scan.")


def metrics(provider: str, source: str) -> str:
    return f"{ROOT}.metrics.{encode(provider)}.{encode(source)}"


def drift(severity: str, key: str) -> str:
    """``homelab.drift.<severity>.<provider>.<source>[.<kind>.<id>]``; a source itself may deviate."""
    return ".".join((ROOT, "drift", severity, *(encode(part) for part in key.split("/", 3))))


def command(provider: str, source: str) -> str:
    return f"{ROOT}.cmd.{encode(provider)}.{encode(source)}"


def control(provider: str, source: str, verb: str) -> str:
    """Core NATS request to an agent: ``rescan``, ``republish``, ``pause``, ``resume``."""
    return f"{ROOT}.ctl.{encode(provider)}.{encode(source)}.{verb}"


def controls_of(provider: str, source: str) -> str:
    return f"{ROOT}.ctl.{encode(provider)}.{encode(source)}.*"


def api(question_class: str, question: str) -> str:
    return f"{ROOT}.api.{question_class}.{question}"


def api_class(question_class: str) -> str:
    return f"{ROOT}.api.{question_class}.>"


def audit(question_class: str) -> str:
    return f"{ROOT}.audit.{question_class}"


def agent_key(provider: str, source: str) -> str:
    """The key of a source's heartbeat in the KV bucket ``agents``."""
    return f"{provider}.{source}"


def heartbeats_of(provider: str, source: str) -> str:
    """The subject that a KV put of the heartbeat publishes to."""
    return f"$KV.{AGENTS_BUCKET}.{agent_key(provider, source)}"
