"""What configuration and environment say of clusters: which there are, and how the one that is meant is told.

The file counts for more than the environment, entry by entry.  A fault names a variable, never what it holds.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from daemon.runtime import complaints
from daemon.runtime.config import Fault
from schemas.base import Token
from schemas.config import HomelabConfig
from schemas.selection import PROVIDER, Clusters, ClustersConfig, source_name

LIST = "PROXMOX_CLUSTERS"
DEFAULT = "PROXMOX_DEFAULT_CLUSTER"
PATTERNS = "PROXMOX_CLUSTER_PATTERNS"
VMIDS = "PROXMOX_CLUSTER_VMIDS"
SINGLE = "pve"
"""The source that PROXMOX_API_URL alone stands for."""
SINGLE_URL = "PROXMOX_API_URL"
_EXAMPLES = {PATTERNS: '{"prod-": "a"}', VMIDS: '{"100-199": "a"}'}
PLACE = "environment"
_token: TypeAdapter[str] = TypeAdapter(Token)


def listed(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names in PROXMOX_CLUSTERS as they are written."""
    return tuple(dict.fromkeys(name for part in environ.get(LIST, "").split(",") if (name := part.strip())))


def names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the sources that the environment speaks of, also those that it describes badly."""
    written = listed(environ) or ((SINGLE,) if environ.get(SINGLE_URL, "").strip() else ())
    return tuple(dict.fromkeys(name for one in written if is_name(name := source_name(one))))


def is_name(text: str) -> bool:
    try:
        _token.validate_python(text)
    except ValidationError:
        return False
    return True


def known(config: HomelabConfig, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the clusters of the environment and of a configuration, without those that it switches off."""
    entries = {str(one["name"]): one for one in config.sources or () if one.get("provider") == PROVIDER}
    off = {name for name, one in entries.items() if one.get("enabled") is False}
    return tuple(name for name in dict.fromkeys((*names(environ), *entries)) if name not in off)


def read(config: HomelabConfig, environ: Mapping[str, str]) -> tuple[Clusters, list[Fault]]:
    faults: list[Fault] = []
    there = known(config, environ)

    def complain(variable: str, text: str) -> None:
        faults.append(Fault(PLACE, 0, 0, variable, text))

    patterns = _entries(environ, PATTERNS, "patterns", there, complain)
    vmids = _entries(environ, VMIDS, "vmids", there, complain)
    said = config.clusters
    clusters = Clusters(
        names=there, patterns=patterns | said.patterns, vmids=vmids | said.vmids,
        default=said.default or _default(environ, there, complain),
    )  # fmt: skip
    return clusters, faults


def _default(environ: Mapping[str, str], there: tuple[str, ...], complain: Callable[[str, str], None]) -> str | None:
    written = source_name(environ.get(DEFAULT, ""))
    if written and written not in there:
        complain(DEFAULT, complaints.no_cluster(there))
        return None
    return written or None


def _entries(
    environ: Mapping[str, str], variable: str, field: str, there: tuple[str, ...], complain: Callable[[str, str], None]
) -> dict[str, str]:
    """Read a JSON object whose values are clusters; an entry with a fault is left out."""
    text = environ.get(variable, "").strip()
    if not text:
        return {}
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        where = "in a .env file on one line, or within single quotation marks"
        complain(variable, f"must be a JSON object such as {_EXAMPLES[variable]}; {where}")
        return {}
    found: dict[str, str] = {}
    for number, (key, name) in enumerate(said.items(), 1):
        entry = {key: source_name(name) if isinstance(name, str) else name}
        if fault := _fault(field, entry, there):
            complain(variable, f"entry {number}: {fault}")
        else:
            found |= entry
    return found


def _fault(field: str, entry: dict[str, Any], there: tuple[str, ...]) -> str:
    try:
        said = ClustersConfig.model_validate({field: entry})
    except ValidationError as error:
        return next(text for _, text in complaints.of(error, ClustersConfig, {field: entry}))
    return next((text for _, text in complaints.of_clusters(said, there)), "")
