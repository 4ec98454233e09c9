"""Clusters as the environment describes them: PROXMOX_CLUSTERS and PROXMOX_CLUSTER_<name>_*, or one PROXMOX_*.

Pure but for ``discover``.  A secret stays where it is: a configuration refers to the variable that holds it.  A
cluster with a fault is left out and told of; the others are whole.  A fault names a variable, never what it holds.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from pydantic import ValidationError

from agents.proxmox.config import ProxmoxConfig
from daemon.runtime import clusters, complaints
from daemon.runtime.config import Fault
from daemon.runtime.secrets import environment
from schemas.selection import source_name

_PREFIX = "PROXMOX_"
_OF_CLUSTER = "PROXMOX_CLUSTER"
_FIELDS = {
    "API_URL": "url",
    "TOKEN_ID": "token_id",
    "TOKEN_SECRET": "token_secret",
    "VERIFY": "verify",
    "CA": "ca",
    "FINGERPRINT": "fingerprint",
    "REGION": "region",
    "TIER": "tier",
    "DEFAULT_NODE": "default_node",
    "DEFAULT_STORAGE": "default_storage",
    "DEFAULT_BRIDGE": "default_bridge",
}
_NEEDED = ("API_URL", "TOKEN_ID", "TOKEN_SECRET")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_QUOTED = re.compile(r"'[^']*'")
_SELECTING = (clusters.LIST, clusters.DEFAULT, clusters.PATTERNS, clusters.VMIDS)
_ALIKE = 0.9
"""Above it, a name outside of a cluster is a mistyped one of ours; below it, it may be another program's."""


@dataclass(slots=True)
class Found:
    """``variables`` says of each source the variable that holds its address."""

    configs: list[ProxmoxConfig] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def complain(self, variable: str, text: str) -> None:
        self.faults.append(Fault(clusters.PLACE, 0, 0, variable, text))


def discover() -> Sequence[ProxmoxConfig]:
    """Return the clusters that the environment describes well."""
    return read(environment()).configs


def read(environ: Mapping[str, str], described: Sequence[str] = ()) -> Found:
    """Read all but the sources that are ``described`` elsewhere."""
    found = Found()
    said = {name: value.strip() for name, value in environ.items() if name.startswith(_PREFIX) and value.strip()}
    written = clusters.listed(said)
    unread = _unread(said, written)
    for name in _well_named(written, found):
        if source_name(name) not in described:
            _add(found, source_name(name), said, _prefixes(name), unread.get(name, {}))
    if not written and clusters.SINGLE not in described and any(_PREFIX + suffix in said for suffix in _NEEDED):
        _add(found, clusters.SINGLE, said, (_PREFIX,), _mistyped(said))
    for variable, meant in unread.get("", {}).items():
        found.complain(variable, f"is of no cluster that {clusters.LIST} names{_perhaps(meant)}")
    return found


def _well_named(written: Sequence[str], found: Found) -> Iterator[str]:
    for position, name in enumerate(written, 1):
        if not clusters.is_name(source_name(name)):
            found.complain(clusters.LIST, f"entry {position}: write letters, digits, - and _, at most 63")
        elif sum(source_name(other) == source_name(name) for other in written) > 1:
            found.complain(clusters.LIST, f"entry {position}: another entry makes the same source name")
        else:
            yield name


def _prefixes(name: str) -> tuple[str, ...]:
    """How a cluster's variables may begin: as it is written, in upper case, and each as a shell can set it."""
    shell = re.sub(r"[-.]", "_", name)
    return tuple(dict.fromkeys(f"{_OF_CLUSTER}_{one}_" for one in (name, name.upper(), shell, shell.upper())))


def _unread(said: Mapping[str, str], written: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return cluster -> variable that nobody reads -> the one that is probably meant; `""`: of no cluster."""
    owners = {prefix: name for name in written for prefix in _prefixes(name)}
    made: dict[str, dict[str, str]] = {}
    for variable in sorted(said.keys() - {*_SELECTING}):
        prefix = max((one for one in owners if variable.startswith(one)), default="")  # the longest: one begins another
        suffix = variable.removeprefix(prefix)
        if prefix and suffix not in _FIELDS:
            close = get_close_matches(suffix.upper(), _FIELDS, 1)
            made.setdefault(owners[prefix], {})[variable] = f"{prefix}{close[0]}" if close else ""
        elif not prefix:
            close = get_close_matches(variable, _SELECTING, 1, _ALIKE)
            if close or variable.startswith(_OF_CLUSTER):
                made.setdefault("", {})[variable] = close[0] if close else ""
    return made


def _mistyped(said: Mapping[str, str]) -> dict[str, str]:
    """Return what looks like one of the variables of a single cluster, and which."""
    ours = [_PREFIX + suffix for suffix in _FIELDS]
    others = (name for name in sorted(said) if name not in {*ours, *_SELECTING} and not name.startswith(_OF_CLUSTER))
    return {name: close[0] for name in others if (close := get_close_matches(name, ours, 1, _ALIKE))}


def _perhaps(meant: str) -> str:
    return f"; did you mean {meant}?" if meant else ""


def _add(
    found: Found, name: str, said: Mapping[str, str], prefixes: Sequence[str], unread: Mapping[str, str]
) -> None:  # fmt: skip
    """Add the source ``name``, whose variables begin with one of ``prefixes``; or every fault that it has."""
    spelt = {suffix: [prefix + suffix for prefix in prefixes] for suffix in _FIELDS}
    variables = {suffix: next((one for one in names if one in said), "") for suffix, names in spelt.items()}
    faults = [(spelt[suffix][0], "is missing") for suffix in _NEEDED if not variables[suffix]]
    faults += [(variable, f"nobody reads it{_perhaps(meant)}") for variable, meant in unread.items()]
    values: dict[str, object] = {"name": name}
    for suffix, variable in variables.items():
        if variable:
            values[_FIELDS[suffix]] = _value(suffix, variable, said[variable])
    try:
        config = ProxmoxConfig.model_validate(values)
    except ValidationError as error:
        of = {_FIELDS[suffix]: variable for suffix, variable in variables.items()}
        for path, text in complaints.of(error, ProxmoxConfig, values):
            if not text.endswith("is missing"):  # that was told
                variable = of[str(path[0])] if path else f"{prefixes[0]}*"
                faults.append((variable, _QUOTED.sub("...", text)))
    else:
        if not faults:
            found.configs.append(config)
            found.variables[name] = variables["API_URL"]
    for variable, text in faults:
        found.complain(variable, text)


def _value(suffix: str, variable: str, written: str) -> object:
    """Return what the configuration's field takes; a word that is no boolean stays one, and is refused there."""
    match suffix:
        case "TOKEN_SECRET":
            return f"env:{variable}"
        case "VERIFY":
            return _BOOLEANS.get(written.lower(), written)
        case "API_URL" | "FINGERPRINT":
            parts = tuple(part.strip() for part in written.split(","))
            return parts if len(parts) > 1 else written
    return written
