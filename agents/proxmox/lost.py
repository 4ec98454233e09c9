"""Why several nodes of a cluster do not answer, in one sentence: what is the same of some is said once.  Pure."""

from collections.abc import Sequence

from agents.errors import AgentError
from agents.proxmox.troubles import EntryLost


def every(errors: Sequence[AgentError]) -> str:
    """Say why none of them answers."""
    if len(errors) == 1:
        return str(errors[0])
    urls, why = _alike(errors)[0]
    if len(urls) == len(errors):
        return f"none of {', '.join(urls)} answers: {why}"
    return f"none of {len(errors)} nodes answers: {each(errors)}"


def each(errors: Sequence[AgentError]) -> str:
    """Say of each of them why it does not answer."""
    return "; ".join(f"{', '.join(urls)}: {why}" if len(urls) > 1 else why for urls, why in _alike(errors))


def _alike(errors: Sequence[AgentError]) -> list[tuple[list[str], str]]:
    """Return urls and why they do not answer; of one that is alone in it, the whole sentence."""
    found: dict[str, list[AgentError]] = {}
    for error in errors:
        found.setdefault(error.why if isinstance(error, EntryLost) else str(error), []).append(error)
    return [
        ([one.url for one in some if isinstance(one, EntryLost)], why if len(some) > 1 else str(some[0]))
        for why, some in found.items()
    ]
