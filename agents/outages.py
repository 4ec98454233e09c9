"""What one source cannot be read for: logged when it begins, however many scopes it strikes, and when all are back."""

from dataclasses import dataclass, field

import structlog

from schemas.events import Trouble

Reason = tuple[Trouble, str]
"""A trouble and how it is told."""


@dataclass(slots=True)
class Outages:
    source: str
    _reasons: dict[str, Reason] = field(default_factory=dict)
    """Scope that cannot be read -> what it was lost for."""
    _struck: dict[Reason, dict[str, int]] = field(default_factory=dict)
    """Each scope that was lost for it, and how often its reading had failed when it was back."""

    def begin(self, scope: str, trouble: Trouble, detail: str) -> None:
        """``scope`` could be read and cannot."""
        reason = self._reasons[scope] = trouble, detail
        if reason not in self._struck:
            log.warning("source_lost", source=self.source, scope=scope, trouble=trouble, detail=detail)
        self._struck.setdefault(reason, {})[scope] = 0

    def end(self, scope: str, failures: int) -> list[str]:
        """``scope`` can be read again; return those that were lost for the same and are not."""
        reason = self._reasons.pop(scope, None)
        if reason is None:
            return []
        struck = self._struck[reason]
        struck[scope] = failures
        remaining = [other for other, why in self._reasons.items() if why == reason]
        if not remaining:
            del self._struck[reason]
            log.info("source_recovered", source=self.source, scopes=list(struck), failures=max(struck.values()))
        return remaining


log = structlog.get_logger(__name__)
