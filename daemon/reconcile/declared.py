"""What is declared, parsed once and kept as long as it does not change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from daemon.reconcile.actual import Actual
from daemon.reconcile.matching import matches
from daemon.store import declarations
from daemon.store.database import Connection
from daemon.store.declarations import Declared
from schemas.manifests import ExpectationManifest, MaintenanceWindow, PolicyManifest, PolicySpec
from schemas.selectors import Selector


@dataclass(frozen=True, slots=True)
class Policy:
    place: str
    spec: PolicySpec


@dataclass(frozen=True, slots=True)
class Index:
    """Expectations by the key they name, those that select, and policies."""

    fingerprint: tuple[int, int] = (0, 0)
    exact: dict[str, list[Declared]] = field(default_factory=dict)
    selecting: tuple[Declared, ...] = ()
    selectors: tuple[Selector, ...] = ()
    """Of ``selecting``, in the same order."""
    policies: tuple[Policy, ...] = ()
    asks_for_backups: bool = False
    """Some declaration says how old a backup may be."""

    def of(self, actual: Actual, places: Sequence[int] | None = None) -> list[Declared]:
        """Return the expectations that mean ``actual``; ``places`` are those of ``selecting``, where they are known."""
        if places is None:
            places = [place for place, one in enumerate(self.selectors) if matches(one, actual)]
        return [*self.exact.get(actual.key, ()), *(self.selecting[place] for place in places)]

    def policies_of(self, actual: Actual) -> list[Policy]:
        return [one for one in self.policies if one.spec.selector.is_empty or matches(one.spec.selector, actual)]

    @property
    def windows(self) -> tuple[MaintenanceWindow, ...]:
        return tuple(window for policy in self.policies for window in policy.spec.maintenance)


def index(declared: Iterable[Declared], fingerprint: tuple[int, int] = (0, 0)) -> Index:
    exact: dict[str, list[Declared]] = {}
    selecting: list[Declared] = []
    selectors: list[Selector] = []
    policies: list[Policy] = []
    asks = False
    for one in declared:
        if isinstance(one.manifest, ExpectationManifest) and one.manifest.spec.max_backup_age is not None:
            asks = True
        match one.manifest:
            case ExpectationManifest(spec=spec) if spec.key is not None:
                exact.setdefault(spec.key, []).append(one)
            case ExpectationManifest(spec=spec) if spec.selector is not None:
                selecting.append(one)
                selectors.append(spec.selector)
            case PolicyManifest(spec=policy):
                policies.append(Policy(one.place, policy))
    return Index(fingerprint, exact, tuple(selecting), tuple(selectors), tuple(policies), asks)


def load(con: Connection, before: Index | None) -> Index:
    """Return the index of what is declared now: ``before`` itself where nothing changed."""
    now = declarations.fingerprint(con)
    if before is not None and before.fingerprint == now:
        return before
    return index(declarations.fetch(con), now)
