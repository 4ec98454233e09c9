"""What a person should know of a cluster before relying on what is read of it: facts to findings, pure but ``check``.

A finding says what is wrong and what to do.  What could not be looked at because something else is wrong is none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import SecretStr

from agents.contract import Finding
from agents.errors import AgentError, Throttled, Unauthorized
from agents.proxmox import lost, rights
from agents.proxmox.config import ProxmoxConfig
from agents.proxmox.inspection import Entry, Facts, facts
from agents.proxmox.rights import NEEDED, Rights
from agents.proxmox.wire import ClusterRow
from daemon.runtime.clock import Clock
from schemas.events import Trouble

SKEW = timedelta(seconds=5)
EXPIRES_SOON = timedelta(days=14)
OLDEST_RELEASE = 8


async def check(config: ProxmoxConfig, token: Callable[[], SecretStr], clock: Clock) -> Sequence[Finding]:
    """Look at every url of ``config`` and at the nodes behind them; raises no ``AgentError``."""
    seen = await facts(config, token, clock)
    why = hopeless(seen.entries)
    return [
        replace(found, trouble=why) if found.outcome == "failed" else found
        for found in findings(config, seen, clock.now())
    ]


def findings(config: ProxmoxConfig, seen: Facts, now: datetime) -> Iterator[Finding]:
    yield reachable(seen.entries)
    for entry in seen.entries:
        yield from certificate(config, entry, now)
    yield from token(config, seen.entries)
    yield from privileges(seen.rights, config.token_id)
    good = [entry for entry in seen.entries if entry.trouble is None]
    yield from one_cluster(good)
    yield from quorum(good)
    yield from clock_skew(seen)
    yield from versions({one.name: one.version for one in seen.nodes} or {one.url: one.version for one in good})


def hopeless(entries: Sequence[Entry]) -> Trouble | None:
    """Return why nothing can be read, if no url can be used; a refusal by one is that of all."""
    troubles = [one.trouble.trouble for one in entries if one.trouble is not None]
    if len(troubles) < len(entries):
        return None
    return Trouble.UNAUTHORIZED if Trouble.UNAUTHORIZED in troubles else troubles[0]


# --- each url --------------------------------------------------------------------------------------------------------


def reachable(entries: Sequence[Entry]) -> Finding:
    """A url that refuses the token, or whose certificate is not trusted, is reachable."""
    silent = {
        one.url: one.trouble for one in entries if one.trouble is not None and not isinstance(one.trouble, Unauthorized)
    }
    answering = [one.url for one in entries if one.url not in silent]
    errors = [*silent.values()]
    if not silent:
        how = "it answers" if len(answering) == 1 else "all answer"
        return Finding("reachable", "ok", f"{', '.join(answering)}: {how}")
    if not answering:
        busy = all(isinstance(error, Throttled) for error in errors)
        return Finding("reachable", "warning" if busy else "failed", lost.every(errors))
    return Finding("reachable", "warning", f"{len(silent)} of {len(entries)} urls cannot be used: {lost.each(errors)}")


def certificate(config: ProxmoxConfig, entry: Entry, now: datetime) -> Iterator[Finding]:
    """One finding per url that shows one."""
    shown = entry.certificate
    if shown is None:
        return
    until = "" if shown.valid_until is None else f", valid until {shown.valid_until:%Y-%m-%d}"
    told = f"{entry.url}: SHA-256 {shown.fingerprint}{until}"
    if not shown.trusted:
        why = entry.trouble if isinstance(entry.trouble, Unauthorized) else "it is not trusted"
        yield Finding("certificate", "failed", f"{told}; {why}")
    elif shown.valid_until is not None and shown.valid_until - now < EXPIRES_SOON:
        over = "has expired" if shown.valid_until < now else "ends soon"
        yield Finding("certificate", "warning", f"{told}: it {over}; on the node: pvecm updatecerts --force")
    elif not config.verify:
        yield Finding("certificate", "warning", f"{told}; not verified (verify: false): pin it with `fingerprint:`")
    else:
        yield Finding("certificate", "ok", f"{told}; {_trust(config)}")


def _trust(config: ProxmoxConfig) -> str:
    if config.fingerprint is not None:
        return "it is the one that is pinned"
    return f"signed by who is in {config.ca}" if config.ca is not None else "signed by an authority this machine trusts"


def token(config: ProxmoxConfig, entries: Sequence[Entry]) -> Iterator[Finding]:
    """What refuses it is the same at every node; a certificate that is not trusted is another finding."""
    refused = [one for one in entries if isinstance(one.trouble, Unauthorized) and _is_trusted(one)]
    if refused:
        yield Finding("token", "failed", str(refused[0].trouble))
    elif any(one.trouble is None for one in entries):
        user, _, name = config.token_id.rpartition("!")
        privsep = "whether it is privilege-separated cannot be seen with it"
        yield Finding("token", "ok", f"{name} of {user} is accepted; {privsep}")


def _is_trusted(entry: Entry) -> bool:
    return entry.certificate is None or entry.certificate.trusted


# --- what may be read ------------------------------------------------------------------------------------------------


def privileges(granted: Rights | AgentError | None, token_id: str) -> Iterator[Finding]:
    """One finding per privilege that is missing; what is optional is told and is well."""
    if granted is None:
        return
    if isinstance(granted, AgentError):
        yield Finding("privileges", "warning", f"they cannot be seen: {granted}")
        return
    if not any(granted.granted.values()):
        command = rights.advice(token_id, "VM.Audit")
        yield Finding("privileges", "failed", f"the token {token_id} may read nothing at all; {command}")
        return
    missing = [need for need in NEEDED if not need.met(granted)]
    for need in missing:
        told = rights.detail(need, granted, token_id)
        yield Finding(
            "privileges", "ok" if need.optional else "warning", f"optional: {told}" if need.optional else told
        )
    if all(need.optional for need in missing):
        yield Finding("privileges", "ok", "all that is needed may be read")


# --- the cluster behind them -----------------------------------------------------------------------------------------


def one_cluster(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Several urls have to lead to different nodes of one cluster."""
    told = {one.url: one.rows for one in entries if one.rows}
    clusters = {url: (_name(rows), tuple(sorted(_nodes(rows)))) for url, rows in told.items()}
    if len(set(clusters.values())) > 1:
        where = "; ".join(f"{url} to {name} ({', '.join(nodes)})" for url, (name, nodes) in clusters.items())
        yield Finding("cluster", "failed", f"the urls lead to different clusters: {where}; make a source of each")
        return
    local: dict[str, list[str]] = {}
    for url, rows in told.items():
        for row in rows:
            if row.type == "node" and row.local:
                local.setdefault(row.name, []).append(url)
    for name, urls in local.items():
        if len(urls) > 1:
            yield Finding("cluster", "warning", f"{' and '.join(urls)} are the same node {name}: one helps no other")


def quorum(entries: Sequence[Entry]) -> Iterator[Finding]:
    told = [one for one in entries if one.rows]
    if not told:
        if entries:
            yield Finding("quorum", "warning", "membership and quorum cannot be seen without Sys.Audit on /")
        return
    cut_off = [one.url for one in told if not all(row.quorate for row in one.rows or () if row.type == "cluster")]
    rows = next((one.rows for one in told if one.url not in cut_off), told[0].rows) or ()
    offline = sorted(row.name for row in rows if row.type == "node" and not row.online)
    there = f"{len(_nodes(rows)) - len(offline)} of {len(_nodes(rows))} nodes are online"
    if cut_off:
        yield Finding("quorum", "failed", f"no quorum at {' and '.join(cut_off)}: {there}; see pvecm status there")
    elif offline:
        yield Finding("quorum", "warning", f"{there}: not {', '.join(offline)}")
    elif any(row.type == "cluster" for row in rows):
        yield Finding("quorum", "ok", f"{_name(rows)} is quorate, {there}")
    else:
        yield Finding("quorum", "ok", f"{_name(rows)} stands alone, there is no cluster")


def _name(rows: Sequence[ClusterRow]) -> str:
    named = sorted(rows, key=lambda row: row.type != "cluster")
    return named[0].name if named else ""


def _nodes(rows: Sequence[ClusterRow]) -> list[str]:
    return [row.name for row in rows if row.type == "node"]


def clock_skew(seen: Facts) -> Iterator[Finding]:
    """Of the nodes where they told the time, else of those that were asked."""
    measured = {one.name: (one.skew, one.slack) for one in seen.nodes if one.skew is not None}
    if not measured:
        measured = {one.url: (one.skew, timedelta()) for one in seen.entries if one.skew is not None}
    off = {name: skew for name, (skew, slack) in measured.items() if abs(skew) - slack > SKEW}
    if off:
        told = ", ".join(f"{name} {_off(skew)}" for name, skew in off.items())
        yield Finding(
            "clock", "warning", f"{told} of this machine: what happened when is told wrongly; is NTP running?"
        )
    elif measured:
        yield Finding("clock", "ok", f"no more than {SKEW.total_seconds():g} s off on {', '.join(measured)}")


def _off(skew: timedelta) -> str:
    seconds = round(skew.total_seconds())
    return f"{abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}"


def versions(told: Mapping[str, str]) -> Iterator[Finding]:
    """``told``: node -> version, empty where it is not known."""
    by_version: dict[str, list[str]] = {}
    for name, version in sorted(told.items()):
        by_version.setdefault(version, []).append(name)
    silent = by_version.pop("", [])
    if not by_version:
        return
    listed = "; ".join(f"{version} on {', '.join(names)}" for version, names in sorted(by_version.items()))
    unknown = f"; not known of {', '.join(silent)}" if silent else ""
    if any(_release(version) < OLDEST_RELEASE for version in by_version):
        yield Finding("version", "warning", f"{listed}{unknown}: Proxmox VE before {OLDEST_RELEASE} is not supported")
    elif len(by_version) > 1:
        yield Finding("version", "warning", f"nodes run different versions: {listed}{unknown}")
    else:
        yield Finding("version", "ok", f"{listed}{unknown}")


def _release(version: str) -> int:
    """One that does not say is taken for new."""
    first = version.partition(".")[0]
    return int(first) if first.isdecimal() else OLDEST_RELEASE
